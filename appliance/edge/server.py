"""The listeners, and a connection's way in."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from appliance.edge.certificates import Certificates
from appliance.edge.config import EdgeConfig, EdgeError
from appliance.edge.guard import AsgiApp, Guard
from appliance.edge.http import HttpServer, hypercorn_config
from appliance.edge.limits import ConnectionLimit, RequestRate
from appliance.edge.proxy import ProxyError, plain, read_proxied
from appliance.edge.tls import Address, TlsStream, prepare
from appliance.edge.tunnel import tunnel

log = logging.getLogger("beistand.edge")

BACKLOG = 1024
ACCEPT_AT_ONCE = 32
"""Connections accepted in a row before others get their turn."""
_OUT_OF_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

WireHandler = Callable[[Any], Awaitable[None]]
"""Serves one WireStream; it is closed when the handler returns."""


async def serve_edge(
    config: EdgeConfig,
    *,
    web: AsgiApp,
    wire: WireHandler,
    task_status: trio.TaskStatus[list[tuple[str, int]]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status.started` gets the addresses listened on.

    `web` is an ASGI application without lifespan. Its scope has the peer's real address as `client`, and in `state` a
    function `authenticated`, which ends the counting of this connection among its address's; a stream given to `wire`
    has a method of that name. Raises EdgeError when it can't start.
    """
    listeners = await open_listeners(config)
    try:
        edge = _Edge(config, web, wire)
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(edge.accept, listener, nursery)
            task_status.started([listener.getsockname()[:2] for listener in listeners])
    finally:
        for listener in listeners:
            listener.close()


async def open_listeners(config: EdgeConfig) -> list[socket.socket]:
    """The sockets to accept from, listening. Raises EdgeError."""
    listeners: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for descriptor in config.descriptors:
            listener = socket.socket(fileno=descriptor)
            listener.setblocking(False)
            listeners.append(listener)
        for host, port in config.listen:
            opened = await _listen(host, port)
            for listener in opened:
                undo.callback(listener.close)
            listeners += opened
        undo.pop_all()
    return listeners


async def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of `host`; one port for all of them, also when any will do."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = await trio.socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise EdgeError("edge.address_unknown", address=address) from error
    listeners: list[socket.socket] = []
    for family, _type, _protocol, _name, place in sorted(found, key=lambda info: info[0]):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((place[0], port, *place[2:]))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if listeners and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # a machine without IPv6 still has ::1 for localhost in its hosts file
            for opened in listeners:
                opened.close()
            code = "edge.port_in_use" if error.errno == errno.EADDRINUSE else "edge.port_not_allowed"
            raise EdgeError(code, address=address, error=error.strerror or str(error)) from error
        listeners.append(listener)
        port = listener.getsockname()[1]
    return listeners


class _Edge:
    def __init__(self, config: EdgeConfig, web: AsgiApp, wire: WireHandler) -> None:
        limits = config.limits
        self._config = config
        self._limits = limits
        self._wire = wire
        try:
            self._certificates = Certificates(
                config.web, config.wire, wire_name=config.wire_name, wire_alpn=config.wire_alpn
            )
        except OSError as error:
            raise EdgeError("edge.certificate", path=str(config.web.chain), error=str(error)) from error
        self._connections = ConnectionLimit(limits.connections, limits.connections_an_address)
        self._hypercorn = hypercorn_config(limits)
        self._app = Guard(
            web,
            tunnel(lambda: self._certificates.wire, config.wire_alpn, limits, wire),
            config.host_names,
            RequestRate(limits.requests_a_second, limits.requests_at_once, trio.current_time),
        )

    async def accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        """Accept connections, each served in `nursery`."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            for _ in range(ACCEPT_AT_ONCE):
                try:
                    sock, peer = listener.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in _OUT_OF_ROOM:
                        log.error("No connection can be accepted: %s", error)
                        await trio.sleep(0.1)
                        break
                    continue  # this one left before it was accepted
                nursery.start_soon(self._connection, sock, peer)

    async def _connection(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        """Serve one connection. Whatever goes wrong in it ends it, and nothing else."""
        try:
            with sock:
                await self._admit(sock, peer)
        except* Exception:
            log.exception("A connection from %s ended by an error.", peer[0])

    async def _admit(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        try:
            prepare(sock)
            local = sock.getsockname()
        except OSError:
            return  # left already
        address = Address(plain(peer[0]), peer[1], plain(local[0]), local[1])
        if self._is_proxy(address.host):
            if self._connections.full():
                return
            with trio.move_on_after(self._limits.proxy_seconds) as reading:
                try:
                    address = await read_proxied(sock, address)
                except ProxyError as error:
                    log.warning("The proxy at %s speaks no PROXY protocol v2: %s", address.host, error)
                    return
            if reading.cancelled_caught:
                return
        place = self._connections.enter(address.host)
        if place is None:
            return
        try:
            await self._serve(sock, address, place.authenticated)
        finally:
            place.leave()

    def _is_proxy(self, host: str) -> bool:
        return bool(self._config.proxies) and any(
            ipaddress.ip_address(host) in network for network in self._config.proxies
        )

    async def _serve(self, sock: socket.socket, address: Address, authenticated: Callable[[], None]) -> None:
        try:
            tls = self._certificates.current().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):
            return
        stream = TlsStream(
            tls,
            address,
            handshake_seconds=self._limits.handshake_seconds,
            stall_seconds=self._limits.stall_seconds,
            authenticated=authenticated,
        )
        try:
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError:
                return
            if not self._certificates.is_wire(stream.context):
                await HttpServer(self._app, self._hypercorn, self._limits, stream).run()
            elif stream.selected_alpn_protocol() == self._config.wire_alpn:
                await self._wire(stream)
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()
