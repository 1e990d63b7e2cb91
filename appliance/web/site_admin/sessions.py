"""Sessions, running and past."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database
from starlette.requests import Request
from starlette.responses import Response

from appliance.domain.permissions import Permission
from appliance.identity import SignedIn
from appliance.store import sessions
from appliance.store.sessions import StoredSession
from appliance.web.shared.pages import render
from appliance.web.shared.routing import who_of
from appliance.web.shared.site import site_of
from appliance.words import Words

SESSIONS = "/login/sessions"
PAGE = 50


@dataclass(frozen=True)
class _Line:
    """A session as the page shows it; `length` and `outcome` are "" while it runs."""

    id: str
    customer: str
    system: str
    technicians: str
    began_at: float
    waiting: bool
    length: str
    outcome: str
    playable: bool


def _line(session: StoredSession, who: SignedIn, w: Words) -> _Line:
    system, user = session.system, who.user
    took_part = user.id in {member.id for member in session.members}
    outcome = f"session.ended.{session.reason}"
    return _Line(
        id=session.id,
        customer="@".join(part for part in (system.user, system.host) if part),
        system=system.os,
        technicians=", ".join(member.name for member in session.members) or session.owner_name,
        began_at=session.began_at,
        waiting=session.owner_id is None,
        length=_length(session.ended_at - session.began_at, w) if session.ended_at is not None else "",
        outcome=(w(outcome) if outcome in w else session.reason) if session.reason else "",
        playable=session.recorded
        and (user.may(Permission.RECORDINGS_ALL) or (took_part and user.may(Permission.RECORDINGS_OWN))),
    )


def _length(seconds: float, w: Words) -> str:
    minutes = max(0, round(seconds / 60))
    if minutes < 60:
        return w("admin.sessions.minutes", n=minutes)
    return w("admin.sessions.hours", hours=minutes // 60, minutes=f"{minutes % 60:02}")


async def show(request: Request) -> Response:
    """Those that run, and a page of those that are over, the newest first."""
    query = request.query_params.get("before", "")
    before = float(query) if query.replace(".", "", 1).isdigit() and query.isascii() and len(query) < 24 else None

    def read(db: Database) -> tuple[list[StoredSession], list[StoredSession]]:
        return sessions.running(db), sessions.past(db, user_id=None, before=before, limit=PAGE + 1)

    running, past = await site_of(request).store.read(read)
    who, w = who_of(request), request.state.words
    more = len(past) > PAGE
    return render(
        request,
        "site_admin/sessions.html",
        running=[_line(session, who, w) for session in running] if before is None else [],
        past=[_line(session, who, w) for session in past[:PAGE]],
        older=f"{SESSIONS}?before={past[PAGE - 1].began_at!r}" if more else "",
        newest=SESSIONS if before is not None else "",
    )
