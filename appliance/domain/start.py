"""A start: what a redeemed session key has become, on its way to a session.

Opening the page and downloading the client use nothing up (mail scanners do both). Each download mints a token; the
first hello that is accepted binds the start to the key which that client has made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class StartState(enum.StrEnum):
    """How far a customer has come."""

    OPENED = "opened"  # the key was typed, the page is open
    DOWNLOADED = "downloaded"  # a client was fetched at least once
    CONNECTED = "connected"  # the client is in the session
    ENDED = "ended"  # the session is over
    EXPIRED = "expired"  # never connected, and its time is over


START_SECONDS = 3600.0
"""How long after the key was typed a client may still connect for the first time."""


class Hearing(enum.Enum):
    """What a first hello gets."""

    BIND = enum.auto()  # nobody is bound: this client's key is
    AGAIN = enum.auto()  # the bound client itself, whose welcome was lost on the way
    USED = enum.auto()  # another client is bound
    OTHER_KEY = enum.auto()  # the bound client's token in the hand of another key
    EXPIRED = enum.auto()
    WITHDRAWN = enum.auto()  # the technician has revoked the key
    ENDED = enum.auto()  # the session is over


@dataclass(frozen=True, slots=True)
class Claim:
    """A token as it was found, and what is known of its start. Times in seconds since 1970."""

    expires_at: float
    withdrawn: bool
    ended: bool
    bound_key: bytes | None
    bound_by_this_token: bool


def hear(claim: Claim, key: bytes, now: float) -> Hearing:
    """What a hello with `key` (32 bytes, its signature already verified) gets at `now`."""
    if claim.bound_key is None:
        if claim.withdrawn:
            return Hearing.WITHDRAWN
        return Hearing.EXPIRED if now >= claim.expires_at else Hearing.BIND
    if claim.bound_key != key:
        return Hearing.OTHER_KEY if claim.bound_by_this_token else Hearing.USED
    if not claim.bound_by_this_token:
        return Hearing.USED
    return Hearing.ENDED if claim.ended else Hearing.AGAIN
