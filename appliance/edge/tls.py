"""TLS on the socket itself.

`trio.SSLStream` moves every byte through memory buffers and two more layers; relayed bytes then cost three times the
CPU. Here OpenSSL reads and writes the socket, which is never blocking, and trio only waits for it.

Two rules of OpenSSL shape the code. A write that could not finish must be repeated with the same bytes, so a cancelled
write breaks the stream for writing. And decrypted bytes may wait inside OpenSSL while the socket has none, so waiting
for the socket alone could wait for ever (`wait_readable`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import trio

NOT_SENT_LOW_WATER = 64 * 1024
"""Bytes that the kernel may hold unsent. More would only delay what is urgent behind what is bulk."""

_SO_LINGER_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a connection comes from and where it arrived; IP addresses as text, IPv4-mapped ones as IPv4."""

    host: str
    port: int
    local_host: str
    local_port: int

    @property
    def family(self) -> int:
        """`socket.AF_INET` or `AF_INET6`."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        """For Hypercorn, which asks the socket: the peer, behind a listed proxy the proxied one."""
        return self.host, self.port

    def getsockname(self) -> tuple[str, int]:
        """For Hypercorn: the address that the peer connected to."""
        return self.local_host, self.local_port


@dataclass(frozen=True, slots=True)
class Transport:
    """What Hypercorn looks for as `stream.transport_stream`."""

    socket: Address


def prepare(sock: socket.socket) -> None:
    """Make an accepted socket non-blocking, prompt, and shallow in unsent bytes."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(AttributeError, OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER)


class TlsStream:
    """One TLS connection, as the wire (WireStream) and as Hypercorn want it.

    One task may read and one may write at a time; a second writer waits for the first.
    """

    def __init__(
        self,
        sock: ssl.SSLSocket,
        address: Address,
        *,
        handshake_seconds: float,
        stall_seconds: float,
        authenticated: Callable[[], None] = lambda: None,
    ) -> None:
        """`sock`: wrapped with `do_handshake_on_connect=False`, prepared. `stall_seconds`: how long a peer may take
        nothing of what is sent before it is cut."""
        self._socket = sock
        self._address = address
        self._handshake_seconds = handshake_seconds
        self._stall_seconds = stall_seconds
        self._sending = False
        self._turn = trio.lowlevel.ParkingLot()
        self._wants_to_read = False  # a write that could not finish waits for the peer's bytes (renewed keys)
        self._broken = False
        self._closed = False
        self._authenticated = authenticated

    @property
    def peer_address(self) -> str:
        """The peer's IP address as text."""
        return self._address.host

    @property
    def transport_stream(self) -> Transport:
        """For Hypercorn."""
        return Transport(self._address)

    @property
    def context(self) -> ssl.SSLContext:
        """The context that the handshake chose by SNI."""
        return self._socket.context

    @property
    def closed(self) -> bool:
        """Whether this end has closed the stream."""
        return self._closed

    def selected_alpn_protocol(self) -> str | None:
        """The protocol agreed in the handshake."""
        return self._socket.selected_alpn_protocol()

    def authenticated(self) -> None:
        """The peer has proved who it is: the limit of connections an address no longer counts it."""
        self._authenticated()

    async def do_handshake(self) -> None:
        """Handshake, once; again does nothing. Raises trio.BrokenResourceError when it fails or takes too long."""
        with trio.move_on_after(self._handshake_seconds):
            while True:
                try:
                    self._socket.do_handshake()
                except ssl.SSLWantReadError:
                    await self._wait(trio.lowlevel.wait_readable)
                except ssl.SSLWantWriteError:
                    await self._wait(trio.lowlevel.wait_writable)
                except (OSError, ValueError) as error:
                    self._broken = True
                    raise trio.BrokenResourceError(str(error)) from error
                else:
                    return
        self._broken = True
        raise trio.BrokenResourceError("the handshake took too long")

    async def wait_readable(self) -> None:
        """Return when `receive_now` may have bytes, or the end."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._socket.pending():
            await trio.lowlevel.checkpoint()
        else:
            await self._wait(trio.lowlevel.wait_readable)

    def receive_now(self, into: memoryview) -> int | None:
        """Bytes put into `into`; 0 at the end; None when there is nothing yet. Raises trio.BrokenResourceError.

        OpenSSL gives one record (16 KiB) at a time, so that this goes on until `into` is full or the socket empty.
        """
        if self._closed:
            raise trio.ClosedResourceError
        size = 0
        room = len(into)
        read = self._socket.recv_into
        try:
            while size < room:
                count = read(into[size:])
                if count == 0:
                    break
                size += count
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return size or None
        except (OSError, ValueError) as error:
            if size:
                return size  # the next call meets the error again
            self._broken = True
            raise trio.BrokenResourceError(str(error)) from error
        return size

    async def receive_some(self, max_bytes: int = 16 * 1024) -> bytes:
        """At most `max_bytes`; b"" at the end. Raises trio.BrokenResourceError or trio.ClosedResourceError."""
        while True:
            await self.wait_readable()
            # Only now, so that a connection that waits holds no buffer.
            buffer = bytearray(max_bytes)
            size = self.receive_now(memoryview(buffer))
            if size is not None:
                return bytes(memoryview(buffer)[:size])

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; a peer that takes nothing for `stall_seconds` is cut.

        Raises trio.BrokenResourceError or trio.ClosedResourceError. Cancelled in the middle, the stream is broken.
        """
        while self._sending:
            await self._turn.park()
        self._check()
        self._sending = True
        try:
            # Most of what is sent is taken at once: this path is as short as it can be.
            sent = self._send_now(data)
            if sent < len(data):
                with memoryview(data) as view:
                    while sent < len(view):
                        await self._wait_to_send()
                        sent += self._send_now(view[sent:])
        except trio.Cancelled:
            self._broken = True
            raise
        finally:
            self._sending = False
            if self._turn:
                self._turn.unpark()
        await trio.lowlevel.checkpoint_if_cancelled()

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Bytes of `data` that were taken; after 0 the same has to be given again. Raises trio.BrokenResourceError."""
        if not data:
            return 0
        try:
            return self._socket.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
            self._wants_to_read = isinstance(error, ssl.SSLWantReadError)
            return 0
        except (OSError, ValueError) as error:
            self._broken = True
            raise trio.BrokenResourceError(str(error)) from error

    async def aclose(self) -> None:
        """Close at once. A peer that reads is told by TLS that this was the end; nobody is waited for."""
        if not self._closed:
            if not self._broken and not self._sending:
                # Sends our part of the farewell, and then fails because the peer's is not there yet.
                with contextlib.suppress(OSError, ValueError):
                    self._socket.unwrap()
            self.cut(reset=self._broken)
        await trio.lowlevel.checkpoint()

    def cut(self, *, reset: bool = True) -> None:
        """End the connection without a word; tasks that use it get ClosedResourceError. `reset`: also drop what the
        kernel has not sent yet, as for a peer that does not read."""
        if self._closed:
            return
        self._closed = True
        trio.lowlevel.notify_closing(self._socket)
        if reset:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _SO_LINGER_RESET)
        self._socket.close()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError

    async def _wait(self, wait: Callable[[socket.socket], object]) -> None:
        await wait(self._socket)  # type: ignore[misc]
        if self._closed:
            raise trio.ClosedResourceError

    async def _wait_to_send(self) -> None:
        with trio.move_on_after(self._stall_seconds) as waiting:
            await self._wait(trio.lowlevel.wait_readable if self._wants_to_read else trio.lowlevel.wait_writable)
        if waiting.cancelled_caught:
            self._broken = True
            self.cut()
            raise trio.BrokenResourceError("the peer takes nothing")
