"""A desktop with two monitors: Xorg with its dummy driver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.desktop import VirtualDesktop, eventually
from tests.support.processes import running

_XORG = """
Section "Device"
    Identifier "dummy"
    Driver "dummy"
    VideoRam 65536
EndSection
Section "Monitor"
    Identifier "monitor"
    HorizSync 5.0-1000.0
    VertRefresh 5.0-200.0
EndSection
Section "Screen"
    Identifier "screen"
    Device "dummy"
    Monitor "monitor"
    DefaultDepth 24
    SubSection "Display"
        Depth 24
        Virtual 3840 1200
    EndSubSection
EndSection
Section "ServerFlags"
    Option "AutoAddDevices" "false"
EndSection
"""


@contextmanager
def two_monitors(folder: Path) -> Iterator[VirtualDesktop]:
    """One of them is on, DUMMY0 with 1280x1024; `second_monitor` puts DUMMY1 beside it. Skips where Xorg can't run."""
    xorg = "/usr/lib/xorg/Xorg"
    if not os.path.exists(xorg) or not os.path.exists("/usr/lib/xorg/modules/drivers/dummy_drv.so"):
        pytest.skip("Xorg or its dummy driver is not installed")
    if os.geteuid() != 0:
        pytest.skip("Xorg with its dummy driver wants to be root")
    (folder / "xorg.conf").write_text(_XORG)
    number = next(n for n in range(170, 400) if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
    argv = [xorg, f":{number}", "-config", str(folder / "xorg.conf"), "-logfile", str(folder / "log"), "-noreset"]
    with running([*argv, "-nolisten", "tcp", "-novtswitch", "-sharevts"], env={}):
        desktop = VirtualDesktop(f":{number}")
        try:
            eventually(lambda: "dimensions" in desktop.run("xdpyinfo"))
        except AssertionError:
            pytest.skip(f"Xorg does not start here: {(folder / 'log').read_text()[-300:]}")
        clock = ["109.00", "1280", "1368", "1496", "1712", "1024", "1027", "1034", "1063", "-hsync", "+vsync"]
        desktop.run("xrandr", "--newmode", "1280x1024b", *clock)
        for output in ("DUMMY0", "DUMMY1"):
            desktop.run("xrandr", "--addmode", output, "1280x1024b")
        desktop.run("xrandr", "--fb", "1280x1024", "--output", "DUMMY0", "--mode", "1280x1024b", "--pos", "0x0")
        yield desktop


def second_monitor(desktop: VirtualDesktop, *, on: bool = True) -> None:
    """Plug DUMMY1 in, to the right of DUMMY0, or pull it out."""
    if on:
        second = ["--output", "DUMMY1", "--mode", "1280x1024b", "--pos", "1280x0"]
        desktop.run("xrandr", "--fb", "2560x1024", *second)
    else:
        desktop.run("xrandr", "--output", "DUMMY1", "--off", "--fb", "1280x1024")
