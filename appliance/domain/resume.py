"""Rotating resume tokens: the way back into a session.

Each welcome brings a new token. The one before stays good until the new one was used, because a welcome can be lost
on the way; nothing older is good. Only hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """SHA-256 (32 bytes) of the newest token and of the one before, if that is still good."""

    current: bytes
    previous: bytes | None = None


def token_hash(token: str) -> bytes:
    """What is stored of a token of 128 bits or more: SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def rotated(tokens: Tokens, presented: str, new: str) -> Tokens | None:
    """The tokens after `presented` was used and `new` given out; None when `presented` is not good."""
    digest = token_hash(presented)
    good = hmac.compare_digest(digest, tokens.current)
    good |= tokens.previous is not None and hmac.compare_digest(digest, tokens.previous)
    return Tokens(token_hash(new), digest) if good else None
