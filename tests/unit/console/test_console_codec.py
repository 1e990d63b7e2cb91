"""The browser's codec speaks as Python's does: the same bytes out, the same events in."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance.wire.channels import TRAITS, ChannelName
from appliance.wire.connection import Closed, Connection, Control, CreditGranted, Data, Opened, Side
from appliance.wire.frames import Flag, Frame, FrameReader, FrameType, pack
from appliance.wire.messages import Open, Refusal, encode

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SESSION = "session-1"


def _node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(ROOT / ".venv/lib/node/bin"))
    if found is None:
        pytest.skip("no Node here; `make install` brings one")
    return found


def run(*steps: dict[str, Any]) -> list[Any]:
    """What the browser's codec makes of the steps, one result each."""
    done = subprocess.run(
        [_node(), str(HERE / "codec_peer.mjs")], input=json.dumps(steps), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


def step(do: str, **args: Any) -> dict[str, Any]:
    return {"do": do, **args}


def sent(connection: Connection) -> str:
    return b"".join(bytes(part) for part in connection.data_to_send(1 << 30)).hex()


def frames(data: str) -> list[Frame]:
    return list(FrameReader().feed(bytes.fromhex(data)))


VECTORS = [
    (FrameType.PING, 0, b"12345678", 0),
    (FrameType.CONTROL, 0, '{"t":"call","name":"ä€"}'.encode(), 0),
    (FrameType.DATA, 1, b"", Flag.FIN),
    (FrameType.DATA, 0xFFFF, bytes(range(256)) * 255, Flag.FIN | Flag.RESTART),
    (FrameType.CREDIT, 257, (1 << 20).to_bytes(4, "big"), 0),
]


def test_a_frame_has_the_same_bytes() -> None:
    results = run(
        *(
            step("pack", type=kind, channel=channel, payload=data.hex(), flags=flags)
            for kind, channel, data, flags in VECTORS
        )
    )
    assert results == [pack(kind, channel, data, flags).hex() for kind, channel, data, flags in VECTORS]


def test_frames_are_found_however_the_stream_was_split() -> None:
    stream = b"".join(pack(kind, channel, data, flags) for kind, channel, data, flags in VECTORS)
    split = random.Random(4)
    pieces = []
    rest = stream
    while rest:
        size = split.choice([1, 2, 5, 6, 7, 100, 20_000])
        pieces.append(rest[:size])
        rest = rest[size:]
    results = run(*(step("read", data=piece.hex()) for piece in pieces))
    got = [frame for frames_of_piece in results for frame in frames_of_piece]
    assert [(f["type"], f["channel"], f["payload"], f["flags"]) for f in got] == [
        (int(kind), channel, data.hex(), int(flags)) for kind, channel, data, flags in VECTORS
    ]


def test_a_frame_that_says_too_much_is_refused() -> None:
    assert run(step("read", data="13010001ffff")) == [{"error": "wire.frame_too_long"}]


def test_a_channel_from_opening_to_close() -> None:
    python = Connection(Side.APPLIANCE)
    opened = run(step("open", name="chat", session=SESSION, after=7), step("output"))[1]
    events = list(python.receive(bytes.fromhex(opened)))
    assert events == [Opened(1, Open(name=ChannelName.CHAT, session=SESSION, after=7))]
    python.accept(1)
    python.send(1, b"hello")
    answer = sent(python)
    results = run(
        step("open", name="chat", session=SESSION, after=7),
        step("send", channel=1, payload=b"waits for the answer".hex()),
        step("output"),
        step("receive", data=answer),
        step("output"),
        step("close", channel=1),
        step("output"),
    )
    assert [frame.type for frame in frames(results[2])] == [FrameType.OPEN]
    assert results[3] == [
        {"event": "accepted", "channel": 1},
        {"event": "data", "channel": 1, "payload": b"hello".hex(), "flags": 1},
    ]
    assert list(python.receive(bytes.fromhex(results[4]))) == [Data(1, b"waits for the answer", Flag.FIN)]
    assert list(python.receive(bytes.fromhex(results[6]))) == [Closed(1, b"")]


def test_a_refusal_and_a_close_tell_why() -> None:
    python = Connection(Side.APPLIANCE)
    opening = run(
        step("open", name="input", session=SESSION), step("open", name="chat", session=SESSION), step("output")
    )
    list(python.receive(bytes.fromhex(opening[2])))
    python.deny(1, encode(Refusal(reason="policy.permission.missing", args={"permission": "control"})))
    python.accept(3)
    python.close(3, encode(Refusal(reason="policy.session.ended")))
    results = run(
        step("open", name="input", session=SESSION),
        step("open", name="chat", session=SESSION),
        step("receive", data=sent(python)),
        step("output"),
    )
    assert results[2] == [
        {
            "event": "denied",
            "channel": 1,
            "refusal": {"t": "refusal", "reason": "policy.permission.missing", "args": {"permission": "control"}},
        },
        {"event": "accepted", "channel": 3},
        {"event": "closed", "channel": 3, "refusal": {"t": "refusal", "reason": "policy.session.ended"}},
    ]
    assert [(frame.type, frame.channel) for frame in frames(results[3])][-1] == (FrameType.CLOSE, 3)


def test_nothing_is_sent_beyond_the_credit_and_the_rest_goes_when_it_is_granted() -> None:
    window = TRAITS[ChannelName.CLIPBOARD].window
    python = Connection(Side.APPLIANCE)
    opening = step("open", name="clipboard", session=SESSION)
    list(python.receive(bytes.fromhex(run(opening, step("output"))[1])))
    python.accept(1)
    accepted = sent(python)
    script = [
        opening,
        step("output"),
        step("receive", data=accepted),
        step("sendZeros", channel=1, size=window + 1000),
        step("output"),
    ]
    first = run(*script)[4]
    got = [event for event in python.receive(bytes.fromhex(first)) if isinstance(event, Data)]
    assert sum(len(event.payload) for event in got) == window
    python.consumed(1, window)
    rest = run(*script, step("receive", data=sent(python)), step("output"))
    assert rest[5] == [{"event": "credit", "channel": 1}]
    last = [event for event in python.receive(bytes.fromhex(rest[6])) if isinstance(event, Data)]
    assert sum(len(event.payload) for event in last) == 1000
    assert last[-1].flags & Flag.FIN


def test_a_key_press_overtakes_everything() -> None:
    python = Connection(Side.APPLIANCE)
    opening = [
        step("open", name="clipboard", session=SESSION),
        step("open", name="input", session=SESSION),
        step("output"),
    ]
    list(python.receive(bytes.fromhex(run(*opening)[2])))
    python.accept(1)
    python.accept(3)
    results = run(
        *opening,
        step("receive", data=sent(python)),
        step("sendZeros", channel=1, size=100_000),
        step("control", message={"t": "call", "id": 1, "name": "client.state"}),
        step("send", channel=3, payload=b"key".hex()),
        step("output"),
    )
    events = list(python.receive(bytes.fromhex(results[-1])))
    assert isinstance(events[0], Data)
    assert events[0].channel == 3
    assert isinstance(events[1], Control)
    assert all(isinstance(event, Data) and event.channel == 1 for event in events[2:])


def test_credit_is_given_back_in_quarters_of_the_window() -> None:
    python = Connection(Side.APPLIANCE)
    opening = step("open", name="input", session=SESSION)
    list(python.receive(bytes.fromhex(run(opening, step("output"))[1])))
    python.accept(1)
    accepted = sent(python)
    results = run(
        opening,
        step("output"),
        step("receive", data=accepted),
        step("consumed", channel=1, size=16_000),
        step("output"),
        step("consumed", channel=1, size=1_000),
        step("output"),
    )
    assert results[4] == ""
    assert list(python.receive(bytes.fromhex(results[6]))) == [CreditGranted(1)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pack(FrameType.DATA, 9, b"x", Flag.FIN), "wire.channel_not_open"),
        (pack(FrameType.ACCEPT, 1), "wire.channel_not_open"),
        (pack(FrameType.CLOSE, 1), "wire.channel_not_open"),
        (pack(FrameType.CONTROL, 0, b"{"), "wire.message_malformed"),
        (pack(FrameType.CONTROL, 0, b"\xff"), "wire.message_malformed"),
        (pack(FrameType.CONTROL, 0, b"7"), "wire.message_malformed"),
        (pack(FrameType.OPEN, 2, encode(Open(name=ChannelName.CHAT, session=SESSION))), "wire.channel_number"),
        (pack(FrameType.PING, 0, bytes(65)), "wire.ping_too_long"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_noticed(data: bytes, code: str) -> None:
    assert run(step("receive", data=data.hex())) == [{"error": code}]


def test_a_frame_of_a_type_from_the_future_is_skipped() -> None:
    assert run(step("receive", data=pack(FrameType.PING, 0, b"a").replace(b"\x05", b"\x7f", 1).hex())) == [[]]


def test_what_was_under_way_on_a_closed_channel_is_dropped() -> None:
    python = Connection(Side.APPLIANCE)
    opening = step("open", name="chat", session=SESSION)
    list(python.receive(bytes.fromhex(run(opening, step("output"))[1])))
    python.accept(1)
    python.send(1, b"too late")
    late = sent(python)
    assert run(opening, step("close", channel=1), step("receive", data=late)) == [1, None, []]
