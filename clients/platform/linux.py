"""Linux.

A built client is a shell script with an archive behind it (`clients/packaging/head.sh`). The script makes one private
folder for everything this run needs, names it in BEISTAND_RUN, and leaves a watcher behind that takes the folder away
when the last process of the run is gone, however it went.
"""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from appliance.wire.messages import System
from clients.platform.protocol import Display, DisplayKind

RUN_FOLDER = "BEISTAND_RUN"
USED_MARK = "used"
"""A file of this name in the run's folder tells the watcher that the downloaded file is to go, too."""
SESSIONS = Path("/run/systemd/sessions")


class LinuxPlatform:
    """A Platform."""

    def display(self) -> Display:
        """X11 by `DISPLAY`; XWayland can show a window, but its picture is not the customer's screen."""
        return self._display

    @cached_property
    def _display(self) -> Display:
        wayland = os.environ.get("XDG_SESSION_TYPE") == "wayland" or bool(os.environ.get("WAYLAND_DISPLAY"))
        if not os.environ.get("DISPLAY"):
            if wayland:
                return Display(DisplayKind.WAYLAND, False, False, "client.display.wayland_only")
            return Display(DisplayKind.NONE, False, False, "client.display.none")
        xwayland = _is_xwayland()
        if xwayland is None:
            return Display(DisplayKind.NONE, False, False, "client.display.unreachable")
        if xwayland:
            return Display(DisplayKind.WAYLAND, True, False, "screen.black")
        return Display(DisplayKind.X11, True, True)

    def system(self, version: str, language: str) -> System:
        """By uname, os-release and the user's name."""
        name = f"Linux {platform.release()}"
        with suppress(OSError):
            name = platform.freedesktop_os_release().get("PRETTY_NAME", name)
        user = str(os.getuid())
        with suppress(KeyError):
            user = pwd.getpwuid(os.getuid()).pw_name
        return System(
            os=name[:400],
            arch=platform.machine()[:128],
            host=platform.node()[:400],
            user=user[:400],
            display=self.display().kind.value,
            client=version,
            language=language,
        )

    def language(self) -> str | None:
        """By LANGUAGE, LC_ALL, LC_MESSAGES, LANG, in gettext's order."""
        locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
        if locale.split(".")[0] in ("", "C", "POSIX"):
            return None
        for value in (*os.environ.get("LANGUAGE", "").split(":"), locale):
            if match := re.match(r"([a-z]{2})([_.@-]|$)", value):
                return match[1]
        return None

    def prefers_dark(self) -> bool:
        """By GTK_THEME and the settings files of GTK and KDE; a desktop that says it by D-Bus only counts as light."""
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        said = [os.environ.get("GTK_THEME", "")]
        for name, pattern in (
            ("gtk-4.0/settings.ini", r"(?mi)^gtk-application-prefer-dark-theme\s*=\s*(.*)$"),
            ("gtk-3.0/settings.ini", r"(?mi)^gtk-(?:application-prefer-dark-theme|theme-name)\s*=\s*(.*)$"),
            ("kdeglobals", r"(?mi)^ColorScheme\s*=\s*(.*)$"),
        ):
            with suppress(OSError, UnicodeDecodeError):
                said += re.findall(pattern, (config / name).read_text())
        return any("dark" in value.lower() or value.strip().lower() in ("1", "true") for value in said)

    def is_locked(self) -> bool:
        """By logind's record of the session."""
        return self._session_says("LOCKED_HINT", "yes", "1")

    def idle_seconds(self) -> float | None:
        """By the X server's screen saver extension."""
        if self.display().kind is not DisplayKind.X11:
            return None
        with suppress(Exception):  # whatever python-xlib meets: not knowing is an answer
            from Xlib.display import Display as XDisplay
            from Xlib.ext import screensaver

            connection = XDisplay()
            try:
                if connection.has_extension("MIT-SCREEN-SAVER"):
                    root = connection.screen().root
                    return float(screensaver.query_info(root).idle) / 1000
            finally:
                connection.close()
        return None

    def remove_when_done(self) -> None:
        """By a mark for the watcher."""
        folder = os.environ.get(RUN_FOLDER)
        if folder:
            with suppress(OSError):
                (Path(folder) / USED_MARK).touch(mode=0o600)

    def _session_says(self, key: str, *values: str) -> bool:
        session = os.environ.get("XDG_SESSION_ID", "")
        if not re.fullmatch(r"[0-9A-Za-z]+", session):
            return False
        with suppress(OSError, UnicodeDecodeError):
            for line in (SESSIONS / session).read_text().splitlines():
                name, _, value = line.partition("=")
                if name == key:
                    return value in values
        return False


def _is_xwayland() -> bool | None:
    """Whether the display is XWayland's, None when there is none. Straight from libX11: python-xlib costs 60 ms."""
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return None
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return None
    try:
        x11.XListExtensions.restype = ctypes.POINTER(ctypes.c_char_p)
        x11.XListExtensions.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
        count = ctypes.c_int()
        names = x11.XListExtensions(display, ctypes.byref(count))
        found = {names[index] for index in range(count.value)}
        x11.XFreeExtensionList.argtypes = [ctypes.POINTER(ctypes.c_char_p)]
        x11.XFreeExtensionList(names)
        return b"XWAYLAND" in found
    finally:
        x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
        x11.XCloseDisplay(display)
