"""Rectangles, and joining many into few."""

from __future__ import annotations

from typing import NamedTuple

MAX_RECTS = 16
CALL_PIXELS = 6000
"""What one more capture costs, in pixels captured: rectangles are joined when that wastes less."""


class Rect(NamedTuple):
    """A region of the desktop in pixels."""

    x: int
    y: int
    w: int
    h: int

    @property
    def area(self) -> int:
        """Pixels."""
        return self.w * self.h if self.w > 0 and self.h > 0 else 0

    def clip(self, bounds: Rect) -> Rect:
        """The part inside `bounds`; its area is 0 when there is none."""
        x, y = max(self.x, bounds.x), max(self.y, bounds.y)
        right, bottom = min(self.x + self.w, bounds.x + bounds.w), min(self.y + self.h, bounds.y + bounds.h)
        return Rect(x, y, max(0, right - x), max(0, bottom - y))

    def union(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        right, bottom = max(self.x + self.w, other.x + other.w), max(self.y + self.h, other.y + other.h)
        return Rect(x, y, right - x, bottom - y)


def merge(rects: list[Rect]) -> list[Rect]:
    """At most MAX_RECTS rectangles that cover `rects`, joined where one capture is cheaper than two."""
    merged: list[Rect] = []
    for rect in rects[:512]:
        for index, other in enumerate(merged):
            joined = rect.union(other)
            if joined.area <= rect.area + other.area + CALL_PIXELS:
                merged[index] = joined
                break
        else:
            merged.append(rect)
    for rect in rects[512:]:
        merged[-1] = merged[-1].union(rect)
    while len(merged) > MAX_RECTS:
        # The region's rectangles are sorted by rows, so that neighbours in the list are neighbours on the screen.
        merged = [
            merged[at].union(merged[at + 1]) if at + 1 < len(merged) else merged[at] for at in range(0, len(merged), 2)
        ]
    return merged
