"""One address can't take all connections, or ask without end; and who it is can't be made up."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.edge.proxy import SIGNATURE
from tests.support.edge import echo, running_edge

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def proxied(source: str, *, command: int = 0x21, extra: bytes = b"") -> bytes:
    """A PROXY v2 head that speaks for `source`."""
    address = ipaddress.ip_address(source)
    if address.version == 4:
        family, own = 0x11, ipaddress.ip_address("192.0.2.1").packed
    else:
        family, own = 0x21, ipaddress.ip_address("2001:db8::1").packed
    body = address.packed + own + struct.pack(">HH", 50000, 443) + extra
    return SIGNATURE + bytes((command, family)) + len(body).to_bytes(2, "big") + body


async def ended(sock: Any) -> bool:
    """Whether the server closes `sock` without a word."""
    with trio.fail_after(5):
        await trio.lowlevel.wait_readable(sock)
    try:
        return not sock.recv(1)
    except ConnectionResetError:
        return True


async def test_one_address_gets_so_many_connections_and_a_place_that_is_left_is_free_again(tmp_path: Path) -> None:
    async with running_edge(tmp_path, connections_an_address=3) as edge:
        streams = [await edge.tls() for _ in range(3)]
        assert await ended(await edge.raw())
        streams[0].cut()
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert b" 200 " in await edge.ask(GET)


async def test_authenticated_connections_no_longer_count_for_their_address(tmp_path: Path) -> None:
    async def wire(stream: Any) -> None:
        stream.authenticated()
        await echo(stream)

    async with running_edge(tmp_path, wire=wire, connections_an_address=2) as edge:
        for _ in range(5):
            stream = await edge.wire()
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"


async def test_a_page_can_say_that_its_client_is_authenticated(tmp_path: Path) -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["authenticated"]()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with running_edge(tmp_path, web=pages, connections_an_address=1) as edge:
        for _ in range(3):
            stream = await edge.tls()
            await stream.send_all(GET)
            assert b" 204 " in await stream.receive_some()


async def test_there_is_an_end_to_all_connections(tmp_path: Path) -> None:
    async with running_edge(tmp_path, connections=2) as edge:
        for _ in range(2):
            await edge.tls()
        assert await ended(await edge.raw())


async def test_too_many_requests_have_to_wait(tmp_path: Path) -> None:
    async with running_edge(tmp_path, requests_at_once=5, requests_a_second=0.5) as edge:
        answers = [await edge.ask(GET) for _ in range(6)]
        assert all(b" 200 " in answer for answer in answers[:5])
        assert b" 429 " in answers[5]
        assert b"retry-after: 2" in answers[5]


async def test_a_listed_proxy_speaks_for_its_client(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.0/8"]) as edge:
        for source in ("203.0.113.7", "2001:db8::7"):
            sock = await edge.raw()
            sock.send(proxied(source, extra=b"\x04\x00\x01x"))
            answer = await edge.ask(GET, await edge.tls(sock=sock))
            assert answer.endswith(f"from {source} with 0".encode())


async def test_a_head_that_comes_byte_by_byte_is_read_exactly(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.1"]) as edge:
        sock = await edge.raw()
        for byte in proxied("203.0.113.7"):
            sock.send(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        assert (await edge.ask(GET, await edge.tls(sock=sock))).endswith(b"from 203.0.113.7 with 0")


async def test_the_proxys_own_check_is_from_the_proxy(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.1"]) as edge:
        sock = await edge.raw()
        sock.send(proxied("203.0.113.7", command=0x20))
        assert (await edge.ask(GET, await edge.tls(sock=sock))).endswith(b"from 127.0.0.1 with 0")


async def test_the_limit_counts_the_client_behind_the_proxy(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.1"], connections_an_address=1) as edge:

        async def connect(source: str) -> Any:
            sock = await edge.raw()
            sock.send(proxied(source))
            return sock

        await edge.tls(sock=await connect("2001:db8:1:1::7"))
        assert await ended(await connect("2001:db8:1:1::8"))
        await edge.tls(sock=await connect("2001:db8:1:2::7"))


async def test_nobody_else_speaks_for_another(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["192.0.2.0/24"]) as edge:
        sock = await edge.raw()
        sock.send(proxied("203.0.113.7"))
        assert await ended(sock)


@pytest.mark.parametrize(
    "head",
    [
        b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        proxied("203.0.113.7", command=0x2F),
        proxied("203.0.113.7", command=0x11),
        SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(1000),
    ],
    ids=["version 1", "no head", "unknown command", "wrong version", "unix socket", "too short", "too long"],
)
async def test_a_proxy_that_speaks_otherwise_is_refused(tmp_path: Path, head: bytes) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.1"]) as edge:
        sock = await edge.raw()
        sock.send(head)
        assert await ended(sock)


async def test_a_proxy_that_says_nothing_is_cut(tmp_path: Path) -> None:
    async with running_edge(tmp_path, proxies=["127.0.0.1"], proxy_seconds=0.2) as edge:
        sock = await edge.raw()
        sock.send(SIGNATURE)
        assert await ended(sock)
