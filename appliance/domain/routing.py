"""Where a waiting customer stands: the key's issuer first, then by rule the site's fallback queue."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass


class Queue(enum.StrEnum):
    """The kinds of queue."""

    PERSONAL = "personal"  # one technician's own
    FALLBACK = "fallback"  # the site's, worked by a team


@dataclass(frozen=True, slots=True)
class Route:
    """A place to wait. `owner`: the technician's id (PERSONAL) or the team's id (FALLBACK). `present`: whether anybody
    who could accept is signed in. `rule`: the message id of what decided."""

    queue: Queue
    owner: str
    present: bool
    rule: str


def route(
    issuer: str, *, signed_in: Collection[str], fallback_team: str | None, fallback_members: Collection[str]
) -> Route:
    """Where a customer with a key of `issuer` waits.

    `signed_in`: ids of all technicians with an open console. `fallback_members`: ids of the fallback team's members.
    With nobody anywhere the customer stays with the issuer, who may come back.
    """
    if issuer in signed_in:
        return Route(Queue.PERSONAL, issuer, True, "policy.route.issuer")
    if fallback_team is None:
        return Route(Queue.PERSONAL, issuer, False, "policy.route.no_fallback")
    present = any(member in signed_in for member in fallback_members)
    return Route(Queue.FALLBACK, fallback_team, present, "policy.route.fallback" if present else "policy.route.nobody")
