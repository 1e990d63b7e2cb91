"""One port: browsers and clients, told apart by the name in the TLS hello."""

from __future__ import annotations

from pathlib import Path

from tests.support.edge import running_edge


async def test_a_browser_gets_a_page(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        answer = await edge.ask(b"GET /start HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"GET /start from 127.0.0.1 with 0")


async def test_a_client_gets_the_session_protocol(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        stream = await edge.wire()
        await stream.send_all(b"x" * 300_000)
        received = b""
        while len(received) < 300_000:
            received += await stream.receive_some()
        assert received == b"x" * 300_000
        await stream.aclose()
