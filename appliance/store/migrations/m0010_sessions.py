"""Session keys, starts, sessions and their chat."""

from __future__ import annotations

from sqlite_utils import Database


def apply(db: Database) -> None:
    """Makes `session_keys`, `starts`, `start_tokens`, `sessions`, `session_members`, `chat`.

    A session keeps names instead of references to people: it outlives their accounts.
    """
    db.executescript("""
        CREATE TABLE session_keys (
            id TEXT PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            issuer_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            revoked INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX session_keys_by_issuer ON session_keys (issuer_id);
        CREATE TABLE starts (
            id TEXT PRIMARY KEY,
            key_id TEXT NOT NULL UNIQUE REFERENCES session_keys (id) ON DELETE CASCADE,
            cookie_hash BLOB NOT NULL,
            opened_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            downloaded INTEGER NOT NULL DEFAULT 0,
            client_key BLOB,
            bound_token BLOB,
            session_id TEXT
        ) STRICT;
        CREATE INDEX starts_by_cookie ON starts (cookie_hash);
        CREATE TABLE start_tokens (
            hash BLOB PRIMARY KEY,
            start_id TEXT NOT NULL REFERENCES starts (id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX start_tokens_by_start ON start_tokens (start_id);
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            key_id TEXT NOT NULL,
            issuer_id TEXT NOT NULL,
            issuer_name TEXT NOT NULL,
            client_key BLOB NOT NULL,
            token BLOB NOT NULL,
            previous_token BLOB,
            secret BLOB NOT NULL,
            system TEXT NOT NULL,
            address TEXT NOT NULL,
            began_at REAL NOT NULL,
            owner_id TEXT,
            owner_name TEXT NOT NULL DEFAULT '',
            fallback INTEGER NOT NULL DEFAULT 0,
            answers TEXT NOT NULL DEFAULT '{}',
            controller_id TEXT,
            notes TEXT NOT NULL DEFAULT '',
            recorded INTEGER NOT NULL DEFAULT 0,
            ended_at REAL,
            reason TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX sessions_by_beginning ON sessions (began_at);
        CREATE INDEX sessions_running ON sessions (id) WHERE ended_at IS NULL;
        CREATE TABLE session_members (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            present INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (session_id, user_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_members_by_user ON session_members (user_id);
        CREATE TABLE chat (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            id TEXT NOT NULL,
            sender TEXT NOT NULL,
            name TEXT NOT NULL,
            text TEXT NOT NULL,
            at REAL NOT NULL,
            PRIMARY KEY (session_id, seq),
            UNIQUE (session_id, id)
        ) STRICT, WITHOUT ROWID;
    """)
