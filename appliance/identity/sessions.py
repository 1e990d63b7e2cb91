"""Browsers that are signed in.

A cookie is 256 random bits that mean nothing by themselves; the database has its SHA-256. The CSRF token is another
hash of the cookie: bound to the session, the same on all its pages, and it does not tell the cookie.

A session ends by signing out, by being ended from the list of sessions, when its user may no longer do what they could,
idle or at an age (settings). Whoever has something open for it, such as the console's socket, hears of it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio
from sqlite_utils import Database

from appliance.store import Settings, Store, StoreError, users, web_sessions
from appliance.store.text import storable
from appliance.store.users import User
from appliance.store.web_sessions import Ended, WebSession

log = logging.getLogger("beistand.identity")

SWEEP_SECONDS = 10.0
_LONGEST_BROWSER = 200
_LONGEST_ADDRESS = 64


@dataclass(frozen=True)
class SignedIn:
    """A person in a browser. `session_id` may be shown; `csrf` goes into the session's own forms only."""

    user: User
    session_id: str
    csrf: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True)
class Entered:
    """Somebody has just signed in; `cookie` is the browser's proof from now on."""

    who: SignedIn
    cookie: str = field(repr=False)


class Sessions:
    """All of them. `on_signed_out` are called with (user id, session id) after a session has ended, however it did."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._seen: dict[str, tuple[float, str]] = {}  # session id → when and from where, not on the disk yet
        self._known: dict[str, str] = {}  # session id → user id, of those that something may be open for
        self._open: Counter[str] = Counter()  # session id → how much is open for it
        self.on_signed_out: list[Callable[[str, str], None]] = []

    def begin(self, db: Database, user: User, address: str, browser: str) -> Entered:
        """A new session, inside a write; call `began` after it."""
        cookie, at = secrets.token_urlsafe(32), self._now()
        origin = (storable(address, _LONGEST_ADDRESS), storable(browser, _LONGEST_BROWSER))
        session = WebSession(secrets.token_urlsafe(12), user.id, *origin, at, at)
        web_sessions.insert(db, session, _hash(cookie))
        users.signed_in(db, user.id, at)
        return Entered(SignedIn(user, session.id, csrf_token(cookie), address), cookie)

    def began(self, entered: Entered) -> Entered:
        """After the write of `begin`."""
        self._known[entered.who.session_id] = entered.who.user.id
        return entered

    async def authenticate(self, cookie: str, address: str = "") -> SignedIn | None:
        """Who has `cookie`, as they are now; None where it opens nothing. Counts as use. Raises StoreError."""
        if not 40 <= len(cookie) <= 64 or not cookie.isascii():
            return None

        def read(db: Database) -> tuple[WebSession, User] | None:
            session = web_sessions.by_cookie(db, _hash(cookie))
            user = users.by_id(db, session.user_id) if session else None
            return (session, user) if session and user and not user.disabled else None

        found = await self._store.read(read)
        if found is None or not self._is_fresh(found[0]):
            return None
        session, user = found
        self._known[session.id] = user.id
        self.seen(session.id, address or session.address)
        return SignedIn(user, session.id, csrf_token(cookie), address or session.address)

    def seen(self, session_id: str, address: str = "") -> None:
        """Notes that a session was used just now; costs next to nothing."""
        known = self._seen.get(session_id)
        self._seen[session_id] = (self._now(), storable(address, _LONGEST_ADDRESS) or (known[1] if known else ""))

    @contextmanager
    def in_use(self, who: SignedIn) -> Iterator[None]:
        """While something is open for a session, it is in use: a technician who waits for customers is not idle.

        It still ends at its age, and when it is ended; one that ended just before is told of by the next sweep.
        """
        session_id = who.session_id
        self._known[session_id] = who.user.id
        self._open[session_id] += 1
        try:
            yield
        finally:
            self._open[session_id] -= 1
            self._open += Counter()  # forgets zeros
            self.seen(session_id)

    async def of_user(self, user_id: str) -> list[WebSession]:
        """A user's sessions that have not run out, the one used last first. Raises StoreError."""
        found = await self._store.read(lambda db: web_sessions.of_user(db, user_id))
        return sorted(filter(self._is_fresh, map(self._latest, found)), key=lambda session: -session.seen_at)

    def ended(self, sessions: Iterable[Ended]) -> None:
        """Tells that `sessions` are over, after the write that ended them."""
        for user_id, session_id in sessions:
            self._known.pop(session_id, None)
            self._seen.pop(session_id, None)
            for listener in self.on_signed_out:
                listener(user_id, session_id)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ends what has run out and tells of what another program ended (`beistand user reset`). Never returns."""
        task_status.started()
        while True:
            await trio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except StoreError as error:  # what has run out is refused anyway, and there is a next round
                log.warning("sessions that have run out were not cleared: %s", error)

    async def sweep(self) -> None:
        """One round of `run`. Raises StoreError."""
        for session_id in self._open:
            self.seen(session_id)
        seen, at, settings = dict(self._seen), self._now(), self._settings.current

        def write(db: Database) -> list[Ended]:
            for session_id, (when, address) in seen.items():
                web_sessions.seen(db, session_id, when, address)
            return web_sessions.end_old(
                db,
                seen_before=at - settings.idle_minutes * 60,
                created_before=at - settings.absolute_hours * 3600,
            )

        known = dict(self._known)
        over = await self._store.write(write)
        for session_id, noted in seen.items():
            if self._seen.get(session_id) == noted:
                del self._seen[session_id]
        alive = await self._store.read(web_sessions.ids)
        gone = [Ended(user_id, session_id) for session_id, user_id in known.items() if session_id not in alive]
        self.ended({*over, *gone})

    def _latest(self, session: WebSession) -> WebSession:
        at, address = self._seen.get(session.id, (session.seen_at, session.address))
        return WebSession(
            session.id,
            session.user_id,
            address or session.address,
            session.browser,
            session.created_at,
            max(at, session.seen_at),
        )

    def _is_fresh(self, session: WebSession) -> bool:
        settings, at = self._settings.current, self._now()
        return (
            at - self._latest(session).seen_at <= settings.idle_minutes * 60
            and at - session.created_at <= settings.absolute_hours * 3600
        )


def csrf_token(cookie: str) -> str:
    """The CSRF token of whoever has `cookie`."""
    return hmac.digest(b"beistand csrf", cookie.encode(), "sha256").hex()


def csrf_fits(cookie: str, token: str) -> bool:
    """Whether a form's `token` is that of `cookie`."""
    return hmac.compare_digest(csrf_token(cookie).encode(), token.encode("utf-8", "replace"))


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
