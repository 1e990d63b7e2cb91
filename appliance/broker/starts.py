"""Session keys and starts: from a technician's key to the one client that may enter a session with it."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.domain.start import StartState
from appliance.wire.messages import Person, Refusal


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
