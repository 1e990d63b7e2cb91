"""What a console may ask for: each call's parameters, the permission it needs, and what it does.

The permission is only the first gate: what concerns a session also goes through `domain.policy.decide`, or wants the
technician to be its member.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.broker import views
from appliance.broker.console import Answer, ConsoleSocket
from appliance.broker.session import Session
from appliance.broker.topics import may_accept
from appliance.broker.views import refused
from appliance.domain.permissions import Permission
from appliance.domain.policy import Role
from appliance.domain.session import TECHNICIAN_REASONS, EndReason, State
from appliance.relay.storing import not_stored
from appliance.store import StoreError
from appliance.store import sessions as stored
from appliance.wire.messages import Call, Refusal

if TYPE_CHECKING:
    from appliance.broker.broker import Broker

PAGE = 50


@dataclass(frozen=True)
class _Spec:
    params: type[views.Params]
    permissions: frozenset[Permission]  # one of these
    do: Callable[[Broker, ConsoleSocket, Any], Awaitable[Answer]]


CALLS: dict[str, _Spec] = {}


def _call(
    name: str, params: type[views.Params], *permissions: Permission
) -> Callable[[Callable[[Broker, ConsoleSocket, Any], Awaitable[Answer]]], None]:
    def register(do: Callable[[Broker, ConsoleSocket, Any], Awaitable[Answer]]) -> None:
        CALLS[name] = _Spec(params, frozenset(permissions), do)

    return register


async def dispatch(broker: Broker, socket: ConsoleSocket, call: Call) -> Answer:
    """Check and do a call. What cannot be written down is refused with the store's reason."""
    spec = CALLS.get(call.name)
    if spec is None:
        return refused("session.call.unknown", name=call.name)
    if not spec.permissions & socket.permissions:
        return refused(f"policy.permission.{min(spec.permissions).value}")
    try:
        params = msgspec.json.decode(call.params, type=spec.params)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return refused("session.call.params", name=call.name)
    try:
        return await spec.do(broker, socket, params)
    except StoreError as error:
        return not_stored(error)


# -- presence and keys ------------------------------------------------------------------------------------------


@_call("presence.set", views.PresenceSet, Permission.CONSOLE)
async def _presence_set(broker: Broker, socket: ConsoleSocket, params: views.PresenceSet) -> Answer:
    broker.set_presence(socket.user_id, params.presence)
    return None


@_call("key.create", views.KeyCreate, Permission.SESSION_KEYS)
async def _key_create(broker: Broker, socket: ConsoleSocket, params: views.KeyCreate) -> Answer:
    return await broker.starts.create(socket.who, params)


@_call("key.revoke", views.KeyRef, Permission.SESSION_KEYS)
async def _key_revoke(broker: Broker, socket: ConsoleSocket, params: views.KeyRef) -> Answer:
    return await broker.starts.revoke(socket.who, params.id)


@_call("client.state", views.NoParams, Permission.CONSOLE)
async def _client_state(broker: Broker, socket: ConsoleSocket, params: views.NoParams) -> Answer:
    socket.send_all_again()
    return None


# -- into and out of a session ----------------------------------------------------------------------------------


@_call("session.accept", views.SessionRef, Permission.CONSOLE)
async def _accept(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = broker.session(params.session)
    if session is None or not may_accept(session, socket):
        return refused("session.accept.gone")
    session.accept(socket.person)
    broker.ctx.keeper.audit(
        "session.accepted",
        actor=socket.user_name,
        subject=session.id,
        address=socket.who.address,
        rule=session.route.rule,
    )
    broker.let_in(session, socket.user_id)
    await session.start_recording()
    await _written(broker)
    return None


@_call("session.observe", views.SessionRef, Permission.OBSERVE)
async def _observe(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = broker.session(params.session)
    if session is None or session.record.owner_id is None or session.state is State.ENDED:
        return refused("session.observe.gone")
    if session.role_of(socket.user_id) is None:
        broker.ctx.keeper.audit(
            "session.observed", actor=socket.user_name, subject=session.id, address=socket.who.address
        )
        await broker.ctx.keeper.settled()  # nobody looks on without a trace
        session.observe(socket.person)
        broker.let_in(session, socket.user_id)
    return None


@_call("sessions.list", views.NoParams, Permission.OBSERVE)
async def _sessions_list(broker: Broker, socket: ConsoleSocket, params: views.NoParams) -> Answer:
    return [
        views.OpenSession(
            id=session.id,
            since=session.record.began_at,
            technician=session.record.owner_name,
            host=session.record.system.host,
            user=session.record.system.user,
        )
        for session in broker.sessions.values()
        if session.record.owner_id is not None and session.state is not State.ENDED
    ]


@_call("session.leave", views.SessionRef, Permission.CONSOLE, Permission.OBSERVE)
async def _leave(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = _mine(broker, socket, params.session)
    if isinstance(session, Refusal):
        return session
    if session.state is not State.ENDED:
        broker.ctx.keeper.audit("session.left", actor=socket.user_name, subject=session.id)
    session.leave(socket.person)
    return None


@_call("session.end", views.SessionEnd, Permission.CONSOLE)
async def _end(broker: Broker, socket: ConsoleSocket, params: views.SessionEnd) -> Answer:
    session = _mine(broker, socket, params.session, owner=True)
    if isinstance(session, Refusal):
        return session
    if params.reason not in TECHNICIAN_REASONS:
        return refused("session.call.params", name="session.end")
    session.end(params.reason, by=socket.user_name)
    await _written(broker)
    return None


# -- in a session -----------------------------------------------------------------------------------------------


@_call("session.request", views.SessionRequest, Permission.CONSOLE)
async def _request(broker: Broker, socket: ConsoleSocket, params: views.SessionRequest) -> Answer:
    session = _mine(broker, socket, params.session, owner=True)
    return session if isinstance(session, Refusal) else session.sharing.request(socket, frozenset(params.tools))


@_call("control.request", views.SessionRef, Permission.CONTROL)
async def _control_request(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = _mine(broker, socket, params.session)
    return session if isinstance(session, Refusal) else session.sharing.control.want(socket)


@_call("control.take", views.SessionRef, Permission.CONTROL)
async def _control_take(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = _mine(broker, socket, params.session)
    return session if isinstance(session, Refusal) else session.sharing.control.take(socket)


@_call("control.give_back", views.SessionRef, Permission.CONTROL)
async def _control_give_back(broker: Broker, socket: ConsoleSocket, params: views.SessionRef) -> Answer:
    session = _mine(broker, socket, params.session)
    return session if isinstance(session, Refusal) else session.sharing.control.give_back(socket)


@_call("notes.save", views.NotesSave, Permission.CONSOLE)
async def _notes_save(broker: Broker, socket: ConsoleSocket, params: views.NotesSave) -> Answer:
    session = _mine(broker, socket, params.session, owner=True)
    if isinstance(session, Refusal):
        return session
    session.set_notes(params.text)
    await broker.ctx.keeper.settled()
    return None


@_call("recordings.list", views.RecordingsList, Permission.RECORDINGS_OWN, Permission.RECORDINGS_ALL)
async def _recordings_list(broker: Broker, socket: ConsoleSocket, params: views.RecordingsList) -> Answer:
    only = None if Permission.RECORDINGS_ALL in socket.permissions else socket.user_id
    found = await broker.ctx.store.read(lambda db: stored.past(db, user_id=only, before=params.before, limit=PAGE + 1))
    return views.PastSessions(sessions=[_past(record) for record in found[:PAGE]], more=len(found) > PAGE)


async def _written(broker: Broker) -> None:
    """What has happened is on the disk, or will be when there is room: it has happened all the same."""
    with suppress(StoreError):
        await broker.ctx.keeper.settled()


def _past(record: stored.StoredSession) -> views.PastSession:
    return views.PastSession(
        id=record.id,
        began_at=record.began_at,
        ended_at=record.ended_at or record.began_at,
        technician=record.owner_name,
        host=record.system.host,
        user=record.system.user,
        os=record.system.os,
        reason=views.Text(id=EndReason(record.reason).message_id),
        notes=record.notes,
        recording=record.recorded,
    )


def _mine(broker: Broker, socket: ConsoleSocket, session_id: str, *, owner: bool = False) -> Session | Refusal:
    session = broker.session(session_id)
    role = session.role_of(socket.user_id) if session is not None else None
    if session is None or role is None:
        return refused("policy.member.none")
    if owner and role is not Role.OWNER:
        return refused("policy.owner.only")
    session.touched_by_person()
    return session
