"""One connection to the appliance, from the greeting to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio
from nacl.signing import SigningKey

from appliance.wire.connection import Connection, Event, Handshake, Ponged, Side
from appliance.wire.frames import Flag, FrameType, ProtocolError
from appliance.wire.messages import (
    VERSION,
    CustomerMessage,
    Greeting,
    Hello,
    PeerKind,
    Refusal,
    Resume,
    System,
    Welcome,
    decode,
    encode,
    hello_signature_input,
)
from appliance.wire.stream import WireStream

HANDSHAKE_SECONDS = 20.0
READ_BUFFER = 64 * 1024
_NOTHING: Iterator[Event] = iter(())


class LinkLost(Exception):
    """The connection is gone; the session is not."""


class Refused(Exception):
    """The appliance does not want this hello."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Link:
    """Frames over one stream. One task reads (`event`), one sends (`run_sending`), one pings (`run_pinging`)."""

    def __init__(self, stream: WireStream) -> None:
        self.connection = Connection(Side.PEER)
        self.rtt = 0.0
        """Seconds to the appliance and back, smoothed; 0 before the first answer."""
        self._stream = stream
        self._buffer = memoryview(bytearray(READ_BUFFER))
        self._events: Iterator[Event] = _NOTHING
        self._due = trio.Event()
        self._heard = trio.current_time()
        self._pinged: dict[bytes, float] = {}
        self._pings = 0
        self._cut = False

    # -- handshake ----------------------------------------------------------------------------------------------

    async def shake_hands(
        self,
        *,
        key: SigningKey,
        ca_fingerprint: bytes,
        system: System,
        token: str | None = None,
        resume: Resume | None = None,
        capabilities: tuple[str, ...] = (),
    ) -> Welcome:
        """Say hello with a start token or with the way back. Raises Refused, LinkLost, ProtocolError."""
        with trio.move_on_after(HANDSHAKE_SECONDS):
            greeting = decode(await self._handshake(FrameType.GREETING), Greeting)
            if VERSION not in greeting.versions:
                raise Refused(Refusal(reason="client.ended.version"))
            public = bytes(key.verify_key)
            session = resume.session if resume else ""
            signed = hello_signature_input(greeting.nonce, ca_fingerprint, public, session)
            hello = Hello(
                version=VERSION,
                kind=PeerKind.CUSTOMER,
                capabilities=list(capabilities),
                key=public,
                signature=key.sign(signed).signature,
                token=token,
                resume=resume,
                system=system,
            )
            self.connection.handshake(FrameType.HELLO, encode(hello))
            await self._send_due()
            welcome = decode(await self._handshake(FrameType.WELCOME), Welcome)
            if welcome.session is None or welcome.resume is None:
                raise ProtocolError("wire.message_malformed")
            return welcome
        raise LinkLost("no answer")

    async def _handshake(self, expected: FrameType) -> bytes:
        event = await self.event()
        if isinstance(event, Handshake) and event.type is expected:
            return event.payload
        if isinstance(event, Handshake) and event.type is FrameType.REFUSED and expected is FrameType.WELCOME:
            raise Refused(decode(event.payload, Refusal))
        raise ProtocolError("wire.handshake_order")

    # -- reading ------------------------------------------------------------------------------------------------

    async def event(self) -> Event:
        """The next event; a Data's payload is good until the next call. Raises LinkLost, ProtocolError."""
        while True:
            for event in self._events:
                if isinstance(event, Ponged):
                    self._ponged(event.payload)
                    continue
                return event
            self.flush()
            if self._events is not _NOTHING:
                self._events = _NOTHING
                # What came has been dealt with: now the others get their turn.
                await trio.lowlevel.checkpoint()
            try:
                size = self._stream.receive_now(self._buffer)
                if size is None:
                    await self._stream.wait_readable()
                    continue
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise LinkLost("broken") from error
            if size == 0:
                raise LinkLost("closed by the appliance")
            self._heard = trio.current_time()
            self._events = self.connection.receive(self._buffer[:size])

    # -- sending ------------------------------------------------------------------------------------------------

    def tell(self, message: CustomerMessage) -> None:
        """Queue a control message."""
        with self.guarded():
            self.connection.control(encode(message))
        self.flush()

    def send(self, channel: int, payload: bytes, flags: Flag = Flag.FIN) -> None:
        """Queue a channel's message; nothing happens when the channel has just been closed."""
        with suppress(KeyError):
            self.connection.send(channel, payload, flags)
        self.flush()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What fails inside is the appliance's fault (it takes nothing, and its control queue is full): the link is
        lost, and whoever only wanted to say something goes on."""
        try:
            yield
        except ProtocolError:
            self._cut = True
            self._due.set()

    def flush(self) -> None:
        """Something may be due: wake the sender."""
        if self.connection.wants_to_send:
            self._due.set()

    async def run_sending(self) -> None:
        """Send whatever is due, in the order of its urgency. Raises LinkLost."""
        while True:
            await self._send_due()
            if self._cut:
                raise LinkLost("does not read")
            self._due = trio.Event()
            if not self.connection.wants_to_send:
                await self._due.wait()

    async def _send_due(self) -> None:
        try:
            while data := self.connection.data_to_send():
                await self._stream.send_all(b"".join(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkLost("broken") from error

    # -- alive? -------------------------------------------------------------------------------------------------

    async def run_pinging(self, interval: float, deadline: float) -> None:
        """Ping every `interval` seconds; silence for `deadline` seconds is the link's loss. Raises LinkLost."""
        while True:
            self._pings += 1
            payload = self._pings.to_bytes(8, "big")
            self._pinged[payload] = time.perf_counter()
            self.connection.ping(payload)
            self.flush()
            await trio.sleep(min(interval, max(0.0, self._heard + deadline - trio.current_time())))
            if trio.current_time() - self._heard >= deadline:
                raise LinkLost("silent")

    def _ponged(self, payload: bytes) -> None:
        sent = self._pinged.pop(payload, None)
        if sent is not None:
            took = time.perf_counter() - sent
            self.rtt = took if not self.rtt else self.rtt + 0.25 * (took - self.rtt)
            self._pinged.clear()
