"""Session keys: what they are made of, how a typed one is read, how one is shown.

31 characters without 0 O 1 I L, so that no key can be misread; typing one of those five is told apart from a wrong
key, because it can be explained and costs no try.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LOOK_ALIKES = "0O1IL"
MIN_LENGTH = 7
MAX_LENGTH = 12
MAX_TYPED = 64
"""Characters that `read_key` looks at; a longer text is no key."""

_IGNORED = frozenset(" -\t\r\n\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212_.")


@dataclass(frozen=True, slots=True)
class TypedKey:
    """A text that can be a key; `key` is in upper case without spaces and dashes."""

    key: str


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """The text has characters (each once, in order, as of LOOK_ALIKES) that occur in no key."""

    characters: str


@dataclass(frozen=True, slots=True)
class NoKey:
    """The text cannot be a key: empty, too short, too long, or with other characters."""


def make_key(length: int, choose: Callable[[str], str]) -> str:
    """A new key of `length` (MIN_LENGTH…MAX_LENGTH, else ValueError); `choose` is `secrets.choice`."""
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise ValueError(length)
    return "".join(choose(ALPHABET) for _ in range(length))


def read_key(text: str) -> TypedKey | LookAlikes | NoKey:
    """What a person's text is: case, spaces and dashes do not matter."""
    if len(text) > MAX_TYPED:
        return NoKey()
    key = "".join(character for character in text if character not in _IGNORED)
    if not key.isascii():
        return NoKey()
    key = key.upper()
    seen = "".join(character for character in dict.fromkeys(key) if character in LOOK_ALIKES)
    if any(character not in ALPHABET and character not in LOOK_ALIKES for character in key):
        return NoKey()
    if seen:
        return LookAlikes(seen)
    return TypedKey(key) if MIN_LENGTH <= len(key) <= MAX_LENGTH else NoKey()


def display(key: str) -> str:
    """The key in groups of three and four, which a person can read aloud: ABC-DEFG, ABCD-EFGH, ABC-DEF-GHJ."""
    groups = -(-len(key) // 4)
    short = groups * 4 - len(key)  # groups of three, which come first
    cuts = [3 * index if index <= short else 4 * index - short for index in range(groups + 1)]
    return "-".join(key[begin:end] for begin, end in itertools.pairwise(cuts))


def digest(secret: bytes, key: str) -> bytes:
    """What is stored of a key: HMAC-SHA256 under a secret that is not in the database (a bare hash of 31^7
    possibilities would be undone in seconds)."""
    return hmac.new(secret, b"session key\0" + key.encode(), hashlib.sha256).digest()
