"""What the customer has allowed, and the questions that are open.

The appliance decides by its policy which channels there are; this is the client's own memory of what its customer said,
and a channel that does not fit it is refused here too.
"""

from __future__ import annotations

from appliance.wire.messages import Consent, ConsentAsk, Tool

MAX_SECONDS = 600.0
NOBODY_IDLE = 30.0
"""Seconds without a key or mouse, past the question's own time, after which nobody counts as present."""


class Consents:
    """Pure state: asked, granted."""

    def __init__(self) -> None:
        self._open: dict[str, ConsentAsk] = {}
        self._granted: set[Tool] = {Tool.CHAT}

    @property
    def granted(self) -> frozenset[Tool]:
        """What may run now."""
        return frozenset(self._granted)

    def asked(self, ask: ConsentAsk) -> None:
        """A question is open."""
        self._open[ask.id] = ask

    def is_open(self, ask_id: str) -> bool:
        """Whether the question still waits for an answer."""
        return ask_id in self._open

    @property
    def any_open(self) -> bool:
        """Whether the customer is being asked anything."""
        return bool(self._open)

    def answered(self, ask_id: str, outcome: Consent) -> bool:
        """The question is answered; False when it was not open."""
        ask = self._open.pop(ask_id, None)
        if ask is None:
            return False
        if outcome is Consent.GRANTED:
            self._granted.update(ask.tools)
        return True

    def withdrawn(self, ask_id: str) -> bool:
        """The appliance takes the question back; False when it was not open."""
        return self._open.pop(ask_id, None) is not None

    def stopped(self, tools: frozenset[Tool]) -> frozenset[Tool]:
        """The customer takes tools back; the screen takes control with it. What was granted of them."""
        gone = set(tools)
        if Tool.SCREEN in gone:
            gone.add(Tool.CONTROL)
        gone &= self._granted - {Tool.CHAT}
        self._granted -= gone
        return frozenset(gone)

    def forget(self) -> None:
        """Nothing is allowed any more; no question is answered by that."""
        self._granted = {Tool.CHAT}

    def link_lost(self) -> list[str]:
        """Open questions end with the connection that asked them; their ids."""
        gone = list(self._open)
        self._open.clear()
        return gone


def unanswered(idle: float | None, seconds: float) -> Consent:
    """The outcome of a question that nobody answered for `seconds`, `idle` seconds after the last key or mouse."""
    return Consent.NOBODY if idle is not None and idle >= seconds + NOBODY_IDLE else Consent.TIMEOUT
