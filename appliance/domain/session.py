"""A session's states: one table of states and events, and the reasons for its end.

WAITING: the customer is connected and stands in a queue. OFFERED: the technician whose key it was is signed in and
has been called. ACTIVE: a technician has accepted. LOST: one of the two sides is missing and may come back. RESUMED:
the sides are back; what they find decides the next event (a technician: ACCEPT, none: QUEUE). ENDED: over for good.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a session stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    ACTIVE = "active"
    LOST = "lost"
    RESUMED = "resumed"
    ENDED = "ended"


class Event(enum.StrEnum):
    """What can happen to a session."""

    OFFER = "offer"  # a signed-in technician is called
    ACCEPT = "accept"  # a technician works in it
    QUEUE = "queue"  # nobody is called by name any more, or no technician is left: back to a queue
    LOSE = "lose"  # a side is missing
    RESUME = "resume"  # the side that was missing is back
    END = "end"


class EndReason(enum.StrEnum):
    """Why a session ended; the message id is `session.ended.REASON`."""

    SOLVED = "solved"  # the technician's three
    UNSOLVED = "unsolved"
    CANCELLED = "cancelled"
    CUSTOMER = "customer"  # End now
    CUSTOMER_LOST = "customer_lost"
    TECHNICIAN_LOST = "technician_lost"
    IDLE = "idle"
    TOO_LONG = "too_long"

    @property
    def message_id(self) -> str:
        """The reason in the catalogue."""
        return f"session.ended.{self.value}"


TECHNICIAN_REASONS = frozenset({EndReason.SOLVED, EndReason.UNSOLVED, EndReason.CANCELLED})
"""What a technician may give as reason."""

TABLE: dict[State, dict[Event, State]] = {
    State.WAITING: {
        Event.OFFER: State.OFFERED,
        Event.ACCEPT: State.ACTIVE,
        Event.LOSE: State.LOST,
        Event.END: State.ENDED,
    },
    State.OFFERED: {
        Event.QUEUE: State.WAITING,
        Event.ACCEPT: State.ACTIVE,
        Event.LOSE: State.LOST,
        Event.END: State.ENDED,
    },
    State.ACTIVE: {
        Event.QUEUE: State.WAITING,
        Event.LOSE: State.LOST,
        Event.END: State.ENDED,
    },
    State.LOST: {
        Event.RESUME: State.RESUMED,
        Event.QUEUE: State.WAITING,
        Event.END: State.ENDED,
    },
    State.RESUMED: {
        Event.ACCEPT: State.ACTIVE,
        Event.QUEUE: State.WAITING,
        Event.LOSE: State.LOST,
        Event.END: State.ENDED,
    },
    State.ENDED: {},
}


class ImpossibleEvent(Exception):
    """The table has no such event in this state: a bug of the caller, never a guess."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} in state {state}")
        self.state = state
        self.event = event


def after(state: State, event: Event) -> State:
    """The state after `event`. Raises ImpossibleEvent."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise ImpossibleEvent(state, event) from None
