"""TCP to the appliance: directly, or by CONNECT through the proxy that the machine's settings name."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import trio

from clients.customer.net.trouble import Trouble

CONNECT_SECONDS = 15.0
MAX_PROXY_ANSWER = 16 * 1024
UNSENT_BYTES = 128 * 1024
"""What the kernel may hold unsent, so that what is urgent does not wait behind a whole socket buffer."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `credentials`: "user:password" or empty; never printed."""

    host: str
    port: int
    credentials: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def proxy_for(host: str) -> Proxy | None:
    """The proxy that the environment (on Windows and macOS the system's settings) names for `host`.

    Raises Trouble("proxy_setting") when it cannot be understood.
    """
    import urllib.request  # 25 ms that only this function needs

    proxies = urllib.request.getproxies()
    setting = proxies.get("https") or proxies.get("all")
    if not setting or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(setting if "://" in setting else f"http://{setting}")
    try:
        port = parts.port or 80
    except ValueError as error:
        raise Trouble("proxy_setting") from error
    if parts.scheme != "http" or not parts.hostname:
        raise Trouble("proxy_setting")
    credentials = ""
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(parts.hostname, port, credentials)


async def dial(host: str, port: int, proxy: Proxy | None) -> socket.socket:
    """A connected, non-blocking socket to `host`, through `proxy` if there is one. Raises Trouble."""
    first_host, first_port = (proxy.host, proxy.port) if proxy else (host, port)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream = await trio.open_tcp_stream(first_host, first_port)
            if proxy:
                try:
                    await _connect_through(stream, proxy, host, port)
                except BaseException:
                    await trio.aclose_forcefully(stream)
                    raise
    except trio.TooSlowError as error:
        raise Trouble("proxy_unreachable" if proxy else "unreachable", host=first_host) from error
    except OSError as error:
        if proxy:
            raise Trouble("proxy_unreachable", host=first_host) from error
        raise Trouble("name" if _is_name_error(error) else "unreachable", host=first_host) from error
    sock = socket.socket(fileno=stream.socket.detach())
    sock.setblocking(False)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return sock


def _is_name_error(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) or isinstance(error.__cause__, socket.gaierror)


async def _connect_through(stream: trio.SocketStream, proxy: Proxy, host: str, port: int) -> None:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.credentials:
        request += f"Proxy-Authorization: Basic {base64.b64encode(proxy.credentials.encode()).decode()}\r\n"
    await _send(stream, f"{request}\r\n".encode("ascii", "replace"))
    answer = b""
    # Nothing can follow the answer: on this connection the client speaks first.
    while b"\r\n\r\n" not in answer:
        more = await _receive(stream)
        answer += more
        if not more or len(answer) > MAX_PROXY_ANSWER:
            raise Trouble("proxy_answer", host=proxy.host)
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not status[1].isdigit():
        raise Trouble("proxy_answer", host=proxy.host)
    code = int(status[1])
    if code == 407:
        raise Trouble("proxy_login", host=proxy.host)
    if not 200 <= code < 300:
        raise Trouble("proxy_refused", host=proxy.host, status=code)


async def _send(stream: trio.SocketStream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except trio.BrokenResourceError as error:
        raise OSError("proxy closed the connection") from error


async def _receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(4096))
    except trio.BrokenResourceError as error:
        raise OSError("proxy closed the connection") from error
