"""How many connections and requests one subscriber may have: an IPv4 address, or an IPv6 /64."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache

REMEMBERED = 20_000
"""Addresses whose request rate is remembered; the one that asked longest ago is forgotten first."""


@lru_cache(maxsize=4096)
def subscriber(address: str) -> str:
    """What is counted together with `address` (an IP address as text): itself, or its IPv6 /64."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return address
    return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))


class ConnectionLimit:
    """Counts connections, in all and per subscriber."""

    def __init__(self, total: int, an_address: int) -> None:
        self._total = total
        self._an_address = an_address
        self._open = 0
        self._by_subscriber: Counter[str] = Counter()

    def full(self) -> bool:
        """Whether there is no room for anybody."""
        return self._open >= self._total

    def enter(self, address: str) -> Place | None:
        """A place for a connection from `address`, or None when it has too many."""
        key = subscriber(address)
        if self.full() or self._by_subscriber[key] >= self._an_address:
            if not self._by_subscriber[key]:
                del self._by_subscriber[key]
            return None
        self._open += 1
        self._by_subscriber[key] += 1
        return Place(self, key)

    def _release(self, key: str) -> None:
        self._by_subscriber[key] -= 1
        if not self._by_subscriber[key]:
            del self._by_subscriber[key]

    def _leave(self) -> None:
        self._open -= 1


class Place:
    """One connection's place."""

    __slots__ = ("_counted", "_key", "_limit", "_open")

    def __init__(self, limit: ConnectionLimit, key: str) -> None:
        self._limit = limit
        self._key = key
        self._counted = True
        self._open = True

    def authenticated(self) -> None:
        """No longer count this connection among its address's."""
        if self._counted:
            self._counted = False
            self._limit._release(self._key)

    def leave(self) -> None:
        """The connection has ended."""
        self.authenticated()
        if self._open:
            self._open = False
            self._limit._leave()


class RequestRate:
    """A token bucket per subscriber."""

    def __init__(self, a_second: float, at_once: int, clock: Callable[[], float]) -> None:
        self._a_second = a_second
        self._at_once = float(at_once)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when that was so

    def wait(self, address: str) -> float:
        """Take one request of `address`: 0.0 when it may go, else the seconds until one may."""
        key = subscriber(address)
        now = self._clock()
        tokens, since = self._buckets.pop(key, (self._at_once, now))
        tokens = min(self._at_once, tokens + (now - since) * self._a_second)
        wait = 0.0
        if tokens >= 1.0:
            tokens -= 1.0
        else:
            wait = (1.0 - tokens) / self._a_second
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return wait
