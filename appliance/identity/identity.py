"""Signing in.

Every path counts its tries in the one throttle before it looks at anything, and costs one password hash whether the
user exists or not, so that neither the answer nor its time tells which names there are. Whoever has a second factor
gets a ticket for the password and has five minutes and five tries for the code.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio
from sqlite_utils import Database

from appliance.domain.permissions import Permission
from appliance.identity.accounts import Accounts, link_hash
from appliance.identity.passwords import Passwords
from appliance.identity.refused import Refused, attempt
from appliance.identity.second_factor import SecondFactor
from appliance.identity.sessions import Entered, Sessions, SignedIn
from appliance.identity.throttle import Credential, Throttle, refused_for
from appliance.store import Audit, AuditEvent, Settings, Store, audit, credentials, users, web_sessions
from appliance.store import settings as site_settings
from appliance.store.audit import Detail
from appliance.store.users import Secrets, User
from appliance.wire.messages import Refusal

TICKET_SECONDS = 300
TICKET_TRIES = 5
_TICKETS = 1000  # at once


@dataclass(frozen=True)
class CodeNeeded:
    """The password was right; go on with `sign_in_with_code(ticket, …)`."""

    ticket: str = field(repr=False)


@dataclass
class _Ticket:
    user_id: str
    expires_at: float
    tries: int = TICKET_TRIES


class Identity:
    """People, and how they come in. Holds `accounts`, `sessions`, `second_factor`; every method raises StoreError.

    Run `run` beside the server.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        audit: Audit,
        throttle: Throttle,
        now: Callable[[], float],
        passwords: Passwords | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._audit = audit
        self._now = now
        self._throttle = throttle
        self._passwords = passwords or Passwords()
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self.sessions = Sessions(store, settings, now)
        self.accounts = Accounts(store, settings, self.sessions, throttle, now)
        self.second_factor = SecondFactor(store, settings, throttle, now, store.folder / "envelope.key")

    @property
    def on_signed_out(self) -> list[Callable[[str, str], None]]:
        """Called with (user id, session id) after a session has ended, however it did."""
        return self.sessions.on_signed_out

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ends sessions that have run out; never returns."""
        await self.sessions.run(task_status)

    async def authenticate(self, cookie: str, address: str = "") -> SignedIn | None:
        """Who has `cookie`; None where it opens nothing. `address` is shown in the list of sessions."""
        return await self.sessions.authenticate(cookie, address)

    # -- set-up -----------------------------------------------------------------------------------------------------

    async def set_up(
        self, name: str, display_name: str, password: str, *, address: str = "", browser: str = "", **site: Any
    ) -> Entered | Refusal:
        """The first site admin (with every permission) and the site's settings (`site`), in one step that happens once.

        The caller has checked the set-up code. Refuses a weak password, names that cannot be, and a second time
        (`identity.set_up.done`). Raises SettingsError.
        """
        if self._settings.is_set_up:
            return Refusal(reason="identity.set_up.done")
        if weak := await self._passwords.weakness(password, [name, display_name, str(site.get("site_name", ""))]):
            return weak
        password_hash = await self._passwords.hash(password)

        def write(db: Database) -> tuple[Entered, site_settings.SiteSettings]:
            before, set_up_at = site_settings.stored(db)
            if set_up_at is not None:
                raise Refused("set_up.done")
            wanted = site_settings.checked(msgspec.structs.replace(before, **site))
            site_settings.keep(db, wanted, set_up_at=self._now())
            user = self.accounts.added(db, name, display_name, Permission, wanted.language)
            users.set_password(db, user.id, password_hash)
            entered = self._enter(db, user.id, address, browser, "set_up")
            return entered, wanted

        result = await attempt(self._store, write)
        if isinstance(result, Refusal):
            return result
        self._settings.took_effect(result[1], set_up=True)
        return self.sessions.began(result[0])

    # -- signing in and out -----------------------------------------------------------------------------------------

    async def sign_in(
        self, name: str, password: str, code: str = "", address: str = "", browser: str = ""
    ) -> Entered | CodeNeeded | Refusal:
        """With name and password, and the second factor's code if it is known already.

        A wrong name, a wrong password and a disabled user are the same refusal, `identity.sign_in.wrong`; too many
        tries are `identity.wait {n}`, seconds.
        """
        account = users.name_key(name)
        if wait := await self._throttle.check(Credential.SIGN_IN, account, address):
            return refused_for(wait)
        if self._passwords.overrun:
            return Refusal(reason="identity.sign_in.overrun", retry=True)
        kept = await self._store.read(lambda db: users.secrets_by_name(db, name))
        right = await self._passwords.verify(kept.password_hash if kept else None, password)
        if kept is None or not right or kept.user.disabled:
            await self._throttle.failed(Credential.SIGN_IN, account, address)
            # What was typed as an unknown name may have been a password: it is not written down.
            await self._failed(kept.user.name if kept else "", address)
            return Refusal(reason="identity.sign_in.wrong")
        self._throttle.succeeded(Credential.SIGN_IN, account, address)
        password_hash = kept.password_hash
        if password_hash and self._passwords.outdated(password_hash):
            password_hash = await self._rehash(kept, password)
        return await self._with_second_factor(kept.user, code, address, browser, password_hash)

    async def sign_in_with_code(
        self, ticket: str, code: str, address: str = "", browser: str = ""
    ) -> Entered | Refusal:
        """The second step. A wrong code is `identity.sign_in.code_wrong`; a ticket that is over, `…sign_in.again`."""
        held = self._tickets.get(ticket)
        if held is None or held.expires_at < self._now() or held.tries <= 0:
            self._tickets.pop(ticket, None)
            return Refusal(reason="identity.sign_in.again")
        held.tries -= 1
        result = await self._check_code(held.user_id, code, address, browser)
        if isinstance(result, Entered):
            self._tickets.pop(ticket, None)
        return result

    async def sign_out(self, who: SignedIn) -> None:
        """Ends `who`'s session."""

        def write(db: Database) -> list[web_sessions.Ended]:
            ended = web_sessions.end(db, who.session_id)
            if ended:
                self._log(db, "signed_out", who.user.name, who.address)
            return ended

        self.sessions.ended(await self._store.write(write))

    # -- passwords and links ----------------------------------------------------------------------------------------

    async def change_password(self, who: SignedIn, old: str, new: str) -> Refusal | None:
        """Sets a new password and ends the user's other sessions. Wrong tries at `old` count as at signing in."""
        account = users.name_key(who.user.name)
        if wait := await self._throttle.check(Credential.SIGN_IN, account, who.address):
            return refused_for(wait)
        kept = await self._store.read(lambda db: users.secrets_of(db, who.user.id))
        if not await self._passwords.verify(kept.password_hash if kept else None, old):
            await self._throttle.failed(Credential.SIGN_IN, account, who.address)
            return Refusal(reason="identity.password.old_wrong")
        self._throttle.succeeded(Credential.SIGN_IN, account, who.address)
        if weak := await self._passwords.weakness(new, self._names(who.user)):
            return weak
        password_hash = await self._passwords.hash(new)

        def write(db: Database) -> list[web_sessions.Ended]:
            users.set_password(db, who.user.id, password_hash)
            credentials.void_links(db, who.user.id)
            self._log(db, "password_changed", who.user.name, who.address)
            return web_sessions.end_of_user(db, who.user.id, but=who.session_id)

        self.sessions.ended(await self._store.write(write))
        return None

    async def user_of_link(self, token: str, address: str = "") -> User | Refusal:
        """Whose sign-in link this is, for the page that it opens; uses nothing up (mail scanners open links, too)."""
        if wait := await self._throttle.check(Credential.SIGN_IN_LINK, "", address):
            return refused_for(wait)
        user = await self._store.read(lambda db: self._holder(db, token))
        if user is None:
            await self._throttle.failed(Credential.SIGN_IN_LINK, "", address)
            return Refusal(reason="identity.link.over")
        self._throttle.succeeded(Credential.SIGN_IN_LINK, "", address)
        return user

    async def use_link(
        self, token: str, password: str, address: str = "", browser: str = ""
    ) -> Entered | CodeNeeded | Refusal:
        """Sets the password of the link's user, ends their sessions, signs them in. A weak one uses nothing up."""
        user = await self.user_of_link(token, address)
        if isinstance(user, Refusal):
            return user
        if weak := await self._passwords.weakness(password, self._names(user)):
            return weak
        password_hash = await self._passwords.hash(password)

        def write(db: Database) -> tuple[User, list[web_sessions.Ended]]:
            holder = self._holder(db, token)
            if holder is None:
                raise Refused("link.over")
            credentials.void_links(db, holder.id)
            users.set_password(db, holder.id, password_hash)
            self._log(db, "link_used", holder.name, address)
            return holder, web_sessions.end_of_user(db, holder.id)

        result = await attempt(self._store, write)
        if isinstance(result, Refusal):
            return result
        self.sessions.ended(result[1])
        return await self._with_second_factor(result[0], "", address, browser, password_hash)

    # -- helpers ----------------------------------------------------------------------------------------------------

    async def _with_second_factor(
        self, user: User, code: str, address: str, browser: str, password_hash: str | None
    ) -> Entered | CodeNeeded | Refusal:
        if user.has_totp and code:
            return await self._check_code(user.id, code, address, browser)
        if user.has_totp:
            ticket = secrets.token_urlsafe(32)
            self._tickets[ticket] = _Ticket(user.id, self._now() + TICKET_SECONDS)
            while len(self._tickets) > _TICKETS:
                self._tickets.popitem(last=False)
            return CodeNeeded(ticket)

        def write(db: Database) -> Entered:
            kept = users.secrets_of(db, user.id)
            if kept is None or kept.user.disabled or kept.password_hash != password_hash or kept.user.has_totp:
                raise Refused("sign_in.again")  # changed since we looked
            return self._enter(db, user.id, address, browser, "signed_in")

        return self._entered(await attempt(self._store, write))

    async def _check_code(self, user_id: str, code: str, address: str, browser: str) -> Entered | Refusal:
        user = await self.accounts.user(user_id)
        account = users.name_key(user.name) if user else ""
        if wait := await self._throttle.check(Credential.SECOND_FACTOR, account, address):
            return refused_for(wait)

        def write(db: Database) -> Entered:
            kept = users.secrets_of(db, user_id)
            if kept is None or kept.user.disabled or not kept.user.has_totp:
                raise Refused("sign_in.again")
            factor = self.second_factor.use(db, kept, code)
            if factor is None:
                raise Refused("sign_in.code_wrong")
            return self._enter(db, user_id, address, browser, "signed_in", second_factor=factor)

        result = self._entered(await attempt(self._store, write))
        if isinstance(result, Refusal):
            await self._throttle.failed(Credential.SECOND_FACTOR, account, address)
            await self._failed(user.name if user else "", address)
        else:
            self._throttle.succeeded(Credential.SECOND_FACTOR, account, address)
        return result

    def _enter(self, db: Database, user_id: str, address: str, browser: str, what: str, **details: Detail) -> Entered:
        user = users.by_id(db, user_id)
        if user is None:
            raise Refused("user.gone")
        self._log(db, what, user.name, address, **details)
        return self.sessions.begin(db, user, address, browser)

    def _entered(self, result: Entered | Refusal) -> Entered | Refusal:
        return result if isinstance(result, Refusal) else self.sessions.began(result)

    def _holder(self, db: Database, token: str) -> User | None:
        user_id = credentials.user_of_link(db, link_hash(token), self._now()) if len(token) <= 64 else None
        user = users.by_id(db, user_id) if user_id else None
        return user if user and not user.disabled else None

    async def _rehash(self, kept: Secrets, password: str) -> str:
        fresh = await self._passwords.hash(password)

        def write(db: Database) -> None:
            now = users.secrets_of(db, kept.user.id)
            if now is not None and now.password_hash == kept.password_hash:
                users.set_password(db, kept.user.id, fresh)

        await self._store.write(write)
        return fresh

    async def _failed(self, name: str, address: str) -> None:
        await self._audit.record("identity.sign_in_failed", subject=name, address=address)

    def _names(self, user: User) -> list[str]:
        return [user.name, user.display_name, self._settings.current.site_name]

    def _log(self, db: Database, what: str, name: str, address: str, **details: Detail) -> None:
        audit.append(
            db,
            AuditEvent(
                at=self._now(), kind=f"identity.{what}", actor=name, subject=name, address=address, details=details
            ),
        )
