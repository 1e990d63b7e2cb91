"""RFC 6455 from a client's side, as little of it as the way through `/wire` needs: binary messages, ping, close.

Sans-IO. What the server sends is held strictly to the letter: no mask, no reserved bit, no text, bounded.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator

MAX_HEAD = 16 * 1024
MAX_FRAME = 1024 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class WebSocketError(Exception):
    """The server does not speak WebSocket, or broke it. `status`: of its HTTP answer, 0 after that."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class ClientSocket:
    """The client's half of one WebSocket: what to send, and what was received."""

    def __init__(self, host: str, path: str) -> None:
        key = base64.b64encode(os.urandom(16))
        self._accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self._buffer = bytearray()
        self._open = False
        self.closed = False
        """Whether the server has said goodbye."""
        self.to_send = bytearray(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n".encode()
        )
        """Bytes that are due; the caller takes and clears them."""

    @property
    def open(self) -> bool:
        """Whether the server has agreed to the upgrade."""
        return self._open

    def send(self, data: bytes) -> None:
        """Queue `data` as one binary message."""
        self._frame(_BINARY, data)

    def receive(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the payloads that `data` completes; where a message was cut does not matter. Raises WebSocketError."""
        self._buffer += data
        if not self._open and not self._upgrade():
            return
        while not self.closed and (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode in (_BINARY, _CONTINUATION):
                yield payload
            elif opcode == _PING:
                self._frame(_PONG, payload)
            elif opcode == _CLOSE:
                self.closed = True
                self._frame(_CLOSE, payload[:2])
            elif opcode != _PONG:
                raise WebSocketError("text or unknown frame")

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise WebSocketError("answer too long")
            return False
        head = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        status = head[0].split(b" ")
        if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not status[1].isdigit():
            raise WebSocketError("no HTTP answer")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])
        }
        if status[1] != b"101" or headers.get(b"sec-websocket-accept") != self._accept:
            raise WebSocketError("upgrade refused", int(status[1]))
        if b"sec-websocket-extensions" in headers:
            raise WebSocketError("extension that was not asked for")
        self._open = True
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, size = buffer[0], buffer[1]
        if first & 0x70 or size & 0x80:
            raise WebSocketError("reserved bit or mask")
        opcode, at = first & 0x0F, 2
        if opcode >= _CLOSE and (size > 125 or not first & 0x80):
            raise WebSocketError("control frame too long or cut")
        if size >= 126:
            at += 2 if size == 126 else 8
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        if size > MAX_FRAME:
            raise WebSocketError("frame too long")
        if len(buffer) < at + size:
            return None
        payload = bytes(buffer[at : at + size])
        del buffer[: at + size]
        return opcode, payload

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytearray([0x80 | opcode])
        if size < 126:
            head.append(0x80 | size)
        elif size < 65536:
            head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
        mask = os.urandom(4)
        self.to_send += head + mask + _masked(payload, mask)


def _masked(data: bytes, mask: bytes) -> bytes:
    """`data` XOR the repeated `mask`, as one long number: a loop over bytes would cost seconds a megabyte."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
