"""Sign-in links, and second factors with their recovery codes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database


def put_link(db: Database, user_id: str, token_hash: bytes, expires_at: float) -> None:
    """Gives a user a sign-in link; the ones before are void."""
    db.execute("DELETE FROM sign_in_links WHERE user_id = ?", [user_id])
    db.execute("INSERT INTO sign_in_links VALUES (?, ?, ?)", [token_hash, user_id, expires_at])


def user_of_link(db: Database, token_hash: bytes, now: float) -> str | None:
    """The id of the user whose link this is, as long as it holds."""
    row = db.execute(
        "SELECT user_id FROM sign_in_links WHERE token_hash = ? AND expires_at > ?", [token_hash, now]
    ).fetchone()
    return str(row[0]) if row else None


def users_with_link(db: Database, now: float) -> set[str]:
    """The ids of the users who have a link that holds."""
    return {row[0] for row in db.execute("SELECT user_id FROM sign_in_links WHERE expires_at > ?", [now])}


def void_links(db: Database, user_id: str) -> None:
    """Makes a user's links void: one was used, or there is a new password."""
    db.execute("DELETE FROM sign_in_links WHERE user_id = ?", [user_id])


def set_totp_pending(db: Database, user_id: str, sealed: bytes) -> None:
    """Keeps a TOTP secret that its user has not shown to work yet."""
    db.execute("UPDATE users SET totp_pending = ? WHERE id = ?", [sealed, user_id])


def set_totp(db: Database, user_id: str, sealed: bytes, step: int, code_macs: Iterable[bytes]) -> None:
    """Makes a TOTP secret the user's, with new recovery codes; codes up to `step` are used up."""
    db.execute(
        "UPDATE users SET totp_secret = ?, totp_pending = NULL, totp_step = ? WHERE id = ?", [sealed, step, user_id]
    )
    put_recovery_codes(db, user_id, code_macs)


def remove_totp(db: Database, user_id: str) -> None:
    """Takes a user's second factor away, with its recovery codes."""
    db.execute("UPDATE users SET totp_secret = NULL, totp_pending = NULL, totp_step = 0 WHERE id = ?", [user_id])
    put_recovery_codes(db, user_id, ())


def use_totp_step(db: Database, user_id: str, step: int) -> bool:
    """Uses up a time step; False if it, or a later one, was used before."""
    cursor = db.execute("UPDATE users SET totp_step = ? WHERE id = ? AND totp_step < ?", [step, user_id, step])
    return cursor.rowcount == 1


def put_recovery_codes(db: Database, user_id: str, code_macs: Iterable[bytes]) -> None:
    """Replaces a user's recovery codes."""
    db.execute("DELETE FROM recovery_codes WHERE user_id = ?", [user_id])
    for mac in code_macs:
        db.execute("INSERT INTO recovery_codes VALUES (?, ?)", [user_id, mac])


def use_recovery_code(db: Database, user_id: str, mac: bytes) -> bool:
    """Uses a recovery code up; False if the user has none such."""
    return db.execute("DELETE FROM recovery_codes WHERE user_id = ? AND code_mac = ?", [user_id, mac]).rowcount == 1


def recovery_codes_left(db: Database, user_id: str) -> int:
    """How many a user has."""
    return int(db.execute("SELECT count(*) FROM recovery_codes WHERE user_id = ?", [user_id]).fetchone()[0])
