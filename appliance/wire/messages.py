"""The messages of the session protocol: JSON objects, one msgspec struct each.

`t` names the message; unknown fields are ignored, so that a later minor version can add some. Texts for people never
travel: a refusal carries a message id of the catalogue (`appliance.words`) and its arguments, and is put into words
where it is read. Every string and list that a peer fills has a bound.
"""

from __future__ import annotations

import enum
from types import UnionType
from typing import Annotated, Any, TypeVar, overload

import msgspec

from appliance.wire.channels import ChannelName
from appliance.wire.frames import ProtocolError

VERSION = 1
ALPN = "beistand/1"
WIRE_SERVER_NAME = "wire.beistand.internal"

Short = Annotated[str, msgspec.Meta(max_length=128)]
Line = Annotated[str, msgspec.Meta(max_length=400)]
Text = Annotated[str, msgspec.Meta(max_length=8000)]
Id = Annotated[str, msgspec.Meta(min_length=8, max_length=64, pattern="^[A-Za-z0-9_-]+$")]
Key32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Args = Annotated[dict[Short, Line | int], msgspec.Meta(max_length=16)]

M = TypeVar("M")


class PeerKind(enum.StrEnum):
    """Who is at the other end of a connection."""

    CUSTOMER = "customer"
    CONSOLE = "console"


class Tool(enum.StrEnum):
    """What a technician can use in a session; the customer is asked by these names."""

    SCREEN = "screen"
    CONTROL = "control"
    CLIPBOARD = "clipboard"
    CHAT = "chat"
    FILES = "files"


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    """Base of all messages: tagged, immutable."""


class Refusal(Message, frozen=True, tag="refusal"):
    """Why something is not so: a message id, its arguments, and whether trying again later can help."""

    reason: Short
    args: Args = {}
    retry: bool = False


# -- the handshake ----------------------------------------------------------------------------------------------


class Greeting(Message, frozen=True, tag="greeting"):
    """The appliance's first frame: what it speaks, and the nonce that the peer's key has to sign."""

    versions: Annotated[list[int], msgspec.Meta(max_length=16)]
    nonce: Key32
    time: float  # seconds since 1970, to tell whose clock looks wrong
    capabilities: Annotated[list[Short], msgspec.Meta(max_length=64)] = []


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """One monitor's place on the desktop, in pixels."""

    name: Short
    x: int
    y: int
    width: int
    height: int
    primary: bool = False


class System(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The machine a client runs on, as it describes itself; never believed, only shown."""

    os: Line
    arch: Short = ""
    host: Line = ""
    user: Line = ""
    display: Short = ""  # "x11", "wayland", "none", "windows", "macos"
    client: Short = ""  # the client's version
    language: Short = ""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Coming back to a session: its rotating token and the chat message last seen."""

    session: Id
    token: Line
    chat: int = 0


class Hello(Message, frozen=True, tag="hello"):
    """The peer's first frame.

    `signature` is Ed25519 by `key` over `hello_signature_input(...)`. A console is known by its cookie and sends
    neither. `token` is a start token (first connection), `resume` the way back.
    """

    version: int
    kind: PeerKind
    capabilities: Annotated[list[Short], msgspec.Meta(max_length=64)] = []
    key: Key32 | None = None
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)] | None = None
    token: Line | None = None
    resume: Resume | None = None
    system: System | None = None


class Welcome(Message, frozen=True, tag="welcome"):
    """The hello is accepted. `resume` replaces every token that the peer had; the old one is good until this one
    was used. `secret` (16 bytes) gives the verification words. The times are in seconds."""

    version: int
    capabilities: Annotated[list[Short], msgspec.Meta(max_length=64)] = []
    session: Id | None = None
    resume: Line | None = None
    secret: bytes | None = None
    site: Line = ""
    ping_interval: float = 10.0
    ping_deadline: float = 30.0
    resume_seconds: float = 300.0
    consent_once: bool = False


def hello_signature_input(nonce: bytes, ca_fingerprint: bytes, key: bytes, session: str) -> bytes:
    """What a client's key signs in its hello. `ca_fingerprint`: SHA-256 (32 bytes) of the device CA certificate that
    the client pinned, so that a signature is worth nothing at another appliance; `session`: "" on a first hello."""
    return b"beistand/1 hello\0" + nonce + ca_fingerprint + key + session.encode()


# -- channels ---------------------------------------------------------------------------------------------------


class Open(Message, frozen=True, tag="open"):
    """Ask for a channel of a session. `after`: the last chat message that the asker has."""

    name: ChannelName
    session: Id
    after: int = 0


# -- appliance → customer client --------------------------------------------------------------------------------


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A technician as the customer sees them."""

    id: Id
    name: Line


class SessionView(Message, frozen=True, tag="session"):
    """The session as its members see it: sent whole on every change. `state` is a domain.session.State; `position`
    (from 1) counts only while waiting. `technicians`: who is in it; while it waits for somebody in person, they."""

    session: Id
    state: Short
    technicians: list[Person] = []
    viewers: list[Id] = []
    controller: Id | None = None
    shared: list[Tool] = []
    recording: bool = False
    position: int = 0
    fallback: bool = False  # the key's issuer has signed out; the fallback queue has it


class ConsentAsk(Message, frozen=True, tag="consent.ask"):
    """The customer is to be asked. `seconds`: after which the answer is TIMEOUT."""

    id: Id
    tools: list[Tool]
    technician: Person
    seconds: float


class ConsentCancelled(Message, frozen=True, tag="consent.cancelled"):
    """The question is no longer open."""

    id: Id


class SessionEnded(Message, frozen=True, tag="session.ended"):
    """The session is over; the client removes itself. `reason` is a message id under `session.ended.`."""

    session: Id
    reason: Short
    args: Args = {}


class ScreenRestart(Message, frozen=True, tag="screen.restart"):
    """Begin the screen stream anew at the next capture (a new viewer, a new recording segment)."""


class Notice(Message, frozen=True, tag="notice"):
    """Something to tell the person: a message id and its arguments."""

    id: Short
    args: Args = {}


class TokenRotated(Message, frozen=True, tag="token.rotated"):
    """A new resume token, in the middle of a connection."""

    session: Id
    token: Line


# -- customer client → appliance --------------------------------------------------------------------------------


class Consent(enum.StrEnum):
    """The four answers to a question to the customer, and the question's withdrawal."""

    GRANTED = "granted"
    DENIED = "denied"
    TIMEOUT = "timeout"
    NOBODY = "nobody"
    LOCKED = "locked"


class ConsentAnswer(Message, frozen=True, tag="consent.answer"):
    """What the customer said to a ConsentAsk."""

    id: Id
    outcome: Consent


class EndNow(Message, frozen=True, tag="end"):
    """The customer pressed End now."""


class StopSharing(Message, frozen=True, tag="stop"):
    """The customer takes tools back without ending the session."""

    tools: list[Tool]


class ScreenUnavailable(Message, frozen=True, tag="screen.unavailable"):
    """There is no picture to send, and why (message id under `screen.`)."""

    reason: Short
    args: Args = {}


class ClientDelay(Message, frozen=True, tag="client.delay"):
    """The client's share of the delay, in milliseconds, averaged since the last one. Sent at most once a second while
    the screen is shared."""

    capture: float
    encode: float
    rtt: float  # client ↔ appliance, by PING


# -- console ↔ appliance ----------------------------------------------------------------------------------------


class Presence(enum.StrEnum):
    """A technician's state."""

    AVAILABLE = "available"
    BUSY = "busy"
    AWAY = "away"


class Call(Message, frozen=True, tag="call"):
    """A console's request; answered by a Reply of the same id. `name` and `params` are `broker.console_calls`."""

    id: int
    name: Short
    params: msgspec.Raw = msgspec.Raw(b"{}")


class Reply(Message, frozen=True, tag="reply"):
    """The answer to a Call: a refusal, else a result (empty Raw where there is none: `Raw | None` would decode nothing
    but null)."""

    id: int
    result: msgspec.Raw = msgspec.Raw()
    refusal: Refusal | None = None


class Update(Message, frozen=True, tag="update"):
    """A part of the console's state changed; `value` replaces what the console has under `topic`.

    Topics: `me`, `keys`, `queue`, `technicians`, `session/ID` (null: gone). Sent after the welcome for everything, then
    on change."""

    topic: Line
    value: msgspec.Raw


class SessionDelay(Message, frozen=True, tag="delay"):
    """To the console, once a second while it views a screen: milliseconds of each part that the appliance knows."""

    session: Id
    capture: float
    encode: float
    uplink: float
    appliance: float


# -- chat channel -----------------------------------------------------------------------------------------------


class ChatSend(Message, frozen=True, tag="chat.send"):
    """A member writes. `id` is made by the writer and makes the message arrive once, however often it is sent."""

    id: Id
    text: Text


class ChatStored(Message, frozen=True, tag="chat.stored"):
    """The message `id` is committed as number `seq`; the writer forgets it."""

    id: Id
    seq: int


class ChatMessage(Message, frozen=True, tag="chat.message"):
    """A message for a member; `sender` is "customer" or a technician's id. `at`: seconds since 1970."""

    seq: int
    id: Id
    sender: Id
    name: Line
    text: Text
    at: float


class ChatTyping(Message, frozen=True, tag="chat.typing"):
    """A member is writing; good for five seconds. `sender` and `name` are set by the appliance."""

    sender: Short = ""
    name: Line = ""


class ChatSeen(Message, frozen=True, tag="chat.seen"):
    """A member has read up to `seq`. `sender` is set by the appliance."""

    seq: int
    sender: Short = ""


# -- clipboard channel ------------------------------------------------------------------------------------------


class ClipboardText(Message, frozen=True, tag="clipboard.text"):
    """The text that a side has copied; at most 1 MiB of JSON."""

    text: str


CustomerMessage = ConsentAnswer | EndNow | StopSharing | ScreenUnavailable | ClientDelay
"""What a customer client may send as a control message."""

ToCustomer = SessionView | ConsentAsk | ConsentCancelled | SessionEnded | ScreenRestart | Notice | TokenRotated
"""What the appliance sends a customer client as control messages."""

ToConsole = Reply | Update | Notice | SessionDelay | TokenRotated
"""What the appliance sends a console as control messages; a console sends only Call."""

ChatFromMember = ChatSend | ChatTyping | ChatSeen
ChatToMember = ChatStored | ChatMessage | ChatTyping | ChatSeen


_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The message as JSON; byte strings in base64."""
    return _encoder.encode(message)


@overload
def decode(payload: bytes | memoryview, kind: type[M]) -> M: ...
@overload
def decode(payload: bytes | memoryview, kind: UnionType) -> Any: ...
def decode(payload: bytes | memoryview, kind: Any) -> Any:
    """The message in `payload`, which must be one of `kind` (a struct or a union of structs).

    Raises ProtocolError("wire.message_malformed").
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError("wire.message_malformed") from error
