"""JPEG through libturbojpeg, when there is one: bundled beside the program, else the system's."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from functools import cache

_BGRX = 3  # TJPF_BGRX
_420 = 2  # TJSAMP_420
_FLAGS = 2048  # TJFLAG_FASTDCT
_NAMES = {"win32": ("turbojpeg.dll",), "darwin": ("libturbojpeg.dylib",)}


class Jpeg:
    """A compressor; to be used from one thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.tjInitCompress.restype = ctypes.c_void_p
        library.tjBufSize.restype = ctypes.c_ulong
        library.tjCompress2.argtypes = (
            ctypes.c_void_p,
            ctypes.c_void_p,
            *(ctypes.c_int,) * 4,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_ulong),
            *(ctypes.c_int,) * 3,
        )
        self._handle = library.tjInitCompress()
        self._buffer = ctypes.create_string_buffer(0)

    def compress(self, pixels: bytearray, offset: int, stride: int, w: int, h: int, quality: int) -> bytes | None:
        """A JPEG of w × h pixels (B G R X) that begin at `offset`, rows being `stride` bytes apart.

        `quality`: 1 to 100. None when the library refuses."""
        need = self._library.tjBufSize(w, h, _420)
        if len(self._buffer) < need:
            self._buffer = ctypes.create_string_buffer(need)
        source = ctypes.addressof(ctypes.c_char.from_buffer(pixels, offset))
        out, size = ctypes.c_void_p(ctypes.addressof(self._buffer)), ctypes.c_ulong(len(self._buffer))
        flags = _FLAGS | 1024  # TJFLAG_NOREALLOC: the buffer is ours
        failed = self._library.tjCompress2(
            self._handle,
            source,
            w,
            stride,
            h,
            _BGRX,
            ctypes.byref(out),
            ctypes.byref(size),
            _420,
            quality,
            flags,
        )
        return None if failed else self._buffer.raw[: size.value]


@cache
def _library() -> ctypes.CDLL | None:
    bundled = getattr(sys, "_MEIPASS", None)
    names = [os.path.join(bundled, name) for name in os.listdir(bundled) if "turbojpeg" in name] if bundled else []
    names += _NAMES.get(sys.platform, ("libturbojpeg.so.0",))
    found = ctypes.util.find_library("turbojpeg") if sys.platform != "linux" else None
    for name in [*names, *([found] if found else [])]:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def open_jpeg() -> Jpeg | None:
    """A compressor; None where there is no library, and all stays lossless."""
    library = _library()
    return Jpeg(library) if library is not None else None
