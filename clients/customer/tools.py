"""The desktop behind the appliance's channels: screen, input, clipboard, each only while the customer allows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from appliance.wire.channels import ChannelName
from appliance.wire.connection import Closed, Data, Opened
from appliance.wire.frames import Flag, ProtocolError
from appliance.wire.messages import ClientDelay, ClipboardText, Refusal, ScreenUnavailable, Tool, decode, encode
from clients.customer.link import Link
from clients.desktop import Clipboard, Desktop, DesktopUnavailable, Injector, ScreenShare

TOOL: dict[ChannelName, Tool] = {
    ChannelName.SCREEN: Tool.SCREEN,
    ChannelName.INPUT: Tool.CONTROL,
    ChannelName.CLIPBOARD: Tool.CLIPBOARD,
}
"""What the customer has to have allowed for a channel."""

OpenDesktop = Callable[[], Desktop]


class _Running(Protocol):
    """A tool at work on a channel."""

    async def run(self) -> None: ...

    def received(self, message: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass
class _Channel:
    tool: Tool
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    message: bytearray = field(default_factory=bytearray)
    running: _Running | None = None


class Tools:
    """The tools of one connection. `changed` is called when what runs has changed; `run` has to run meanwhile."""

    def __init__(
        self,
        link: Link,
        open_desktop: OpenDesktop,
        granted: Callable[[], frozenset[Tool]],
        changed: Callable[[], None],
    ) -> None:
        self._link = link
        self._open_desktop = open_desktop
        self._granted = granted
        self._changed = changed
        self._channels: dict[int, _Channel] = {}
        self._desktop: Desktop | None = None
        self._opening = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._deaf = False

    @property
    def shared(self) -> frozenset[Tool]:
        """What runs now."""
        return frozenset(channel.tool for channel in self._channels.values() if channel.running is not None)

    @property
    def monitor(self) -> tuple[int, int, int, int] | None:
        """Place of the primary monitor (else the first one), once there is a desktop."""
        if self._desktop is None:
            return None
        monitors = sorted(self._desktop.layout.monitors, key=lambda monitor: not monitor.primary)
        return next(((m.x, m.y, m.width, m.height) for m in monitors), None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run tools until cancelled; then everything held is released and the desktop let go."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._report_delay)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._channels.clear()
            if self._desktop is not None:
                self._desktop.close()
                self._desktop = None
            self._changed()

    def handles(self, channel: int) -> bool:
        """Whether the channel is a tool's."""
        return channel in self._channels

    def opened(self, event: Opened) -> None:
        """The appliance asks for a channel: start the tool, or refuse."""
        tool = TOOL.get(event.request.name)
        if tool is None or tool not in self._granted() or self._nursery is None:
            self._deny(event.channel, Refusal(reason="client.denied.not_allowed"))
            return
        channel = self._channels[event.channel] = _Channel(tool)
        self._nursery.start_soon(self._run_channel, event.channel, channel, event.request.name)

    def data(self, event: Data) -> None:
        """A part of a message for a tool. Raises ProtocolError."""
        channel = self._channels[event.channel]
        channel.message += event.payload
        self._link.connection.consumed(event.channel, len(event.payload))
        if event.flags & Flag.FIN:
            message = bytes(channel.message)
            channel.message.clear()
            if channel.running is not None and not (self._deaf and channel.tool is Tool.CONTROL):
                channel.running.received(message)

    def ignore_input(self, ignore: bool) -> None:
        """While the customer is asked something, whoever has control must not be able to answer."""
        if ignore and not self._deaf:
            for channel in self._channels.values():
                if isinstance(channel.running, _Input):
                    channel.running.release_all()
        self._deaf = ignore

    def closed(self, event: Closed) -> None:
        """The appliance closed a tool's channel."""
        self._channels.pop(event.channel).scope.cancel()

    def stop(self, tools: frozenset[Tool]) -> None:
        """Stop these at once, whatever the appliance still wants."""
        for number, channel in list(self._channels.items()):
            if channel.tool in tools:
                del self._channels[number]
                channel.scope.cancel()
                with self._link.guarded():
                    self._link.connection.close(number, encode(Refusal(reason="client.denied.stopped")))
        self._link.flush()

    def restart_screen(self) -> None:
        """Begin the screen stream anew."""
        for channel in self._channels.values():
            if isinstance(channel.running, _Screen):
                channel.running.share.restart()

    # -- inside -------------------------------------------------------------------------------------------------

    async def _run_channel(self, number: int, channel: _Channel, name: ChannelName) -> None:
        with channel.scope:
            try:
                running = _tool(name, await self._get_desktop(), self._link, number)
            except DesktopUnavailable as error:
                self._unavailable(number, error)
                return
            channel.running = running
            try:
                self._link.connection.accept(number)
                self._link.flush()
                self._changed()
                await running.run()
            except DesktopUnavailable as error:
                self._unavailable(number, error)
            finally:
                channel.running = None
                # Waits for the injector's thread to let go of what it holds; a second at most.
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(running.close)
                self._changed()

    async def _get_desktop(self) -> Desktop:
        async with self._opening:
            if self._desktop is None:
                self._desktop = await trio.to_thread.run_sync(self._open_desktop)
            if self._desktop.is_xwayland:
                # A capture would show some windows on black, or nothing: not what the customer sees.
                raise DesktopUnavailable("screen.black")
            return self._desktop

    def _unavailable(self, number: int, error: DesktopUnavailable) -> None:
        self._link.tell(ScreenUnavailable(reason=error.code, args=dict(error.args_)))
        running = self._channels.pop(number, None)
        if running is None:
            return
        refusal = Refusal(reason=error.code, args=dict(error.args_))
        try:
            self._deny(number, refusal)
        except KeyError:
            self._link.connection.close(number, encode(refusal))
            self._link.flush()

    def _deny(self, number: int, refusal: Refusal) -> None:
        self._link.connection.deny(number, encode(refusal))
        self._link.flush()

    async def _report_delay(self) -> None:
        while True:
            await trio.sleep(1)
            for channel in self._channels.values():
                if isinstance(channel.running, _Screen):
                    shares = channel.running.share.shares
                    delay = ClientDelay(
                        capture=shares.capture * 1000, encode=shares.encode * 1000, rtt=self._link.rtt * 1000
                    )
                    self._link.tell(delay)


def _tool(name: ChannelName, desktop: Desktop, link: Link, number: int) -> _Running:
    match name:
        case ChannelName.SCREEN:
            return _Screen(desktop, link, number)
        case ChannelName.INPUT:
            return _Input(desktop.open_injector())
        case _:
            return _Clipboard(desktop.open_clipboard(), link, number)


class _Screen:
    """The picture out, the viewer's acknowledgements in."""

    def __init__(self, desktop: Desktop, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self.share = ScreenShare(desktop, self._send)

    async def run(self) -> None:
        await self.share.run()

    async def _send(self, payload: bytes, flags: Flag) -> None:
        # Where the channel was closed in this very moment, its scope is cancelled, and the checkpoint ends this.
        self._link.send(self._number, payload, flags)
        await trio.lowlevel.checkpoint()

    def received(self, message: bytes) -> None:
        self.share.received(message)

    def close(self) -> None:
        pass


class _Input:
    """Keys and pointer in."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    async def run(self) -> None:
        await trio.sleep_forever()

    def received(self, message: bytes) -> None:
        self._injector.received(message)

    def release_all(self) -> None:
        self._injector.release_all()

    def close(self) -> None:
        self._injector.close()


class _Clipboard:
    """Copied text both ways."""

    def __init__(self, clipboard: Clipboard, link: Link, number: int) -> None:
        self._clipboard = clipboard
        self._link = link
        self._number = number

    async def run(self) -> None:
        while True:
            text = await self._clipboard.copied()
            self._link.send(self._number, encode(ClipboardText(text=text)))

    def received(self, message: bytes) -> None:
        text = decode(message, ClipboardText).text
        try:
            self._clipboard.offer(text)
        except ValueError as error:
            raise ProtocolError("wire.message_too_long") from error

    def close(self) -> None:
        self._clipboard.close()
