"""From a start to a verified wire: pinned TLS straight, or inside a WebSocket where something on the way inspects."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from appliance.wire.connection import Connection, Handshake, Side
from appliance.wire.frames import FrameType, ProtocolError
from appliance.wire.messages import ALPN, WIRE_SERVER_NAME, Greeting, decode
from appliance.wire.start_file import StartInfo
from clients.customer.net.dial import Proxy, dial, proxy_for
from clients.customer.net.pinning import (
    DatesOnly,
    DeviceCa,
    find_ca,
    learning_context,
    pinned_context,
    verified_or_trouble,
)
from clients.customer.net.tls import TlsStream
from clients.customer.net.trouble import Trouble
from clients.customer.net.tunnel import TunnelStream
from clients.customer.net.websocket import WebSocketError

CLOCKS_AGREE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Wire:
    """A verified connection. `ca`: the device CA that vouched for it."""

    stream: TlsStream | TunnelStream
    ca: DeviceCa


class Route:
    """The way to one appliance; remembers the CA it learned and which way worked."""

    def __init__(
        self,
        start: StartInfo,
        *,
        now: Callable[[], float] = time.time,
        proxy: Callable[[str], Proxy | None] = proxy_for,
    ) -> None:
        self._host, self._port = start.address
        self._server = start.server
        self._pins = start.pins
        self._now = now
        self._proxy = proxy
        self._ca: DeviceCa | None = None
        self._tunnel = False

    async def connect(self) -> Wire:
        """A verified connection. Raises Trouble, which says what is in the way."""
        try:
            return await self._connect(tunnel=self._tunnel)
        except Trouble as first:
            if not (first.inspected or self._tunnel):
                raise
            # The other way: past a proxy that inspects, or straight again in a network without one.
            try:
                wire = await self._connect(tunnel=not self._tunnel)
            except DatesOnly:
                raise
            except Trouble as second:
                raise first from second
            self._tunnel = not self._tunnel
            return wire

    async def _connect(self, *, tunnel: bool) -> Wire:
        if self._ca is None:
            stream = await self._open(learning_context(), tunnel=tunnel)
            try:
                self._ca = find_ca(stream.tls, self._pins)
            finally:
                await stream.aclose()
        try:
            return Wire(await self._open(pinned_context(self._ca), tunnel=tunnel), self._ca)
        except DatesOnly:
            raise await self._whose_clock(self._ca, tunnel=tunnel) from None
        except Trouble:
            # The appliance may have gone over to its next CA: learn again next time.
            self._ca = None
            raise

    async def _open(self, context: ssl.SSLContext, *, tunnel: bool) -> TlsStream | TunnelStream:
        proxy = self._proxy(self._host)
        sock = await dial(self._host, self._port, proxy)
        try:
            stream: TlsStream | TunnelStream
            if tunnel:
                outer = await TlsStream.connect(sock, _unverified(), self._host)
                stream = await TunnelStream.connect(outer, self._server, context, WIRE_SERVER_NAME)
            else:
                stream = await TlsStream.connect(sock, context, WIRE_SERVER_NAME)
        except ssl.SSLError as error:
            raise verified_or_trouble(error) from error
        except WebSocketError as error:
            raise Trouble("no_way_through", status=error.status) from error
        except trio.TooSlowError as error:
            raise Trouble("unreachable", host=self._host) from error
        except (OSError, trio.BrokenResourceError) as error:
            raise Trouble("closed", host=self._host, inspected=True) from error
        if stream.tls.selected_alpn_protocol() != ALPN and context.verify_mode is ssl.CERT_REQUIRED:
            await stream.aclose()
            raise Trouble("not_our_appliance", inspected=True)
        return stream

    async def _whose_clock(self, ca: DeviceCa, *, tunnel: bool) -> Trouble:
        """Chain and name are verified once more without the dates; then the appliance's greeting says its time."""
        try:
            stream = await self._open(pinned_context(ca, check_time=False), tunnel=tunnel)
        except Trouble as trouble:
            return trouble
        try:
            with trio.fail_after(10):
                theirs = await _greeted_time(stream)
        except (trio.TooSlowError, trio.BrokenResourceError, ProtocolError):
            return DatesOnly()
        finally:
            await stream.aclose()
        ours = self._now()
        if abs(theirs - ours) < CLOCKS_AGREE_SECONDS:
            return Trouble("certificate_dates")
        return ClockTrouble(ours, theirs)


class ClockTrouble(DatesOnly):
    """This computer's clock and the appliance's are apart; the window shows both."""

    def __init__(self, ours: float, theirs: float) -> None:
        super().__init__()
        self.code = "client.trouble.clock_differs"
        self.args_for_words = {"ours": _date(ours), "theirs": _date(theirs)}


def _date(moment: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return "?"


async def _greeted_time(stream: TlsStream | TunnelStream) -> float:
    connection = Connection(Side.PEER)
    buffer = memoryview(bytearray(16 * 1024))
    while True:
        await stream.wait_readable()
        size = stream.receive_now(buffer)
        if size == 0:
            raise trio.BrokenResourceError
        for event in connection.receive(buffer[: size or 0]):
            if isinstance(event, Handshake) and event.type is FrameType.GREETING:
                return decode(event.payload, Greeting).time


def _unverified() -> ssl.SSLContext:
    """The outer connection of the tunnel; see tunnel.py for why its certificate does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
