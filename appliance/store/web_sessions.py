"""Who is signed in, in which browsers. The cookie itself is not kept, only its hash."""

from __future__ import annotations

from dataclasses import dataclass
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


_COLUMNS = "id, user_id, address, browser, created_at, seen_at"


def insert(db: Database, session: WebSession, cookie_hash: bytes) -> None:
    """Adds a session."""
    db.execute(
        f"INSERT INTO web_sessions ({_COLUMNS}, cookie_hash) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [
            session.id,
            session.user_id,
            session.address,
            session.browser,
            session.created_at,
            session.seen_at,
            cookie_hash,
        ],
    )


def by_cookie(db: Database, cookie_hash: bytes) -> WebSession | None:
    """The session of a cookie with this hash."""
    row = db.execute(f"SELECT {_COLUMNS} FROM web_sessions WHERE cookie_hash = ?", [cookie_hash]).fetchone()  # noqa: S608
    return WebSession(*row) if row else None


def of_user(db: Database, user_id: str) -> list[WebSession]:
    """A user's sessions, the one seen last first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM web_sessions WHERE user_id = ? ORDER BY seen_at DESC", [user_id])  # noqa: S608
    return [WebSession(*row) for row in rows]


def ids(db: Database) -> set[str]:
    """The ids of all sessions."""
    return {row[0] for row in db.execute("SELECT id FROM web_sessions")}


def seen(db: Database, session_id: str, at: float, address: str) -> None:
    """Notes that a session was used."""
    db.execute("UPDATE web_sessions SET seen_at = max(seen_at, ?), address = ? WHERE id = ?", [at, address, session_id])


def end(db: Database, session_id: str) -> list[Ended]:
    """Ends one session."""
    return _ended(db, "id = ?", [session_id]) if session_id.isascii() else []


def end_of_user(db: Database, user_id: str, *, but: str = "") -> list[Ended]:
    """Ends a user's sessions, except the one with the id `but`."""
    return _ended(db, "user_id = ? AND id <> ?", [user_id, but])


def end_old(db: Database, *, seen_before: float, created_before: float) -> list[Ended]:
    """Ends sessions that were idle too long or are too old."""
    return _ended(db, "seen_at < ? OR created_at < ?", [seen_before, created_before])


def _ended(db: Database, where: str, parameters: list[object]) -> list[Ended]:
    rows = db.execute(f"DELETE FROM web_sessions WHERE {where} RETURNING user_id, id", parameters)  # noqa: S608
    return [Ended(*row) for row in rows.fetchall()]
