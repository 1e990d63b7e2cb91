"""`/wire`: the session protocol inside a WebSocket, with the real client at its other end."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.wire.start_file import StartInfo
from clients.customer.net.dial import Proxy
from clients.customer.net.route import Route
from clients.customer.net.tunnel import TunnelStream
from tests.support.edge import RunningEdge, echo, running_edge

MITMPROXY = "mitmproxy==11.0.2"
UPGRADE = (
    b"GET /wire HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def route(edge: RunningEdge, proxy: Proxy | None = None) -> Route:
    """A client's way to `edge`."""
    start = StartInfo(server=f"localhost:{edge.port}", pins=edge.ca.fingerprints(), token="token", language="en")
    return Route(start, proxy=lambda _host: proxy)


async def said_and_echoed(stream: Any, message: bytes) -> None:
    """Send `message` and read it back."""
    buffer, received = memoryview(bytearray(65536)), b""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send, stream, message)
            while len(received) < len(message):
                await stream.wait_readable()
                if size := stream.receive_now(buffer):
                    received += buffer[:size]
                else:
                    assert size is None
    assert received == message


async def _send(stream: Any, message: bytes) -> None:
    for start in range(0, len(message), 65536):
        await stream.send_all(message[start : start + 65536])


@pytest.mark.parametrize("origin", [b"https://localhost", b"https://evil.example", b"null", b""])
async def test_a_page_can_not_use_it_whatever_its_origin(tmp_path: Path, origin: bytes) -> None:
    handed: list[Any] = []

    async def wire(stream: Any) -> None:
        handed.append(stream)

    async with running_edge(tmp_path, wire=wire) as edge:
        answer = await edge.ask(UPGRADE + b"Origin: " + origin + b"\r\nCookie: __Host-session=secret\r\n\r\n")
        assert b" 403 " in answer
        assert b" 404 " not in answer
    assert handed == []


async def test_a_cookie_is_nothing_to_it(tmp_path: Path) -> None:
    """Whoever comes with a technician's cookie is as unknown as without one: only the inner TLS begins."""
    handed: list[Any] = []

    async def wire(stream: Any) -> None:
        handed.append(stream)

    async with running_edge(tmp_path, wire=wire, handshake_seconds=0.3) as edge:
        stream = await edge.tls()
        assert b" 101 " in await edge.ask(UPGRADE + b"Cookie: __Host-session=secret\r\n\r\n", stream)
        frame = b"\x82\x85" + bytes(4) + b"hello"
        await stream.send_all(frame)
        with trio.fail_after(5):
            while await stream.receive_some():
                pass
    assert handed == []


async def test_the_client_gets_through_a_websocket_and_is_told_apart_by_its_address(tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []

    async def wire(stream: Any) -> None:
        seen.append((stream.peer_address, stream.selected_alpn_protocol()))
        stream.authenticated()
        await echo(stream)

    async with running_edge(tmp_path, wire=wire) as edge:
        way = route(edge)
        way._tunnel = True
        wired = await way.connect()
        assert isinstance(wired.stream, TunnelStream)
        await said_and_echoed(wired.stream, b"short")
        await said_and_echoed(wired.stream, bytes(range(256)) * 8000)
        await wired.stream.aclose()
    assert seen[-1] == ("127.0.0.1", "beistand/1")


async def test_the_end_of_either_side_reaches_the_other(tmp_path: Path) -> None:
    ended = trio.Event()

    async def wire(stream: Any) -> None:
        buffer = memoryview(bytearray(100))
        await stream.wait_readable()
        assert stream.receive_now(buffer) == 3
        if bytes(buffer[:3]) == b"bye":
            return
        await stream.wait_readable()
        assert stream.receive_now(buffer) == 0
        ended.set()

    async with running_edge(tmp_path, wire=wire) as edge:
        way = route(edge)
        way._tunnel = True
        first = (await way.connect()).stream
        await first.send_all(b"bye")
        with trio.fail_after(5):
            await first.wait_readable()
            while first.receive_now(memoryview(bytearray(10))) is None:
                await first.wait_readable()
        await first.aclose()
        second = (await way.connect()).stream
        await second.send_all(b"hey")
        await trio.testing.wait_all_tasks_blocked(0.05)
        await second.aclose()
        with trio.fail_after(5):
            await ended.wait()


@contextmanager
def mitmproxy(folder: Path) -> Iterator[tuple[Proxy, Path]]:
    """A proxy that opens all TLS, and the file to which it writes what it saw."""
    home = Path("build/test-tools") / MITMPROXY
    program = home / "bin" / "mitmdump"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True, timeout=60)
            install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", MITMPROXY]
            subprocess.run(install, check=True, capture_output=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{MITMPROXY} can't be installed: {error}")
    seen = folder / "seen"
    argv = [str(program), "--listen-host", "127.0.0.1", "--listen-port", "0", "--ssl-insecure", "-w", str(seen)]
    argv += ["--set", f"confdir={folder / 'mitmproxy'}", "--set", "flow_detail=0"]
    log = folder / "mitmproxy.log"
    with log.open("w") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"listening at 127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield Proxy("127.0.0.1", int(found[1])), seen
    finally:
        process.terminate()
        process.wait()


@pytest.mark.timeout(400)
async def test_a_proxy_that_opens_all_tls_lets_the_client_through_and_reads_nothing(tmp_path: Path) -> None:
    secret = b"the customer's password is on the screen"
    with mitmproxy(tmp_path) as (proxy, seen):
        async with running_edge(tmp_path, wire=echo) as edge:
            wired = await route(edge, proxy).connect()
            assert isinstance(wired.stream, TunnelStream)
            await said_and_echoed(wired.stream, secret * 2000)
            await wired.stream.aclose()
    recorded = seen.read_bytes()
    assert b"/wire" in recorded
    assert len(recorded) > 2 * len(secret) * 2000  # it recorded the messages, both ways
    assert b"password" not in recorded
