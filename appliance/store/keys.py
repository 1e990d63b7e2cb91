"""Session keys, starts and their tokens. Functions for `Store.read` and `Store.write`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from appliance.domain.start import Claim


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """A session key as it is kept: `digest` is `domain.keys.digest`. Times are seconds since 1970."""

    id: str
    digest: bytes
    issuer_id: str
    issuer_name: str  # the issuer's display name
    created_at: float
    expires_at: float
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class StoredStart:
    """A redeemed key. `cookie_hash`: SHA-256 of the portal cookie; `session_id`: once a client has connected."""

    id: str
    key_id: str
    cookie_hash: bytes
    opened_at: float
    expires_at: float
    downloaded: bool = False
    session_id: str | None = None


_KEY = (
    "SELECT k.id, k.digest, k.issuer_id, u.display_name, k.created_at, k.expires_at, k.revoked"
    " FROM session_keys k JOIN users u ON u.id = k.issuer_id"
)
_START = "SELECT s.id, s.key_id, s.cookie_hash, s.opened_at, s.expires_at, s.downloaded, s.session_id FROM starts s"


def insert_key(db: Database, key: StoredKey) -> None:
    """Adds a key. Raises sqlite3.IntegrityError where the same key is there already."""
    db.execute(
        "INSERT INTO session_keys (id, digest, issuer_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        [key.id, key.digest, key.issuer_id, key.created_at, key.expires_at],
    )


def key_by_id(db: Database, key_id: str) -> StoredKey | None:
    """The key with this id."""
    return _key(db.execute(f"{_KEY} WHERE k.id = ?", [key_id]).fetchone())


def key_by_digest(db: Database, digest: bytes) -> StoredKey | None:
    """The key with this digest, whatever has become of it."""
    return _key(db.execute(f"{_KEY} WHERE k.digest = ?", [digest]).fetchone())


def all_keys(db: Database) -> list[tuple[StoredKey, StoredStart | None]]:
    """Every key that is still kept, newest first, with its start."""
    starts = {start.key_id: start for row in db.execute(_START) if (start := _start(row))}
    keys = [key for row in db.execute(f"{_KEY} ORDER BY k.created_at DESC") if (key := _key(row))]
    return [(key, starts.get(key.id)) for key in keys]


def revoke(db: Database, key_id: str) -> None:
    """The key, and a start that nobody has connected with, are good for nothing from now on."""
    db.execute("UPDATE session_keys SET revoked = 1 WHERE id = ?", [key_id])


def forget_keys(db: Database, before: float) -> None:
    """Removes keys and starts that expired before `before` and belong to no running session."""
    db.execute(
        "DELETE FROM session_keys WHERE expires_at < :before AND id NOT IN"
        " (SELECT key_id FROM starts WHERE expires_at >= :before)"
        " AND id NOT IN (SELECT key_id FROM sessions WHERE ended_at IS NULL)",
        {"before": before},
    )


def insert_start(db: Database, start: StoredStart) -> None:
    """Adds a start. Raises sqlite3.IntegrityError where its key has one already."""
    db.execute(
        "INSERT INTO starts (id, key_id, cookie_hash, opened_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        [start.id, start.key_id, start.cookie_hash, start.opened_at, start.expires_at],
    )


def start_of_key(db: Database, key_id: str) -> StoredStart | None:
    """The start that a key has become."""
    return _start(db.execute(f"{_START} WHERE s.key_id = ?", [key_id]).fetchone())


def set_downloaded(db: Database, start_id: str) -> None:
    """A client was fetched for this start."""
    db.execute("UPDATE starts SET downloaded = 1 WHERE id = ?", [start_id])


def insert_token(db: Database, start_id: str, token_hash: bytes) -> None:
    """Adds a token of a start."""
    db.execute("INSERT INTO start_tokens (hash, start_id) VALUES (?, ?)", [token_hash, start_id])


def count_tokens(db: Database, start_id: str) -> int:
    """How many tokens a start has."""
    return int(db.execute("SELECT count(*) FROM start_tokens WHERE start_id = ?", [start_id]).fetchone()[0])


def claim_of(db: Database, token_hash: bytes) -> tuple[Claim, StoredStart, StoredKey] | None:
    """What is known of a start token, for `domain.start.hear`."""
    row = db.execute(f"{_START} JOIN start_tokens t ON t.start_id = s.id WHERE t.hash = ?", [token_hash]).fetchone()
    start = _start(row)
    key = key_by_id(db, start.key_id) if start else None
    if start is None or key is None:
        return None
    bound_key, bound_token = db.execute(
        "SELECT client_key, bound_token FROM starts WHERE id = ?", [start.id]
    ).fetchone()
    ended = (
        start.session_id is not None
        and not db.execute("SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NULL", [start.session_id]).fetchone()
    )
    return Claim(start.expires_at, key.revoked, bool(ended), bound_key, bound_token == token_hash), start, key


def bind(db: Database, start_id: str, client_key: bytes, token_hash: bytes, session_id: str) -> None:
    """The start belongs to this client from now on."""
    db.execute(
        "UPDATE starts SET client_key = ?, bound_token = ?, session_id = ? WHERE id = ? AND client_key IS NULL",
        [client_key, token_hash, session_id, start_id],
    )


def _key(row: tuple[str, bytes, str, str, float, float, int] | None) -> StoredKey | None:
    if row is None:
        return None
    key_id, digest, issuer_id, name, created_at, expires_at, revoked = row
    return StoredKey(
        id=key_id,
        digest=digest,
        issuer_id=issuer_id,
        issuer_name=name,
        created_at=created_at,
        expires_at=expires_at,
        revoked=bool(revoked),
    )


def _start(row: tuple[str, str, bytes, float, float, int, str | None] | None) -> StoredStart | None:
    if row is None:
        return None
    start_id, key_id, cookie_hash, opened_at, expires_at, downloaded, session_id = row
    return StoredStart(
        id=start_id,
        key_id=key_id,
        cookie_hash=cookie_hash,
        opened_at=opened_at,
        expires_at=expires_at,
        downloaded=bool(downloaded),
        session_id=session_id,
    )
