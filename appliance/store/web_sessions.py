"""Who is signed in, in which browsers. The cookie itself is not kept, only its hash."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

from sqlite_utils import Database


@dataclass(frozen=True)
class WebSession:
    """A browser that is signed in. `id` may be shown and logged; it opens nothing. Times are seconds since 1970."""

    id: str
    user_id: str
    address: str
    browser: str
    created_at: float
    seen_at: float


class Ended(NamedTuple):
    """A session that is over."""

    user_id: str
    session_id: str


_SELECT = "SELECT id, user_id, address, browser, created_at, seen_at FROM web_sessions"


def insert(db: Database, session: WebSession, cookie_hash: bytes) -> None:
    """Adds a session."""
    db.execute(
        "INSERT INTO web_sessions (id, user_id, address, browser, created_at, seen_at, cookie_hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [*astuple(session), cookie_hash],
    )


def by_cookie(db: Database, cookie_hash: bytes) -> WebSession | None:
    """The session of a cookie with this hash."""
    row = db.execute(_SELECT + " WHERE cookie_hash = ?", [cookie_hash]).fetchone()
    return WebSession(*row) if row else None


def of_user(db: Database, user_id: str) -> list[WebSession]:
    """A user's sessions, the one seen last first."""
    rows = db.execute(_SELECT + " WHERE user_id = ? ORDER BY seen_at DESC", [user_id])
    return [WebSession(*row) for row in rows]


def ids(db: Database) -> set[str]:
    """The ids of all sessions."""
    return {row[0] for row in db.execute("SELECT id FROM web_sessions")}


def seen(db: Database, session_id: str, at: float, address: str) -> None:
    """Notes that a session was used."""
    db.execute("UPDATE web_sessions SET seen_at = max(seen_at, ?), address = ? WHERE id = ?", [at, address, session_id])


def end(db: Database, session_id: str) -> list[Ended]:
    """Ends one session."""
    return _ended(db, "DELETE FROM web_sessions WHERE id = ?", [session_id]) if session_id.isascii() else []


def end_of_user(db: Database, user_id: str, *, but: str = "") -> list[Ended]:
    """Ends a user's sessions, except the one with the id `but`."""
    return _ended(db, "DELETE FROM web_sessions WHERE user_id = ? AND id <> ?", [user_id, but])


def end_old(db: Database, *, seen_before: float, created_before: float) -> list[Ended]:
    """Ends sessions that were idle too long or are too old."""
    return _ended(db, "DELETE FROM web_sessions WHERE seen_at < ? OR created_at < ?", [seen_before, created_before])


def _ended(db: Database, delete: str, parameters: list[object]) -> list[Ended]:
    rows = db.execute(delete + " RETURNING user_id, id", parameters)
    return [Ended(*row) for row in rows.fetchall()]
