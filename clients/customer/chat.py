"""The chat's state: an outbox that survives reconnects, and what was received, each exactly once."""

from __future__ import annotations

import secrets

from appliance.wire.messages import ChatMessage, ChatSend, ChatStored

MAX_OUTBOX = 200
MAX_LINE = 8000


class OutboxFull(Exception):
    """Too much is waiting to be sent."""


class Chat:
    """Pure state. A line is kept until the appliance has committed it, and sent again on every new channel."""

    def __init__(self) -> None:
        self._outbox: dict[str, ChatSend] = {}
        self._mine: set[str] = set()
        self.last_seen = 0
        """Number of the newest message that arrived; a hello that resumes asks for what came after it."""

    def write(self, text: str) -> ChatSend:
        """A new line of the customer's. Raises OutboxFull."""
        if len(self._outbox) >= MAX_OUTBOX:
            raise OutboxFull
        message = ChatSend(id=secrets.token_urlsafe(12), text=text[:MAX_LINE])
        self._outbox[message.id] = message
        self._mine.add(message.id)
        return message

    @property
    def unsent(self) -> list[ChatSend]:
        """What has to be sent (again) on a new channel, in order."""
        return list(self._outbox.values())

    def stored(self, message: ChatStored) -> ChatSend | None:
        """The appliance has committed a line; None when it was known already."""
        return self._outbox.pop(message.id, None)

    def received(self, message: ChatMessage) -> bool:
        """Whether the message is new and somebody else's (one's own come back too, as proof that they are stored)."""
        new = message.seq > self.last_seen
        self.last_seen = max(self.last_seen, message.seq)
        if message.id in self._mine:
            self._outbox.pop(message.id, None)
            return False
        return new
