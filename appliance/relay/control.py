"""Input on its way to the client: from the controller only, and never late.

An epoch is one stretch of one controller over one pair of connections. When it ends, everything held is released at
once, and what was still queued is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.relay.link import Assembler, Port
from appliance.relay.pipe import Owed
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag, ProtocolError
from appliance.wire.input import ReleaseAll, pack_input, with_epoch


class InputGate:
    """`open_target` opens the client's input channel, or gives None while the client is away. `epoch`: a number that
    the client cannot have seen yet; it stays so over restarts when it comes from the clock."""

    def __init__(self, open_target: Callable[[], Port | None], epoch: int, used: Callable[[], None]) -> None:
        self._open_target = open_target
        self._used = used
        self._epoch = epoch
        self._target: Port | None = None
        self._source: Port | None = None
        self._owed: Owed | None = None
        self._assembler = Assembler(ChannelName.INPUT)

    @property
    def source(self) -> Port | None:
        """The controller's input channel."""
        return self._source

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self._epoch

    def give(self, source: Port | None) -> None:
        """From now on `source` controls; None: nobody. The one before is released and hears nothing more."""
        before, self._source = self._source, source
        if before is not None:
            before.on_data = None
            self._release()
        if source is None:
            self._owed = None
            return
        self._owed = Owed(source)
        self._assembler = Assembler(ChannelName.INPUT)
        self._epoch += 1
        source.on_data = self._frame
        self._reach()

    def lost(self) -> None:
        """The client's connection is gone, and all that was on its way."""
        self._target = None
        self._epoch += 1

    def back(self) -> None:
        """The client has a new connection."""
        if self._source is not None:
            self._reach()

    def stop(self) -> None:
        """The customer has taken control back."""
        self.give(None)
        if self._target is not None:
            self._target.close()
            self._target = None

    def _reach(self) -> None:
        if self._target is None or not self._target.open:
            self._target = self._open_target()
            if self._target is not None:
                self._target.on_sent = self._sent

    def _release(self) -> None:
        target = self._target
        if target is None or not target.open:
            return
        target.drop_queued()
        self._epoch += 1
        # In an epoch of its own: the client measures lateness within an epoch, by one sender's clock.
        target.send(pack_input([ReleaseAll()], at=0, epoch=self._epoch))
        self._epoch += 1

    def _frame(self, payload: memoryview | bytes, flags: Flag) -> None:
        if self._owed is not None:
            self._owed.add(len(payload))
        message = self._assembler.feed(payload, flags)
        target = self._target
        if message is not None and target is not None and target.open:
            if len(message) < 8:
                raise ProtocolError("wire.input_malformed")
            target.send(with_epoch(message, self._epoch))
            self._used()
        self._sent()

    def _sent(self) -> None:
        if self._owed is not None:
            self._owed.settle(self._target.queued if self._target is not None else 0)
