"""Windows. Written against Microsoft's documentation and not run; what needs no Windows is tested with a stand-in."""

from __future__ import annotations

import base64
import ctypes
import getpass
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.wire.messages import System
from clients.platform.protocol import Display, DisplayKind

DESKTOP_SWITCHDESKTOP = 0x0100
CREATE_NO_WINDOW = 0x08000000
DETACHED_PROCESS = 0x00000008
THEME_KEY = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"


class _LastInput(ctypes.Structure):
    """LASTINPUTINFO: the tick count of the last key or mouse."""

    _fields_ = (("size", ctypes.c_uint32), ("tick", ctypes.c_uint32))


class WindowsPlatform:
    """A Platform. `api`: where user32 and kernel32 come from; `registry`: the winreg module."""

    def __init__(self, api: Any = None, registry: Any = None) -> None:
        self._api = api if api is not None else ctypes.windll  # type: ignore[attr-defined,unused-ignore]
        self._registry = registry
        if registry is None:
            import winreg

            self._registry = winreg

    def display(self) -> Display:
        """A session that is logged in has one; a service's session 0 would not."""
        return Display(DisplayKind.WINDOWS, True, True)

    def system(self, version: str, language: str) -> System:
        """By the platform module and the user's name."""
        return System(
            os=f"Windows {platform.release()} {platform.version()}"[:400],
            arch=platform.machine()[:128],
            host=platform.node()[:400],
            user=_user()[:400],
            display=DisplayKind.WINDOWS.value,
            client=version,
            language=language,
        )

    def language(self) -> str | None:
        """By the user's default language: the low ten bits of its id are the primary language."""
        with suppress(OSError, AttributeError):
            return {0x07: "de", 0x09: "en"}.get(self._api.kernel32.GetUserDefaultUILanguage() & 0x3FF)
        return None

    def prefers_dark(self) -> bool:
        """By the personalisation key."""
        with suppress(OSError), self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, THEME_KEY) as key:
            return bool(self._registry.QueryValueEx(key, "AppsUseLightTheme")[0] == 0)
        return False

    def is_locked(self) -> bool:
        """The input desktop cannot be switched to while the screen is locked or UAC asks."""
        with suppress(OSError, AttributeError):
            user32 = self._api.user32
            desktop = user32.OpenInputDesktop(0, False, DESKTOP_SWITCHDESKTOP)
            if not desktop:
                return True
            try:
                return not user32.SwitchDesktop(desktop)
            finally:
                user32.CloseDesktop(desktop)
        return False

    def idle_seconds(self) -> float | None:
        """By GetLastInputInfo; both counts are of 32 bits and wrap after 49 days."""
        with suppress(OSError, AttributeError):
            last = _LastInput(ctypes.sizeof(_LastInput), 0)
            if self._api.user32.GetLastInputInfo(ctypes.byref(last)):
                return float((self._api.kernel32.GetTickCount() - last.tick) & 0xFFFFFFFF) / 1000
        return None

    def remove_when_done(self) -> None:
        """A running program cannot be deleted here: a hidden PowerShell waits for this process and then removes it."""
        if not getattr(sys, "frozen", False):
            return
        with suppress(OSError):
            self._start(removal_command(Path(sys.executable), os.getpid()))

    def _start(self, argv: list[str]) -> None:
        subprocess.Popen(  # noqa: S603 - a fixed program; the path is inside the encoded script
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=CREATE_NO_WINDOW | DETACHED_PROCESS,
            close_fds=True,
        )


def removal_command(file: Path, process: int) -> list[str]:
    """PowerShell that waits for `process` and removes `file` if it is still the one that is there now.

    The same: its length, time of creation and SHA-256. Encoded, so that no character of the path means anything to it;
    the path inside once more, because PowerShell takes typographic quotes for quotes, too.
    """
    path = base64.b64encode(str(file).encode("utf-16-le", "surrogatepass")).decode()
    script = (
        f"$file=[Text.Encoding]::Unicode.GetString([Convert]::FromBase64String('{path}'));"
        "$one=Get-Item -LiteralPath $file;$hash=(Get-FileHash -LiteralPath $file).Hash;"
        f"Wait-Process -Id {process} -ErrorAction SilentlyContinue;"
        "$two=Get-Item -LiteralPath $file;"
        "if($one.CreationTimeUtc -eq $two.CreationTimeUtc -and $one.Length -eq $two.Length"
        " -and (Get-FileHash -LiteralPath $file).Hash -eq $hash){"
        "for($i=0;$i -lt 20;$i++){Remove-Item -LiteralPath $file -ErrorAction SilentlyContinue;"
        "if(-not(Test-Path -LiteralPath $file)){break};Start-Sleep -Milliseconds 250}}"
    )
    encoded = base64.b64encode(script.encode("utf-16-le")).decode()
    return ["powershell.exe", "-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden", "-EncodedCommand", encoded]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
