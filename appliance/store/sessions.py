"""Sessions and their members. Functions for `Store.read` and `Store.write`."""

from __future__ import annotations

import msgspec
from sqlite_utils import Database

from appliance.wire.messages import Consent, System, Tool


class StoredMember(msgspec.Struct, frozen=True, kw_only=True):
    """A technician who is or was in a session. `role` is a domain.policy.Role; `present`: has not left."""

    id: str
    name: str
    role: str
    present: bool = True


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is kept, so that it outlives a restart. Times are seconds since 1970.

    `token`, `previous_token`: SHA-256 of the resume tokens (domain.resume). `secret` (16 bytes) gives the
    verification words. `owner_id`: the technician who has it, None while it waits. `fallback`: it is the fallback
    queue's. `answers`: the customer's last word on each tool. `controller_id`: who controls, or did when they were
    lost. `reason`: a domain.session.EndReason, "" while it runs.
    """

    id: str
    key_id: str
    issuer_id: str
    issuer_name: str
    client_key: bytes
    token: bytes
    previous_token: bytes | None
    secret: bytes
    system: System
    address: str
    began_at: float
    owner_id: str | None = None
    owner_name: str = ""
    fallback: bool = False
    answers: dict[Tool, Consent] = {}
    controller_id: str | None = None
    notes: str = ""
    recorded: bool = False
    ended_at: float | None = None
    reason: str = ""
    members: tuple[StoredMember, ...] = ()


_COLUMNS = tuple(name for name in StoredSession.__struct_fields__ if name != "members")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM sessions"  # noqa: S608 our own names
_UPSERT = (
    f"INSERT INTO sessions ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)}) ON CONFLICT (id) DO"  # noqa: S608
    f" UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS if name != 'id')}"
)


def keep(db: Database, session: StoredSession) -> None:
    """Writes the session and its members as they are now."""
    values = [getattr(session, name) for name in _COLUMNS]
    for index, name in enumerate(_COLUMNS):
        if name in ("system", "answers"):
            values[index] = msgspec.json.encode(values[index]).decode()
    db.execute(_UPSERT, values)
    for member in session.members:
        db.execute(
            "INSERT INTO session_members (session_id, user_id, name, role, present) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET name = excluded.name, role = excluded.role, present = excluded.present",
            [session.id, member.id, member.name, member.role, member.present],
        )


def running(db: Database) -> list[StoredSession]:
    """All sessions that have not ended, oldest first."""
    return [_session(db, row) for row in db.execute(f"{_SELECT} WHERE ended_at IS NULL ORDER BY began_at").fetchall()]


def by_id(db: Database, session_id: str) -> StoredSession | None:
    """The session with this id, running or not."""
    row = db.execute(f"{_SELECT} WHERE id = ?", [session_id]).fetchone()
    return _session(db, row) if row else None


def past(db: Database, *, user_id: str | None, before: float | None, limit: int) -> list[StoredSession]:
    """Sessions that are over, newest first, begun before `before`; with `user_id` only those that they were in."""
    rows = db.execute(
        f"{_SELECT} WHERE ended_at IS NOT NULL AND (:before IS NULL OR began_at < :before) AND (:user IS NULL OR id IN"  # noqa: S608
        " (SELECT session_id FROM session_members WHERE user_id = :user)) ORDER BY began_at DESC LIMIT :limit",
        {"user": user_id, "before": before, "limit": limit},
    ).fetchall()
    return [_session(db, row) for row in rows]


def _session(db: Database, row: tuple[object, ...]) -> StoredSession:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["system"] = msgspec.json.decode(str(fields["system"]))
    fields["answers"] = msgspec.json.decode(str(fields["answers"]))
    fields["members"] = [
        {"id": user_id, "name": name, "role": role, "present": bool(present)}
        for user_id, name, role, present in db.execute(
            "SELECT user_id, name, role, present FROM session_members WHERE session_id = ? ORDER BY name",
            [fields["id"]],
        )
    ]
    return msgspec.convert(fields, StoredSession, strict=False)
