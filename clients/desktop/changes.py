"""Which pixels changed, and whether they only moved: the client's copy of what the viewers have.

Everything is memcmp on rows, called through ctypes with the GIL held (`PyDLL`): a call takes 0.3 µs, so that a typed
character is found in 20 µs and a whole 1080p screen compared in 1 ms. There is no numpy, which would double the size
of the client's file.
"""

from __future__ import annotations

import ctypes
from collections import Counter

from clients.desktop.protocol import Patch
from clients.desktop.regions import Rect

_memcmp = ctypes.PyDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int

Box = tuple[int, int, int, int]

BAND = 64
"""Rows compared at once where a patch is as wide as the picture, and the height at which columns are told apart."""
COLUMN = 64
"""Pixels: changes further apart than this on the same rows become rectangles of their own."""
ROW_GAP = 4
"""Unchanged rows that do not divide a rectangle: a rectangle of its own costs more."""
MIN_SCROLL_ROWS = 24
MIN_SCROLL_WIDTH = 48
TELLING_ROWS = 16
"""Different rows that a strip has to have: a blank one says nothing."""
STRIP = 128
"""Pixels of a row that tell it from other rows when looking for scrolling."""


class Picture:
    """The desktop as the viewers have it (lossy regions apart): height rows of width pixels, B G R X."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.pixels = bytearray(width * height * 4)
        self._view = memoryview(self.pixels)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self.pixels))

    def changes(self, patch: Patch) -> list[Rect]:
        """The changed parts of `patch`, as tight rectangles of the desktop."""
        found: list[Box] = []
        compare = _Comparison(self, patch)
        for top, bottom in compare.row_runs(0, patch.h, 0, patch.w):
            for at in range(top, bottom, BAND):
                found += compare.boxes(at, min(at + BAND, bottom))
        return [Rect(patch.x + x, patch.y + y, w, h) for x, y, w, h in _stack(found)]

    def take(self, patch: Patch, rects: list[Rect]) -> None:
        """The viewers get these parts of `patch`."""
        source = memoryview(patch.pixels)
        stride, row = self.width * 4, patch.w * 4
        for x, y, w, h in rects:
            size = w * 4
            to, at = y * stride + x * 4, (y - patch.y) * row + (x - patch.x) * 4
            if size == stride == row:
                self._view[to : to + h * size] = source[at : at + h * size]
                continue
            for _ in range(h):
                self._view[to : to + size] = source[at : at + size]
                to += stride
                at += row

    def region(self, rect: Rect) -> bytes | memoryview:
        """The pixels of a region."""
        stride, size = self.width * 4, rect.w * 4
        start = rect.y * stride + rect.x * 4
        if size == stride:
            return self._view[start : start + rect.h * size]
        return b"".join(self._view[at : at + size] for at in range(start, start + rect.h * stride, stride))

    def copy(self, to: Rect, from_y: int) -> None:
        """Move rows up or down, as the viewers do."""
        pixels = bytes(self.region(Rect(to.x, from_y, to.w, to.h)))
        self.take(Patch(to.x, to.y, to.w, to.h, bytearray(pixels)), [to])

    def scrolled(self, patch: Patch) -> tuple[Rect, int] | None:
        """Where `patch` shows rows that the picture has elsewhere: (the region, the y it came from); None if nowhere.

        Only a proposal: what the copy does not get right is found by `changes` afterwards.
        """
        if patch.h < MIN_SCROLL_ROWS or patch.w < MIN_SCROLL_WIDTH:
            return None
        compare = _Comparison(self, patch)
        if sum(bottom - top for top, bottom in compare.row_runs(0, patch.h, 0, patch.w)) < MIN_SCROLL_ROWS:
            return None
        for left in (0, patch.w // 4, patch.w // 2):
            new, old = compare.keys(left, min(STRIP, patch.w - left))
            if len(set(new)) >= TELLING_ROWS:
                return self._scrolled_strip(patch, compare, new, old)
        return None

    def _scrolled_strip(
        self, patch: Patch, compare: _Comparison, new: list[bytes], old: list[bytes]
    ) -> tuple[Rect, int] | None:
        # Rows that occur twice (blank ones) say nothing about where they came from.
        places: dict[bytes, int] = {}
        for y, key in enumerate(old):
            places[key] = -1 if key in places else y
        votes: Counter[int] = Counter()
        telling = 0
        for y, key in enumerate(new):
            if key != old[y]:
                telling += 1
                came_from = places.get(key, -1)
                if came_from >= 0:
                    votes[y - came_from] += 1
        if not votes:
            return None
        shift, count = votes.most_common(1)[0]
        if count < 8 or count * 4 < telling:
            return None
        rows = [y for y in range(max(0, shift), min(patch.h, patch.h + shift)) if new[y] == old[y - shift]]
        top, bottom = rows[0], rows[-1] + 1
        edges = compare.moved_columns(rows, shift)
        if edges is None:
            return None
        return Rect(patch.x + edges[0], patch.y + top, edges[1] - edges[0], bottom - top), patch.y + top - shift


class _Comparison:
    """A patch beside the same region of the picture; coordinates are the patch's."""

    def __init__(self, picture: Picture, patch: Patch) -> None:
        self._patch = patch
        self._picture = picture
        self._new = ctypes.addressof(ctypes.c_char.from_buffer(patch.pixels))
        self._old = picture._address + (patch.y * picture.width + patch.x) * 4
        self._new_stride = patch.w * 4
        self._old_stride = picture.width * 4

    def differs(self, x: int, y: int, width: int) -> bool:
        new, old = self._new + y * self._new_stride + x * 4, self._old + y * self._old_stride + x * 4
        return bool(_memcmp(new, old, width * 4))

    def row_runs(self, top: int, bottom: int, x: int, width: int) -> list[tuple[int, int]]:
        """Runs [from, to) of changed rows."""
        changed: list[int] = []
        if width * 4 == self._new_stride == self._old_stride:
            for band in range(top, bottom, BAND):
                size = (min(band + BAND, bottom) - band) * self._new_stride
                offset = band * self._new_stride
                if _memcmp(self._new + offset, self._old + offset, size):
                    changed += [y for y in range(band, min(band + BAND, bottom)) if self.differs(x, y, width)]
        else:
            changed = [y for y in range(top, bottom) if self.differs(x, y, width)]
        runs: list[tuple[int, int]] = []
        for y in changed:
            if runs and y - runs[-1][1] <= ROW_GAP:
                runs[-1] = (runs[-1][0], y + 1)
            else:
                runs.append((y, y + 1))
        return runs

    def edges(self, top: int, bottom: int, x: int, width: int) -> tuple[int, int]:
        """The first changed column, and the one after the last, on rows of which some changed."""
        left, right = x + width, x
        for y in range(top, bottom):
            if left > x and self.differs(x, y, left - x):
                left = self._first(y, x, left)
            if right < x + width and self.differs(right, y, x + width - right):
                right = self._last(y, right, x + width)
        return left, right

    def _first(self, y: int, low: int, high: int) -> int:
        """The first changed column in [low, high), which has one."""
        while high - low > 1:
            middle = (low + high) // 2
            if self.differs(low, y, middle - low):
                high = middle
            else:
                low = middle
        return low

    def _last(self, y: int, low: int, high: int) -> int:
        """The column after the last changed one in [low, high), which has one."""
        while high - low > 1:
            middle = (low + high) // 2
            if self.differs(middle, y, high - middle):
                low = middle
            else:
                high = middle
        return high

    def boxes(self, top: int, bottom: int) -> list[Box]:
        """Tight boxes (x, y, w, h) around the changes on some rows."""
        left, right = self.edges(top, bottom, 0, self._patch.w)
        if left >= right:
            return []
        if right - left <= 2 * COLUMN:
            return [(left, top, right - left, bottom - top)]
        columns = [
            x
            for x in range(left, right, COLUMN)
            if any(self.differs(x, y, min(COLUMN, right - x)) for y in range(top, bottom))
        ]
        runs: list[tuple[int, int]] = []
        for x in columns:
            if runs and x == runs[-1][1]:
                runs[-1] = (runs[-1][0], min(x + COLUMN, right))
            else:
                runs.append((x, min(x + COLUMN, right)))
        if len(runs) == 1:
            return [(left, top, right - left, bottom - top)]
        found = []
        for first, last in runs:
            for upper, lower in self.row_runs(top, bottom, first, last - first):
                tight_left, tight_right = self.edges(upper, lower, first, last - first)
                found.append((tight_left, upper, tight_right - tight_left, lower - upper))
        return found

    def keys(self, left: int, width: int) -> tuple[list[bytes], list[bytes]]:
        """A strip of each row, new and old."""
        patch, picture, size = self._patch, self._picture, width * 4
        start = (patch.y * picture.width + patch.x + left) * 4
        old, stride = picture._view, self._old_stride
        return (
            [bytes(patch.pixels[at : at + size]) for at in range(left * 4, patch.h * patch.w * 4, patch.w * 4)],
            [bytes(old[at : at + size]) for at in range(start, start + patch.h * stride, stride)],
        )

    def moved_columns(self, rows: list[int], shift: int) -> tuple[int, int] | None:
        """The columns [from, to) that moved with `rows`, judged by some of these rows."""
        sample = rows[:: max(1, len(rows) // 12)]
        moved = []
        for x in range(0, self._patch.w, COLUMN):
            width = min(COLUMN, self._patch.w - x)
            same = sum(not self._differs_from(x, y, y - shift, width) for y in sample)
            still = sum(not self.differs(x, y, width) for y in sample)
            if same > still or same == len(sample):
                moved.append(x)
        return (moved[0], min(moved[-1] + COLUMN, self._patch.w)) if moved else None

    def _differs_from(self, x: int, y: int, old_y: int, width: int) -> bool:
        new = self._new + y * self._new_stride + x * 4
        return bool(_memcmp(new, self._old + old_y * self._old_stride + x * 4, width * 4))


def _stack(boxes: list[Box]) -> list[Box]:
    """Join boxes of neighbouring bands that are equally wide."""
    stacked: list[Box] = []
    for x, y, w, h in boxes:
        for index in range(len(stacked) - 1, max(-1, len(stacked) - 9), -1):
            sx, sy, sw, sh = stacked[index]
            if sy + sh == y and abs(sx - x) <= 8 and abs(sx + sw - x - w) <= 8:
                left, right = min(sx, x), max(sx + sw, x + w)
                stacked[index] = (left, sy, right - left, sh + h)
                break
        else:
            stacked.append((x, y, w, h))
    return stacked
