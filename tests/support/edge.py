"""A real edge on a free port of this machine, and clients for it."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.edge import EdgeConfig, Limits, serve_edge
from appliance.edge.tls import Address, TlsStream, prepare
from appliance.identity.device_ca import DeviceCa
from appliance.wire.messages import ALPN, WIRE_SERVER_NAME


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers a request with its path and its client, and echoes on WebSockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = f"{scope['method']} {scope['path']} from {scope['client'][0]} with {size}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(stream: Any) -> None:
    """A wire handler that sends back what it gets."""
    buffer = memoryview(bytearray(256 * 1024))
    with contextlib.suppress(trio.BrokenResourceError):
        while True:
            await stream.wait_readable()
            size = stream.receive_now(buffer)
            if size == 0:
                return
            if size is not None:
                await stream.send_all(buffer[:size])


@dataclass(frozen=True)
class RunningEdge:
    """An edge that serves, with its authority."""

    port: int
    ca: DeviceCa
    folder: Path
    bound: list[tuple[str, int]]
    nursery: trio.Nursery
    _serving: trio.CancelScope
    _stopped: trio.Event
    clients: list[TlsStream | socket.socket] = field(default_factory=list)

    async def stop(self) -> None:
        """Stop serving, while the clients stay as they are."""
        self._serving.cancel()
        await self._stopped.wait()

    def trusting(self, alpn: str | None = "http/1.1") -> ssl.SSLContext:
        """A client's context that trusts the device's authority."""
        context = ssl.create_default_context(cafile=str(self.ca.wire_certificate().chain))
        if alpn is not None:
            context.set_alpn_protocols([alpn])
        return context

    async def raw(self, host: str = "127.0.0.1") -> socket.socket:
        """A TCP connection, non-blocking."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((host, self.port))
        await trio.lowlevel.wait_writable(sock)
        self.clients.append(sock)
        return sock

    async def tls(
        self, name: str | None = "localhost", alpn: str | None = "http/1.1", sock: socket.socket | None = None
    ) -> TlsStream:
        """A TLS connection whose certificate was checked against `name`; unchecked when that is None."""
        sock = sock or await self.raw()
        prepare(sock)
        context = self.trusting(alpn)
        if name is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        stream = TlsStream(tls, Address("127.0.0.1", self.port, "", 0), handshake_seconds=5, stall_seconds=15)
        self.clients.append(stream)
        await stream.do_handshake()
        return stream

    async def shake_hands(self, context: ssl.SSLContext, name: str, sock: socket.socket) -> None:
        """A client's handshake and nothing else. Raises ssl.SSLError."""
        tls = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        self.clients.append(tls)
        with trio.fail_after(5):
            while True:
                try:
                    return tls.do_handshake()
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(tls)

    async def wire(self) -> TlsStream:
        """A connection of the session protocol."""
        return await self.tls(WIRE_SERVER_NAME, ALPN)

    async def ask(self, request: bytes, stream: TlsStream | None = None, seconds: float = 10) -> bytes:
        """Everything that comes back for `request` until the server closes, or the answer of known length is whole."""
        stream = stream or await self.tls()
        await stream.send_all(request)
        answer = b""
        with trio.fail_after(seconds), contextlib.suppress(trio.BrokenResourceError):
            while part := await stream.receive_some():
                answer += part
                head, found, body = answer.partition(b"\r\n\r\n")
                if found and head.startswith(b"HTTP/1.1 101"):
                    break
                lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if found and lengths and len(body) >= int(lengths[0]):
                    break
        return answer


Handler = Callable[[Any], Awaitable[None]]


@contextlib.asynccontextmanager
async def running_edge(
    folder: Path, *, web: Any = hello, wire: Handler = echo, **settings: Any
) -> AsyncIterator[RunningEdge]:
    """An edge for localhost; `settings` are EdgeConfig's and Limits' fields, `certificate` for EdgeConfig.web."""
    ca = DeviceCa.open(folder / "ca", time.time)
    limit_names = {field.name for field in dataclasses.fields(Limits)}
    limits = Limits(**{name: settings.pop(name) for name in list(settings) if name in limit_names})
    config = {
        "listen": (("127.0.0.1", 0),),
        "web": ca.web_certificate(["support.example.com"]),
        "wire": ca.wire_certificate(),
        "host_names": lambda: frozenset({"localhost", "support.example.com"}),
        "limits": limits,
    }
    if "certificate" in settings:
        settings["web"] = settings.pop("certificate")
    if "proxies" in settings:
        settings["proxies"] = tuple(ipaddress.ip_network(network) for network in settings["proxies"])
    serving, stopped = trio.CancelScope(), trio.Event()

    async def serve(task_status: trio.TaskStatus[list[tuple[str, int]]]) -> None:
        with serving:
            await serve_edge(EdgeConfig(**(config | settings)), web=web, wire=wire, task_status=task_status)
        stopped.set()

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve)
        edge = RunningEdge(bound[0][1], ca, folder, bound, nursery, serving, stopped)
        try:
            yield edge
        finally:
            for client in edge.clients:
                client.cut() if isinstance(client, TlsStream) else client.close()
            nursery.cancel_scope.cancel()
