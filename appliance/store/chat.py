"""A session's chat. Functions for `Store.read` and `Store.write`."""

from __future__ import annotations

from sqlite_utils import Database

from appliance.wire.messages import ChatMessage

MAX_MESSAGES = 20_000
"""Messages of one session; nobody writes so many, and the disk is not a stranger's to fill."""


class ChatFull(Exception):
    """The session has MAX_MESSAGES already."""


def store(
    db: Database, session_id: str, message_id: str, *, sender: str, name: str, text: str, at: float
) -> tuple[ChatMessage, bool]:
    """Numbers and keeps a message; the one that is there already when `sender` has sent `message_id` before. The flag
    says whether it is new. Raises ChatFull."""
    row = db.execute(
        "SELECT seq, id, sender, name, text, at FROM chat WHERE session_id = ? AND id = ?", [session_id, message_id]
    ).fetchone()
    if row is not None:
        return _message(row), False
    last = db.execute("SELECT coalesce(max(seq), 0) FROM chat WHERE session_id = ?", [session_id]).fetchone()[0]
    if last >= MAX_MESSAGES:
        raise ChatFull
    message = ChatMessage(seq=last + 1, id=message_id, sender=sender, name=name, text=text, at=at)
    db.execute(
        "INSERT INTO chat VALUES (?, ?, ?, ?, ?, ?, ?)", [session_id, message.seq, message_id, sender, name, text, at]
    )
    return message, True


def after(db: Database, session_id: str, seq: int, limit: int) -> list[ChatMessage]:
    """The messages after number `seq`, in order."""
    rows = db.execute(
        "SELECT seq, id, sender, name, text, at FROM chat WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        [session_id, seq, limit],
    ).fetchall()
    return [_message(row) for row in rows]


def senders(db: Database, session_id: str) -> list[tuple[int, str]]:
    """The number and sender of every message, in order."""
    return db.execute("SELECT seq, sender FROM chat WHERE session_id = ? ORDER BY seq", [session_id]).fetchall()


def _message(row: tuple[int, str, str, str, str, float]) -> ChatMessage:
    seq, message_id, sender, name, text, at = row
    return ChatMessage(seq=seq, id=message_id, sender=sender, name=name, text=text, at=at)
