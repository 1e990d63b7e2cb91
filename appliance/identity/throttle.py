"""One throttle for every path that takes a credential, so that no second path lets guessers in.

A try is taken from token buckets (so many at once, so many back in a time) before anything is looked at, and given back
when it was right. A try that is never reported, because its caller was cut off, stays taken.

Two kinds of buckets. **Closing** ones refuse until there is a try again: per account and address, per address (IPv4, or
IPv6 /64, which is what one subscriber has). None of them can be emptied from elsewhere, so nobody locks another out;
only guesses at a second factor, which need the password first, are also counted per account. **Slowing** ones, per
portal and for all together, delay each try and raise an alarm, because closing there would lock everybody out.

Kept in memory and bounded: what was not touched for longest is forgotten first.
"""

from __future__ import annotations

import enum
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import trio

from appliance.store import Audit
from appliance.wire.messages import Refusal

SLOWED_SECONDS = 1.0
ALARM_AGAIN_SECONDS = 600.0
REMEMBERED = 50_000


class Credential(enum.StrEnum):
    """What is being tried."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    SIGN_IN_LINK = "sign_in_link"
    SET_UP_CODE = "set_up_code"
    SESSION_KEY = "session_key"
    START_TOKEN = "start_token"  # noqa: S105 a name


@dataclass(frozen=True)
class Rate:
    """`tries` at once, all of them back after `seconds`: at most twice `tries` in any `seconds`."""

    tries: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The buckets of one kind of credential; None for one that it does not have."""

    account_and_address: Rate | None = None
    account: Rate | None = None
    address: Rate
    portal: Rate | None = None
    all: Rate


LIMITS = {
    Credential.SIGN_IN: Limits(account_and_address=Rate(10, 900), address=Rate(60, 600), all=Rate(300, 300)),
    Credential.SECOND_FACTOR: Limits(
        account_and_address=Rate(5, 300), account=Rate(100, 3600), address=Rate(30, 300), all=Rate(200, 300)
    ),
    Credential.SIGN_IN_LINK: Limits(address=Rate(20, 60), all=Rate(300, 60)),
    Credential.SET_UP_CODE: Limits(address=Rate(10, 60), all=Rate(60, 60)),
    # 20 wrong keys in any minute from one address: with 200 live keys of 7 characters, 9e-6 hits an hour.
    Credential.SESSION_KEY: Limits(address=Rate(10, 60), portal=Rate(100, 60), all=Rate(300, 60)),
    # Tokens of 128 bits and more; after a restart all clients behind one address come back at once.
    Credential.START_TOKEN: Limits(address=Rate(600, 60), all=Rate(6000, 60)),
}


@dataclass(frozen=True)
class Locked:
    """An account that is closed for one address (or for all, where `address` is ""), for `seconds` more."""

    credential: Credential
    account: str
    address: str
    seconds: float


@dataclass(slots=True)
class _Bucket:
    rate: Rate
    level: float
    at: float

    def fill(self, now: float) -> None:
        gained = max(0.0, now - self.at) * self.rate.tries / self.rate.seconds
        self.level, self.at = min(self.rate.tries, self.level + gained), now

    def wait(self, now: float) -> float:
        self.fill(now)
        return max(0.0, 1 - self.level) * self.rate.seconds / self.rate.tries


_Key = tuple[Credential, str, str, str]  # credential, account, address, portal; "" for all


class Throttle:
    """Counts tries at credentials. Pass the same `credential`, `account`, `address` and `portal` to its three methods.

    `account` is what is tried to be entered (a user's name in any spelling, or "" where there is none to name),
    `address` the peer's. `clock` gives monotonic seconds; alarms and lock-outs go to `audit`.
    """

    def __init__(self, audit: Audit | None = None, clock: Callable[[], float] = trio.current_time) -> None:
        self._audit = audit
        self._clock = clock
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()
        self._alarmed: dict[_Key, float] = {}

    async def check(
        self, credential: Credential, account: str = "", address: str = "", *, portal: str = ""
    ) -> float | None:
        """Takes a try. None: go on, then say `failed` or `succeeded`. Otherwise: refuse; seconds until the next try.

        Returns later than usual while the portal or the whole site is being guessed at.
        """
        now = self._clock()
        closing = list(self._closing(credential, account, address))
        waits = [wait for key, rate in closing if (wait := self._bucket(key, rate, now).wait(now)) > 0]
        if waits:
            return max(waits)
        slow: list[_Key] = []
        for key, rate in closing:
            self._bucket(key, rate, now).level -= 1
        for key, rate in self._slowing(credential, portal):
            bucket = self._bucket(key, rate, now)
            bucket.fill(now)
            if bucket.level < 1:
                slow.append(key)
            bucket.level = max(0.0, bucket.level - 1)
        if slow:
            await self._alarm(slow[0], address)
            await trio.sleep(SLOWED_SECONDS)
        return None

    async def failed(self, credential: Credential, account: str = "", address: str = "", *, portal: str = "") -> None:
        """The try was wrong and stays taken; the one that closes an account for an address goes into the audit log."""
        now = self._clock()
        for key, rate in self._closing(credential, account, address):
            if key[1] and self._audit is not None and self._bucket(key, rate, now).wait(now) > 0:
                await self._audit.record(
                    "identity.locked", subject=account, address=address, credential=str(credential), portal=portal
                )
                return

    def succeeded(self, credential: Credential, account: str = "", address: str = "", *, portal: str = "") -> None:
        """The try was right: it is given back, and wrong ones at the account from this address are forgotten."""
        for key, rate in (*self._closing(credential, account, address), *self._slowing(credential, portal)):
            if key[1] and key[2]:
                self._buckets.pop(key, None)
            elif bucket := self._buckets.get(key):
                bucket.level = min(rate.tries, bucket.level + 1)

    def locked(self) -> list[Locked]:
        """The accounts that are closed now, for the admin's page."""
        now = self._clock()
        found = [
            Locked(key[0], key[1], key[2], wait)
            for key, bucket in self._buckets.items()
            if key[1] and (wait := bucket.wait(now)) > 0
        ]
        return sorted(found, key=lambda lock: (lock.account, lock.address))

    def unlock(self, account: str) -> None:
        """Forgets the wrong tries at `account` from anywhere."""
        name = _account(account)
        for key in [key for key in self._buckets if key[1] == name]:
            del self._buckets[key]

    def _closing(self, credential: Credential, account: str, address: str) -> Iterator[tuple[_Key, Rate]]:
        limits, name, network = LIMITS[credential], _account(account), _network(address)
        if limits.account_and_address is not None and name:
            yield (credential, name, network, ""), limits.account_and_address
        if limits.account is not None and name:
            yield (credential, name, "", ""), limits.account
        yield (credential, "", network, ""), limits.address

    def _slowing(self, credential: Credential, portal: str) -> Iterator[tuple[_Key, Rate]]:
        limits = LIMITS[credential]
        if limits.portal is not None and portal:
            yield (credential, "", "", portal), limits.portal
        yield (credential, "", "", ""), limits.all

    def _bucket(self, key: _Key, rate: Rate, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(rate, rate.tries, now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    async def _alarm(self, key: _Key, address: str) -> None:
        now = self._clock()
        if self._audit is None or now - self._alarmed.get(key, -ALARM_AGAIN_SECONDS) < ALARM_AGAIN_SECONDS:
            return
        self._alarmed[key] = now
        await self._audit.record("identity.guessing", address=address, credential=str(key[0]), portal=key[3])


def refused_for(seconds: float) -> Refusal:
    """What to answer when `check` gave seconds to wait: `identity.wait {n}`."""
    return Refusal(reason="identity.wait", args={"n": math.ceil(seconds)}, retry=True)


def _account(name: str) -> str:
    return name.strip().casefold()[:128]


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """What counts as one address: an IPv4 address, an IPv6 /64; anything else as it is."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return address[:64] or "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
