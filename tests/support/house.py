"""A site with two people in it, for tests of whoever signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.identity import Entered, Identity, Passwords, SignedIn, Throttle
from appliance.store import Audit, Settings, Store

ANNAS = "three purple onions"
BOBS = "four yellow turnips"


@dataclass
class Clock:
    """Wall clock and monotonic one; stands until it is moved."""

    at: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.at


class CountingPasswords(Passwords):
    """Light costs; counts the hashes that are made or checked."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        self.hashes = 0

    async def hash(self, password: str) -> str:
        self.hashes += 1
        return await super().hash(password)

    async def verify(self, kept: str | None, password: str) -> bool:
        self.hashes += 1
        return await super().verify(kept, password)


@dataclass
class House:
    """A site with Anna, its only site admin, and Bob, a technician."""

    store: Store
    settings: Settings
    audit: Audit
    throttle: Throttle
    identity: Identity
    passwords: CountingPasswords
    clock: Clock
    anna: SignedIn
    annas_cookie: str
    bob: SignedIn
    bobs_cookie: str

    async def kinds(self) -> list[str]:
        """The audit log's kinds, newest first."""
        return [row.kind for row in await self.audit.page(limit=1000)]

    async def again(self, who: SignedIn) -> SignedIn:
        """`who` with the user as they are now."""
        user = await self.identity.accounts.user(who.user.id)
        assert user is not None
        return SignedIn(user, who.session_id, who.csrf, who.address)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[House]:
    """The house in `folder`, until the block ends."""
    clock, passwords = Clock(), CountingPasswords()
    store = await Store.open(folder)
    settings, audit = await Settings.load(store), Audit(store, clock)
    throttle = Throttle(audit, clock)
    identity = Identity(store, settings, audit, throttle, clock, passwords)
    anna = await identity.set_up("anna", "Anna Amsel", ANNAS, address="192.0.2.1", site_name="Hilfe")
    assert isinstance(anna, Entered)
    link = await identity.accounts.create("bob", "Bob", by=anna.who)
    bob = await identity.use_link(link.token, BOBS, "192.0.2.2", "Firefox")  # type: ignore[union-attr]
    assert isinstance(bob, Entered)
    passwords.hashes = 0
    yield House(
        store,
        settings,
        audit,
        throttle,
        identity,
        passwords,
        clock,
        anna.who,
        anna.cookie,
        bob.who,
        bob.cookie,
    )
    await store.aclose()
