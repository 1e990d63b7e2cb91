"""A Host header that is not ours never reaches a page."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.edge import hello, running_edge


def get(host: bytes, *more: bytes) -> bytes:
    """A request for `host`."""
    return b"".join((b"GET / HTTP/1.1\r\nHost: ", host, b"\r\n", *more, b"\r\n"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"localhost", 200),
        (b"localhost:9443", 200),
        (b"LOCALHOST", 200),
        (b"localhost.", 200),
        (b"127.0.0.1", 200),
        (b"127.0.0.1:8443", 200),
        (b"support.example.com", 200),
        (b"evil.example", 421),
        (b"localhost.evil.example", 421),
        (b"support.example.com.evil.example", 421),
        (b"127.0.0.2", 421),
        (b"0.0.0.0", 421),
        (b"2130706433", 421),
        (b"[::1]", 421),
        (b"", 400),
        (b"localhost evil.example", 400),
        (b"localhost,evil.example", 400),
        (b"localhost/evil", 400),
        (b"localhost@evil.example", 400),
        (b"localhost:evil", 400),
        (b"localhost:99999", 400),
        (b"[::1", 400),
        (b"<script>", 400),
        (b"\xffhost", 400),
        (b"$(id)", 400),
    ],
)
async def test_only_our_own_names_are_answered(tmp_path: Path, host: bytes, status: int) -> None:
    reached: list[Any] = []

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)
        await hello(scope, receive, send)

    async with running_edge(tmp_path, web=pages) as edge:
        answer = await edge.ask(get(host))
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"<" not in answer.partition(b"\r\n\r\n")[2]
    assert bool(reached) == (status == 200)


async def test_a_request_without_a_host_and_one_with_two_are_refused(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        assert b" 400 " in await edge.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert b" 400 " in await edge.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 400 " in await edge.ask(get(b"localhost", b"Host: evil.example\r\n"))


async def test_a_name_that_is_added_counts_at_once(tmp_path: Path) -> None:
    names = {"localhost"}
    async with running_edge(tmp_path, host_names=lambda: frozenset(names)) as edge:
        stream = await edge.tls()
        assert b" 421 " in await edge.ask(get(b"neu.example"), stream)
        names.add("neu.example")
        assert b" 200 " in await edge.ask(get(b"neu.example"))
        names.add("büro.example")
        assert b" 200 " in await edge.ask(get(b"xn--bro-hoa.example"))


async def test_the_refusal_is_in_the_browsers_language(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        german = await edge.ask(get(b"evil.example", b"Accept-Language: de-AT,en;q=0.5\r\n"))
        assert "„evil.example“".encode() in german


async def test_a_websocket_to_another_host_is_refused(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        upgrade = (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        assert b" 421 " in await edge.ask(get(b"evil.example", upgrade))


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_the_devices_ipv6_address_is_its_own(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no ::1 here: {error}")
    async with running_edge(tmp_path, listen=(("::1", 0),)) as edge:
        stream = await edge.tls(sock=await edge.raw("::1"))
        assert b" 200 " in await edge.ask(get(b"[::1]:8443"), stream)
        stream = await edge.tls(sock=await edge.raw("::1"))
        assert b" 421 " in await edge.ask(get(b"127.0.0.1"), stream)
