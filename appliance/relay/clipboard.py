"""Clipboard text, both ways. Only the newest text is worth anything: one that is still waiting is replaced."""

from __future__ import annotations

from appliance.relay.link import Assembler, Port
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag
from appliance.wire.messages import ClipboardText, decode


class _End:
    """One side's channel: takes whole messages, and keeps the newest back while an older one is on its way."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._assembler = Assembler(ChannelName.CLIPBOARD)
        self._next: bytes | None = None
        port.on_sent = self._sent

    def take(self, payload: memoryview | bytes, flags: Flag) -> bytes | None:
        message = self._assembler.feed(payload, flags)
        self.port.consumed(len(payload))
        if message is not None:
            decode(message, ClipboardText)
        return message

    def give(self, message: bytes) -> None:
        if self.port.queued:
            self._next = message
        else:
            self.port.send(message)

    def _sent(self) -> None:
        if self._next is not None and not self.port.queued:
            message, self._next = self._next, None
            self.port.send(message)


class ClipboardRelay:
    """Between the client's channel and the channels of the technicians who may."""

    def __init__(self, client: Port) -> None:
        self.client = client
        self._client = _End(client)
        self._others: dict[Port, _End] = {}
        client.on_data = self._from_client

    def attach(self, port: Port) -> None:
        """A technician's channel joins."""
        end = self._others[port] = _End(port)

        def on_data(payload: memoryview | bytes, flags: Flag) -> None:
            message = end.take(payload, flags)
            if message is not None:
                self._client.give(message)

        port.on_data = on_data

    def detach(self, port: Port) -> None:
        """It has left."""
        self._others.pop(port, None)

    @property
    def ports(self) -> list[Port]:
        """The technicians' channels."""
        return list(self._others)

    def _from_client(self, payload: memoryview | bytes, flags: Flag) -> None:
        message = self._client.take(payload, flags)
        if message is not None:
            for end in self._others.values():
                end.give(message)
