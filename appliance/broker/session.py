"""A session as a live object: its state, its two sides, and what is kept of it.

A side that is missing has until `resume_seconds` to come back: the customer by their resume token and key, a technician
by any console of theirs, because a session belongs to the technician and not to a tab. What was granted stays granted.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from appliance.broker.context import Context
from appliance.broker.sharing import Sharing
from appliance.domain.policy import Role
from appliance.domain.resume import Tokens, rotated, token_hash
from appliance.domain.routing import Queue, Route
from appliance.domain.session import EndReason, Event, State, after
from appliance.domain.verification import verification_words
from appliance.relay.chat import CUSTOMER, ChatRoom
from appliance.relay.taps import Recorder
from appliance.store import StoreError
from appliance.store import chat as stored_chat
from appliance.store.sessions import StoredMember, StoredSession
from appliance.wire.frames import Flag
from appliance.wire.messages import ChatMessage, Notice, Person, SessionEnded, SessionView

if TYPE_CHECKING:
    from appliance.broker.console import ConsoleSocket
    from appliance.broker.customer import CustomerPeer

log = logging.getLogger("beistand.broker")

SHOWN_SECONDS = 600.0
"""How long an ended session stays in its technicians' sight if they do not leave it."""


class Session:
    """One session. `state` changes by `domain.session.after` only."""

    def __init__(self, ctx: Context, record: StoredSession, state: State) -> None:
        self.ctx = ctx
        self.record = record
        self.state = state
        self.words = verification_words(record.secret, record.system.language[:2].lower())
        self.route = Route(Queue.PERSONAL, record.issuer_id, False, "policy.route.issuer")
        self.customer: CustomerPeer | None = None
        self.sockets: set[ConsoleSocket] = set()
        self.waiting_since = record.began_at
        self.began = trio.current_time() - max(0.0, ctx.now() - record.began_at)
        self.position = 0
        self.customer_away_since: float | None = trio.current_time()
        self.owner_away_since: float | None = trio.current_time() if record.owner_id else None
        self.person_at = trio.current_time()
        self.ended_at = 0.0
        self.chat = ChatRoom(ctx.store, record.id, ctx.now, written=self._written, seen=self._seen)
        self.seen: dict[str, int] = {}
        self._senders: list[tuple[int, str]] = []
        self._recorder: Recorder | None = None
        self._recorder_failed = False
        self._told: SessionView | None = None
        self._telling: CustomerPeer | None = None  # will be told
        self.sharing = Sharing(self, record.answers, record.controller_id)

    @property
    def id(self) -> str:
        """The session's id."""
        return self.record.id

    # -- members ------------------------------------------------------------------------------------------------

    def role_of(self, user_id: str) -> Role | None:
        """What this technician is in the session; None when no member, or no longer."""
        for member in self.record.members:
            if member.id == user_id and member.present:
                return Role(member.role)
        return None

    def name_of(self, user_id: str) -> str:
        """A member's name."""
        return next((member.name for member in self.record.members if member.id == user_id), "")

    def sockets_of(self, user_id: str | None) -> list[ConsoleSocket]:
        """A member's open consoles."""
        return [socket for socket in self.sockets if socket.user_id == user_id]

    def _set_member(self, person: Person, role: Role, *, present: bool = True) -> None:
        others = tuple(member for member in self.record.members if member.id != person.id)
        member = StoredMember(id=person.id, name=person.name, role=role.value, present=present)
        self._keep(members=(*others, member))

    def accept(self, person: Person) -> None:
        """A technician takes the session on. The caller has checked that they may, and that it waits."""
        self._keep(owner_id=person.id, owner_name=person.name)
        self._set_member(person, Role.OWNER)
        self.owner_away_since = None
        self.touched_by_person()
        self._go(Event.ACCEPT)
        self.changed()

    def observe(self, person: Person) -> None:
        """A technician looks on."""
        self._set_member(person, Role.OBSERVER)
        self.changed()

    def leave(self, person: Person) -> None:
        """A technician leaves; when it is the owner, the session is nobody's until somebody accepts it."""
        role = self.role_of(person.id)
        if role is None:
            return
        for socket in self.sockets_of(person.id):
            self.sharing.left(socket)
            self.sockets.discard(socket)
        self._set_member(person, role, present=False)
        if role is Role.OWNER and self.state is not State.ENDED:
            self._release()
        self.changed()

    def _release(self) -> None:
        """Nobody owns it any more: what was granted to the owner is granted to nobody else."""
        self.sharing.forget_answers()
        self._keep(owner_id=None)
        self.owner_away_since = None
        self.waiting_since = self.ctx.now()
        if self.state is State.ACTIVE or (self.state is State.LOST and self.customer is not None):
            self._go(Event.QUEUE)
        self.ctx.reroute(self)
        if self.route.queue is Queue.PERSONAL and not self.route.present:
            self.end(EndReason.TECHNICIAN_LOST)

    def owner_gone(self) -> None:
        """The owner stays away for good."""
        owner = self.record.owner_id
        if owner is not None:
            self._set_member(Person(id=owner, name=self.record.owner_name), Role.OWNER, present=False)
            self._release()
            self.changed()

    # -- the two sides ------------------------------------------------------------------------------------------

    def rotate(self, presented: str) -> str | None:
        """A new resume token for one that is good, else None. The caller waits until it is kept before it is given."""
        new = self.ctx.make_token()
        tokens = rotated(Tokens(self.record.token, self.record.previous_token), presented, new)
        if tokens is None:
            return None
        self._keep(token=tokens.current, previous_token=tokens.previous)
        return new

    def renew(self) -> str:
        """A new resume token for a client that has shown by its start token and key that it is the customer's."""
        new = self.ctx.make_token()
        self._keep(token=token_hash(new), previous_token=None)
        return new

    def keep_tokens_of(self, record: StoredSession) -> None:
        """Take a rotation back that could not be kept."""
        self._keep(token=record.token, previous_token=record.previous_token)

    def customer_in(self, peer: CustomerPeer) -> None:
        """The customer's client is connected; an older connection of theirs is cut."""
        before, self.customer = self.customer, peer
        if before is not None:
            self.sharing.customer_lost()
            before.link.cut()
        else:
            self.record_event("resumed")
        self.customer_away_since = None
        self._told = self._telling = None
        self._settle()
        if self.record.owner_id is None:
            self.ctx.reroute(self)
        self.changed()
        self.sharing.customer_back()

    def customer_out(self, peer: CustomerPeer) -> None:
        """The customer's connection is over."""
        if self.customer is not peer:
            return
        self.customer = None
        self.customer_away_since = trio.current_time()
        if self.state is State.ENDED:
            return
        self.sharing.customer_lost()
        self.record_event("disconnected")
        self._settle()
        self.changed()

    def socket_in(self, socket: ConsoleSocket) -> None:
        """A member has opened a console."""
        self.sockets.add(socket)
        if socket.user_id == self.record.owner_id:
            self.owner_away_since = None
        self._settle()
        self.sharing.control.restore()
        self.changed()

    def socket_out(self, socket: ConsoleSocket) -> None:
        """A member's console is gone. With none left, control stops, and the session waits for them."""
        if socket not in self.sockets:
            return
        self.sockets.discard(socket)
        last = not self.sockets_of(socket.user_id)
        self.sharing.socket_lost(socket, last=last)
        if last and socket.user_id == self.record.owner_id:
            self.owner_away_since = trio.current_time()
        self._settle()
        self.changed()

    def _settle(self) -> None:
        """Bring the state in line with who is here."""
        if self.state is State.ENDED:
            return
        owner = self.record.owner_id
        if self.customer is None or (owner is not None and not self.sockets_of(owner)):
            if self.state is not State.LOST:
                self._go(Event.LOSE)
            return
        if self.state is State.LOST:
            self._go(Event.RESUME)
            self._go(Event.ACCEPT if owner is not None else Event.QUEUE)

    def _go(self, event: Event) -> None:
        self.state = after(self.state, event)

    # -- waiting ------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it can be accepted."""
        return self.state in (State.WAITING, State.OFFERED)

    def place(self, route: Route) -> None:
        """Put it into a queue, when nobody owns it; the customer is told when that changes something for them."""
        told_before, self.route = self.route, route
        self._keep(fallback=route.queue is Queue.FALLBACK)
        calls = route.queue is Queue.PERSONAL and route.present
        if self.state is State.WAITING and calls:
            self._go(Event.OFFER)
        elif self.state is State.OFFERED and not calls:
            self._go(Event.QUEUE)
        if self.waits and self.customer is not None and not route.present and told_before != route:
            self.customer.link.tell(Notice(id="session.waiting.nobody"))
        self.changed()

    def set_position(self, position: int) -> None:
        """Its place in its queue, from 1."""
        if self.position != position:
            self.position = position
            self.changed()

    # -- the end ------------------------------------------------------------------------------------------------

    def end(self, reason: EndReason, *, by: str = "") -> None:
        """End it for good; both sides are told. Does nothing when it has ended."""
        if self.state is State.ENDED:
            return
        self.sharing.end()
        self._go(Event.END)
        self.ended_at = trio.current_time()
        customer, self.customer = self.customer, None
        if customer is not None:
            customer.link.tell(SessionEnded(session=self.id, reason=reason.message_id))
            customer.link.close()
        # With the tokens and the secret gone, nobody resumes it, whatever they have kept.
        self._keep(ended_at=self.ctx.now(), reason=reason.value, token=b"", previous_token=None, secret=b"")
        self.ctx.keeper.audit("session.ended", actor=by, subject=self.id, reason=reason.value)
        recorder, self._recorder = self._recorder, None
        if recorder is not None and self.ctx.nursery is not None:
            self.ctx.nursery.start_soon(recorder.close, reason.message_id)
        self.ctx.session_ended(self)
        self.changed()

    # -- recording ----------------------------------------------------------------------------------------------

    async def start_recording(self) -> None:
        """Begin, or after a restart go on with, the recording, where the site wants one."""
        ctx = self.ctx
        if ctx.recorder_factory is None or self._recorder is not None or not ctx.settings.current.record_sessions:
            return
        system = self.record.system
        meta = {
            "session": self.id,
            "started_at": ctx.now(),
            "technician": self.record.owner_name,
            "host": system.host,
            "user": system.user,
        }
        try:
            recorder = await trio.to_thread.run_sync(ctx.recorder_factory, ctx.store.folder / "recordings", meta)
        except (OSError, ValueError, StoreError) as error:
            log.error("session %s is not recorded: %s", self.id, error)
            self._tell_technicians(Notice(id="session.recording.failed"))
            return
        if self.state is State.ENDED:
            await recorder.close(f"session.ended.{self.record.reason}")
            return
        self._recorder = recorder
        self._keep(recorded=True)
        self.changed()

    async def flush_recording(self) -> None:
        """Put on the disk what is recorded so far."""
        if self._recorder is not None:
            await self._recorder.flush()

    @property
    def recording(self) -> bool:
        """Whether what is relayed is being recorded."""
        return self._recorder is not None and self._recorder.failed is None

    def tap(self, data: bytes, flags: Flag) -> None:
        """A frame of the screen channel, for the recorder."""
        if self._recorder is not None:
            self._recorder.screen(data, flags, self.ctx.now())

    def record_event(self, kind: str, **details: object) -> None:
        """Something for the recording's index."""
        if self._recorder is not None:
            self._recorder.event(kind, self.ctx.now(), **details)

    # -- chat ---------------------------------------------------------------------------------------------------

    async def load_chat(self) -> None:
        """After a restart: who wrote what was written before, which counts as seen."""
        self._senders = await self.ctx.store.read(partial(stored_chat.senders, session_id=self.id))
        if self._senders:
            self.seen = {member.id: self._senders[-1][0] for member in self.record.members}

    def unread(self, user_id: str) -> int:
        """How many of the others' messages this technician has not seen."""
        seen = self.seen.get(user_id, 0)
        return sum(1 for seq, sender in reversed(self._senders) if seq > seen and sender != user_id)

    def _written(self, message: ChatMessage) -> None:
        self._senders.append((message.seq, message.sender))
        self.touched_by_person()
        if self._recorder is not None:
            self._recorder.chat(message, self.ctx.now())
        self.ctx.touch(f"session/{self.id}")

    def _seen(self, sender: str, seq: int) -> None:
        last = self._senders[-1][0] if self._senders else 0
        if sender != CUSTOMER and self.seen.get(sender, 0) < min(seq, last):
            self.seen[sender] = min(seq, last)
            self.ctx.touch(f"session/{self.id}")

    # -- what is seen and kept ----------------------------------------------------------------------------------

    def set_notes(self, text: str) -> None:
        """Replace the technicians' notes."""
        self._keep(notes=text)
        self.ctx.touch(f"session/{self.id}")

    def touched_by_person(self) -> None:
        """Somebody has done something: the session is not idle."""
        self.person_at = trio.current_time()

    def changed(self) -> None:
        """Tell both sides what is so now, as far as it is new to them."""
        answers, controller_id = dict(self.sharing.answers), self.sharing.control.to_keep
        if (self.record.answers, self.record.controller_id) != (answers, controller_id):
            self._keep(answers=answers, controller_id=controller_id)
        self.ctx.touch(f"session/{self.id}")
        self.ctx.touch("queue")
        if self.customer is not None and self._telling is not self.customer:
            self._telling = self.customer
            self.customer.link.soon(partial(self._tell, self.customer))

    async def _tell(self, customer: CustomerPeer) -> None:
        await trio.lowlevel.checkpoint()  # what changes at once is told at once
        self._telling = None
        view = self.customer_view()
        if self.customer is customer and view != self._told:
            self._told = view
            customer.link.tell(view)

    def customer_view(self) -> SessionView:
        """The session as the customer sees it."""
        here = {socket.user_id for socket in self.sockets}
        people = [
            Person(id=member.id, name=member.name)
            for member in self.record.members
            if member.present and member.id in here
        ]
        if not people and self.waits and self.route.queue is Queue.PERSONAL:
            people = [Person(id=self.record.issuer_id, name=self.record.issuer_name)]
        return SessionView(
            session=self.id,
            state=self.state.value,
            technicians=people,
            viewers=self.sharing.viewers,
            controller=self.sharing.control.controller,
            shared=self.sharing.shared,
            recording=self.recording,
            position=self.position if self.waits else 0,
            fallback=self.record.fallback and self.record.owner_id is None,
        )

    def _keep(self, **fields: object) -> None:
        record = msgspec.structs.replace(self.record, **fields)
        if record != self.record:
            self.record = record
            self.ctx.keeper.session(record)

    def _tell_technicians(self, notice: Notice) -> None:
        for socket in self.sockets:
            socket.link.tell(notice)

    # -- the clock ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called about once a second: what is over by now is ended."""
        settings, now = self.ctx.settings.current, trio.current_time()
        self.sharing.tick()
        away, owner_away = self.customer_away_since, self.owner_away_since
        if away is not None and now - away >= settings.resume_seconds:
            self.end(EndReason.CUSTOMER_LOST)
        elif now - self.began >= settings.session_hours * 3600:
            self.end(EndReason.TOO_LONG)
        elif self.state is State.ACTIVE and now - self.person_at >= settings.session_idle_minutes * 60:
            self.end(EndReason.IDLE)
        elif owner_away is not None and now - owner_away >= settings.resume_seconds:
            self.owner_gone()
        if self._recorder is not None and self._recorder.failed is not None and not self._recorder_failed:
            self._recorder_failed = True
            self._tell_technicians(Notice(id=self._recorder.failed))
            self.changed()
