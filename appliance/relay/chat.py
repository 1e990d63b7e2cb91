"""A session's chat: committed, then acknowledged, then delivered, and so exactly once.

A writer sends a message until it is acknowledged, and its id makes it one message however often it came. A reader says
which number it has and gets all later ones, in order, first from the store and then as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from appliance.relay.link import Assembler, Link, Port
from appliance.relay.storing import not_stored
from appliance.store import StoreError
from appliance.store import chat as stored
from appliance.store.database import Store
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag
from appliance.wire.messages import (
    ChatFromMember,
    ChatMessage,
    ChatSeen,
    ChatSend,
    ChatStored,
    ChatToMember,
    ChatTyping,
    Notice,
    decode,
    encode,
)

PAGE = 20
MAX_QUEUED = 1024 * 1024
"""Bytes waiting for one member at which its channel is closed; it comes back and says what it has."""
LITTLE = 32 * 1024
STORE_AGAIN_SECONDS = 5.0
"""Between two tries to store a message, while the disk is full or cannot be written."""

CUSTOMER = "customer"
"""The customer's id as sender."""


class _Seat:
    """One member's channel. `pending` holds what came while the store was still being read for it."""

    def __init__(self, link: Link, port: Port, sender: str, name: str, after: int, *, writes: bool) -> None:
        self.link = link
        self.port = port
        self.sender = sender
        self.name = name
        self.after = after
        self.writes = writes
        self.assembler = Assembler(ChannelName.CHAT)
        self.pending: list[ChatMessage] | None = []  # None: it has all, and gets each as it comes
        self.room = trio.Event()
        port.on_sent = self._sent

    async def drained(self) -> None:
        while self.port.queued > LITTLE:
            self.room = trio.Event()
            await self.room.wait()

    def _sent(self) -> None:
        self.room.set()

    def give(self, message: ChatToMember) -> None:
        if self.port.queued > MAX_QUEUED:
            self.port.close()
            if self.port.on_closed is not None:
                self.port.on_closed(None)
        else:
            self.port.send(encode(message))


class ChatRoom:
    """`written(message)` is called for each new message, `seen(sender, seq)` when a member has read so far."""

    def __init__(
        self,
        store: Store,
        session: str,
        now: Callable[[], float],
        *,
        written: Callable[[ChatMessage], None],
        seen: Callable[[str, int], None],
    ) -> None:
        self._store = store
        self._session = session
        self._now = now
        self._written = written
        self._seen = seen
        self._seats: dict[Port, _Seat] = {}

    def attach(self, link: Link, port: Port, *, sender: str, name: str, after: int, writes: bool = True) -> None:
        """A member's channel joins; `after`: the last message number that it has. `writes`: False for an observer."""
        seat = self._seats[port] = _Seat(link, port, sender, name, after, writes=writes)
        port.on_data = partial(self._data, seat)
        link.later(partial(self._catch_up, seat))

    def detach(self, port: Port) -> None:
        """It has left."""
        self._seats.pop(port, None)

    def _data(self, seat: _Seat, payload: memoryview | bytes, flags: Flag) -> None:
        message = seat.assembler.feed(payload, flags)
        size = len(payload)
        if message is None:
            seat.port.consumed(size)
            return
        match decode(message, ChatFromMember):
            case ChatSend() as written if seat.writes:
                seat.link.later(partial(self._write, seat, written, size))
                return
            case ChatTyping() if seat.writes:
                self._tell_others(seat, ChatTyping(sender=seat.sender, name=seat.name))
            case ChatSeen(seq=seq):
                self._seen(seat.sender, seq)
                self._tell_others(seat, ChatSeen(seq=seq, sender=seat.sender))
            case _:
                pass
        seat.port.consumed(size)

    async def _write(self, seat: _Seat, message: ChatSend, size: int, *, again: bool = False) -> None:
        at = self._now()
        store = partial(
            stored.store,
            session_id=self._session,
            message_id=message.id,
            sender=seat.sender,
            name=seat.name,
            text=message.text,
            at=at,
        )
        try:
            kept, is_new = await self._store.write(lambda db: store(db))
        except StoreError:
            if not again:
                seat.link.tell(Notice(id="session.chat.not_stored"))
            # The writer gets no credit back meanwhile, so that what waits here stays bounded.
            seat.link.soon(partial(self._write_later, seat, message, size))
            return
        except stored.ChatFull:
            seat.link.tell(Notice(id="session.chat.full"))
            seat.port.consumed(size)
            return
        seat.port.consumed(size)
        if is_new:
            self._written(kept)
            for other in list(self._seats.values()):
                if other.pending is not None:
                    other.pending.append(kept)
                elif other is not seat:
                    other.give(kept)
        if seat.port in self._seats:
            seat.give(ChatStored(id=kept.id, seq=kept.seq))

    async def _write_later(self, seat: _Seat, message: ChatSend, size: int) -> None:
        """Try again in a while; a writer who has left meanwhile sends it again on coming back."""
        await trio.sleep(STORE_AGAIN_SECONDS)
        if seat.port in self._seats:
            seat.link.later(partial(self._write, seat, message, size, again=True))

    async def _catch_up(self, seat: _Seat) -> None:
        while seat.port in self._seats:
            try:
                page = await self._store.read(lambda db: stored.after(db, self._session, seat.after, PAGE))
            except StoreError as error:
                seat.port.close(not_stored(error))
                self.detach(seat.port)
                return
            for message in page:
                seat.give(message)
                seat.after = message.seq
            await seat.drained()
            if len(page) < PAGE:
                break
        pending, seat.pending = seat.pending or [], None
        for message in pending:
            if message.seq > seat.after:
                seat.give(message)

    def _tell_others(self, seat: _Seat, message: ChatTyping | ChatSeen) -> None:
        """What is worth something only now: who is behind goes without, so that nobody can flood another's channel."""
        for other in list(self._seats.values()):
            if other.sender != seat.sender and other.port.queued <= LITTLE:
                other.give(message)
