"""A virtual desktop: Xvfb with a window manager and what a customer would have open."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.support.processes import Program, running

T = TypeVar("T")


@dataclass(frozen=True)
class VirtualDesktop:
    """A running X display."""

    display: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of programs on this display."""
        return {"DISPLAY": self.display, "XDG_SESSION_TYPE": "x11", "WAYLAND_DISPLAY": ""}

    def run(self, *argv: str, input: str | None = None) -> str:
        """Run a small X program to its end; its output."""
        done = subprocess.run(
            argv, env={**os.environ, **self.env}, input=input, check=True, capture_output=True, text=True, timeout=20
        )
        return done.stdout

    def window(self, name: str, timeout: float = 15.0) -> str:
        """The id of the visible window whose title matches `name`."""
        return eventually(lambda: self.run("xdotool", "search", "--onlyvisible", "--name", name).split()[-1], timeout)

    def screenshot(self, file: Path) -> None:
        """The whole screen as PNG."""
        import mss

        with mss.MSS(display=self.display) as capture:
            shot = capture.grab(capture.monitors[0])
            from mss.tools import to_png

            to_png(shot.rgb, shot.size, output=str(file))


def eventually(look: Callable[[], T], timeout: float = 10.0) -> T:
    """What `look` returns as soon as it is true and raises nothing; for things outside this process."""
    end = time.monotonic() + timeout
    while True:
        try:
            result = look()
            if result:
                return result
            problem: BaseException | None = None
        except (AssertionError, LookupError, OSError, subprocess.CalledProcessError) as error:
            problem = error
        if time.monotonic() > end:
            raise AssertionError(f"not seen within {timeout} s") from problem
        time.sleep(0.02)


@contextlib.contextmanager
def virtual_desktop(size: str = "1280x800", *, window_manager: bool = True) -> Iterator[VirtualDesktop]:
    """An Xvfb of `size` pixels on a free display number."""
    read, write = os.pipe()
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(argv, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with open(read) as pipe:
            desktop = VirtualDesktop(f":{pipe.readline().strip()}")
        with contextlib.ExitStack() as stack:
            if window_manager:
                stack.enter_context(running(["openbox"], env=desktop.env))
                # A window that is mapped while openbox starts stays unmanaged and hidden.
                eventually(lambda: "window id" in desktop.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"))
            yield desktop
    finally:
        server.terminate()
        server.wait(5)


@contextlib.contextmanager
def terminal(desktop: VirtualDesktop, *command: str, geometry: str = "100x40+40+60") -> Iterator[Program]:
    """An xterm that runs `command` (a shell if none), focused."""
    argv = [shutil.which("xterm") or "xterm", "-title", "terminal", "-geometry", geometry]
    with running([*argv, *(["-e", *command] if command else [])], env=desktop.env) as program:
        window = desktop.window("terminal")
        desktop.run("xdotool", "windowfocus", "--sync", window)
        yield program
