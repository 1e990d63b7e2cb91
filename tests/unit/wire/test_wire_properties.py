"""What holds for every course that two connections can take, and for every peer."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from appliance.wire.channels import TRAITS, ChannelName
from appliance.wire.connection import Closed, Connection, Data, Denied, Opened, Side
from appliance.wire.frames import Flag, FrameType, ProtocolError, pack
from appliance.wire.messages import Open, encode

SESSION = "session-1"
NAMES = st.sampled_from(ChannelName)


class TwoEnds(RuleBasedStateMachine):
    """Both ends do what they like, bytes arrive in pieces and late; messages arrive whole, in order, within credit."""

    channels = Bundle("channels")

    def __init__(self) -> None:
        super().__init__()
        self.ends = (Connection(Side.PEER), Connection(Side.APPLIANCE))
        self.under_way = (bytearray(), bytearray())  # to the other end
        self.sent: dict[tuple[int, int], list[bytes]] = defaultdict(list)
        self.got: dict[tuple[int, int], list[bytes]] = defaultdict(list)
        self.part: dict[tuple[int, int], bytes] = defaultdict(bytes)
        self.unused: dict[tuple[int, int], int] = defaultdict(int)
        self.closed: set[int] = set()

    @rule(target=channels, end=st.integers(0, 1), name=NAMES)
    def open(self, end: int, name: ChannelName) -> int:
        return self.ends[end].open(Open(name=name, session=SESSION))

    @rule(end=st.integers(0, 1), channel=channels, fill=st.integers(0, 255), part=st.floats(0, 1), view=st.booleans())
    def send(self, end: int, channel: int, fill: int, part: float, view: bool) -> None:
        if channel not in self.ends[end].channels:
            return
        traits = TRAITS[self.ends[end].name(channel)]
        message = bytes([fill]) * int(part * min(traits.max_message, 100_000))
        self.ends[end].send(channel, memoryview(message) if view else message)
        self.sent[end, channel].append(message)

    @rule(end=st.integers(0, 1), limit=st.integers(1024, 300_000))
    def write(self, end: int, limit: int) -> None:
        batch = b"".join(self.ends[end].data_to_send(limit))
        assert len(batch) <= limit or limit < 70_000
        self.under_way[end].extend(batch)

    @rule(end=st.integers(0, 1), part=st.floats(0, 1), accept=st.booleans())
    def arrive(self, end: int, part: float, accept: bool) -> None:
        other = 1 - end
        size = int(len(self.under_way[end]) * part) + 1
        data = bytes(self.under_way[end][:size])
        del self.under_way[end][:size]
        for event in self.ends[other].receive(data):
            match event:
                case Opened(number, _):
                    if accept:
                        self.ends[other].accept(number)
                    else:
                        self.ends[other].deny(number, b"{}")
                        self.closed.add(number)
                case Denied(number, _) | Closed(number, _):
                    self.closed.add(number)
                case Data(number, payload, flags):
                    key = (end, number)
                    self.part[key] += bytes(payload)
                    self.unused[key] += len(payload)
                    if flags & Flag.FIN:
                        self.got[key].append(self.part.pop(key))

    @rule(end=st.integers(0, 1), channel=channels, part=st.floats(0, 1))
    def use(self, end: int, channel: int, part: float) -> None:
        size = int(self.unused[end, channel] * part)
        self.unused[end, channel] -= size
        self.ends[1 - end].consumed(channel, size)

    @rule(end=st.integers(0, 1), channel=channels)
    def close(self, end: int, channel: int) -> None:
        self.ends[end].close(channel)
        self.closed.add(channel)

    @invariant()
    def messages_arrive_whole_and_in_order(self) -> None:
        for key, messages in self.got.items():
            assert self.sent[key][: len(messages)] == messages

    @invariant()
    def nobody_holds_more_than_the_window(self) -> None:
        for end in (0, 1):
            for channel in self.ends[1 - end].channels:
                assert self.unused[end, channel] <= TRAITS[self.ends[1 - end].name(channel)].window

    def teardown(self) -> None:
        """Once everything is delivered and used, everything that was sent has arrived."""
        for _ in range(200):
            for end in (0, 1):
                self.write(end, 1 << 20)
                self.arrive(end, 1.0, True)
            for end, channel in list(self.unused):
                self.use(end, channel, 1.0)
        for key, messages in self.sent.items():
            if key[1] not in self.closed:
                assert self.got[key] == messages


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)

FRAMES = st.lists(
    st.builds(
        pack,
        st.sampled_from(FrameType),
        st.integers(0, 6),
        st.binary(max_size=70)
        | st.builds(lambda name: encode(Open(name=name, session=SESSION)), NAMES)
        | st.integers(0, 1 << 26).map(lambda size: size.to_bytes(4, "big"))
        | st.just(bytes(40_000)),
        st.integers(0, 3),
    ),
    max_size=30,
)


@given(st.sampled_from(Side), FRAMES | st.lists(st.binary(max_size=300), max_size=10), st.booleans())
def test_a_hostile_peer_gets_a_protocol_error_and_nothing_else(side: Side, data: list[bytes], accept: bool) -> None:
    connection = Connection(side)
    mine = connection.open(Open(name=ChannelName.FILES, session=SESSION))
    connection.send(mine, bytes(100_000))
    try:
        for part in data:
            for event in connection.receive(part):
                if isinstance(event, Opened) and event.channel in connection.channels:
                    connection.accept(event.channel) if accept else connection.deny(event.channel, b"{}")
                elif isinstance(event, Data):
                    connection.consumed(event.channel, len(event.payload))
            connection.data_to_send()
    except ProtocolError as error:
        assert error.code.startswith("wire.")  # noqa: PT017 most peers break nothing


@given(st.lists(st.sampled_from([ChannelName.FILES, ChannelName.TUNNEL, ChannelName.SCREEN]), min_size=1, max_size=5))
def test_input_overtakes_whatever_bulk_is_queued(names: list[ChannelName]) -> None:
    peer, appliance = Connection(Side.PEER), Connection(Side.APPLIANCE)
    numbers = [peer.open(Open(name=name, session=SESSION)) for name in [*names, ChannelName.INPUT]]
    for event in appliance.receive(b"".join(peer.data_to_send())):
        assert isinstance(event, Opened)
        appliance.accept(event.channel)
    list(peer.receive(b"".join(appliance.data_to_send())))
    for number in numbers[:-1]:
        peer.send(number, bytes(60_000))
    peer.data_to_send(10_000)
    peer.send(numbers[-1], b"key")
    assert b"".join(peer.data_to_send())[:9] == pack(FrameType.DATA, numbers[-1], b"key", Flag.FIN)
