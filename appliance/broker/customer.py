"""One customer's connection: the hello that proves who it is, then its control messages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.broker.context import Context
from appliance.broker.session import Session
from appliance.broker.starts import REFUSAL_SECONDS
from appliance.broker.views import Text, refused
from appliance.domain.session import EndReason, State
from appliance.relay.chat import CUSTOMER
from appliance.relay.link import Link
from appliance.wire.channels import ChannelName
from appliance.wire.connection import Handshake
from appliance.wire.frames import FrameType, ProtocolError
from appliance.wire.messages import (
    VERSION,
    ClientDelay,
    ConsentAnswer,
    CustomerMessage,
    EndNow,
    Greeting,
    Hello,
    Open,
    PeerKind,
    Refusal,
    ScreenUnavailable,
    StopSharing,
    Welcome,
    decode,
    hello_signature_input,
)
from appliance.wire.stream import WireStream

HELLO_SECONDS = 15.0

_Y = (1 << 255) - 1  # a key without its sign bit
_P = (1 << 255) - 19
_ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = frozenset({0, 1, _ORDER_8, _P - _ORDER_8, _P - 1, _P, _P + 1})
"""Keys of the curve's eight small points: anybody can sign for them now and then, so they identify nobody."""


class Admission(Protocol):
    """Who lets clients in (the Broker)."""

    async def admit(self, hello: Hello, address: str) -> tuple[Session, str] | Refusal:
        """The session that a hello (its signature is good) leads to, and its new resume token."""
        ...


def proves_key(hello: Hello, nonce: bytes, fingerprints: tuple[bytes, ...]) -> bool:
    """Whether the hello's signature is by its key, for this connection and this appliance."""
    if hello.key is None or hello.signature is None:
        return False
    session = hello.resume.session if hello.resume is not None else ""
    if (int.from_bytes(hello.key, "little") & _Y) in _SMALL_ORDER:
        return False
    key = Ed25519PublicKey.from_public_bytes(hello.key)
    for fingerprint in fingerprints:
        try:
            key.verify(hello.signature, hello_signature_input(nonce, fingerprint, hello.key, session))
        except InvalidSignature:
            continue
        return True
    return False


class CustomerPeer:
    """A customer client's connection, from greeting to end."""

    def __init__(
        self,
        ctx: Context,
        stream: WireStream,
        admission: Admission,
        fingerprints: Callable[[], tuple[bytes, ...]],
        nonce: bytes,
        admitted: Callable[[], None],
    ) -> None:
        self.link = Link(stream, ctx.pool)
        self.address = stream.peer_address
        self.session: Session | None = None
        self._ctx = ctx
        self._admission = admission
        self._fingerprints = fingerprints
        self._nonce = nonce
        self._admitted = admitted
        self._greeted = False

    async def run(self) -> None:
        """Serve the connection until it is over."""
        greeting = Greeting(versions=[VERSION], nonce=self._nonce, time=self._ctx.now())
        self.link.say(FrameType.GREETING, greeting)
        self.link.within(HELLO_SECONDS)
        try:
            await self.link.run(self)
        finally:
            if self.session is not None:
                self.session.customer_out(self)

    # -- link.Handler -------------------------------------------------------------------------------------------

    def handshake(self, event: Handshake) -> None:
        """HELLO, once."""
        if event.type is not FrameType.HELLO or self._greeted:
            raise ProtocolError("wire.hello_unexpected")
        self._greeted = True
        hello = decode(event.payload, Hello)
        self.link.later(lambda: self._hello(hello))

    def control(self, payload: bytes) -> None:
        """A control message of the client."""
        session = self._entered()
        match decode(payload, CustomerMessage):
            case ConsentAnswer(id=question, outcome=outcome):
                session.touched_by_person()
                session.sharing.answered(question, outcome)
            case StopSharing(tools=tools):
                session.touched_by_person()
                session.sharing.stopped(frozenset(tools))
            case EndNow():
                session.end(EndReason.CUSTOMER, by=CUSTOMER)
            case ScreenUnavailable(reason=reason, args=args):
                session.sharing.no_screen(Text(id=reason, args=args))
            case ClientDelay() as delay:
                session.sharing.delay(delay)

    def opened(self, channel: int, request: Open) -> None:
        """The client opens its chat; everything else is opened by the appliance."""
        session = self._entered()
        if request.name is not ChannelName.CHAT or request.session != session.id:
            return self.link.deny(channel, refused("policy.customer.shares"))
        port = self.link.accept(channel)
        if port is not None:
            name = session.record.system.user
            session.chat.attach(self.link, port, sender=CUSTOMER, name=name, after=request.after)
            port.on_closed = lambda _refusal: session.chat.detach(port)
        return None

    def _entered(self) -> Session:
        if self.session is None:
            raise ProtocolError("wire.hello_expected")
        return self.session

    # -- the hello ----------------------------------------------------------------------------------------------

    async def _hello(self, hello: Hello) -> None:
        began = trio.current_time()
        answer = await self._admit(hello)
        if isinstance(answer, Refusal):
            await trio.sleep_until(began + REFUSAL_SECONDS)
            self.link.say(FrameType.REFUSED, answer)
            self.link.close()
            return
        session, token = answer
        settings = self._ctx.settings.current
        if self.link.end is not None or session.state is State.ENDED:
            self.link.close()  # ended while it was being let in; it hears why when it comes back
            return
        self.link.within(math.inf)
        if authenticated := getattr(self.link.stream, "authenticated", None):
            authenticated()  # the edge: from now on it does not count among its address's
        self.session = session
        self._admitted()
        self.link.say(
            FrameType.WELCOME,
            Welcome(
                version=VERSION,
                session=session.id,
                resume=token,
                secret=session.record.secret,
                site=settings.site_name,
                resume_seconds=settings.resume_seconds,
                consent_once=settings.consent_once,
            ),
        )
        session.customer_in(self)

    async def _admit(self, hello: Hello) -> tuple[Session, str] | Refusal:
        if hello.version != VERSION:
            return refused("session.hello.version", ours=VERSION, theirs=hello.version)
        if hello.kind is not PeerKind.CUSTOMER:
            return refused("session.hello.kind")
        if not proves_key(hello, self._nonce, self._fingerprints()):
            return refused("session.hello.signature")
        return await self._admission.admit(hello, self.address)
