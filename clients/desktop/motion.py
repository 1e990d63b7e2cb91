"""Regions that behave as video: found, sent as JPEG, and sent again without loss once they are still.

The desktop is a grid of 64-pixel tiles. A tile is *moving* when it changed often enough without a pause; a changed
region is video when most of its tiles are moving and its pixels do not compress.
"""

from __future__ import annotations

import math

import zstandard

from clients.desktop.changes import Picture
from clients.desktop.jpeg import Jpeg, open_jpeg
from clients.desktop.regions import Rect, merge

TILE = 64
PAUSE = 0.25
"""Seconds without change that end a movement."""
STREAK = 4
"""Changes in a row that make a movement."""
STILL = 0.4
"""Seconds after which a lossy tile is sent again."""
MIN_VIDEO = 96 * 96
DENSE = 0.3
"""A sample of the region that compresses to less than this is sent lossless."""
QUALITY = 60
_sampler = zstandard.ZstdCompressor(level=1)


class Motion:
    """How the tiles of one desktop move."""

    def __init__(self) -> None:
        self._jpeg: Jpeg | None = open_jpeg()
        self._changed: dict[tuple[int, int], tuple[float, int]] = {}  # tile → (last change, changes in a row)
        self._lossy: dict[tuple[int, int], float] = {}  # tile → last change
        self._bounds = Rect(0, 0, 0, 0)

    def reset(self, width: int, height: int) -> None:
        """The viewers have a new picture, without loss."""
        self._bounds = Rect(0, 0, width, height)
        self._lossy.clear()
        self._changed.clear()

    @property
    def refine_at(self) -> float:
        """When `settled` has something; infinite when nothing is lossy."""
        return min(self._lossy.values()) + STILL if self._lossy else math.inf

    def is_lossy(self, rect: Rect) -> bool:
        """Whether the viewers' picture of some part of a region is lossy."""
        return bool(self._lossy) and any(tile in self._lossy for tile in _tiles(rect))

    def changed(self, rect: Rect, now: float, picture: Picture) -> int:
        """A region changed; the JPEG quality to send it with, 0 for lossless."""
        if self._jpeg is None or rect.area < MIN_VIDEO:
            return 0
        moving = 0
        tiles = list(_tiles(rect))
        for tile in tiles:
            last, streak = self._changed.get(tile, (-math.inf, 0))
            streak = streak + 1 if now - last <= PAUSE else 1
            self._changed[tile] = (now, streak)
            moving += streak >= STREAK
            if tile in self._lossy:
                self._lossy[tile] = now
        if moving * 10 < len(tiles) * 7 or not _dense(rect, picture):
            return 0
        return QUALITY

    def jpeg(self, picture: Picture, rect: Rect, quality: int) -> bytes | None:
        """The region as JPEG; it is lossy from now on. None when it is to be sent lossless."""
        if self._jpeg is None:
            return None
        stride = picture.width * 4
        image = self._jpeg.compress(picture.pixels, rect.y * stride + rect.x * 4, stride, rect.w, rect.h, quality)
        if image is not None:
            for tile in _tiles(rect):
                self._lossy[tile] = self._changed[tile][0]
        return image

    def settled(self, now: float) -> list[Rect]:
        """Regions that were sent lossy and are still now; they are lossless from now on."""
        if now < self.refine_at:
            return []
        still = sorted(tile for tile, last in self._lossy.items() if now >= last + STILL)
        for tile in still:
            del self._lossy[tile]
        rects = [Rect(x * TILE, y * TILE, TILE, TILE).clip(self._bounds) for y, x in still]
        return merge([rect for rect in rects if rect.area])


def _tiles(rect: Rect) -> list[tuple[int, int]]:
    """(row, column) of the tiles that a region touches."""
    columns = range(rect.x // TILE, (rect.x + rect.w - 1) // TILE + 1)
    return [(row, column) for row in range(rect.y // TILE, (rect.y + rect.h - 1) // TILE + 1) for column in columns]


def _dense(rect: Rect, picture: Picture) -> bool:
    """Whether a region does not compress, judged by eight of its rows."""
    step = max(1, rect.h // 8)
    sample = b"".join(picture.region(Rect(rect.x, y, rect.w, 1)) for y in range(rect.y, rect.y + rect.h, step))
    return len(_sampler.compress(sample)) > len(sample) * DENSE
