"""The customer client's windows, as they stand on a virtual desktop."""

from __future__ import annotations

import re
import time

from tests.support.desktop import VirtualDesktop


def banner(desktop: VirtualDesktop) -> list[int]:
    """x, y, width, height of the banner: a visible window of ours at the top edge, no taller than a strip; or empty."""
    tree = desktop.run("xwininfo", "-root", "-tree")
    for line in tree.splitlines():
        match = re.match(r'^     (0x[0-9a-f]+) .*"Beistand"\)\s+(\d+)x(\d+)\+\d+\+\d+\s+\+(\d+)\+(\d+)', line)
        strip = match and match[5] == "0" and int(match[3]) < 80
        if match and strip and "IsViewable" in desktop.run("xwininfo", "-id", match[1]):
            return [int(match[4]), int(match[5]), int(match[2]), int(match[3])]
    return []


def settled(desktop: VirtualDesktop) -> bool:
    """Whether the banner is there and rests: its width follows its words."""
    before = banner(desktop)
    time.sleep(0.2)
    return bool(before) and banner(desktop) == before


def banner_button(desktop: VirtualDesktop) -> tuple[str, str]:
    """Where the banner's *End now* is, for xdotool."""
    x, y, width, height = banner(desktop)
    return str(x + width - 30), str(y + height // 2)
