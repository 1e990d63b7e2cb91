"""One console's connection: a tab of a technician's browser, known by its sign-in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
import trio

from appliance.broker.context import Context
from appliance.broker.session import Session
from appliance.broker.views import View, refused
from appliance.identity import SignedIn
from appliance.relay.link import Link
from appliance.wire.connection import Handshake
from appliance.wire.frames import FrameType, ProtocolError
from appliance.wire.messages import (
    VERSION,
    Call,
    Greeting,
    Hello,
    Open,
    PeerKind,
    Person,
    Refusal,
    Reply,
    Update,
    Welcome,
    decode,
)
from appliance.wire.stream import WireStream

HELLO_SECONDS = 15.0
_NULL = b"null"

Answer = View | Sequence[View] | Refusal | None
"""What a call gives."""


class Desk(Protocol):
    """What a console is served by (the Broker)."""

    def console_in(self, socket: ConsoleSocket) -> None:
        """It has said hello."""
        ...

    def console_out(self, socket: ConsoleSocket) -> None:
        """It is gone."""
        ...

    def session(self, session_id: str) -> Session | None:
        """A session that is running, or has just ended."""
        ...

    def topics(self, socket: ConsoleSocket) -> list[str]:
        """All that it is shown."""
        ...

    def value(self, topic: str, socket: ConsoleSocket) -> View | Sequence[View] | None:
        """What it is shown under `topic`."""
        ...

    async def call(self, socket: ConsoleSocket, call: Call) -> Answer:
        """Do what it asks for."""
        ...


class ConsoleSocket:
    """A console's connection, from greeting to end."""

    def __init__(self, ctx: Context, stream: WireStream, who: SignedIn, desk: Desk, nonce: bytes) -> None:
        self.link = Link(stream, ctx.pool)
        self.who = who
        self.person = Person(id=who.user.id, name=who.user.display_name)
        self.language = who.user.language
        self.permissions = who.user.permissions
        self.teams = frozenset(who.user.teams)
        self.user_id = who.user.id
        self.user_name = who.user.name
        self._ctx = ctx
        self._desk = desk
        self._nonce = nonce
        self._greeted = False
        self._entered = False
        self._dirty: dict[str, None] = {}
        self._sent: dict[str, bytes] = {}
        self._publishing = False

    async def run(self) -> None:
        """Serve the connection until it is over."""
        self.link.say(FrameType.GREETING, Greeting(versions=[VERSION], nonce=self._nonce, time=self._ctx.now()))
        self.link.within(HELLO_SECONDS)
        try:
            await self.link.run(self)
        finally:
            if self._entered:
                self._entered = False
                self._desk.console_out(self)

    # -- link.Handler -------------------------------------------------------------------------------------------

    def handshake(self, event: Handshake) -> None:
        """HELLO, once."""
        if event.type is not FrameType.HELLO or self._greeted:
            raise ProtocolError("wire.hello_unexpected")
        self._greeted = True
        hello = decode(event.payload, Hello)
        if hello.version != VERSION or hello.kind is not PeerKind.CONSOLE:
            self.link.say(FrameType.REFUSED, refused("session.hello.version", ours=VERSION, theirs=hello.version))
            self.link.close()
            return
        self.link.within(math.inf)
        settings = self._ctx.settings.current
        self.link.say(
            FrameType.WELCOME,
            Welcome(version=VERSION, site=settings.site_name, resume_seconds=settings.resume_seconds),
        )
        self._entered = True
        self._desk.console_in(self)
        for topic in self._desk.topics(self):
            self.touch(topic)

    def control(self, payload: bytes) -> None:
        """A call."""
        self._require_hello()
        call = decode(payload, Call)
        self.link.later(lambda: self._call(call))

    def opened(self, channel: int, request: Open) -> None:
        """A channel of one of the technician's sessions."""
        self._require_hello()
        session = self._desk.session(request.session)
        if session is None or session.role_of(self.user_id) is None:
            return self.link.deny(channel, refused("policy.member.none"))
        return session.sharing.opened(self, channel, request)

    def _require_hello(self) -> None:
        if not self._entered:
            raise ProtocolError("wire.hello_expected")

    async def _call(self, call: Call) -> None:
        answer = await self._desk.call(self, call)
        if isinstance(answer, Refusal):
            self.link.tell(Reply(id=call.id, refusal=answer))
        else:
            self.link.tell(Reply(id=call.id, result=msgspec.Raw(msgspec.json.encode(answer))))

    # -- topics -------------------------------------------------------------------------------------------------

    def touch(self, topic: str) -> None:
        """What this console is shown under `topic` may have changed; it is sent once all is done that is being done."""
        if self._entered:
            self._dirty[topic] = None
            if not self._publishing:
                self._publishing = True
                self.link.soon(self._publish)

    async def _publish(self) -> None:
        await trio.lowlevel.checkpoint()
        self._publishing = False
        dirty, self._dirty = self._dirty, {}
        for topic in dirty:
            value = msgspec.json.encode(self._desk.value(topic, self))
            if value != self._sent.get(topic, _NULL):
                self._sent[topic] = value
                self.link.tell(Update(topic=topic, value=msgspec.Raw(value)))
            if value == _NULL:
                self._sent.pop(topic, None)

    def shows(self, topic: str) -> bool:
        """Whether the console holds a value under `topic`."""
        return topic in self._sent

    def send_all_again(self) -> None:
        """Send every topic, as at the start."""
        self._sent.clear()
        for topic in self._desk.topics(self):
            self.touch(topic)
