"""One connection's runner: what it hands on, what it cuts, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.relay.link import MAX_LATER, Assembler, Link, LinkEnd, Port
from appliance.relay.pipe import Pipe
from appliance.relay.pool import BufferPool
from appliance.wire.channels import TRAITS, ChannelName
from appliance.wire.connection import Handshake
from appliance.wire.frames import Flag, FrameType, ProtocolError, pack
from appliance.wire.messages import EndNow, Notice, Open, Refusal, encode
from tests.support.broker import MemoryStream, Peer

SESSION = "session-1"


class Recorder:
    """A handler that notes what it is told and accepts every channel."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.controls: list[bytes] = []
        self.ports: list[Port] = []

    def handshake(self, event: Handshake) -> None:
        raise ProtocolError("wire.hello_unexpected")

    def control(self, payload: bytes) -> None:
        self.controls.append(payload)

    def opened(self, channel: int, request: Open) -> None:
        port = self.link.accept(channel)
        assert port is not None
        self.ports.append(port)


class Running:
    """A link under test with the peer at its other end."""

    def __init__(self, capacity: int = 256 * 1024) -> None:
        near, far = MemoryStream.pair(capacity=capacity)
        self.link = Link(near, BufferPool())
        self.handler = Recorder(self.link)
        self.peer = Peer(far)
        self.end: LinkEnd | None = None
        self.over = trio.Event()

    async def run(self) -> None:
        self.end = await self.link.run(self.handler)
        self.over.set()

    async def opened(self, name: ChannelName = ChannelName.FILES) -> Port:
        count = len(self.handler.ports)
        await self.peer.opens(name, SESSION)
        return self.handler.ports[count]


@asynccontextmanager
async def running(*links: Running) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for one in links:
            nursery.start_soon(one.run)
            nursery.start_soon(one.peer.run, Notice)
        await wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel()


async def test_a_peer_that_closes_ends_the_link(autojump_clock: MockClock) -> None:
    one = Running()
    async with running(one):
        port = await one.opened()
        closed: list[Refusal | None] = []
        port.on_closed = closed.append
        await one.peer.leave()
        await wait_all_tasks_blocked()
        assert (one.end, closed, one.link.ports) == (LinkEnd.ENDED, [None], {})
        port.send(b"into the void")
        assert port.queued == 0


async def test_a_silent_peer_is_pinged_and_then_cut_after_30_seconds(autojump_clock: MockClock) -> None:
    one = Running()
    one.peer.stream.frozen = True
    async with running(one):
        began = trio.current_time()
        await one.over.wait()
        assert one.end is LinkEnd.SILENT
        assert trio.current_time() - began == pytest.approx(30, abs=0.2)


async def test_the_way_is_measured_by_ping(autojump_clock: MockClock) -> None:
    one = Running()
    async with running(one):
        one.peer.stream.frozen = True
        await trio.sleep(10.25)
        one.peer.stream.thaw()
        await wait_all_tasks_blocked()
        assert one.link.rtt == pytest.approx(0.25, abs=0.01)


async def test_a_peer_that_takes_nothing_is_cut_after_15_seconds(autojump_clock: MockClock) -> None:
    one = Running(capacity=1000)
    async with running(one):
        port = await one.opened()
        one.peer.stream.frozen = True
        began = trio.current_time()
        port.send(b"x" * 100_000)
        await one.over.wait()
        assert one.end is LinkEnd.STALLED
        assert trio.current_time() - began < 16


async def test_a_peer_that_reads_nothing_while_we_tell_it_things_is_cut_and_its_teller_goes_on(
    autojump_clock: MockClock,
) -> None:
    one = Running(capacity=1000)
    async with running(one):
        one.peer.stream.frozen = True
        await wait_all_tasks_blocked()
        for _ in range(3000):
            one.link.tell(Notice(id="x" * 100, args={"text": "y" * 390}))
        await wait_all_tasks_blocked()
        assert one.end is LinkEnd.STALLED


@pytest.mark.parametrize(
    "data",
    [
        pack(FrameType.DATA, 7, b"no such channel"),
        pack(FrameType.CONTROL, 0, encode(EndNow())) + b"\xff" * 6 + b"\xff" * 70_000,
        pack(FrameType.HELLO, 0, b"{}"),
        pack(FrameType.OPEN, 2, b"{}"),
        pack(FrameType.PING, 0, b"x" * 65),
    ],
)
async def test_whoever_breaks_the_protocol_is_cut(autojump_clock: MockClock, data: bytes) -> None:
    one = Running(capacity=2**20)
    async with running(one):
        await one.peer.stream.send_all(data)
        await wait_all_tasks_blocked()
        assert one.end is LinkEnd.PROTOCOL


async def test_what_has_to_be_waited_for_holds_only_its_own_peer(autojump_clock: MockClock) -> None:
    one, other = Running(), Running()
    async with running(one, other):
        release, done = trio.Event(), []

        def control(payload: bytes) -> None:
            async def job() -> None:
                await release.wait()
                done.append(payload)

            one.link.later(job)

        one.handler.control = control  # type: ignore[method-assign]
        for _ in range(MAX_LATER * 4):
            one.peer.connection.control(encode(EndNow()))
            await one.peer.flush()
            await wait_all_tasks_blocked()
        waiting = len(one.link._work)
        assert waiting <= MAX_LATER + 1, "the reader stops, and with it the peer"
        await other.peer.tell(EndNow())
        await wait_all_tasks_blocked()
        assert len(other.handler.controls) == 1
        release.set()
        await wait_all_tasks_blocked()
        assert len(done) == MAX_LATER * 4


async def test_closing_says_what_was_to_be_said_first(autojump_clock: MockClock) -> None:
    one = Running()
    async with running(one):
        one.link.tell(Notice(id="bye"))
        one.link.close()
        assert (await one.peer.next(Notice)).id == "bye"
        await one.over.wait()
        assert one.end is LinkEnd.CLOSED


async def test_a_deadline_cuts_whoever_does_not_say_hello(autojump_clock: MockClock) -> None:
    one, welcome = Running(), Running()
    async with running(one, welcome):
        one.link.within(15)
        welcome.link.within(15)
        welcome.link.within(math.inf)
        await trio.sleep(16)
        assert (one.end, welcome.end) == (LinkEnd.CLOSED, None)


async def test_a_pipe_hands_on_every_byte_and_holds_at_most_a_window(autojump_clock: MockClock) -> None:
    one, other = Running(), Running()
    async with running(one, other):
        source, target = await one.opened(), await other.opened()
        Pipe(source, target)
        other.peer.takes = False
        sent = bytes(range(256)) * 20_000  # 5 MB through windows of 1 MiB
        channel = next(iter(one.peer.accepted))
        # In messages within the channel's bound.
        pieces = [sent[at : at + 60_000] for at in range(0, len(sent), 60_000)]
        for piece in pieces:
            one.peer.connection.send(channel, piece)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.peer.flush)
            await wait_all_tasks_blocked()
            window = TRAITS[ChannelName.FILES].window
            assert target.queued <= window
            theirs = next(iter(other.peer.accepted))
            other.peer.takes = True
            other.peer.connection.consumed(theirs, sum(len(data) for data, _ in other.peer.frames[theirs]))
            await other.peer.flush()
            await other.peer.until(lambda: len(other.peer.messages(theirs)) == len(pieces))
        assert b"".join(other.peer.messages(theirs)) == sent
        source.close()
        one.peer.connection.close(channel)


async def test_an_idle_link_holds_no_buffer(autojump_clock: MockClock) -> None:
    pool = BufferPool(size=1024, kept=2)
    with pool.lend() as one, pool.lend() as two, pool.lend() as three:
        assert len({id(one), id(two), id(three)}) == 3
    assert len(pool._free) == 2
    with pool.lend() as again:
        assert any(again is kept for kept in (one, two, three))


def test_frames_become_messages_and_too_long_ones_an_error() -> None:
    assembler = Assembler(ChannelName.INPUT)
    assert assembler.feed(b"one", Flag(0)) is None
    assert assembler.feed(memoryview(b" two"), Flag.FIN) == b"one two"
    assert assembler.feed(b"", Flag.FIN) == b""
    with pytest.raises(ProtocolError):
        assembler.feed(b"x" * 5000, Flag(0))
