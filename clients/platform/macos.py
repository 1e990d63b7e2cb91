"""macOS. Written against Apple's documentation and not run; what needs no Mac is tested with a stand-in."""

from __future__ import annotations

import ctypes
import ctypes.util
import getpass
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.wire.messages import System
from clients.platform.protocol import Display, DisplayKind

COMBINED_SESSION = 0  # kCGEventSourceStateCombinedSessionState
ANY_INPUT = 0xFFFFFFFF  # kCGAnyInputEventType

Ask = Callable[[Sequence[str]], str]


def _ask(argv: Sequence[str]) -> str:
    """What a system program says; empty when it fails."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(argv, capture_output=True, text=True, timeout=5, check=True).stdout  # noqa: S603 - fixed
    return ""


class MacPlatform:
    """A Platform. `graphics`: the CoreGraphics library; `ask`: runs a system program."""

    def __init__(self, graphics: Any = None, ask: Ask = _ask) -> None:
        self._graphics = graphics if graphics is not None else _core_graphics()
        self._ask = ask

    def display(self) -> Display:
        """The screen can be shared once the user has allowed screen recording in the system's settings."""
        allowed = True
        with suppress(AttributeError):  # macOS before 10.15 asks for nothing
            allowed = bool(self._graphics.CGPreflightScreenCaptureAccess())
        return Display(DisplayKind.MACOS, True, allowed, "" if allowed else "screen.capture_failed")

    def system(self, version: str, language: str) -> System:
        """By the platform module and the user's name."""
        user = ""
        with suppress(OSError, KeyError):
            user = getpass.getuser()
        return System(
            os=f"macOS {platform.mac_ver()[0]}"[:400],
            arch=platform.machine()[:128],
            host=platform.node()[:400],
            user=user[:400],
            display=DisplayKind.MACOS.value,
            client=version,
            language=language,
        )

    def language(self) -> str | None:
        """The first of the user's languages."""
        for line in self._ask(["/usr/bin/defaults", "read", "-g", "AppleLanguages"]).splitlines():
            code = line.strip().strip('",')
            if len(code) >= 2 and code[:2].isalpha():
                return code[:2].lower()
        return None

    def prefers_dark(self) -> bool:
        """By the global setting, which is absent when light."""
        return self._ask(["/usr/bin/defaults", "read", "-g", "AppleInterfaceStyle"]).strip() == "Dark"

    def is_locked(self) -> bool:
        """By the console user's record in the I/O registry."""
        return '"CGSSessionScreenIsLocked"=Yes' in self._ask(["/usr/sbin/ioreg", "-n", "Root", "-d1"])

    def idle_seconds(self) -> float | None:
        """By CoreGraphics."""
        with suppress(AttributeError):
            since = self._graphics.CGEventSourceSecondsSinceLastEventType
            since.restype = ctypes.c_double
            return float(since(COMBINED_SESSION, ctypes.c_uint32(ANY_INPUT)))
        return None

    def remove_when_done(self) -> None:
        """A running program may be deleted here: the watcher is a shell that waits for this process to be gone."""
        if getattr(sys, "frozen", False):
            with suppress(OSError):
                watch_and_remove(Path(sys.executable), os.getpid())


WATCH = """
trap '' HUP INT TERM
while kill -0 "$1" 2>/dev/null; do sleep 1; done
[ -f "$2" ] && [ ! -L "$2" ] && [ "$(ls -id "$2" | awk '{ print $1 }')" = "$3" ] &&
    [ "$({ shasum -a 256 "$2" || sha256sum "$2"; } 2>/dev/null | cut -c 1-64)" = "$4" ] && rm -f "$2"
"""


def watch_and_remove(file: Path, process: int) -> subprocess.Popen[bytes]:
    """Remove `file` once `process` is gone, if it still is what it is now (inode, SHA-256). Raises OSError."""
    inode = file.lstat().st_ino
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return subprocess.Popen(  # noqa: S603 - a fixed script; what varies are its arguments
        ["/bin/sh", "-c", WATCH, "watch", str(process), str(file), str(inode), digest],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _core_graphics() -> Any:
    return ctypes.CDLL(ctypes.util.find_library("CoreGraphics") or "CoreGraphics")
