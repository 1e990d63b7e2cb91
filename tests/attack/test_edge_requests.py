"""Requests that servers and proxies understand differently, or that only wait, never reach a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.edge import hello, running_edge

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


class Witness:
    """The pages, noting each request that reached them."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await hello(scope, receive, send)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="content-length with transfer-encoding",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, id="chunks"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            400,
            id="transfer-encoding in disguise",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
            id="two lengths",
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\na", 400, id="signed length"),
        pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", 400, id="bare line feeds"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400, id="one bare line feed"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n z\r\n\r\n", 400, id="folded header"),
        pytest.param(HEAD + b"X: a\rb\r\n\r\n", 400, id="bare carriage return"),
        pytest.param(HEAD + b"X : a\r\n\r\n", 400, id="space before colon"),
        pytest.param(b"CONNECT inside:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, id="CONNECT"),
        pytest.param(b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, id="TRACE"),
        pytest.param(b"GET http://inside/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="absolute target"),
        pytest.param(b"GET /a%00b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="NUL in the path"),
        pytest.param(b"GET /a%0d%0ab HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="line break in the path"),
        pytest.param(
            HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            400,
            id="h2c",
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501, id="HTTP/2 assumed"),
        pytest.param(HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 431, id="long header"),
        pytest.param(HEAD + b"X: y\r\n" * 4_000 + b"\r\n", 431, id="many headers"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n", 413, id="long body"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS within TLS"),
    ],
)
async def test_a_disputed_request_is_refused_before_any_page(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    pages = Witness()
    async with running_edge(tmp_path, web=pages) as edge:
        answer = await edge.ask(request_bytes)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in answer.lower()
    assert pages.scopes == []


async def test_a_disputed_request_behind_a_good_one_is_refused_as_well(tmp_path: Path) -> None:
    pages = Witness()
    async with running_edge(tmp_path, web=pages) as edge:
        stream = await edge.tls()
        await stream.send_all(HEAD + b"\r\n" + b"GET /second HTTP/1.1\nHost: localhost\n\n")
        answer = b""
        with trio.fail_after(5):
            while part := await stream.receive_some():
                answer += part
        assert answer.count(b"HTTP/1.1 200") == 1
        assert answer.count(b"HTTP/1.1 400") == 1
    assert [scope["path"] for scope in pages.scopes] == ["/"]


async def test_ordinary_requests_of_a_browser_pass(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        stream = await edge.tls()
        assert b"GET / from" in await edge.ask(HEAD + b"\r\n", stream)
        post = b"POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
        assert b"POST /form from 127.0.0.1 with 5" in await edge.ask(post, stream)
        assert b"GET /\xc3\xa4 from" in await edge.ask(b"GET /%C3%A4?q=%0a HTTP/1.1\r\nHost: localhost\r\n\r\n", stream)


async def closed_within(stream: Any, seconds: float) -> bytes:
    """What came until the server closed, which has to be soon."""
    answer = b""
    with trio.fail_after(seconds):
        try:
            while part := await stream.receive_some():
                answer += part
        except trio.BrokenResourceError:
            pass
    return answer


async def test_who_drips_a_request_is_cut(tmp_path: Path) -> None:
    async with running_edge(tmp_path, head_seconds=0.3) as edge:
        stream = await edge.tls()

        async def drip() -> None:
            try:
                for byte in HEAD * 100:
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(0.05)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        edge.nursery.start_soon(drip)
        assert await closed_within(stream, 3) == b""


async def test_who_asks_nothing_is_cut(tmp_path: Path) -> None:
    async with running_edge(tmp_path, head_seconds=0.3) as edge:
        assert await closed_within(await edge.tls(), 3) == b""


async def test_who_drips_a_body_is_cut_and_the_page_learns_of_it(tmp_path: Path) -> None:
    seen: list[str] = []

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        seen.append(message["type"])

    async with running_edge(tmp_path, web=pages, body_seconds=0.3) as edge:
        stream = await edge.tls()
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")

        async def drip() -> None:
            try:
                while True:
                    await stream.send_all(b"x")
                    await trio.sleep(0.05)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        edge.nursery.start_soon(drip)
        await closed_within(stream, 3)
    assert seen == ["http.disconnect"]


async def test_an_idle_connection_is_closed_and_a_working_page_is_not(tmp_path: Path) -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await trio.sleep(0.6)
        await hello(scope, receive, send)

    async with running_edge(tmp_path, web=pages, idle_seconds=0.3, head_seconds=0.3, body_seconds=0.3) as edge:
        stream = await edge.tls()
        assert b"GET /slow" in await edge.ask(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", stream)
        assert await closed_within(stream, 3) == b""
