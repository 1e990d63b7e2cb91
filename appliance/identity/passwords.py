"""Passwords: Argon2id, two at a time, and whether one is strong enough."""

from __future__ import annotations

import re
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Iterable

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.wire.messages import Refusal

SHORTEST = 10
LONGEST = 128
MOST_WAITING = 100
_LOOKED_AT = 40  # characters; longer ones cost the strength check seconds, and are strong by then

_WARNINGS = {
    "Straight rows of keys are easy to guess.": "keyboard",
    "Short keyboard patterns are easy to guess.": "keyboard",
    'Repeats like "aaa" are easy to guess.': "repeats",
    'Repeats like "abcabcabc" are only slightly harder to guess than "abc".': "repeats",
    'Sequences like "abc" or "6543" are easy to guess.': "sequence",
    "Recent years are easy to guess.": "date",
    "Dates are often easy to guess.": "date",
    "This is a top-10 common password.": "common",
    "This is a top-100 common password.": "common",
    "This is a very common password.": "common",
    "This is similar to a commonly used password.": "common",
    "A word by itself is easy to guess.": "word",
    "Names and surnames by themselves are easy to guess.": "word",
    "Common names and surnames are easy to guess.": "word",
}


class Passwords:
    """Hashes and checks. 64 MiB and 3 passes make a guess cost about a tenth of a second of one core.

    Tests may give lighter costs (`memory_kib`, `passes`).
    """

    def __init__(self, memory_kib: int = 65536, passes: int = 3) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._limiter = trio.CapacityLimiter(2)
        self._strength_limiter = trio.CapacityLimiter(1)  # zxcvbn keeps what it looks at in a module
        salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobodys = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"

    async def hash(self, password: str) -> str:
        """`password` as it is kept, in PHC format."""
        return await trio.to_thread.run_sync(self._hasher.hash, _normal(password), limiter=self._limiter)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether `password` is the one in `kept`; takes as long for None, which no password fits."""
        return await trio.to_thread.run_sync(
            self._verify, kept or self._nobodys, _normal(password)[: LONGEST + 1], limiter=self._limiter
        )

    @property
    def overrun(self) -> bool:
        """Whether so many wait for a hash that one more would wait for longer than a person does."""
        return self._limiter.statistics().tasks_waiting >= MOST_WAITING

    def outdated(self, kept: str) -> bool:
        """Whether `kept` was made with other costs than today's and should be made anew when the password is known."""
        return self._hasher.check_needs_rehash(kept)

    async def weakness(self, password: str, about: Iterable[str] = ()) -> Refusal | None:
        """Why `password` will not do (`identity.password.…`), or None. `about`: the person's and the site's names."""
        if len(password) < SHORTEST:
            return Refusal(reason="identity.password.too_short", args={"n": SHORTEST})
        if len(password) > LONGEST:
            return Refusal(reason="identity.password.too_long", args={"n": LONGEST})
        return await trio.to_thread.run_sync(_guessable, password, list(about), limiter=self._strength_limiter)

    def _verify(self, kept: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def _normal(password: str) -> bytes:
    # The same letters typed on another system may come composed otherwise.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _guessable(password: str, about: list[str]) -> Refusal | None:
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # its word lists take a fifth of a second and some megabytes; most starts need none

    # Whoever guesses begins with the names, so that they count for nothing. (zxcvbn's user_inputs do not keep a name
    # doubled or joined with another from passing.)
    names = {re.escape(part) for text in about for part in (text, *text.split()) if len(part) >= 3} | {"beistand"}
    rest = re.sub("|".join(sorted(names, key=len, reverse=True)), "", password, flags=re.IGNORECASE)[:_LOOKED_AT]
    found = zxcvbn(rest) if rest else None
    if found and found["score"] >= 3:
        return None
    if found is None or rest != password[:_LOOKED_AT]:
        return Refusal(reason="identity.password.names")
    return Refusal(reason=f"identity.password.{_WARNINGS.get(found['feedback']['warning'], 'guessable')}")
