"""The customer's engine against the real edge and the real broker, straight and past a proxy that inspects TLS."""

from __future__ import annotations

import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from appliance.wire.start_file import StartInfo
from clients.customer.net.dial import Proxy, dial, proxy_for
from clients.customer.net.route import Route
from clients.customer.net.trouble import Trouble
from tests.support.customer_appliance import Certificates, make_certificates
from tests.support.edge import RunningEdge, running_edge

SECRET = b"what only the two ends may read"


def start_for(edge: RunningEdge) -> StartInfo:
    return StartInfo(server=f"localhost:{edge.port}", pins=edge.ca.fingerprints(), token="start-token", language="en")


async def echoed(route: Route, data: bytes) -> bytes:
    """Send `data` over a new wire and read as much back."""
    wire = await route.connect()
    got = b""
    buffer = memoryview(bytearray(64 * 1024))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.stream.send_all, data)
        while len(got) < len(data):
            await wire.stream.wait_readable()
            size = wire.stream.receive_now(buffer)
            assert size != 0
            got += buffer[: size or 0]
    await wire.stream.aclose()
    return got


@dataclass
class InspectingProxy:
    """An HTTP proxy that opens TLS with a certificate of its own and lets only HTTP through, and what it has read."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    read: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def inspecting_proxy(certificates: Certificates, *, inspect: bool = True) -> AsyncIterator[InspectingProxy]:
    proxy = InspectingProxy()
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(certificates.chain, certificates.key)
    outside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    outside.check_hostname, outside.verify_mode = False, ssl.CERT_NONE
    outside.set_alpn_protocols(["http/1.1"])

    async def pump(source: trio.abc.ReceiveStream, target: trio.abc.SendStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                proxy.read += data
                await target.send_all(data)

    async def serve(client: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await client.receive_some(4096)
        proxy.asked.append(head.split(b"\r\n")[0])
        assert b"Cookie" not in head
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        try:
            server = await trio.open_tcp_stream(host, int(port))
        except OSError:
            await client.send_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            await client.aclose()
            return
        await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        near: trio.abc.Stream = client
        far: trio.abc.Stream = server
        if inspect:
            near = trio.SSLStream(client, inside, server_side=True, https_compatible=True)
            far = trio.SSLStream(server, outside, server_hostname=host, https_compatible=True)
        async with near, far:
            with contextlib.suppress(trio.BrokenResourceError):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pump, near, far)
                    await pump(far, near)
                    nursery.cancel_scope.cancel()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield proxy
        nursery.cancel_scope.cancel()


@pytest.fixture(scope="module")
def proxys_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("proxy"), name="localhost")


async def test_the_real_edge_is_reached_straight(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with running_edge(tmp_path) as edge:
            data = SECRET * 20_000
            assert await echoed(Route(start_for(edge), proxy=lambda _host: None), data) == data


async def test_a_plain_proxy_is_gone_through(tmp_path: Path, proxys_certificates: Certificates) -> None:
    with trio.fail_after(20):
        async with running_edge(tmp_path) as edge, inspecting_proxy(proxys_certificates, inspect=False) as proxy:
            route = Route(start_for(edge), proxy=lambda _host: Proxy("127.0.0.1", proxy.port, "anna:secret"))
            assert await echoed(route, SECRET) == SECRET
            assert proxy.asked == [f"CONNECT localhost:{edge.port} HTTP/1.1".encode()] * 2
            assert SECRET not in proxy.read


async def test_a_proxy_that_opens_tls_carries_the_session_and_reads_nothing(
    tmp_path: Path, proxys_certificates: Certificates
) -> None:
    with trio.fail_after(30):
        async with running_edge(tmp_path) as edge, inspecting_proxy(proxys_certificates) as proxy:
            route = Route(start_for(edge), proxy=lambda _host: Proxy("127.0.0.1", proxy.port))
            data = SECRET * 20_000
            assert await echoed(route, data) == data
            assert b"GET /wire HTTP/1.1" in proxy.read
            assert b"Origin" not in proxy.read
            assert SECRET not in proxy.read
            asked = len(proxy.asked)
            assert await echoed(route, SECRET) == SECRET
            assert len(proxy.asked) == asked + 1, "the way that worked is taken at once the next time"


async def test_a_proxy_that_lets_nothing_through_is_told_in_words(proxys_certificates: Certificates) -> None:
    with trio.fail_after(30):
        async with inspecting_proxy(proxys_certificates) as proxy:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            closed = listeners[0].socket.getsockname()[1]
            await listeners[0].aclose()
            start = StartInfo(server=f"localhost:{closed}", pins=(bytes(32),), token="start-token")
            with pytest.raises(Trouble) as raised:
                await Route(start, proxy=lambda _host: Proxy("127.0.0.1", proxy.port)).connect()
    assert raised.value.code == "client.trouble.proxy_refused"
    assert raised.value.args_for_words["status"] == 502


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, Proxy("proxy", 3128)),
        ({"HTTPS_PROXY": "proxy:3128"}, Proxy("proxy", 3128)),
        ({"all_proxy": "http://anna:p%40ss@proxy"}, Proxy("proxy", 80, "anna:p@ss")),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "help.example.com"}, None),
        ({"http_proxy": "http://proxy:3128"}, None),
    ],
)
def test_the_environments_proxy_is_used(
    environment: dict[str, str], found: Proxy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("help.example.com") == found


@pytest.mark.parametrize("setting", ["socks5://proxy:1080", "http://proxy:port", "http://"])
def test_a_proxy_setting_that_cannot_be_used_is_said_in_words(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", setting)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(Trouble) as raised:
        proxy_for("help.example.com")
    assert raised.value.code == "client.trouble.proxy_setting"


async def test_a_name_that_is_not_found_is_told_from_a_machine_that_is_silent() -> None:
    with pytest.raises(Trouble) as raised:
        await dial("no-such-host.invalid", 443, None)
    assert raised.value.code == "client.trouble.name"
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(Trouble) as raised:
        await dial("127.0.0.1", port, None)
    assert raised.value.code == "client.trouble.unreachable"


async def test_a_proxy_gets_its_credentials(proxys_certificates: Certificates) -> None:
    heads: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            heads.append(await stream.receive_some(4096))
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        proxy = Proxy("127.0.0.1", listeners[0].socket.getsockname()[1], "anna:geheim")
        (await dial("2001:db8::1", 443, proxy)).close()
        nursery.cancel_scope.cancel()
    assert heads[0].startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n")
    assert base64.b64encode(b"anna:geheim") in heads[0]
