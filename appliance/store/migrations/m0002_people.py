"""Users, teams, and what signs them in."""

from __future__ import annotations

from sqlite_utils import Database


def apply(db: Database) -> None:
    """Makes `users`, `teams`, `team_members`, `web_sessions`, `sign_in_links`, `recovery_codes`."""
    db.executescript("""
        CREATE TABLE users (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE,
            display_name TEXT NOT NULL,
            language TEXT NOT NULL,
            permissions TEXT NOT NULL,
            password_hash TEXT,
            disabled INTEGER NOT NULL DEFAULT 0,
            totp_secret BLOB,
            totp_pending BLOB,
            totp_step INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            signed_in_at REAL
        ) STRICT;
        CREATE TABLE teams (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE
        ) STRICT;
        CREATE TABLE team_members (
            team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            PRIMARY KEY (team_id, user_id)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX team_members_by_user ON team_members (user_id);
        CREATE TABLE web_sessions (
            id TEXT PRIMARY KEY,
            cookie_hash BLOB NOT NULL UNIQUE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            address TEXT NOT NULL,
            browser TEXT NOT NULL,
            created_at REAL NOT NULL,
            seen_at REAL NOT NULL
        ) STRICT;
        CREATE INDEX web_sessions_by_user ON web_sessions (user_id);
        CREATE TABLE sign_in_links (
            token_hash BLOB PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            expires_at REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sign_in_links_by_user ON sign_in_links (user_id);
        CREATE TABLE recovery_codes (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            code_mac BLOB NOT NULL,
            PRIMARY KEY (user_id, code_mac)
        ) STRICT, WITHOUT ROWID;
    """)
