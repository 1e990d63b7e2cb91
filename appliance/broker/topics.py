"""The values of a console's topics, as one technician sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import trio

from appliance.broker.console import ConsoleSocket
from appliance.broker.session import Session
from appliance.broker.views import (
    CustomerView,
    MemberView,
    MeView,
    QueueItem,
    SessionState,
    TechnicianView,
    Text,
    ToolView,
)
from appliance.domain.permissions import Permission
from appliance.domain.policy import Role
from appliance.domain.routing import Queue
from appliance.domain.session import EndReason, State
from appliance.wire.messages import Consent, Presence, Tool


def me_view(socket: ConsoleSocket, presence: Presence, key_minutes: int, now: float) -> MeView:
    """`me`"""
    return MeView(
        id=socket.user_id,
        name=socket.person.name,
        presence=presence,
        permissions=sorted(socket.permissions),
        language=socket.language,
        key_minutes=key_minutes,
        time=now,
    )


def technicians_view(sockets: Iterable[ConsoleSocket], presence: Mapping[str, Presence]) -> list[TechnicianView]:
    """`technicians`"""
    people = {socket.user_id: socket.person for socket in sockets}
    views = [TechnicianView(id=one.id, name=one.name, presence=presence[one.id]) for one in people.values()]
    return sorted(views, key=lambda view: (view.name.casefold(), view.id))


def may_accept(session: Session, socket: ConsoleSocket) -> bool:
    """Whether a session waits where this technician may take it: in their own queue, or in their team's."""
    if not session.waits or Permission.CONSOLE not in socket.permissions:
        return False
    if session.route.queue is Queue.PERSONAL:
        return session.route.owner == socket.user_id
    return session.route.owner in socket.teams


def queue_view(sessions: Iterable[Session], socket: ConsoleSocket) -> list[QueueItem]:
    """`queue`"""
    items = [_queue_item(session, socket) for session in sessions if may_accept(session, socket)]
    return sorted(items, key=lambda item: item.since)


def _queue_item(session: Session, socket: ConsoleSocket) -> QueueItem:
    record = session.record
    return QueueItem(
        session=session.id,
        since=session.waiting_since,
        position=session.position,
        queue=session.route.queue,
        called=session.state is State.OFFERED and session.route.owner == socket.user_id,
        reason=Text(id=session.route.rule, args={"name": record.issuer_name}),
        issuer=record.issuer_name,
        system=record.system.os,
        host=record.system.host,
        user=record.system.user,
        key_id=record.key_id,
    )


def session_view(session: Session, socket: ConsoleSocket) -> SessionState | None:
    """`session/ID`; None for somebody who is no member."""
    role = session.role_of(socket.user_id)
    if role is None:
        return None
    record, sharing, system = session.record, session.sharing, session.record.system
    here = {other.user_id for other in session.sockets}
    viewing = set(sharing.viewers)
    members = [
        MemberView(
            id=member.id,
            name=member.name,
            role=Role(member.role),
            connected=member.id in here,
            viewing=member.id in viewing,
        )
        for member in record.members
        if member.present
    ]
    answers = sharing.answers
    ended = Text(id=EndReason(record.reason).message_id) if record.reason else None
    return SessionState(
        id=session.id,
        state=session.state,
        since=record.began_at,
        role=role,
        customer=CustomerView(
            connected=session.customer is not None,
            host=system.host,
            user=system.user,
            os=system.os,
            display=system.display,
            language=system.language,
            client=system.client,
            address=record.address,
        ),
        words=list(session.words),
        members=sorted(members, key=lambda member: (member.role is not Role.OWNER, member.name.casefold())),
        controller=sharing.control.controller,
        wanting=list(sharing.control.wanting),
        granted=[tool for tool, answer in answers.items() if answer is Consent.GRANTED],
        denied={tool: answer for tool, answer in answers.items() if answer is not Consent.GRANTED},
        tools={tool: _tool_view(session, tool, socket) for tool in Tool},
        recording=session.recording,
        notes=record.notes,
        unread=session.unread(socket.user_id),
        key_id=record.key_id,
        screen=sharing.screen_problem,
        resume_until=_resume_until(session),
        ended=ended,
    )


def _tool_view(session: Session, tool: Tool, socket: ConsoleSocket) -> ToolView:
    ruling = session.sharing.ruling(tool, socket)
    return ToolView(
        decision=ruling.decision,
        rule=Text(id=ruling.rule, args=dict(ruling.args)),
        outcome=session.sharing.answers.get(tool),
        asking=tool in session.sharing.asking,
    )


def _resume_until(session: Session) -> float | None:
    away = [since for since in (session.customer_away_since, session.owner_away_since) if since is not None]
    if session.state is not State.LOST or not away:
        return None
    left = min(away) + session.ctx.settings.current.resume_seconds - trio.current_time()
    # Whole seconds, so that the same moment does not look new each time that it is computed.
    return float(round(session.ctx.now() + left))
