"""What engine and window say to each other: msgspec structs, each a message on a socket pair.

A message is four bytes of length, big endian, and JSON. Neither side ever waits for the other: the window's end is
non-blocking and keeps what does not fit; the engine's (`engine_end.py`, since the window has no use for trio) has a
queue and a task of its own.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterator
from typing import Annotated

import msgspec

from appliance.wire.messages import Args, Tool

MAX_MESSAGE = 1024 * 1024


class Talk(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    """Base of all messages between engine and window."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be put into words where it is read: a message id and its arguments."""

    id: str
    args: Args = {}


# -- engine → window --------------------------------------------------------------------------------------------


class Phase(enum.StrEnum):
    """Where the client stands."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    CONNECTED = "connected"
    AWAY = "away"  # the technician's connection is interrupted
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class View(Talk, frozen=True, tag="view"):
    """Everything that the window shows of the session, whole on every change.

    `problem`: why there is no connection. `shared`: what runs now. `watching`: names of those who see the screen.
    `monitor`: x, y, width, height of the one that the banner belongs on, once that is known.
    """

    phase: Phase
    site: str = ""
    technicians: tuple[str, ...] = ()
    position: int = 0
    fallback: bool = False
    words: tuple[str, ...] = ()
    shared: tuple[Tool, ...] = ()
    watching: tuple[str, ...] = ()
    controller: str = ""
    recording: bool = False
    monitor: tuple[int, int, int, int] | None = None
    problem: Text | None = None


class Question(Talk, frozen=True, tag="question"):
    """Ask the customer; `seconds` until the engine takes it for unanswered."""

    id: str
    technician: str
    tools: tuple[Tool, ...]
    seconds: float


class QuestionGone(Talk, frozen=True, tag="question.gone"):
    """The question is not open any more."""

    id: str


class Line(Talk, frozen=True, tag="line"):
    """A line of the chat; one with the `id` of an earlier line replaces it (it has been stored)."""

    id: str
    mine: bool
    name: str
    text: str
    at: float
    stored: bool = True


class Writing(Talk, frozen=True, tag="writing"):
    """Somebody writes; good for five seconds."""

    name: str


class Told(Talk, frozen=True, tag="told"):
    """Something to tell the customer, in the chat's place."""

    text: Text


class Ended(Talk, frozen=True, tag="ended"):
    """It is over. `failed`: there was no session; `text` says why and what to do."""

    text: Text
    failed: bool = False


ToWindow = View | Question | QuestionGone | Line | Writing | Told | Ended

# -- window → engine --------------------------------------------------------------------------------------------


class Answer(Talk, frozen=True, tag="answer"):
    """The customer's answer to a Question."""

    id: str
    granted: bool


class Say(Talk, frozen=True, tag="say"):
    """The customer writes a line."""

    text: Annotated[str, msgspec.Meta(max_length=8000)]


class Typing(Talk, frozen=True, tag="typing"):
    """The customer is writing."""


class Stop(Talk, frozen=True, tag="stop"):
    """Stop sharing these."""

    tools: tuple[Tool, ...]


class End(Talk, frozen=True, tag="end"):
    """End now, or the window was closed."""


ToEngine = Answer | Say | Typing | Stop | End

_to_window = msgspec.json.Decoder(ToWindow)
_encode = msgspec.json.Encoder().encode


def packed(message: Talk) -> bytes:
    """The message as it goes over the socket."""
    payload = _encode(message)
    return len(payload).to_bytes(4, "big") + payload


class Cutter:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payloads that `data` completes. Raises ValueError."""
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if size > MAX_MESSAGE:
                raise ValueError("message too long")
            if len(self._buffer) < 4 + size:
                return
            payload = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield payload


def talk_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of the channel: the engine's and the window's."""
    return socket.socketpair()


class WindowEnd:
    """The window's end: never blocks."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._cutter = Cutter()
        self._unsent = bytearray()

    def tell(self, message: ToEngine) -> None:
        """Send `message`, or keep what does not fit until `flush`."""
        self._unsent += packed(message)
        self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()

    def heard(self) -> tuple[list[ToWindow], bool]:
        """What the engine has said, and whether it is still there."""
        messages: list[ToWindow] = []
        try:
            while data := self.socket.recv(64 * 1024):
                messages += [_to_window.decode(payload) for payload in self._cutter.feed(data)]
        except BlockingIOError:
            return messages, True
        except OSError:
            pass
        return messages, False
