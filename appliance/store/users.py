"""Users and their teams. Functions for `Store.read` and `Store.write`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from sqlite_utils import Database

from appliance.domain.permissions import Permission
from appliance.store.text import storable


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person with an account. `teams` are ids; times are seconds since 1970."""

    id: str
    name: str
    display_name: str
    language: str
    permissions: frozenset[Permission]
    teams: tuple[str, ...] = ()
    disabled: bool = False
    has_password: bool = False  # or still has to use a sign-in link
    has_totp: bool = False
    created_at: float = 0.0
    signed_in_at: float | None = None

    def may(self, permission: Permission) -> bool:
        """Whether this user was given `permission`."""
        return permission in self.permissions


@dataclass(frozen=True)
class Secrets:
    """What a user is checked against. Never leaves `identity`."""

    user: User
    password_hash: str | None = field(repr=False)
    totp_secret: bytes | None = field(repr=False)
    totp_pending: bytes | None = field(repr=False)
    totp_step: int = field(repr=False)


@dataclass(frozen=True)
class Team:
    """A team and its members' user ids."""

    id: str
    name: str
    members: tuple[str, ...] = ()


_LONGEST_NAME = 128  # that is looked at; no user's or team's is as long
_KNOWN = frozenset(Permission)
_SELECT = (
    "SELECT u.id, u.name, u.display_name, u.language, u.permissions, u.disabled, u.password_hash, u.totp_secret,"
    " u.created_at, u.signed_in_at, (SELECT json_group_array(team_id) FROM team_members WHERE user_id = u.id)"
    " FROM users u"
)


def name_key(name: str) -> str:
    """What is the same for spellings of one name: case, and how letters are composed."""
    name = storable(name, _LONGEST_NAME)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def everybody(db: Database) -> list[User]:
    """All users, by name."""
    return [_user(row) for row in db.execute(_SELECT + " ORDER BY u.name_key")]


def by_id(db: Database, user_id: str) -> User | None:
    """The user with this id."""
    row = db.execute(_SELECT + " WHERE u.id = ?", [user_id]).fetchone() if user_id.isascii() else None
    return _user(row) if row else None


def by_name(db: Database, name: str) -> User | None:
    """The user with this name in any spelling of upper and lower case."""
    row = db.execute(_SELECT + " WHERE u.name_key = ?", [name_key(name)]).fetchone()
    return _user(row) if row else None


def secrets_by_name(db: Database, name: str) -> Secrets | None:
    """The same, with what they are checked against."""
    user = by_name(db, name)
    return secrets_of(db, user.id) if user else None


def secrets_of(db: Database, user_id: str) -> Secrets | None:
    """What the user with this id is checked against."""
    user = by_id(db, user_id)
    if user is None:
        return None
    row = db.execute(
        "SELECT password_hash, totp_secret, totp_pending, totp_step FROM users WHERE id = ?", [user_id]
    ).fetchone()
    return Secrets(user, *row)


def insert(db: Database, user: User) -> None:
    """Adds `user`, without a password and teams. Raises sqlite3.IntegrityError where the name is taken."""
    db.execute(
        "INSERT INTO users (id, name, name_key, display_name, language, permissions, disabled, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            user.id,
            user.name,
            name_key(user.name),
            user.display_name,
            user.language,
            _permissions(user.permissions),
            user.disabled,
            user.created_at,
        ],
    )


def update(db: Database, user: User) -> None:
    """Writes names, language, permissions, whether disabled. Raises sqlite3.IntegrityError where the name is taken."""
    db.execute(
        "UPDATE users SET name = ?, name_key = ?, display_name = ?, language = ?, permissions = ?, disabled = ?"
        " WHERE id = ?",
        [
            user.name,
            name_key(user.name),
            user.display_name,
            user.language,
            _permissions(user.permissions),
            user.disabled,
            user.id,
        ],
    )


def remove(db: Database, user_id: str) -> None:
    """Removes a user with all that signs them in."""
    db.execute("DELETE FROM users WHERE id = ?", [user_id])


def reset(db: Database, user_id: str) -> None:
    """Takes the password away, and what disables a user."""
    db.execute("UPDATE users SET password_hash = NULL, disabled = 0 WHERE id = ?", [user_id])


def set_password(db: Database, user_id: str, password_hash: str) -> None:
    """Gives a user a password, as its hash."""
    db.execute("UPDATE users SET password_hash = ? WHERE id = ?", [password_hash, user_id])


def signed_in(db: Database, user_id: str, now: float) -> None:
    """Notes that the user signed in."""
    db.execute("UPDATE users SET signed_in_at = ? WHERE id = ?", [now, user_id])


def site_admins(db: Database) -> list[User]:
    """Those who can administer the site: not disabled, with a password."""
    return [
        user
        for user in everybody(db)
        if user.has_password and not user.disabled and Permission.SITE_ADMIN in user.permissions
    ]


# -- teams --------------------------------------------------------------------------------------------------------


def teams(db: Database) -> list[Team]:
    """All teams, by name."""
    rows = db.execute(
        "SELECT id, name, (SELECT json_group_array(user_id) FROM team_members WHERE team_id = t.id)"
        " FROM teams t ORDER BY name_key"
    )
    return [Team(row[0], row[1], _ids(row[2])) for row in rows]


def put_team(db: Database, team: Team) -> None:
    """Adds or changes `team` with its members. Raises sqlite3.IntegrityError: the name is taken, no such user."""
    db.execute(
        "INSERT INTO teams (id, name, name_key) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key",
        [team.id, team.name, name_key(team.name)],
    )
    db.execute("DELETE FROM team_members WHERE team_id = ?", [team.id])
    for user_id in team.members:
        db.execute("INSERT INTO team_members VALUES (?, ?)", [team.id, user_id])


def remove_team(db: Database, team_id: str) -> None:
    """Removes a team, not its members."""
    db.execute("DELETE FROM teams WHERE id = ?", [team_id])


def _permissions(permissions: Iterable[Permission]) -> str:
    return msgspec.json.encode(sorted(permissions)).decode()


def _ids(text: str) -> tuple[str, ...]:
    return tuple(sorted(msgspec.json.decode(text, type=list[str])))


def _user(row: tuple[str, str, str, str, str, int, str | None, bytes | None, float, float | None, str]) -> User:
    # A permission of a later release, seen after going back, is kept out of what this one decides by.
    named = msgspec.json.decode(row[4], type=list[str])
    return User(
        id=row[0],
        name=row[1],
        display_name=row[2],
        language=row[3],
        permissions=frozenset(Permission(name) for name in named if name in _KNOWN),
        disabled=bool(row[5]),
        has_password=row[6] is not None,
        has_totp=row[7] is not None,
        created_at=row[8],
        signed_in_at=row[9],
        teams=_ids(row[10]),
    )
