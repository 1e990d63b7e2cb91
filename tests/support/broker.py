"""A broker with a customer's client and consoles at the other end of streams in memory.

The clock runs by itself and is moved on with `BrokerSite.advance`; nothing here sleeps to synchronise.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlite_utils import Database

from appliance.broker import Broker, Start
from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import SignedIn, Throttle
from appliance.store import Audit, Settings, Store, users
from appliance.store.users import User
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.connection import (
    Accepted,
    Closed,
    Connection,
    Control,
    Data,
    Denied,
    Handshake,
    Opened,
    Side,
)
from appliance.wire.frames import Flag, FrameType, ProtocolError

FINGERPRINT = b"\x07" * 32
EPOCH = 1_700_000_000.0
M = TypeVar("M", bound=m.Message)


class MemoryStream:
    """A WireStream to `other`; holds at most `capacity` bytes that the other end has not taken."""

    def __init__(self, address: str = "192.0.2.7", capacity: int = 256 * 1024) -> None:
        self.peer_address = address
        self.capacity = capacity
        self.frozen = False  # takes nothing, as a peer whose network is gone
        self.closed = False
        self.other: MemoryStream
        self._incoming = bytearray()
        self._ended = False
        self._changed = trio.Event()

    @classmethod
    def pair(cls, address: str = "192.0.2.7", capacity: int = 256 * 1024) -> tuple[MemoryStream, MemoryStream]:
        """Two ends of one connection."""
        one, other = cls(address, capacity), cls(address, capacity)
        one.other, other.other = other, one
        return one, other

    def _announce(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait_readable(self) -> None:
        """As WireStream says."""
        await trio.lowlevel.checkpoint()
        while (self.frozen or not (self._incoming or self._ended)) and not self.closed:
            await self._changed.wait()

    def receive_now(self, into: memoryview) -> int | None:
        """As WireStream says."""
        if self.closed:
            raise trio.BrokenResourceError("closed")
        if self.frozen:
            return None
        if not self._incoming:
            return 0 if self._ended else None
        size = min(len(into), len(self._incoming))
        into[:size] = self._incoming[:size]
        del self._incoming[:size]
        self.other._announce()
        return size

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As WireStream says."""
        await trio.lowlevel.checkpoint()
        other = self.other
        while len(other._incoming) + len(data) > max(other.capacity, len(data)):
            if self.closed or other.closed:
                break
            await self._changed.wait()
        if self.closed or other.closed:
            raise trio.BrokenResourceError("closed")
        other._incoming += data
        other._announce()

    def thaw(self) -> None:
        """Take part again."""
        self.frozen = False
        self._announce()
        self.other._announce()

    async def aclose(self) -> None:
        """As WireStream says."""
        self.closed = True
        self.other._ended = True
        self._announce()
        self.other._announce()
        await trio.lowlevel.checkpoint()


class Peer:
    """The other end of one of the appliance's connections: what it heard, and what it can say."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self.connection = Connection(Side.PEER)
        self.heard: list[m.Message] = []  # handshake and control messages, in order
        self.opened: dict[ChannelName, int] = {}  # by the appliance, not closed
        self.denied: dict[int, m.Refusal] = {}
        self.accepted: set[int] = set()
        self.closed: dict[int, m.Refusal | None] = {}
        self.frames: dict[int, list[tuple[bytes, Flag]]] = {}
        self.accepts = True  # opens by the appliance
        self.takes = True  # grants credit for what it has read
        self.over = False
        self._read = 0
        self._sending = trio.Lock()
        self._news = trio.Event()

    async def run(self, kind: Any) -> None:
        """Read until the end; `kind` is the union of control messages."""
        buffer = memoryview(bytearray(64 * 1024))
        try:
            while True:
                await self.stream.wait_readable()
                while size := self.stream.receive_now(buffer):
                    for event in self.connection.receive(bytes(buffer[:size])):
                        self._event(event, kind)
                    await self.flush()
                    self._announce()
                if size == 0:
                    return
        except (trio.BrokenResourceError, ProtocolError):
            return
        finally:
            self.over = True
            self._announce()

    def _event(self, event: object, kind: Any) -> None:
        match event:
            case Handshake(type=which, payload=payload):
                types = {FrameType.GREETING: m.Greeting, FrameType.WELCOME: m.Welcome, FrameType.REFUSED: m.Refusal}
                self.heard.append(m.decode(payload, types[which]))  # type: ignore[arg-type]
            case Control(payload=payload):
                self.heard.append(m.decode(payload, kind))
            case Opened(channel=channel, request=request):
                self.opened[request.name] = channel
                if self.accepts:
                    self.connection.accept(channel)
                else:
                    self.connection.deny(channel, m.encode(m.Refusal(reason="no")))
            case Accepted(channel=channel):
                self.accepted.add(channel)
            case Denied(channel=channel, payload=payload):
                self.denied[channel] = m.decode(payload, m.Refusal)
            case Closed(channel=channel, payload=payload):
                self.closed[channel] = m.decode(payload, m.Refusal) if payload else None
                self.opened = {name: number for name, number in self.opened.items() if number != channel}
            case Data(channel=channel, payload=data, flags=flags):
                self.frames.setdefault(channel, []).append((bytes(data), flags))
                if self.takes:
                    self.connection.consumed(channel, len(data))

    def _announce(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()

    async def flush(self) -> None:
        """Send what is queued; one task at a time, so that nothing changes places."""
        async with self._sending:
            while buffers := self.connection.data_to_send():
                await self.stream.send_all(b"".join(buffers))

    async def until(self, condition: Any) -> None:
        """Wait until `condition()` holds; fails when the connection is over and it does not."""
        while not condition():
            assert not self.over, f"the connection is over; heard {self.heard[-3:]}"
            await self._news.wait()

    async def next(self, kind: type[M], **fields: object) -> M:
        """The next message of `kind` with these fields that was not looked at yet; those before it are passed over."""
        found: list[M] = []

        def look() -> bool:
            while self._read < len(self.heard):
                message = self.heard[self._read]
                self._read += 1
                if isinstance(message, kind) and all(getattr(message, key) == fields[key] for key in fields):
                    found.append(message)
                    return True
            return False

        await self.until(look)
        return found[0]

    async def end(self) -> None:
        """Wait until the appliance has closed."""
        while not self.over:
            await self._news.wait()

    async def tell(self, message: m.Message) -> None:
        """Send a control message."""
        self.connection.control(m.encode(message))
        await self.flush()

    async def open(self, name: ChannelName, session: str, after: int = 0) -> int:
        """Ask for a channel; its number."""
        channel = self.connection.open(m.Open(name=name, session=session, after=after))
        await self.flush()
        return channel

    async def opens(self, name: ChannelName, session: str, after: int = 0) -> int:
        """Ask for a channel and get it."""
        channel = await self.open(name, session, after)
        await self.until(lambda: channel in self.accepted or channel in self.denied)
        assert channel in self.accepted, self.denied[channel]
        return channel

    async def refused(self, channel: int) -> m.Refusal:
        """The refusal of a channel that was asked for, or was open."""
        await self.until(lambda: channel in self.denied or channel in self.closed)
        refusal = self.denied.get(channel) or self.closed.get(channel)
        assert refusal is not None
        return refusal

    async def send(self, channel: int, data: bytes, flags: Flag = Flag.FIN) -> None:
        """Send on a channel."""
        self.connection.send(channel, data, flags)
        await self.flush()

    def messages(self, channel: int) -> list[bytes]:
        """The whole messages that came on a channel."""
        out, part = [], b""
        for data, flags in self.frames.get(channel, []):
            part += data
            if flags & Flag.FIN:
                out.append(part)
                part = b""
        return out

    async def message(self, channel: int, number: int) -> bytes:
        """The message of that number (from 0) on a channel."""
        await self.until(lambda: len(self.messages(channel)) > number)
        return self.messages(channel)[number]

    async def leave(self) -> None:
        """Close the connection."""
        await self.stream.aclose()


class CustomerEnd(Peer):
    """A customer client's end."""

    def __init__(self, stream: MemoryStream, key: Ed25519PrivateKey) -> None:
        super().__init__(stream)
        self.key = key
        self.session = ""
        self.resume = ""

    def hello(self, nonce: bytes, *, token: str | None, resume: m.Resume | None, fingerprint: bytes) -> m.Hello:
        """A hello with a good signature."""
        public = self.key.public_key().public_bytes_raw()
        signed = m.hello_signature_input(nonce, fingerprint, public, resume.session if resume else "")
        return m.Hello(
            version=1,
            kind=m.PeerKind.CUSTOMER,
            key=public,
            signature=self.key.sign(signed),
            token=token,
            resume=resume,
            system=m.System(os="Debian 12", host="laptop", user="karin", display="x11", client="0.1.0", language="de"),
        )

    async def enter(
        self, token: str | None = None, resume: m.Resume | None = None, fingerprint: bytes = FINGERPRINT
    ) -> m.Welcome | m.Refusal:
        """Say hello; what the appliance answers."""
        greeting = await self.next(m.Greeting)
        hello = self.hello(greeting.nonce, token=token, resume=resume, fingerprint=fingerprint)
        self.connection.handshake(FrameType.HELLO, m.encode(hello))
        await self.flush()
        found = await self._answer()
        if isinstance(found, m.Welcome):
            self.session, self.resume = found.session or "", found.resume or ""
        return found

    async def _answer(self) -> m.Welcome | m.Refusal:
        await self.until(lambda: any(isinstance(one, m.Welcome | m.Refusal) for one in self.heard))
        return next(one for one in self.heard if isinstance(one, m.Welcome | m.Refusal))

    async def agrees(self, outcome: m.Consent = m.Consent.GRANTED) -> m.ConsentAsk:
        """Wait for the next question and answer it."""
        asked = await self.next(m.ConsentAsk)
        await self.tell(m.ConsentAnswer(id=asked.id, outcome=outcome))
        return asked


class ConsoleEnd(Peer):
    """A console's end: its state by topic, and its calls."""

    def __init__(self, stream: MemoryStream, who: SignedIn) -> None:
        super().__init__(stream)
        self.who = who
        self._calls = 0

    async def enter(self) -> None:
        """Say hello and be welcomed."""
        await self.next(m.Greeting)
        self.connection.handshake(FrameType.HELLO, m.encode(m.Hello(version=1, kind=m.PeerKind.CONSOLE)))
        await self.flush()
        await self.next(m.Welcome)

    @property
    def state(self) -> dict[str, Any]:
        """Topic → value, as last sent; what is gone is not in it."""
        updates = [one for one in self.heard if isinstance(one, m.Update)]
        state = {update.topic: msgspec.json.decode(update.value) for update in updates}
        return {topic: value for topic, value in state.items() if value is not None}

    async def sees(self, topic: str, condition: Any = lambda value: True) -> Any:
        """Wait until the value under `topic` fulfils `condition`; the value."""
        await self.until(lambda: topic in self.state and condition(self.state[topic]))
        return self.state[topic]

    async def call(self, name: str, **params: object) -> Any:
        """Call, and the result. A refusal fails."""
        reply = await self.reply(name, **params)
        assert reply.refusal is None, reply.refusal
        return msgspec.json.decode(reply.result or b"null")

    async def refusal(self, name: str, **params: object) -> m.Refusal:
        """Call, and the refusal."""
        reply = await self.reply(name, **params)
        assert reply.refusal is not None, reply.result
        return reply.refusal

    async def reply(self, name: str, **params: object) -> m.Reply:
        """Call, and the reply."""
        self._calls += 1
        number = self._calls
        await self.tell(m.Call(id=number, name=name, params=msgspec.Raw(msgspec.json.encode(params))))
        await self.until(lambda: any(isinstance(one, m.Reply) and one.id == number for one in self.heard))
        return next(one for one in self.heard if isinstance(one, m.Reply) and one.id == number)


@dataclass
class FakeRecorder:
    """Notes what it is given."""

    meta: Mapping[str, object]
    failed: str | None = None
    frames: list[tuple[bytes, int]] = field(default_factory=list)
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)
    closed: str = ""
    flushed: int = 0

    def screen(self, data: bytes | memoryview, flags: int, at: float) -> None:
        """A frame."""
        self.frames.append((bytes(data), flags))

    def event(self, kind: str, at: float, **details: object) -> None:
        """An event."""
        self.events.append((kind, details))

    def chat(self, message: msgspec.Struct, at: float) -> None:
        """A chat message."""
        assert isinstance(message, m.ChatMessage)
        self.chats.append(message.text)

    async def flush(self) -> None:
        """Nothing to do."""
        self.flushed += 1

    async def close(self, reason: str) -> None:
        """Over."""
        self.closed = reason


class BrokerSite:
    """A running broker, its people, and whoever connects."""

    def __init__(self, store: Store, settings: Settings, clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.nursery = nursery
        self.audit = Audit(store, self.now)
        self.throttle = Throttle(self.audit)
        self.recorders: list[FakeRecorder] = []
        self.serving = 0
        self.started = trio.current_time()
        self.wall_offset = 0.0
        self.broker: Broker
        self._broker_scope: trio.CancelScope
        self._broker_done: trio.Event
        self._stopping: trio.Event

    def now(self) -> float:
        """The wall clock."""
        return EPOCH + trio.current_time() - self.started + self.wall_offset

    def _record(self, folder: Path, meta: Mapping[str, object]) -> FakeRecorder:
        self.recorders.append(FakeRecorder(meta))
        return self.recorders[-1]

    async def start(self, **options: Any) -> None:
        """Start the broker."""
        self.broker = Broker(
            self.store,
            self.settings,
            self.audit,
            self.throttle,
            self._record,
            lambda: (FINGERPRINT,),
            self.now,
            **options,
        )
        self._broker_scope, self._broker_done = trio.CancelScope(), trio.Event()
        self._stopping = trio.Event()

        async def run(task_status: trio.TaskStatus[None]) -> None:
            try:
                with self._broker_scope:
                    await self.broker.run(task_status)
            finally:
                self._broker_done.set()

        await self.nursery.start(run)

    async def stop(self) -> None:
        """Stop the broker, as SIGTERM does, with its connections."""
        self._stopping.set()
        self._broker_scope.cancel()
        await self._broker_done.wait()

    async def person(
        self, name: str, *more: Permission, but: Permission | None = None, teams: tuple[str, ...] = ()
    ) -> SignedIn:
        """A technician."""
        permissions = (TECHNICIAN | frozenset(more)) - {but}
        user = User(
            id=f"user-{name.lower()}",
            name=name.lower(),
            display_name=name,
            language="en",
            permissions=permissions,
            teams=teams,
            created_at=EPOCH,
        )

        def write(db: Database) -> None:
            users.insert(db, user)
            for team in teams:
                db.execute("INSERT OR IGNORE INTO teams (id, name, name_key) VALUES (?, ?, ?)", [team, team, team])
                db.execute("INSERT INTO team_members (team_id, user_id) VALUES (?, ?)", [team, user.id])

        await self.store.write(write)
        return SignedIn(user, f"web-{name.lower()}", "csrf", "192.0.2.1")

    async def console(self, who: SignedIn, capacity: int = 256 * 1024) -> ConsoleEnd:
        """A tab of `who`, welcomed."""
        near, far = MemoryStream.pair("192.0.2.1", capacity)
        end = ConsoleEnd(far, who)
        self.nursery.start_soon(self._serve, self.broker.serve_console, near, who)
        self.nursery.start_soon(end.run, m.ToConsole)
        await end.enter()
        return end

    async def customer(
        self, key: Ed25519PrivateKey | None = None, address: str = "192.0.2.7", **kw: Any
    ) -> CustomerEnd:
        """A customer client that has not said hello."""
        near, far = MemoryStream.pair(address, **kw)
        end = CustomerEnd(far, key or Ed25519PrivateKey.generate())
        self.nursery.start_soon(self._serve, self.broker.serve_customer, near)
        self.nursery.start_soon(end.run, m.ToCustomer)
        return end

    async def _serve(self, serve: Any, *args: Any) -> None:
        self.serving += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_with, self._stopping, nursery.cancel_scope)
                await serve(*args)
                nursery.cancel_scope.cancel()
        finally:
            self.serving -= 1

    @staticmethod
    async def _cancel_with(stopping: trio.Event, scope: trio.CancelScope) -> None:
        await stopping.wait()
        scope.cancel()

    async def token(self, console: ConsoleEnd, cookie: str | None = None) -> str:
        """A start token: a key made in the console, typed in the portal, a client downloaded."""
        made = await console.call("key.create")
        start = await self.broker.redeem_key(made["display"], cookie or secrets.token_urlsafe(16), "192.0.2.7")
        assert isinstance(start, Start), start
        token = await self.broker.mint_token(start)
        assert isinstance(token, str)
        await self.broker.downloaded(start.id)
        return token

    async def waiting(self, console: ConsoleEnd, **kw: Any) -> CustomerEnd:
        """A customer who waits for the technician of `console`."""
        customer = await self.customer(**kw)
        welcome = await customer.enter(token=await self.token(console))
        assert isinstance(welcome, m.Welcome), welcome
        return customer

    async def in_session(self, console: ConsoleEnd, **kw: Any) -> CustomerEnd:
        """A customer whose session the technician of `console` has accepted."""
        customer = await self.waiting(console, **kw)
        await console.call("session.accept", session=customer.session)
        return customer

    async def back(self, customer: CustomerEnd, **kw: Any) -> CustomerEnd:
        """The same client on a new connection, resumed."""
        again = await self.customer(customer.key, **kw)
        resume = m.Resume(session=customer.session, token=customer.resume)
        welcome = await again.enter(resume=resume)
        assert isinstance(welcome, m.Welcome), welcome
        return again

    async def quiet(self) -> None:
        """Return when nothing happens any more until the clock moves on."""
        for _ in range(3):
            while True:
                await trio.testing.wait_all_tasks_blocked()
                # Threads are no tasks: what they are busy with is still happening.
                busy = self.store._writer.borrowed_tokens + self.store._readers.borrowed_tokens
                if not busy:
                    break
                await trio.to_thread.run_sync(time.sleep, 0.001)

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, with everything done that is due."""
        while seconds > 0:
            await self.quiet()
            self.clock.jump(min(step, seconds))
            seconds -= step
        await self.quiet()


@asynccontextmanager
async def broker_site(folder: Path, clock: trio.testing.MockClock, **options: Any) -> AsyncIterator[BrokerSite]:
    """A site in `folder` with a running broker, until the block ends."""
    assert trio.lowlevel.current_clock() is clock, "the test itself has to ask for `mock_clock`"
    clock.rate = 1.0
    store = await Store.open(folder)
    try:
        async with trio.open_nursery() as nursery:
            site = BrokerSite(store, await Settings.load(store), clock, nursery)
            await site.start(**options)
            yield site
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await store.aclose()
