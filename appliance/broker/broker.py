"""The Broker: what `serve` and the web faces call. It knows everybody who is connected and decides nothing by itself
that `domain` can decide."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import trio

from appliance.broker.calls import dispatch
from appliance.broker.console import Answer, ConsoleSocket
from appliance.broker.context import Context
from appliance.broker.customer import CustomerPeer
from appliance.broker.keeper import Keeper
from appliance.broker.session import SHOWN_SECONDS, Session
from appliance.broker.starts import Start, StartProgress, Starts
from appliance.broker.topics import me_view, queue_view, session_view, technicians_view
from appliance.broker.views import View, refused
from appliance.domain.policy import OFFERED
from appliance.domain.resume import token_hash
from appliance.domain.routing import Queue, Route, route
from appliance.domain.session import EndReason, State
from appliance.identity import Credential, SignedIn, Throttle
from appliance.relay.storing import not_stored
from appliance.relay.taps import RecorderFactory
from appliance.store import Audit, Settings, Store, StoreError
from appliance.store import sessions as stored_sessions
from appliance.store import users as stored_users
from appliance.store.keys import StoredKey, StoredStart
from appliance.store.sessions import StoredSession
from appliance.wire.messages import Call, Hello, Presence, Refusal, Resume, Tool
from appliance.wire.stream import WireStream

SIGNED_OUT_SECONDS = 20.0
"""How long a technician whose last tab has closed still counts as signed in for those who wait: a reload is quicker."""
MAX_SESSIONS = 2000


def make_token() -> str:
    """144 random bits as text that is safe in addresses: an id, or a secret."""
    return secrets.token_urlsafe(18)


class Broker:
    """One a site. `make_token`: secrets of 128 bits or more, URL-safe; `make_secret(n)`: n random bytes."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        audit: Audit,
        throttle: Throttle,
        recorder_factory: RecorderFactory | None,
        ca_fingerprints: Callable[[], tuple[bytes, ...]],
        now: Callable[[], float],
        *,
        make_token: Callable[[], str] = make_token,
        make_secret: Callable[[int], bytes] = secrets.token_bytes,
        offered: frozenset[Tool] = OFFERED,
    ) -> None:
        self.ctx = Context(
            store=store,
            settings=settings,
            keeper=Keeper(store, now),
            now=now,
            make_token=make_token,
            touch=self._touch,
            session_ended=self._session_ended,
            reroute=self._reroute,
            recorder_factory=recorder_factory,
            offered=offered,
        )
        self.sessions: dict[str, Session] = {}
        self._audit = audit
        self._throttle = throttle
        self._fingerprints = ca_fingerprints
        self._make_secret = make_secret
        self._connected: set[ConsoleSocket] = set()  # also those that have not said hello
        self._sockets: set[ConsoleSocket] = set()
        self._presence: dict[str, Presence] = {}
        self._leaving: dict[str, float] = {}  # user id → when their last tab closed
        self._fallback: tuple[str, ...] = ()  # the fallback team's members
        self.starts = Starts(ctx=self.ctx, throttle=throttle, route=self._outlook, session_over=self._is_over)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Restore what a stop has cut short, then watch all clocks. Raises StoreError when it cannot begin."""
        for record in await self.ctx.store.read(stored_sessions.running):
            session = self.sessions[record.id] = Session(self.ctx, record, State.LOST)
            session.place(self._route(record.issuer_id))
            await session.load_chat()
        await self._load_fallback()
        await self.starts.load()
        try:
            async with trio.open_nursery() as nursery:
                self.ctx.nursery = nursery
                nursery.start_soon(self.ctx.keeper.run)
                for session in self.sessions.values():
                    if session.record.recorded:
                        await session.start_recording()
                task_status.started()
                try:
                    await self._watch()
                finally:
                    self.ctx.nursery = None
        finally:
            await self._close_recordings()

    # -- the portal ---------------------------------------------------------------------------------------------

    async def redeem_key(self, text: str, portal_cookie: str, address: str) -> Start | Refusal:
        """The key that a customer has typed becomes a start of their browser."""
        return await self.starts.redeem(text, portal_cookie, address)

    async def start_of(self, portal_cookie: str) -> Start | None:
        """The newest start of this browser, one that is not over before one that is."""
        return self.starts.of_cookie(portal_cookie)

    async def mint_token(self, start: Start) -> str | Refusal:
        """A new start token for one copy of the client."""
        return await self.starts.mint(start)

    async def downloaded(self, start_id: str) -> None:
        """A copy of the client was fetched; uses nothing up."""
        await self.starts.downloaded(start_id)

    async def start_state(self, start_id: str) -> StartProgress | None:
        """How far a start is; None for one that is unknown."""
        return self.starts.progress(start_id)

    async def wait_change(self, start_id: str, seen: int) -> StartProgress | None:
        """Wait until the start's version is not `seen`."""
        return await self.starts.wait_change(start_id, seen)

    async def report_unsupported(self, start_id: str, system: str) -> None:
        """The customer's system has no client; the technician is shown which."""
        await self.starts.report_unsupported(start_id, system)

    # -- connections --------------------------------------------------------------------------------------------

    async def serve_customer(self, stream: WireStream, admitted: Callable[[], None] = lambda: None) -> None:
        """Serve a customer client's connection until it is over; `admitted` is called once it is in a session."""
        await CustomerPeer(self.ctx, stream, self, self._fingerprints, self._make_secret(32), admitted).run()

    async def serve_console(self, stream: WireStream, who: SignedIn) -> None:
        """Serve a technician's tab until it is over."""
        socket = ConsoleSocket(self.ctx, stream, who, self, self._make_secret(32))
        self._connected.add(socket)
        try:
            await socket.run()
        finally:
            self._connected.discard(socket)

    def on_signed_out(self, user_id: str, session_id: str) -> None:
        """That sign-in has ended: its consoles are cut at once."""
        for socket in list(self._connected):
            if socket.user_id == user_id and socket.who.session_id == session_id:
                if socket in self._sockets:
                    self._take_out(socket)
                socket.link.cut()
        if not any(socket.user_id == user_id for socket in self._sockets):
            self._leaving.pop(user_id, None)  # it was said, so nobody waits for a reload
            self._presence.pop(user_id, None)
        self._presence_changed()

    # -- customers (customer.Admission) -------------------------------------------------------------------------

    async def admit(self, hello: Hello, address: str) -> tuple[Session, str] | Refusal:
        """The session that a hello leads to, and its new resume token."""
        try:
            wait = await self._throttle.check(Credential.START_TOKEN, "", address)
            if wait is not None:
                return refused("session.hello.throttled", retry=True, seconds=int(wait) + 1)
            answer = await (self._resume(hello, hello.resume) if hello.resume else self._first(hello, address))
        except StoreError as error:
            self._throttle.succeeded(Credential.START_TOKEN, "", address)
            return not_stored(error)
        if isinstance(answer, Refusal):
            await self._throttle.failed(Credential.START_TOKEN, "", address)
        else:
            self._throttle.succeeded(Credential.START_TOKEN, "", address)
        return answer

    async def _first(self, hello: Hello, address: str) -> tuple[Session, str] | Refusal:
        if hello.token is None or hello.key is None or hello.system is None:
            return refused("session.hello.incomplete")
        if len(self.sessions) >= MAX_SESSIONS:
            return refused("session.hello.full", retry=True)
        key, system, token = hello.key, hello.system, self.ctx.make_token()
        session_id, secret, now = self.ctx.make_token(), self._make_secret(16), self.ctx.now()

        def make(start: StoredStart, issued: StoredKey) -> StoredSession:
            return StoredSession(
                id=session_id,
                key_id=issued.id,
                issuer_id=issued.issuer_id,
                issuer_name=issued.issuer_name,
                client_key=key,
                token=token_hash(token),
                previous_token=None,
                secret=secret,
                system=system,
                address=address,
                began_at=now,
            )

        claimed = await self.starts.claim(hello.token, key, make, address)
        if isinstance(claimed, Refusal):
            return claimed
        if isinstance(claimed, StoredSession):
            session = self.sessions[claimed.id] = Session(self.ctx, claimed, State.WAITING)
            session.place(self._route(claimed.issuer_id))
            return session, token
        # The same client with the same token: its welcome was lost, so it has no resume token to come back with.
        again = self.sessions.get(claimed)
        if again is None:
            return refused("session.start.ended")
        new = again.renew()
        await self.ctx.keeper.settled()
        return again, new

    async def _resume(self, hello: Hello, resume: Resume) -> tuple[Session, str] | Refusal:
        session = self.sessions.get(resume.session)
        if session is None or session.state is State.ENDED:
            return await self._ended(resume.session, hello.key)
        if session.record.client_key != hello.key:
            self.ctx.keeper.audit("session.client_refused", subject=session.id, why="other_key")
            return refused("session.resume.refused")
        before = session.record
        token = session.rotate(resume.token)
        if token is None:
            return refused("session.resume.refused")
        try:
            await self.ctx.keeper.settled()
        except StoreError:
            # The disk is full: the session goes on with the token that is on it.
            session.keep_tokens_of(before)
            return session, resume.token
        return session, token

    async def _ended(self, session_id: str, key: bytes | None) -> Refusal:
        record = await self.ctx.store.read(lambda db: stored_sessions.by_id(db, session_id))
        if record is None or record.client_key != key or not record.reason:
            return refused("session.resume.refused")
        return refused(EndReason(record.reason).message_id)

    # -- consoles (console.Desk) --------------------------------------------------------------------------------

    def console_in(self, socket: ConsoleSocket) -> None:
        """A tab has said hello: its technician's sessions come back to it."""
        self._sockets.add(socket)
        self._leaving.pop(socket.user_id, None)
        self._presence.setdefault(socket.user_id, Presence.AVAILABLE)
        for session in list(self.sessions.values()):
            if session.role_of(socket.user_id) is not None:
                session.socket_in(socket)
        self._presence_changed()

    def console_out(self, socket: ConsoleSocket) -> None:
        """A tab is gone."""
        if socket in self._sockets:
            self._take_out(socket)
            self._presence_changed()

    def _take_out(self, socket: ConsoleSocket) -> None:
        self._sockets.discard(socket)
        if not any(other.user_id == socket.user_id for other in self._sockets):
            self._leaving[socket.user_id] = trio.current_time()
        for session in list(self.sessions.values()):
            session.socket_out(socket)

    def let_in(self, session: Session, user_id: str) -> None:
        """A technician has become a member: all their tabs are in."""
        for socket in list(self._sockets):
            if socket.user_id == user_id:
                session.socket_in(socket)

    def session(self, session_id: str) -> Session | None:
        """A session that is running, or has just ended."""
        return self.sessions.get(session_id)

    def topics(self, socket: ConsoleSocket) -> list[str]:
        """All that a console is shown."""
        mine = [session.id for session in self.sessions.values() if session.role_of(socket.user_id) is not None]
        return ["me", "technicians", "keys", "queue", *(f"session/{session_id}" for session_id in mine)]

    def value(self, topic: str, socket: ConsoleSocket) -> View | Sequence[View] | None:
        """What a console is shown under `topic`."""
        match topic.partition("/"):
            case ("me", _, _):
                presence = self._presence.get(socket.user_id, Presence.AWAY)
                return me_view(socket, presence, self.ctx.settings.current.key_minutes, self.ctx.now())
            case ("technicians", _, _):
                return technicians_view(self._sockets, self._presence)
            case ("keys", _, _):
                return self.starts.views(socket.user_id)
            case ("queue", _, _):
                return queue_view(self.sessions.values(), socket)
            case ("session", _, session_id):
                session = self.sessions.get(session_id)
                return session_view(session, socket) if session is not None else None
            case _:
                raise KeyError(topic)

    async def call(self, socket: ConsoleSocket, call: Call) -> Answer:
        """Do what a console asks for."""
        return await dispatch(self, socket, call)

    def set_presence(self, user_id: str, presence: Presence) -> None:
        """A technician says how they are."""
        self._presence[user_id] = presence
        self._touch("technicians")
        self._touch(f"me/{user_id}")

    def _touch(self, topic: str) -> None:
        kind, _, whose = topic.partition("/")
        for socket in self._sockets:
            match kind:
                case "keys" | "me":
                    if socket.user_id == whose:
                        socket.touch(kind)
                case "session":
                    session = self.sessions.get(whose)
                    if session is None or session.role_of(socket.user_id) is not None or socket.shows(topic):
                        socket.touch(topic)
                case _:
                    socket.touch(topic)

    # -- queues -------------------------------------------------------------------------------------------------

    def _signed_in(self) -> set[str]:
        return {socket.user_id for socket in self._sockets} | self._leaving.keys()

    def _route(self, issuer_id: str) -> Route:
        return route(
            issuer_id,
            signed_in=self._signed_in(),
            fallback_team=self.ctx.settings.current.fallback_team_id,
            fallback_members=self._fallback,
        )

    def _outlook(self, issuer_id: str) -> tuple[bool, bool]:
        where = self._route(issuer_id)
        return where.queue is Queue.FALLBACK, where.present

    def _reroute(self, session: Session) -> None:
        session.place(self._route(session.record.issuer_id))
        self._number_queues()

    def _presence_changed(self) -> None:
        for session in list(self.sessions.values()):
            if session.record.owner_id is None and session.state is not State.ENDED:
                session.place(self._route(session.record.issuer_id))
        self._number_queues()
        self.starts.presence_changed()
        self._touch("technicians")
        self._touch("queue")

    def _number_queues(self) -> None:
        counts: dict[tuple[Queue, str], int] = {}
        for session in sorted(self.sessions.values(), key=lambda session: session.waiting_since):
            if session.waits:
                queue = session.route.queue, session.route.owner
                counts[queue] = counts.get(queue, 0) + 1
                session.set_position(counts[queue])

    def _session_ended(self, session: Session) -> None:
        self.starts.session_ended(session.record.key_id)
        self._number_queues()

    def _is_over(self, session_id: str) -> bool:
        session = self.sessions.get(session_id)
        return session is None or session.state is State.ENDED

    # -- the clock ----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Once a second: what is over by now; once a minute: what an admin has changed, what is to be forgotten."""
        seen, next_minute = self.ctx.now(), trio.current_time() + 60
        while True:
            await trio.sleep(1)
            now = trio.current_time()
            for session in list(self.sessions.values()):
                session.tick()
                gone = session.state is State.ENDED and (
                    now - session.ended_at >= SHOWN_SECONDS or not any(one.present for one in session.record.members)
                )
                if gone:
                    del self.sessions[session.id]
                    self._touch(f"session/{session.id}")
            left = [user_id for user_id, at in self._leaving.items() if now - at >= SIGNED_OUT_SECONDS]
            for user_id in left:
                del self._leaving[user_id]
                self._presence.pop(user_id, None)
            if left:
                self._presence_changed()
            self.starts.expire(seen)
            seen = self.ctx.now()
            if now >= next_minute:
                next_minute = now + 60
                await self.starts.tick()
                await self._load_fallback()

    async def _load_fallback(self) -> None:
        team = self.ctx.settings.current.fallback_team_id
        try:
            users = await self.ctx.store.read(stored_users.everybody)
        except StoreError:
            return  # the members that were known stay known
        members = tuple(user.id for user in users if team in user.teams)
        if members != self._fallback:
            self._fallback = members
            self._presence_changed()

    async def _close_recordings(self) -> None:
        """Stopping ends no session: what was recorded is put on the disk, and goes on after the start."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 2.0):
            for session in self.sessions.values():
                await session.flush_recording()
