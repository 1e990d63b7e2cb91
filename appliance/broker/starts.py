"""Session keys and starts: from a technician's key to the one client that may enter a session with it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

import trio
from sqlite_utils import Database

from appliance.broker.context import Context
from appliance.broker.views import KeyCreate, KeyCreated, KeyState, KeyView, Text, refused
from appliance.domain.keys import LookAlikes, TypedKey, digest, display, make_key, read_key
from appliance.domain.resume import token_hash
from appliance.domain.start import START_SECONDS, Hearing, StartState, hear
from appliance.identity import Credential, SignedIn, Throttle
from appliance.relay.storing import not_stored
from appliance.store import AuditEvent, StoreError
from appliance.store import keys as stored
from appliance.store.audit import append
from appliance.store.key_file import load_or_make
from appliance.store.keys import StoredKey, StoredStart
from appliance.store.sessions import StoredSession, keep
from appliance.wire.messages import Person, Refusal

REFUSAL_SECONDS = 0.3
"""Every refusal of a key or a token takes this long at least: wrong, expired and used take the same time."""
LONG_KEY = 9
MAX_TOKENS = 200
"""Downloads of one start."""
MAX_KEYS = 50
"""Open keys of one technician."""
SHOWN_SECONDS = 600.0
"""How long an expired key stays in sight."""
FORGOTTEN_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """A redeemed session key, bound to one browser's portal cookie. Times are seconds since 1970.

    `fallback`: the technician has signed out, and by rule the fallback queue takes the customer.
    """

    id: str
    technician: Person
    state: StartState
    fallback: bool
    expires_at: float


@dataclass(frozen=True, kw_only=True)
class StartProgress:
    """How far a start is, for the page that waits. `version` changes with everything else here.

    `somebody`: a technician who could accept is signed in. `refusal`: the last client that was refused, and why.
    """

    start: Start
    version: int
    somebody: bool
    refusal: Refusal | None = None


@dataclass(kw_only=True)
class _Live:
    """A key with all that is known of it. What is not in the store is gone after a restart, and was for show."""

    key: StoredKey
    start: StoredStart | None = None
    text: str = ""
    unsupported: str = ""
    note: Text | None = None
    refusal: Refusal | None = None
    connected: bool = False
    ended: bool = False
    version: int = 0


class Starts:
    """All keys and starts. `session_over(id)`: whether that session has ended or is unknown; `route(issuer)`: whether
    the fallback queue has their customers, and whether somebody could accept one."""

    def __init__(
        self,
        ctx: Context,
        throttle: Throttle,
        *,
        route: Callable[[str], tuple[bool, bool]],
        session_over: Callable[[str], bool],
    ) -> None:
        self._ctx = ctx
        self._throttle = throttle
        self._route = route
        self._session_over = session_over
        self._secret = b""
        self._live: dict[str, _Live] = {}  # by key id
        self._changed = trio.Event()

    async def load(self) -> None:
        """Read what is kept. Raises StoreError."""
        self._secret = await trio.to_thread.run_sync(load_or_make, self._ctx.store.folder / "session-keys.key", 32)
        for key, start in await self._ctx.store.read(stored.all_keys):
            live = self._live[key.id] = _Live(key=key, start=start)
            if start is not None and start.session_id is not None:
                live.connected = True
                live.ended = self._session_over(start.session_id)

    # -- the technician's side ----------------------------------------------------------------------------------

    async def create(self, who: SignedIn, params: KeyCreate) -> KeyCreated | Refusal:
        """A new key of this technician."""
        ctx, settings, user = self._ctx, self._ctx.settings.current, who.user
        open_keys = [live for live in self._live.values() if live.key.issuer_id == user.id and self._is_open(live)]
        if len(open_keys) >= MAX_KEYS:
            return refused("session.key.too_many", n=MAX_KEYS)
        now = ctx.now()
        length = max(LONG_KEY, settings.key_length) if params.long else settings.key_length
        text = make_key(length, secrets.choice)
        key = StoredKey(
            id=ctx.make_token(),
            digest=digest(self._secret, text),
            issuer_id=user.id,
            issuer_name=user.display_name,
            created_at=now,
            expires_at=now + 60 * (params.minutes or settings.key_minutes),
        )
        event = AuditEvent(
            at=now, kind="session.key_created", actor=user.name, address=who.address, details={"key": key.id}
        )

        def write(db: Database) -> None:
            stored.insert_key(db, key)
            append(db, event)

        try:
            await ctx.store.write(write)
        except StoreError as error:
            return not_stored(error)
        except sqlite3.IntegrityError:  # the same key is there already, once in 10^10 times
            return await self.create(who, params)
        self._live[key.id] = _Live(key=key, text=text)
        self._touch(key.id)
        return KeyCreated(id=key.id, key=text, display=display(text), link=_link(text), expires_at=key.expires_at)

    async def revoke(self, who: SignedIn, key_id: str) -> Refusal | None:
        """This technician's key is good for nothing from now on; a running session stays."""
        live = self._live.get(key_id)
        if live is None or live.key.issuer_id != who.user.id:
            return refused("session.key.unknown")
        event = AuditEvent(
            at=self._ctx.now(),
            kind="session.key_revoked",
            actor=who.user.name,
            address=who.address,
            details={"key": key_id},
        )

        def write(db: Database) -> None:
            stored.revoke(db, key_id)
            append(db, event)

        try:
            await self._ctx.store.write(write)
        except StoreError as error:
            return not_stored(error)
        live.key = replace(live.key, revoked=True)
        self._touch(key_id)
        return None

    def views(self, user_id: str) -> list[KeyView]:
        """What this technician sees of their keys, newest first."""
        shown = []
        for live in self._live.values():
            state = self._state(live)
            if live.key.issuer_id != user_id or live.ended or state is KeyState.REVOKED:
                continue
            if state is KeyState.EXPIRED and self._ctx.now() > self._expires_at(live) + SHOWN_SECONDS:
                continue
            shown.append(
                KeyView(
                    id=live.key.id,
                    key=live.text,
                    display=display(live.text),
                    link=_link(live.text) if live.text else "",
                    created_at=live.key.created_at,
                    expires_at=self._expires_at(live),
                    state=state,
                    session=live.start.session_id if live.start else None,
                    unsupported=live.unsupported,
                    note=live.note,
                )
            )
        return sorted(shown, key=lambda view: -view.created_at)

    # -- the customer's browser ---------------------------------------------------------------------------------

    async def redeem(self, text: str, portal_cookie: str, address: str) -> Start | Refusal:
        """The key that a customer has typed becomes a start of their browser."""
        match read_key(text):
            case LookAlikes(characters):
                return refused("session.key.look_alikes", characters=" ".join(characters))
            case TypedKey(key):
                pass
            case _:
                return refused("session.key.no_key")
        began = trio.current_time()
        try:
            wait = await self._throttle.check(Credential.SESSION_KEY, "", address, portal="default")
            if wait is not None:
                return refused("session.key.throttled", retry=True, seconds=int(wait) + 1)
            found = await self._redeem(digest(self._secret, key), token_hash(portal_cookie), address)
        except StoreError as error:
            self._throttle.succeeded(Credential.SESSION_KEY, "", address, portal="default")
            return not_stored(error)
        if found is None:
            await self._throttle.failed(Credential.SESSION_KEY, "", address, portal="default")
            await trio.sleep_until(began + REFUSAL_SECONDS)
            return refused("session.key.wrong")
        self._throttle.succeeded(Credential.SESSION_KEY, "", address, portal="default")
        live = self._live.setdefault(found[0].id, _Live(key=found[0]))
        live.start = found[1]
        self._touch(live.key.id)
        return self._start(live)

    async def _redeem(self, key_digest: bytes, cookie: bytes, address: str) -> tuple[StoredKey, StoredStart] | None:
        now = self._ctx.now()
        start_id = self._ctx.make_token()

        def write(db: Database) -> tuple[StoredKey, StoredStart] | None:
            key = stored.key_by_digest(db, key_digest)
            if key is None or key.revoked:
                return None
            start = stored.start_of_key(db, key.id)
            if start is not None:  # the same browser may type it again
                return (key, start) if start.cookie_hash == cookie and now < start.expires_at else None
            if now >= key.expires_at:
                return None
            start = StoredStart(
                id=start_id, key_id=key.id, cookie_hash=cookie, opened_at=now, expires_at=now + START_SECONDS
            )
            stored.insert_start(db, start)
            append(db, AuditEvent(at=now, kind="session.key_used", address=address, details={"key": key.id}))
            return key, start

        return await self._ctx.store.write(write)

    def of_cookie(self, portal_cookie: str) -> Start | None:
        """The newest start of this browser that is not over."""
        cookie = token_hash(portal_cookie)
        mine = [live for live in self._live.values() if live.start is not None and live.start.cookie_hash == cookie]
        starts = [self._start(live) for live in sorted(mine, key=lambda live: -_opened_at(live))]
        going = (start for start in starts if start.state not in (StartState.ENDED, StartState.EXPIRED))
        return next(going, starts[0] if starts else None)

    async def mint(self, start: Start) -> str | Refusal:
        """A new token for one copy of the client."""
        live = self._by_start(start.id)
        if live is None or live.start is None or self._start(live).state not in _STARTABLE:
            return refused("session.start.over")
        token, start_id = self._ctx.make_token(), live.start.id

        def write(db: Database) -> bool:
            if stored.count_tokens(db, start_id) >= MAX_TOKENS:
                return False
            stored.insert_token(db, start_id, token_hash(token))
            return True

        try:
            minted = await self._ctx.store.write(write)
        except StoreError as error:
            return not_stored(error)
        return token if minted else refused("session.start.too_many")

    async def downloaded(self, start_id: str) -> None:
        """A copy of the client was fetched. Uses nothing up."""
        live = self._by_start(start_id)
        if live is None or live.start is None or live.start.downloaded:
            return
        live.start = replace(live.start, downloaded=True)
        live.unsupported = ""
        self._touch(live.key.id)
        try:
            await self._ctx.store.write(lambda db: stored.set_downloaded(db, start_id))
        except StoreError:
            return  # it is only for show

    async def report_unsupported(self, start_id: str, system: str) -> None:
        """The customer's system has no client; the technician is shown which one it is."""
        live = self._by_start(start_id)
        if live is not None and live.unsupported != system[:80]:
            live.unsupported = system[:80]
            self._touch(live.key.id)

    def progress(self, start_id: str) -> StartProgress | None:
        """How far this start is; None for one that is unknown."""
        live = self._by_start(start_id)
        if live is None:
            return None
        somebody = self._route(live.key.issuer_id)[1]
        return StartProgress(start=self._start(live), version=live.version, somebody=somebody, refusal=live.refusal)

    async def wait_change(self, start_id: str, seen: int) -> StartProgress | None:
        """Wait until the start's version is not `seen`."""
        while True:
            progress = self.progress(start_id)
            if progress is None or progress.version != seen:
                return progress
            changed = self._changed
            await changed.wait()

    # -- the customer's client ----------------------------------------------------------------------------------

    async def claim(
        self, token: str, key: bytes, session: Callable[[StoredStart, StoredKey], StoredSession], address: str
    ) -> StoredSession | str | Refusal:
        """What a first hello with `token` gets: a new session as `session` makes it, bound and on the disk; the id of
        the one that this very client has already; or a refusal."""
        hashed = token_hash(token)
        now = self._ctx.now()

        def write(db: Database) -> tuple[Hearing, str, StoredSession | str | None]:
            found = stored.claim_of(db, hashed)
            if found is None:
                return Hearing.EXPIRED, "", None
            claim, start, issued = found
            hearing = hear(claim, key, now)
            if hearing is not Hearing.BIND:
                return hearing, issued.id, start.session_id
            made = session(start, issued)
            keep(db, made)
            stored.bind(db, start.id, key, hashed, made.id)
            event = AuditEvent(
                at=now, kind="session.began", subject=made.id, address=address, details={"key": issued.id}
            )
            append(db, event)
            return hearing, issued.id, made

        try:
            hearing, key_id, result = await self._ctx.store.write(write)
        except StoreError as error:
            return not_stored(error)
        live = self._live.get(key_id)
        if hearing is Hearing.BIND and isinstance(result, StoredSession):
            if live is not None and live.start is not None:
                live.start = replace(live.start, session_id=result.id)
                live.connected, live.refusal = True, None
                self._touch(key_id)
            return result
        if hearing is Hearing.AGAIN and isinstance(result, str):
            return result
        refusal = refused(f"session.start.{hearing.name.lower()}")
        if live is not None:
            live.refusal = refusal
            if hearing in (Hearing.USED, Hearing.OTHER_KEY):
                live.note = Text(id="session.start.note_second", args={"address": address})
                self._ctx.keeper.audit("session.client_refused", address=address, key=key_id, why=hearing.name.lower())
            self._touch(key_id)
        return refusal

    # -- what happens elsewhere ---------------------------------------------------------------------------------

    def session_ended(self, key_id: str) -> None:
        """The key's session is over."""
        live = self._live.get(key_id)
        if live is not None:
            live.ended = True
            self._touch(key_id)

    def presence_changed(self) -> None:
        """Somebody has signed in or out: the pages that wait say who could come."""
        for live in self._live.values():
            live.version += 1
        self._announce()

    async def tick(self) -> None:
        """Called about once a minute: what is long over is forgotten."""
        before = self._ctx.now() - FORGOTTEN_SECONDS
        old = [live for live in self._live.values() if self._expires_at(live) < before]
        old = [live for live in old if not live.connected or live.ended]
        if not old:
            return
        for live in old:
            del self._live[live.key.id]
        try:
            await self._ctx.store.write(lambda db: stored.forget_keys(db, before))
        except StoreError:
            return  # next time

    def expire(self, since: float) -> None:
        """Show what has expired since then."""
        now = self._ctx.now()
        for live in self._live.values():
            if since < self._expires_at(live) <= now and not live.connected:
                self._touch(live.key.id)

    def _touch(self, key_id: str) -> None:
        live = self._live[key_id]
        live.version += 1
        self._ctx.touch(f"keys/{live.key.issuer_id}")
        self._announce()

    def _announce(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    def _by_start(self, start_id: str) -> _Live | None:
        return next((live for live in self._live.values() if live.start and live.start.id == start_id), None)

    def _expires_at(self, live: _Live) -> float:
        return live.start.expires_at if live.start else live.key.expires_at

    def _is_open(self, live: _Live) -> bool:
        return live.start is None and not live.key.revoked and self._ctx.now() < live.key.expires_at

    def _state(self, live: _Live) -> KeyState:
        if live.connected:
            return KeyState.CONNECTED
        if live.key.revoked:
            return KeyState.REVOKED
        if self._ctx.now() >= self._expires_at(live):
            return KeyState.EXPIRED
        if live.start is None:
            return KeyState.OPEN
        return KeyState.DOWNLOADED if live.start.downloaded else KeyState.OPENED

    def _start(self, live: _Live) -> Start:
        assert live.start is not None
        state = StartState.ENDED if live.ended else _START_STATES[self._state(live)]
        return Start(
            id=live.start.id,
            technician=Person(id=live.key.issuer_id, name=live.key.issuer_name),
            state=state,
            fallback=self._route(live.key.issuer_id)[0],
            expires_at=live.start.expires_at,
        )


_START_STATES = {
    KeyState.OPEN: StartState.OPENED,
    KeyState.OPENED: StartState.OPENED,
    KeyState.DOWNLOADED: StartState.DOWNLOADED,
    KeyState.CONNECTED: StartState.CONNECTED,
    KeyState.EXPIRED: StartState.EXPIRED,
    KeyState.REVOKED: StartState.EXPIRED,
}
_STARTABLE = (StartState.OPENED, StartState.DOWNLOADED)


def _link(key: str) -> str:
    return f"/k/{key}"


def _opened_at(live: _Live) -> float:
    return live.start.opened_at if live.start else 0.0
