"""Clients that leave, stop reading or fall silent cost nothing for long, and keep nobody from stopping."""

from __future__ import annotations

import contextlib
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.edge import echo, hello, running_edge

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's WebSocket frame."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([0x80 | size]) + bytes(4) + payload
    if size < 65536:
        return head + b"\xfe" + size.to_bytes(2, "big") + bytes(4) + payload
    return head + b"\xff" + size.to_bytes(8, "big") + bytes(4) + payload


async def stream_for_ever(scope: Any, receive: Any, send: Any) -> None:
    """A page without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


async def test_a_page_learns_that_its_client_has_left(tmp_path: Path) -> None:
    ended = trio.Event()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        try:
            await stream_for_ever(scope, receive, send)
        except OSError:
            ended.set()
            raise

    async with running_edge(tmp_path, web=pages) as edge:
        stream = await edge.tls()
        await stream.send_all(GET)
        await stream.receive_some()
        stream.cut()
        with trio.fail_after(5):
            await ended.wait()


async def test_a_stubborn_page_neither_spins_nor_outlives_its_client_for_long(tmp_path: Path) -> None:
    ended = trio.Event()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                with contextlib.suppress(OSError):
                    await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            ended.set()

    async with running_edge(tmp_path, web=pages, left_seconds=0.5) as edge:
        stream = await edge.tls()
        await stream.send_all(GET)
        await stream.receive_some()
        stream.cut()
        left = time.monotonic()
        await ended.wait()
        # By the wall's clock: without a checkpoint in each send nothing here, no deadline either, would go on.
        assert time.monotonic() - left < 5


async def test_a_page_that_waits_for_something_else_outlives_its_client_not_for_long(tmp_path: Path) -> None:
    began, ended = trio.Event(), trio.Event()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        try:
            began.set()
            await trio.sleep_forever()
        finally:
            ended.set()

    async with running_edge(tmp_path, web=pages, left_seconds=0.2) as edge:
        stream = await edge.tls()
        await stream.send_all(GET)
        await began.wait()
        stream.cut()
        with trio.fail_after(5):
            await ended.wait()


@pytest.mark.parametrize("path", ["page", "socket", "wire"])
async def test_the_edge_stops_while_a_client_does_not_read(tmp_path: Path, path: str) -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await stream_for_ever(scope, receive, send)
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 65536})

    async def wire(stream: Any) -> None:
        while True:
            await stream.send_all(b"x" * 65536)

    async with running_edge(tmp_path, web=pages, wire=wire) as edge:
        raw = await edge.raw()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream = await (edge.wire() if path == "wire" else edge.tls(sock=raw))
        if path != "wire":
            await stream.send_all(GET if path == "page" else UPGRADE + b"\r\n")
        await trio.sleep(0.3)  # until the buffers on the way are full
        with trio.fail_after(5):
            await edge.stop()


@pytest.mark.parametrize("path", ["page", "wire"])
async def test_who_takes_nothing_is_cut_and_others_are_served_meanwhile(tmp_path: Path, path: str) -> None:
    cut = trio.Event()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/endless":
            return await hello(scope, receive, send)
        try:
            await stream_for_ever(scope, receive, send)
        finally:
            cut.set()

    async def wire(stream: Any) -> None:
        try:
            while True:
                await stream.send_all(b"x" * 65536)
        except trio.BrokenResourceError:
            cut.set()

    async with running_edge(tmp_path, web=pages, wire=wire, stall_seconds=0.5) as edge:
        stream = await (edge.wire() if path == "wire" else edge.tls())
        if path == "page":
            await stream.send_all(GET.replace(b"/", b"/endless", 1))
        assert b"200" in await edge.ask(GET, seconds=1)
        with trio.fail_after(5):
            await cut.wait()


async def test_a_socket_that_has_gone_silent_is_closed(tmp_path: Path) -> None:
    gone = trio.Event()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        gone.set()

    async with running_edge(tmp_path, web=pages, ping_seconds=0.1, silence_seconds=0.5) as edge:
        stream = await edge.tls()
        assert b"101" in await edge.ask(UPGRADE + b"\r\n", stream)
        with trio.fail_after(5):
            await gone.wait()


async def test_a_socket_whose_peer_answers_pings_stays(tmp_path: Path) -> None:
    async with running_edge(tmp_path, ping_seconds=0.1, silence_seconds=0.4) as edge:
        stream = await edge.tls()
        assert b"101" in await edge.ask(UPGRADE + b"\r\n", stream)
        pings = 0
        with trio.fail_after(5):
            while pings < 8:  # for twice as long as silence may last
                pings += (await stream.receive_some()).count(b"\x89\x00")
                await stream.send_all(masked(0xA))
            await stream.send_all(masked(0x1, b"still there"))
            answer = b""
            while b"still there" not in answer:
                answer += await stream.receive_some()


async def test_compression_of_messages_is_not_agreed_to(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        answer = await edge.ask(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101")
        assert b"sec-websocket-extensions" not in answer.lower()


async def test_a_message_without_end_is_cut_and_not_collected(tmp_path: Path) -> None:
    async with running_edge(tmp_path, socket_message_size=100_000) as edge:
        stream = await edge.tls()
        assert b"101" in await edge.ask(UPGRADE + b"\r\n", stream)
        with trio.fail_after(10), contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(masked(0x2, b"x" * 50_000, fin=False))
            for _ in range(400):
                await stream.send_all(masked(0x0, b"x" * 50_000, fin=False))
            raise AssertionError("20 MB of one message were taken")


async def test_a_socket_that_a_page_does_not_read_makes_its_peer_wait(tmp_path: Path) -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await trio.sleep_forever()

    async with running_edge(tmp_path, web=pages) as edge:
        stream = await edge.tls()
        assert b"101" in await edge.ask(UPGRADE + b"\r\n", stream)
        sent = 0
        with trio.move_on_after(1):
            while sent < 200_000_000:
                await stream.send_all(masked(0x2, b"x" * 65_536))
                sent += 65_536
        assert sent < 50_000_000


async def test_fifty_connections_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with running_edge(tmp_path, wire=echo) as edge:

        async def come_and_go(number: int) -> None:
            stream = await (edge.wire() if number % 2 else edge.tls())
            await stream.send_all(b"x" if number % 2 else GET)
            await stream.receive_some()
            await stream.aclose()

        await come_and_go(0)
        await come_and_go(1)
        await trio.testing.wait_all_tasks_blocked(0.2)
        before = open_descriptors()
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(partial(come_and_go, number))
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert open_descriptors() <= before
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
