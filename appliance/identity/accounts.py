"""Users, permissions and teams, as an admin changes them, and what each may change about themselves.

`by` is who asks for it, None for the command line; whether they may is the caller's question (routes have it in their
declaration). The last site admin cannot be removed, disabled or demoted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from sqlite_utils import Database

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity.refused import Refused, attempt
from appliance.identity.sessions import Sessions, SignedIn
from appliance.identity.throttle import Throttle
from appliance.store import AuditEvent, Settings, Store, audit, credentials, users, web_sessions
from appliance.store.audit import Detail
from appliance.store.users import Team, User
from appliance.store.web_sessions import Ended
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES

LINK_SECONDS = 24 * 3600
_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")


@dataclass(frozen=True)
class Link:
    """A one-time sign-in link's token, for `user`; shown once, good until `expires_at`."""

    user: User
    token: str = field(repr=False)
    expires_at: float


class Accounts:
    """All users and teams. Refusals are `identity.user.…` and `identity.team.…`; every method raises StoreError."""

    def __init__(
        self, store: Store, settings: Settings, sessions: Sessions, throttle: Throttle, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._settings = settings
        self._sessions = sessions
        self._throttle = throttle
        self._now = now

    # -- users ------------------------------------------------------------------------------------------------------

    async def users(self) -> list[User]:
        """Everybody, by name."""
        return await self._store.read(users.everybody)

    async def user(self, user_id: str) -> User | None:
        """One user."""
        return await self._store.read(lambda db: users.by_id(db, user_id))

    async def invited(self) -> set[str]:
        """The ids of the users who have a sign-in link that holds."""
        return await self._store.read(lambda db: credentials.users_with_link(db, self._now()))

    async def create(
        self,
        name: str,
        display_name: str = "",
        *,
        permissions: Iterable[Permission] = TECHNICIAN,
        language: str = "",
        by: SignedIn | None,
    ) -> Link | Refusal:
        """A new user, who comes in with the link and sets a password. `display_name` is `name` where there is none."""

        def write(db: Database) -> Link:
            user = self.added(db, name, display_name, permissions, language or self._settings.current.language)
            self._log(db, "user_created", by, user.name, permissions=" ".join(sorted(user.permissions)))
            return self.linked(db, user)

        return await attempt(self._store, write)

    def added(
        self, db: Database, name: str, display_name: str, permissions: Iterable[Permission], language: str
    ) -> User:
        """The same inside a write, without a link and an audit event. Raises Refused."""
        user = _checked(
            User(
                id=secrets.token_urlsafe(12),
                name=name,
                display_name=display_name or name,
                language=language,
                permissions=frozenset(permissions),
                created_at=self._now(),
            )
        )
        _unless_taken("user.name_taken", user.name, lambda: users.insert(db, user))
        return user

    async def change(
        self,
        user_id: str,
        *,
        by: SignedIn | None,
        name: str | None = None,
        display_name: str | None = None,
        language: str | None = None,
        permissions: Iterable[Permission] | None = None,
        disabled: bool | None = None,
    ) -> User | Refusal:
        """Changes what is not None. Disabling a user, or taking a permission away, ends their sessions at once."""
        wanted = {
            "name": name,
            "display_name": display_name,
            "language": language,
            "permissions": frozenset(permissions) if permissions is not None else None,
            "disabled": disabled,
        }

        def write(db: Database) -> tuple[User, list[Ended]]:
            before = self._existing(db, user_id)
            fields = {key: value for key, value in wanted.items() if value is not None}
            after = _checked(msgspec.structs.replace(before, **fields))
            _unless_taken("user.name_taken", after.name, lambda: users.update(db, after))
            self._keep_an_admin(db, before)
            ended: list[Ended] = []
            if after.disabled or before.permissions - after.permissions:
                ended = web_sessions.end_of_user(db, user_id, but=by.session_id if by and not after.disabled else "")
            if after.disabled:
                credentials.void_links(db, user_id)
            if after != before:
                self._log(db, "user_changed", by, after.name, **_difference(before, after))
            return after, ended

        result = await attempt(self._store, write)
        if isinstance(result, Refusal):
            return result
        self._sessions.ended(result[1])
        return result[0]

    async def remove(self, user_id: str, *, by: SignedIn | None) -> Refusal | None:
        """Removes a user and ends their sessions."""

        def write(db: Database) -> list[Ended]:
            user = self._existing(db, user_id)
            ended = web_sessions.end_of_user(db, user_id)
            users.remove(db, user_id)
            self._keep_an_admin(db, user)
            self._log(db, "user_removed", by, user.name)
            return ended

        return self._after(await attempt(self._store, write))

    async def link(self, user_id: str, *, by: SignedIn | None) -> Link | Refusal:
        """A new sign-in link, for 24 hours and one use; earlier ones are void. Until then the old password holds."""

        def write(db: Database) -> Link:
            user = self._existing(db, user_id)
            if user.disabled:
                raise Refused("user.disabled", name=user.name)
            self._log(db, "link_made", by, user.name)
            return self.linked(db, user)

        return await attempt(self._store, write)

    def linked(self, db: Database, user: User) -> Link:
        """A new link for `user`, inside a write."""
        link = Link(user, secrets.token_urlsafe(32), self._now() + LINK_SECONDS)
        credentials.put_link(db, user.id, link_hash(link.token), link.expires_at)
        return link

    async def reset(self, name: str) -> Link | Refusal:
        """Takes away what can keep the user `name` out (password, second factor, being disabled), for a sign-in link.

        Their sessions end.
        """

        def write(db: Database) -> tuple[Link, list[Ended]]:
            user = users.by_name(db, name)
            if user is None:
                raise Refused("user.unknown", name=name[:64])
            users.reset(db, user.id)
            credentials.remove_totp(db, user.id)
            self._log(db, "user_reset", None, user.name)
            return self.linked(db, self._existing(db, user.id)), web_sessions.end_of_user(db, user.id)

        result = await attempt(self._store, write)
        if isinstance(result, Refusal):
            return result
        self._sessions.ended(result[1])
        return result[0]

    async def remove_second_factor(self, user_id: str, *, by: SignedIn | None) -> Refusal | None:
        """For somebody who has lost their phone and their recovery codes. Ends their sessions."""

        def write(db: Database) -> list[Ended]:
            user = self._existing(db, user_id)
            credentials.remove_totp(db, user_id)
            self._log(db, "totp_off", by, user.name)
            return web_sessions.end_of_user(db, user_id, but=by.session_id if by else "")

        return self._after(await attempt(self._store, write))

    async def unlock(self, user_id: str, *, by: SignedIn | None) -> Refusal | None:
        """Forgets wrong tries at a user's account."""

        def write(db: Database) -> str:
            user = self._existing(db, user_id)
            self._log(db, "unlocked", by, user.name)
            return user.name

        name = await attempt(self._store, write)
        if isinstance(name, Refusal):
            return name
        self._throttle.unlock(name)
        return None

    async def end_session(self, session_id: str, *, by: SignedIn) -> None:
        """Ends one session, which need not exist any more."""

        def write(db: Database) -> list[Ended]:
            ended = web_sessions.end(db, session_id)
            for user_id, _ in ended:
                self._log(db, "session_ended", by, self._existing(db, user_id).name)
            return ended

        self._sessions.ended(await self._store.write(write))

    async def end_sessions(self, user_id: str, *, by: SignedIn) -> None:
        """Ends all of a user's sessions but the asking one."""

        def write(db: Database) -> list[Ended]:
            ended = web_sessions.end_of_user(db, user_id, but=by.session_id)
            if ended:
                self._log(db, "session_ended", by, self._existing(db, user_id).name, count=len(ended))
            return ended

        self._sessions.ended(await self._store.write(write))

    # -- teams ------------------------------------------------------------------------------------------------------

    async def teams(self) -> list[Team]:
        """All teams, by name."""
        return await self._store.read(users.teams)

    async def put_team(
        self, name: str, members: Iterable[str], *, team_id: str | None = None, by: SignedIn | None
    ) -> Team | Refusal:
        """Adds a team, or changes the one with `team_id`; `members` are user ids."""

        def write(db: Database) -> Team:
            title = _line(name)
            if not title:
                raise Refused("team.name")
            team = Team(team_id or secrets.token_urlsafe(12), title, tuple(sorted(set(members))))
            if team_id is not None and team_id not in {known.id for known in users.teams(db)}:
                raise Refused("team.gone")
            if any(users.by_id(db, member) is None for member in team.members):
                raise Refused("user.gone")
            _unless_taken("team.name_taken", title, lambda: users.put_team(db, team))
            self._log(db, "team_saved", by, team.name, members=len(team.members))
            return team

        return await attempt(self._store, write)

    async def remove_team(self, team_id: str, *, by: SignedIn | None) -> Refusal | None:
        """Removes a team, not its members. The one that is the site's fallback queue stays."""

        def write(db: Database) -> None:
            team = next((team for team in users.teams(db) if team.id == team_id), None)
            if team is None:
                raise Refused("team.gone")
            if team_id == self._settings.current.fallback_team_id:
                raise Refused("team.is_fallback", name=team.name)
            users.remove_team(db, team_id)
            self._log(db, "team_removed", by, team.name)

        return await attempt(self._store, write)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _existing(self, db: Database, user_id: str) -> User:
        user = users.by_id(db, user_id)
        if user is None:
            raise Refused("user.gone")
        return user

    def _keep_an_admin(self, db: Database, before: User) -> None:
        if Permission.SITE_ADMIN in before.permissions and not users.site_admins(db):
            raise Refused("user.last_admin", name=before.name)

    def _after(self, ended: list[Ended] | Refusal) -> Refusal | None:
        if isinstance(ended, Refusal):
            return ended
        self._sessions.ended(ended)
        return None

    def _log(self, db: Database, what: str, by: SignedIn | None, subject: str, **details: Detail) -> None:
        audit.append(
            db,
            AuditEvent(
                at=self._now(),
                kind=f"identity.{what}",
                actor=by.user.name if by else "",
                subject=subject,
                address=by.address if by else "",
                details=details,
            ),
        )


def link_hash(token: str) -> bytes:
    """A link's token as it is kept: 256 random bits need no slower hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _line(text: str) -> str:
    """`text` as one line that shows as it is: no control characters, none that turn the direction; "" if it is none."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text if text.isprintable() and len(text) <= 80 else ""


def _checked(user: User) -> User:
    name = unicodedata.normalize("NFKC", user.name).strip()
    if not _NAME.fullmatch(name):
        raise Refused("user.name")
    display_name = _line(user.display_name)
    if not display_name:
        raise Refused("user.display_name")
    if user.language not in LANGUAGES:
        raise Refused("user.language")
    return msgspec.structs.replace(user, name=name, display_name=display_name)


def _unless_taken(reason: str, name: str, write: Callable[[], None]) -> None:
    try:
        write()
    except sqlite3.IntegrityError as error:
        if "name_key" not in str(error):
            raise
        raise Refused(reason, name=name) from None


def _difference(before: User, after: User) -> dict[str, Detail]:
    details: dict[str, Detail] = {}
    if given := after.permissions - before.permissions:
        details["given"] = " ".join(sorted(given))
    if taken := before.permissions - after.permissions:
        details["taken"] = " ".join(sorted(taken))
    if before.disabled != after.disabled:
        details["disabled"] = after.disabled
    if before.name != after.name:
        details["name_before"] = before.name
    return details
