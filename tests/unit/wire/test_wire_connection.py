"""Two ends of a connection, as a dialogue."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from appliance.wire.channels import TRAITS, ChannelName
from appliance.wire.connection import (
    MAX_CHANNELS,
    MAX_CONTROL_QUEUE,
    Accepted,
    Closed,
    Connection,
    Control,
    CreditGranted,
    Data,
    Denied,
    Event,
    Handshake,
    Opened,
    Pinged,
    Ponged,
    Side,
)
from appliance.wire.frames import MAX_PAYLOAD, Flag, FrameReader, FrameType, ProtocolError, pack
from appliance.wire.messages import Open, Refusal, encode

SESSION = "session-1"


def ask(name: ChannelName) -> Open:
    """A request for a channel."""
    return Open(name=name, session=SESSION)


@dataclass
class Dialogue:
    """Both ends, and what each has been told."""

    peer: Connection = field(default_factory=lambda: Connection(Side.PEER))
    appliance: Connection = field(default_factory=lambda: Connection(Side.APPLIANCE))

    def deliver(self, sender: Connection, limit: int = 1 << 30) -> list[Event]:
        """Bring what `sender` has to send to the other end; what it means there, with bytes copied."""
        receiver = self.appliance if sender is self.peer else self.peer
        events: list[Event] = []
        while data := b"".join(sender.data_to_send(limit)):
            for event in receiver.receive(data):
                if isinstance(event, Data):
                    event = Data(event.channel, bytes(event.payload), event.flags)
                events.append(event)
        return events

    def open(self, *names: ChannelName) -> list[int]:
        """Channels opened by the peer and accepted."""
        numbers = [self.peer.open(ask(name)) for name in names]
        self.deliver(self.peer)
        for number in numbers:
            self.appliance.accept(number)
        assert self.deliver(self.appliance) == [Accepted(number) for number in numbers]
        return numbers


def test_a_channel_is_asked_for_accepted_used_and_closed() -> None:
    ends = Dialogue()
    number = ends.peer.open(ask(ChannelName.CHAT))
    ends.peer.send(number, b"waits until it is accepted")
    assert ends.deliver(ends.peer) == [Opened(1, ask(ChannelName.CHAT))]
    ends.appliance.accept(1)
    assert ends.deliver(ends.appliance) == [Accepted(1)]
    assert ends.deliver(ends.peer) == [Data(1, b"waits until it is accepted", Flag.FIN)]
    ends.appliance.send(1, b"answer")
    ends.appliance.close(1, b"{}")
    assert ends.deliver(ends.appliance) == [Closed(1, b"{}")]  # what was queued is dropped
    assert ends.deliver(ends.peer) == []
    assert ends.peer.channels == ends.appliance.channels == []


def test_each_side_has_its_own_numbers_and_uses_each_once() -> None:
    ends = Dialogue()
    assert [ends.peer.open(ask(ChannelName.CHAT)) for _ in range(2)] == [1, 3]
    assert [ends.appliance.open(ask(ChannelName.CHAT)) for _ in range(2)] == [2, 4]
    ends.peer.close(3)
    assert ends.peer.open(ask(ChannelName.CHAT)) == 5


def test_a_refusal_is_told_and_what_was_queued_is_forgotten() -> None:
    ends = Dialogue()
    number = ends.peer.open(ask(ChannelName.INPUT))
    ends.peer.send(number, b"never")
    ends.deliver(ends.peer)
    refusal = encode(Refusal(reason="policy.permission.missing"))
    ends.appliance.deny(number, refusal)
    assert ends.deliver(ends.appliance) == [Denied(number, refusal)]
    assert ends.deliver(ends.peer) == []


def test_closing_while_the_answer_is_under_way_disturbs_nobody() -> None:
    for answer in (lambda c: c.accept(1), lambda c: c.deny(1, b"{}")):
        ends = Dialogue()
        ends.peer.open(ask(ChannelName.CHAT))
        assert ends.deliver(ends.peer) == [Opened(1, ask(ChannelName.CHAT))]
        answer(ends.appliance)
        ends.peer.close(1)
        assert ends.deliver(ends.appliance) == []
        assert ends.deliver(ends.peer) in ([], [Closed(1, b"")])
        assert ends.deliver(ends.appliance) == []
        assert ends.open(ChannelName.CHAT) == [3]


def test_closing_on_both_sides_at_once_disturbs_nobody() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.CHAT)
    ends.peer.close(number)
    ends.appliance.close(number)
    assert ends.deliver(ends.peer) == ends.deliver(ends.appliance) == []


def test_what_is_under_way_on_a_closed_channel_is_dropped() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.CHAT)
    ends.peer.send(number, b"too late")
    ends.appliance.close(number)
    assert ends.deliver(ends.peer) == []
    assert ends.deliver(ends.appliance) == [Closed(number, b"")]


def test_credit_stops_the_sender_and_using_the_bytes_starts_it_again() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.CHAT)
    window = TRAITS[ChannelName.CHAT].window
    for _ in range(4):
        ends.peer.send(number, bytes(window // 4 + 1000))
    got = sum(len(event.payload) for event in ends.deliver(ends.peer) if isinstance(event, Data))
    assert window * 3 // 4 < got <= window  # the rest of the credit would have made a sliver
    assert ends.peer.queued(number) == window + 4000 - got
    ends.appliance.consumed(number, window // 4 - 1)
    assert not ends.appliance.wants_to_send
    ends.appliance.consumed(number, 1)
    assert ends.deliver(ends.appliance) == [CreditGranted(number)]
    assert ends.deliver(ends.peer) == [Data(number, bytes(window // 4 + 1000), Flag.FIN)]


def test_an_empty_message_needs_no_credit() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.INPUT)
    for _ in range(16):
        ends.peer.send(number, bytes(4096))
    ends.peer.send(number, b"")
    assert ends.deliver(ends.peer)[-1] == Data(number, b"", Flag.FIN)


def test_a_key_press_overtakes_files_and_the_connections_own_frames() -> None:
    ends = Dialogue()
    files, keys = ends.open(ChannelName.FILES, ChannelName.INPUT)
    ends.peer.send(files, bytes(200_000), Flag(0))
    ends.peer.data_to_send(64 * 1024)
    ends.peer.control(b"{}")
    ends.peer.send(keys, b"key")
    assert b"".join(ends.peer.data_to_send(2048))[:9] == pack(FrameType.DATA, keys, b"key", Flag.FIN)
    assert ends.peer.queued(files) > 100_000


@pytest.mark.parametrize("limit", [2048, 16 * 1024, 64 * 1024, 256 * 1024])
def test_a_batch_is_no_longer_than_asked_for(limit: int) -> None:
    ends = Dialogue()
    one, other = ends.open(ChannelName.FILES, ChannelName.SCREEN)
    ends.peer.send(one, bytes(900_000))
    ends.peer.send(other, memoryview(bytes(40_000)))
    while batch := ends.peer.data_to_send(limit):
        assert sum(map(len, batch)) <= limit


def test_channels_of_one_priority_take_turns() -> None:
    ends = Dialogue()
    numbers = ends.open(ChannelName.FILES, ChannelName.FILES, ChannelName.FILES)
    for number in numbers:
        ends.peer.send(number, bytes(300_000))
    sent = dict.fromkeys(numbers, 0)
    for _ in range(12):
        for frame in FrameReader().feed(b"".join(ends.peer.data_to_send(20_000))):
            sent[frame.channel] += len(frame.payload)
    assert max(sent.values()) - min(sent.values()) <= 20_000


def test_a_message_in_many_frames_has_one_beginning_and_one_end() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.SCREEN)
    ends.appliance.send(number, bytes(range(256)) * 1000, Flag.RESTART | Flag.FIN)
    events = [event for event in ends.deliver(ends.appliance, 10_000) if isinstance(event, Data)]
    assert len(events) > 20
    assert [index for index, event in enumerate(events) if event.flags & Flag.RESTART] == [0]
    assert [index for index, event in enumerate(events) if event.flags & Flag.FIN] == [len(events) - 1]
    assert b"".join(event.payload for event in events) == bytes(range(256)) * 1000


def test_dropping_what_is_queued_never_cuts_a_message_in_two() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.SCREEN)
    first = ends.appliance
    first.send(number, b"a" * 50_000)
    first.send(number, b"b" * 50_000)
    begun = b"".join(first.data_to_send(20_000))
    first.drop_queued(number)
    first.send(number, b"c")
    events = [Data(e.channel, bytes(e.payload), e.flags) for e in ends.peer.receive(begun) if isinstance(e, Data)]
    events += [event for event in ends.deliver(first) if isinstance(event, Data)]
    assert b"".join(event.payload for event in events) == b"a" * 50_000 + b"c"
    assert first.queued(number) == 0
    first.send(number, b"d")
    first.drop_queued(number)
    assert ends.deliver(first) == []


def test_a_view_may_change_after_it_was_sent() -> None:
    ends = Dialogue()
    (number,) = ends.open(ChannelName.FILES)
    buffer = bytearray(b"first")
    ends.peer.send(number, memoryview(buffer))
    buffer[:] = b"other"
    assert ends.deliver(ends.peer) == [Data(number, b"first", Flag.FIN)]


def test_ping_control_and_handshake_travel_with_the_connection() -> None:
    ends = Dialogue()
    ends.appliance.handshake(FrameType.GREETING, b"{}")
    ends.appliance.ping(b"now")
    assert ends.deliver(ends.appliance) == [Handshake(FrameType.GREETING, b"{}"), Pinged()]
    assert ends.deliver(ends.peer) == [Ponged(b"now")]
    ends.peer.control(b'{"t":"end"}')
    assert ends.deliver(ends.peer) == [Control(b'{"t":"end"}')]


def opened(name: ChannelName = ChannelName.CHAT) -> Connection:
    """The appliance's end with the peer's channel 1 open."""
    ends = Dialogue()
    ends.open(name)
    return ends.appliance


OPEN = encode(ask(ChannelName.CHAT))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pack(FrameType.DATA, 3, b"x"), "wire.channel_not_open"),
        (pack(FrameType.DATA, 2, b"x"), "wire.channel_not_open"),
        (pack(FrameType.DATA, 0, b"x"), "wire.channel_not_open"),
        (pack(FrameType.OPEN, 3, OPEN) + pack(FrameType.DATA, 3, b"x"), "wire.channel_not_open"),
        (pack(FrameType.DATA, 1, bytes(32 * 1024 + 1), Flag.FIN), "wire.message_too_long"),
        (pack(FrameType.DATA, 1, bytes(32 * 1024), Flag.FIN) * 3, "wire.credit_exceeded"),
        (pack(FrameType.DATA, 1, b"x") + pack(FrameType.DATA, 1, b"x", Flag.RESTART), "wire.restart_inside_message"),
        (pack(FrameType.OPEN, 1, OPEN), "wire.channel_number"),
        (pack(FrameType.OPEN, 2, OPEN), "wire.channel_number"),
        (pack(FrameType.OPEN, 0, OPEN), "wire.channel_number"),
        (pack(FrameType.OPEN, 5, OPEN) + pack(FrameType.OPEN, 3, OPEN), "wire.channel_number"),
        (pack(FrameType.CLOSE, 1) + pack(FrameType.OPEN, 1, OPEN), "wire.channel_number"),
        (pack(FrameType.OPEN, 3, b"{"), "wire.message_malformed"),
        (pack(FrameType.OPEN, 3, b'{"t":"open","name":"root","session":"session-1"}'), "wire.message_malformed"),
        (pack(FrameType.ACCEPT, 1), "wire.channel_not_open"),
        (pack(FrameType.DENY, 2), "wire.channel_not_open"),
        (pack(FrameType.CLOSE, 7), "wire.channel_not_open"),
        (pack(FrameType.CREDIT, 1, b"abc"), "wire.credit_malformed"),
        (pack(FrameType.CREDIT, 7, bytes(4)), "wire.channel_not_open"),
        (pack(FrameType.CREDIT, 1, b"\xff" * 4), "wire.credit_exceeded"),
        (pack(FrameType.PING, 0, bytes(65)), "wire.ping_too_long"),
        (pack(FrameType.PONG, 0, bytes(65)), "wire.ping_too_long"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_noticed(data: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as broken:
        list(opened().receive(data))
    assert broken.value.code == code


def test_a_peer_that_opens_too_much_is_noticed() -> None:
    appliance = Connection(Side.APPLIANCE)
    opens = b"".join(pack(FrameType.OPEN, 2 * number + 1, OPEN) for number in range(MAX_CHANNELS + 1))
    with pytest.raises(ProtocolError) as broken:
        list(appliance.receive(opens))
    assert broken.value.code == "wire.too_many_channels"


def test_a_peer_that_pings_without_reading_is_noticed() -> None:
    appliance = Connection(Side.APPLIANCE)
    with pytest.raises(ProtocolError) as broken:
        list(appliance.receive(pack(FrameType.PING, 0, bytes(64)) * (MAX_CONTROL_QUEUE // 64)))
    assert broken.value.code == "wire.peer_does_not_read"


def test_a_frame_type_from_a_later_version_is_skipped() -> None:
    assert list(opened().receive(bytes((0x7F, 0, 0, 0, 0, 2)) + b"??" + pack(FrameType.PONG, 0))) == [Ponged(b"")]


def test_a_control_message_that_fits_no_frame_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="control payload"):
        Connection(Side.PEER).control(bytes(MAX_PAYLOAD + 1))
