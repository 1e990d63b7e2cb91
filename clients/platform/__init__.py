"""What differs between the systems that a client runs on, behind one protocol.

protocol.py    what a platform is
linux.py       run and tested here
windows.py     written against the documentation, contract-tested where that can run; not run
macos.py       the same
"""

from __future__ import annotations

import sys

from clients.platform.protocol import Display, DisplayKind, Platform

__all__ = ["Display", "DisplayKind", "Platform", "this_platform"]


def this_platform() -> Platform:
    """The platform of this machine."""
    if sys.platform == "win32":
        from clients.platform.windows import WindowsPlatform

        return WindowsPlatform()
    if sys.platform == "darwin":
        from clients.platform.macos import MacPlatform

        return MacPlatform()
    from clients.platform.linux import LinuxPlatform

    return LinuxPlatform()
