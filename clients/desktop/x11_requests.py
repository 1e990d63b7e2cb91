"""Requests that python-xlib does not have: regions of XFixes 2, and a question whose answer can wait."""

from __future__ import annotations

import struct
from typing import Any

from Xlib.protocol import request, rq

from clients.desktop.regions import Rect

_NAME = "XFIXES"


class _CreateRegion(rq.Request):  # type: ignore[misc]
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(5), rq.RequestLength(), rq.Card32("region"))


class FetchRegion(rq.ReplyRequest):  # type: ignore[misc]
    """The rectangles of a region."""

    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(19), rq.RequestLength(), rq.Card32("region"))
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Pad(1),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        rq.Pad(24),  # the extents, and what fills the reply up
        rq.Binary("rectangles"),
    )

    @property
    def answered(self) -> bool:
        """Whether `rects` need not wait."""
        return self._data is not None or self._error is not None

    def rects(self) -> list[Rect]:
        """The rectangles, which do not overlap; waits for the answer."""
        self.reply()
        data = bytes(self._data["rectangles"])
        return [Rect(*place) for place in struct.iter_unpack("=hhHH", data[: len(data) & ~7])]


def create_region(display: Any) -> int:
    """An empty region; its id."""
    region: int = display.display.allocate_resource_id()
    _CreateRegion(display=display.display, opcode=display.display.get_extension_major(_NAME), region=region)
    return region


def ask_region(display: Any, region: int) -> FetchRegion:
    """Ask for the rectangles of a region."""
    opcode = display.display.get_extension_major(_NAME)
    return FetchRegion(display=display.display, defer=True, opcode=opcode, region=region)


def ask_pointer(display: Any) -> Any:
    """Ask where the pointer is; `reply()` waits, unless the answer came with that to a later request."""
    return request.QueryPointer(display=display.display, defer=True, window=display.screen().root)
