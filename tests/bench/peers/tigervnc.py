"""TigerVNC's bytes and frames at the same work, read as noVNC reads it.

Tight with JPEG quality 6, compression 2, and CopyRect.

`python -m tests.bench.peers.tigervnc xtigervnc|x0tigervnc`. Bytes are those of RFB, without WebSocket and TLS; no
pixel is decoded here, so that the server is never held up.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from tests.bench.figures import Figure
from tests.bench.peers.novnc import vnc_server
from tests.bench.screen_work import (
    IDLE_SECONDS,
    LINES,
    LINES_PER_SECOND,
    TYPED,
    VIDEO_SECONDS,
    work_on,
)

_RAW, _COPY, _TIGHT, _LAST, _CURSOR, _SIZE = 0, 1, 7, -224, -239, -223
_QUALITY_6, _COMPRESSION_2 = -26, -254


class Rfb(threading.Thread):
    """Follows the picture of an RFB 3.8 server; `bytes` and `updates` count since `clear`."""

    def __init__(self, port: int) -> None:
        super().__init__(name="rfb", daemon=True)
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.clear()
        self._read(12)
        self._socket.sendall(b"RFB 003.008\n")
        assert 1 in self._read(self._read(1)[0]), "the server wants a password"
        self._socket.sendall(b"\x01")
        assert self._read(4) == bytes(4)
        self._socket.sendall(b"\x01")
        self._width, self._height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self._read(struct.unpack(">I", self._read(4))[0])
        self._socket.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        encodings = [_COPY, _TIGHT, _RAW, _QUALITY_6, _COMPRESSION_2, _LAST]
        self._socket.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def clear(self) -> None:
        """Count anew."""
        self.bytes = 0
        self.updates = 0

    def run(self) -> None:
        """Ask, read, ask again, as noVNC does."""
        with contextlib.suppress(OSError, EOFError):
            self._ask(incremental=False)
            while True:
                kind = self._read(1)[0]
                if kind == 0:
                    self._update()
                    self.updates += 1
                    self._ask(incremental=True)
                elif kind == 3:
                    self._read(3)
                    self._read(struct.unpack(">I", self._read(4))[0])
                elif kind != 2:
                    raise ValueError(f"message {kind}")

    def close(self) -> None:
        """Leave."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self._file.close()
        self._socket.close()

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError
        self.bytes += size
        return data

    def _ask(self, *, incremental: bool) -> None:
        self._socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self._width, self._height))

    def _update(self) -> None:
        self._read(1)
        for _ in range(struct.unpack(">H", self._read(2))[0]):
            _x, _y, w, h, encoding = struct.unpack(">HHHHi", self._read(12))
            match encoding:
                case -224:
                    return
                case 0:
                    self._read(w * h * 4)
                case 1:
                    self._read(4)
                case 7:
                    self._tight(w, h)
                case _:
                    raise ValueError(f"encoding {encoding}")

    def _tight(self, w: int, h: int) -> None:
        control = self._read(1)[0] >> 4
        if control == 8:
            self._read(3)
            return
        if control == 9:
            self._read(self._length())
            return
        filtered = self._read(1)[0] if control & 4 else 0
        size = w * h * 3
        if filtered == 1:
            colours = self._read(1)[0] + 1
            self._read(colours * 3)
            size = (w + 7) // 8 * h if colours == 2 else w * h
        self._read(size if size < 12 else self._length())

    def _length(self) -> int:
        length = 0
        for shift in (0, 7, 14):
            byte = self._read(1)[0]
            length |= (byte & (0x7F if shift < 14 else 0xFF)) << shift
            if not byte & 0x80:
                break
        return length


def main(kind: str) -> None:
    """Measure one kind of server: `xtigervnc` is its own X server, `x0tigervnc` scrapes an Xvfb."""
    subject = "Xtigervnc" if kind == "xtigervnc" else "x0tigervnc"
    with contextlib.ExitStack() as stack:
        desktop, port = stack.enter_context(vnc_server(kind))
        work = stack.enter_context(work_on(desktop))
        rfb = Rfb(port)
        stack.callback(rfb.close)
        rfb.start()
        time.sleep(3)
        Figure("first full picture, 1080p", subject, round(rfb.bytes / 1000, 1), "kB").print()
        rfb.clear()
        time.sleep(IDLE_SECONDS)
        Figure("idle screen", subject, round(rfb.bytes / IDLE_SECONDS, 1), "B/s").print()

        def during(todo: Callable[[], None]) -> None:
            time.sleep(1.5)
            rfb.clear()
            todo()
            time.sleep(1.5)

        during(work.type)
        Figure("bytes per typed character", subject, round(rfb.bytes / TYPED, 1), "B").print()
        during(work.scroll)
        Figure("scrolling a full terminal", subject, round(rfb.bytes / LINES), "B a line").print()
        rate = rfb.updates / (LINES / LINES_PER_SECOND)
        Figure("scrolling a full terminal, updates", subject, round(rate, 1), "1/s").print()
        during(work.video)
        Figure("video 640×480", subject, round(rfb.bytes / VIDEO_SECONDS / 1000), "kB/s").print()
        Figure("video 640×480, frames", subject, round(rfb.updates / VIDEO_SECONDS, 1), "1/s").print()


if __name__ == "__main__":
    main(sys.argv[1])
