"""The fan-out of one screen, and input on its way, with ports that only count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from appliance.relay.clipboard import ClipboardRelay
from appliance.relay.control import InputGate
from appliance.relay.link import Port
from appliance.relay.screen import BEHIND, FAR_BEHIND, RESTART_INTERVAL, ScreenFan
from appliance.wire.frames import Flag, ProtocolError
from appliance.wire.input import Freshness, Key, ReleaseAll, Verdict, pack_input, read_input
from appliance.wire.messages import ClipboardText, Refusal, encode

BEGIN = Flag.RESTART | Flag.FIN


class CountingPort(Port):
    """A port without a link: what is sent waits until `take`."""

    def __init__(self) -> None:
        self.open = True
        self.on_data = self.on_sent = self.on_accepted = self.on_closed = None
        self.sent: list[tuple[bytes, Flag]] = []
        self.waiting = 0
        self.granted = 0
        self.closed_with: Refusal | None = None

    def send(self, payload: bytes | memoryview, flags: Flag = Flag.FIN) -> None:
        self.sent.append((bytes(payload), flags))
        self.waiting += len(payload)

    def consumed(self, size: int) -> None:
        self.granted += size

    def drop_queued(self) -> None:
        self.waiting = 0

    @property
    def queued(self) -> int:
        return self.waiting

    def close(self, refusal: Refusal | None = None) -> None:
        self.open, self.closed_with = False, refusal

    def take(self, size: int | None = None) -> None:
        """Its connection has sent `size` bytes, or all."""
        self.waiting -= self.waiting if size is None else size
        if self.on_sent is not None:
            self.on_sent()

    def gets(self, payload: bytes, flags: Flag = Flag.FIN) -> None:
        """Its peer sends."""
        assert self.on_data is not None
        self.on_data(memoryview(payload), flags)


class Scene:
    """A fan with its source; restarts are counted, `later` is done by hand."""

    def __init__(self) -> None:
        self.source = CountingPort()
        self.restarts = 0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.tapped: list[bytes] = []
        self.fan = ScreenFan(
            self.source,
            ask_restart=self.asked,
            later=lambda seconds, act: self.due.append((seconds, act)),
            tap=lambda data, flags: self.tapped.append(data),
        )

    def asked(self) -> None:
        self.restarts += 1

    def viewer(self) -> CountingPort:
        port = CountingPort()
        self.fan.attach(port)
        return port


async def test_the_client_gets_credit_for_what_the_pacing_viewer_took(autojump_clock: MockClock) -> None:
    scene = Scene()
    first, second = scene.viewer(), scene.viewer()
    scene.source.gets(b"x" * 1000, BEGIN)
    assert scene.source.granted == 0
    second.take()
    assert scene.source.granted == 0
    first.take(400)
    assert scene.source.granted == 400
    scene.fan.prefer(second)
    assert scene.source.granted == 1000, "the controller paces, and has taken everything"
    scene.fan.detach(second)
    scene.source.gets(b"y" * 10)
    assert scene.source.granted == 1000
    scene.fan.detach(first)
    assert scene.source.granted == 1010, "with nobody left nothing is held"


async def test_all_get_the_same_bytes_and_the_recorder_everything(autojump_clock: MockClock) -> None:
    scene = Scene()
    first = scene.viewer()
    scene.source.gets(b"a", Flag.RESTART)
    late = scene.viewer()
    scene.source.gets(b"b", Flag.FIN)
    scene.source.gets(b"c")
    scene.source.gets(b"d", BEGIN)
    assert [data for data, _ in first.sent] == [b"a", b"b", b"c", b"d"] == scene.tapped
    assert late.sent == [(b"d", BEGIN)]


async def test_restart_points_are_asked_for_at_most_once_in_two_seconds(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.viewer()
    assert scene.restarts == 0, "the stream begins with one by itself"
    scene.source.gets(b"a", BEGIN)
    for _ in range(5):
        scene.viewer()
    assert (scene.restarts, len(scene.due)) == (1, 1)
    await trio.sleep(RESTART_INTERVAL)
    scene.due.pop()[1]()
    assert scene.restarts == 2


async def test_a_changing_screen_gets_a_restart_point_a_minute_for_seeking(autojump_clock: MockClock) -> None:
    scene = Scene()
    viewer = scene.viewer()
    scene.source.gets(b"a", BEGIN)
    for _ in range(130):
        await trio.sleep(1)
        scene.source.gets(b"change")
        viewer.take()
    assert scene.restarts == 2


async def test_who_falls_behind_is_left_out_between_messages_only(autojump_clock: MockClock) -> None:
    scene = Scene()
    pacer, slow = scene.viewer(), scene.viewer()
    scene.source.gets(b"x" * (BEHIND + 1), Flag.RESTART)
    scene.source.gets(b"rest", Flag.FIN)
    pacer.take()
    scene.source.gets(b"left out")
    scene.source.gets(b"left out too", BEGIN)
    assert [len(data) for data, _ in slow.sent] == [BEHIND + 1, 4]
    slow.take()
    assert scene.restarts >= 1
    scene.source.gets(b"not yet")
    scene.source.gets(b"in again", BEGIN)
    assert slow.sent[-1] == (b"in again", BEGIN)
    assert len(pacer.sent) == 6


async def test_within_one_endless_message_the_one_behind_is_closed(autojump_clock: MockClock) -> None:
    scene = Scene()
    pacer, slow = scene.viewer(), scene.viewer()
    scene.source.gets(b"begin", Flag.RESTART)
    for _ in range(FAR_BEHIND // 1_000_000 + 2):
        scene.source.gets(b"x" * 1_000_000, Flag(0))
        pacer.take()
    assert slow.closed_with == Refusal(reason="session.screen.behind", retry=True)
    assert scene.fan.viewers == [pacer]


async def test_a_pacer_that_stalls_is_closed_after_15_seconds_of_nothing(autojump_clock: MockClock) -> None:
    scene = Scene()
    pacer, other = scene.viewer(), scene.viewer()
    scene.source.gets(b"x" * 100, BEGIN)
    for _ in range(20):
        await trio.sleep(1)
        pacer.take(1)  # slow is not stalled
        scene.fan.tick()
    other.take()
    assert scene.fan.pacer is pacer
    for _ in range(17):
        await trio.sleep(1)
        scene.fan.tick()
    assert scene.fan.pacer is other
    assert pacer.closed_with is not None


async def test_only_the_pacers_acknowledgements_reach_the_client(autojump_clock: MockClock) -> None:
    scene = Scene()
    first, second = scene.viewer(), scene.viewer()
    first.gets(b"painted 1")
    second.gets(b"painted 1 too")
    assert [data for data, _ in scene.source.sent] == [b"painted 1"]
    assert (first.granted, second.granted) == (9, 13)


@given(st.lists(st.tuples(st.sampled_from("mrsaAdt"), st.integers(0, 3)), max_size=60))
async def test_no_viewer_ever_gets_a_piece_of_a_stream_that_it_cannot_begin_or_go_on_with(
    steps: list[tuple[str, int]],
) -> None:
    scene = Scene()
    viewers: list[CountingPort] = []
    number = 0
    for step, which in steps:
        match step:
            case "m" | "r":
                flags = BEGIN if step == "r" else Flag.FIN
                scene.source.gets(b"%06d" % number + b"x" * (which * 400_000), flags)
                number += 1
            case "s":
                scene.source.gets(b"%06d" % number, Flag.RESTART if which % 2 else Flag(0))
                scene.source.gets(b"/end", Flag.FIN)
                number += 1
            case "a" | "A":
                viewers.append(scene.viewer())
            case "d" if viewers:
                scene.fan.detach(viewers[which % len(viewers)])
            case "t" if viewers:
                viewers[which % len(viewers)].take()
            case _:
                pass
    for viewer in viewers:
        begun, last, inside = False, -1, False
        for data, flags in viewer.sent:
            if not inside:
                this = int(data[:6])
                if flags & Flag.RESTART:
                    begun = True
                else:
                    assert begun, "begins with a restart point"
                    assert this == last + 1, "and goes on without a gap until the next"
                last = this
            inside = not flags & Flag.FIN


# -- input ------------------------------------------------------------------------------------------------------


class Typing:
    """An input gate, the client's end, and what a client would do with what arrives."""

    def __init__(self) -> None:
        self.targets: list[CountingPort] = []
        self.away = False
        self.gate = InputGate(self.open, 1000, lambda: None)

    def open(self) -> Port | None:
        if self.away:
            return None
        self.targets.append(CountingPort())
        return self.targets[-1]

    def arrived(self) -> list[tuple[int, object]]:
        messages = [read_input(data) for target in self.targets for data, _ in target.sent]
        return [(message.epoch, event) for message in messages for event in message.events]


def down(letter: str, at: int = 0) -> bytes:
    return pack_input([Key(ord(letter), True)], at=at)


def test_input_is_the_controllers_alone_and_each_stretch_has_an_epoch_of_its_own() -> None:
    typing, anna, bob = Typing(), CountingPort(), CountingPort()
    typing.gate.give(anna)
    anna.gets(down("a"))
    typing.gate.give(bob)
    assert anna.on_data is None
    bob.gets(down("b"))
    events = typing.arrived()
    assert [event for _, event in events] == [Key(ord("a"), True), ReleaseAll(), Key(ord("b"), True)]
    epochs = [epoch for epoch, _ in events]
    assert epochs[0] < epochs[1] < epochs[2]


def test_the_appliances_release_makes_nothing_that_follows_look_late() -> None:
    typing, anna, bob = Typing(), CountingPort(), CountingPort()
    typing.gate.give(anna)
    anna.gets(down("a", at=50_000))
    typing.gate.give(bob)
    bob.gets(down("b", at=9_000_000))
    freshness = Freshness()
    messages = [read_input(data) for data, _ in typing.targets[0].sent]
    verdicts = [freshness.judge(message, 100.0) for message in messages]
    assert Verdict.DROP not in verdicts
    assert Verdict.RELEASE_AND_DROP not in verdicts


def test_what_was_typed_while_the_client_was_away_is_gone() -> None:
    typing, anna = Typing(), CountingPort()
    typing.gate.give(anna)
    anna.gets(down("a"))
    typing.gate.lost()
    typing.away = True
    anna.gets(down("b"))
    assert anna.granted == len(down("a")) * 2 or anna.granted == len(down("b"))
    typing.away = False
    typing.gate.back()
    anna.gets(down("c"))
    events = typing.arrived()
    assert [event for _, event in events] == [Key(ord("a"), True), Key(ord("c"), True)]
    assert events[1][0] > events[0][0]


def test_a_message_too_short_to_be_one_breaks_its_senders_protocol_only() -> None:
    typing, anna = Typing(), CountingPort()
    typing.gate.give(anna)
    with pytest.raises(ProtocolError):
        anna.gets(b"short")
    assert typing.arrived() == []


def test_when_the_customer_takes_control_back_the_channel_closes() -> None:
    typing, anna = Typing(), CountingPort()
    typing.gate.give(anna)
    typing.gate.stop()
    assert not typing.targets[0].open
    assert typing.gate.source is None


# -- clipboard --------------------------------------------------------------------------------------------------


def test_only_text_passes_the_clipboard() -> None:
    client, console = CountingPort(), CountingPort()
    relay = ClipboardRelay(client)
    relay.attach(console)
    text = encode(ClipboardText(text="ä"))
    console.gets(text)
    assert client.sent == [(text, Flag.FIN)]
    for bad in (b"not json", b'{"t":"other"}', b'{"t":"clipboard.text","text":5}'):
        with pytest.raises(ProtocolError):
            console.gets(bad)
    assert len(client.sent) == 1
    client.gets(text)
    assert console.sent == [(text, Flag.FIN)]
