"""docs/wire.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from appliance.wire import connection, frames, messages
from appliance.wire.channels import TRAITS
from appliance.wire.connection import Closed, Connection, CreditGranted, Data, Opened, Side
from appliance.wire.frames import FrameReader, FrameType
from appliance.words import LANGUAGES, words

DOC = Path("docs/wire.md").read_text(encoding="utf-8")
SOURCES = [path.read_text(encoding="utf-8") for path in Path("appliance").rglob("*.py")]
CODES = sorted({code for source in SOURCES for code in re.findall(r'ProtocolError\("(wire\.\w+)"\)', source)})


def section(title: str) -> str:
    """The text under a heading."""
    return DOC.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("kind", list(FrameType))
def test_every_frame_type_is_in_the_table_with_its_number(kind: FrameType) -> None:
    assert f"| 0x{kind:02x} | {kind.name} |" in section("Frames")


@pytest.mark.parametrize("name", list(TRAITS))
def test_every_channel_is_in_the_table_with_its_bounds(name: str) -> None:
    traits = TRAITS[name]
    assert f"| `{name}` | {traits.priority} | {traits.window} | {traits.max_message} |" in section("Channels")


def test_the_bounds_are_the_codes() -> None:
    assert f"at most {frames.MAX_PAYLOAD}" in DOC
    assert f"At most {connection.MAX_CHANNELS} are open" in DOC
    assert f"credit above {connection.MAX_CREDIT}" in DOC
    assert f"0–{connection.MAX_PING} bytes" in DOC
    assert messages.WIRE_SERVER_NAME in DOC
    assert messages.ALPN in DOC


@pytest.mark.parametrize("kind", [messages.Greeting, messages.Hello, messages.Welcome], ids=lambda kind: kind.__name__)
def test_every_field_of_the_handshake_is_described(kind: type[msgspec.Struct]) -> None:
    described = section("The handshake")
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in described, field.name


@pytest.mark.parametrize("kind", messages.CustomerMessage.__args__ + messages.ToCustomer.__args__)
def test_every_control_message_of_a_client_is_described(kind: type[msgspec.Struct]) -> None:
    (row,) = [line for line in section("Control messages").split("\n") if f"| `{kind.__struct_config__.tag}` |" in line]
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in row, field.name


@pytest.mark.parametrize("code", CODES)
def test_every_error_has_words_and_those_of_the_frames_are_described(code: str) -> None:
    for language in LANGUAGES:
        assert words(language)(code)
    if code in "".join(Path(f"appliance/wire/{name}.py").read_text() for name in ("frames", "connection")):
        assert f"`{code}`" in section("Errors")


def test_the_example_is_what_goes_over_the_line() -> None:
    lines = {"client": b"", "appliance": b""}
    for who, head, body in re.findall(r"^(client|appliance) +((?:[0-9a-f]+ ?){4})(?: +(.*))?$", DOC, re.MULTILINE):
        payload = body.encode() if body.startswith("{") else bytes.fromhex(body)
        lines[who] += bytes.fromhex(head) + payload
    appliance, client = Connection(Side.APPLIANCE), Connection(Side.PEER)
    opened, data = said(appliance, lines)
    assert isinstance(opened, Opened)
    assert isinstance(data, Data)
    assert isinstance(messages.decode(bytes(data.payload), messages.ChatFromMember), messages.ChatSend)
    assert client.open(opened.request) == 1
    assert [type(event) for event in client.receive(lines["appliance"])][1:] == [CreditGranted, Closed]
    assert b"".join(client.data_to_send()) == lines["client"][: 6 + 0x30]
    assert sum(6 + len(frame.payload) for frame in FrameReader().feed(lines["client"])) == len(lines["client"])


def said(appliance: Connection, lines: dict[str, bytes]) -> list[connection.Event]:
    """What the client's lines mean to the appliance, which accepts what is asked for."""
    events = []
    for event in appliance.receive(lines["client"]):
        if isinstance(event, Opened):
            appliance.accept(event.channel)
        events.append(event)
    return events
