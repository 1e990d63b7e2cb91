"""The customer's desktop: seeing it, sending it, acting on it. Knows nothing of sessions or connections.

    protocol.py    what a desktop, an injector and a clipboard are on every platform
    x11*.py        X11: XDamage and MIT-SHM, XTest, the CLIPBOARD selection
    generic.py     Windows and macOS: mss polling, pynput
    changes.py     which pixels changed, and whether they only moved
    encoder.py     changes → the screen channel's messages (`appliance.wire.screen`)
    pacing.py      when to send the next one, by what the viewer has painted
    sharing.py     the loop that puts these together

The session engine uses it so::

    desktop = open_desktop()                                  # raises DesktopUnavailable
    share = ScreenShare(desktop, send)                        # async send(payload, flags), e.g. into a channel
    nursery.start_soon(share.run)
    share.received(message)                                   # what comes back on the screen channel
    share.restart()                                           # on the ScreenRestart control message
    injector = desktop.open_injector()
    injector.received(message)                                # what comes on the input channel
    bridge = desktop.open_clipboard()
    bridge.offer(text); text = await bridge.copied()
    ...; bridge.close(); injector.close(); desktop.close()

mss, python-xlib and pynput are imported when a desktop is opened, since without a display that can fail.
"""

from __future__ import annotations

import sys

from clients.desktop.protocol import Clipboard, Desktop, DesktopUnavailable, Injector
from clients.desktop.sharing import ScreenShare

SWITCH_SECONDS = 0.0005
"""How long one thread of the client may keep the others waiting."""

__all__ = ["Clipboard", "Desktop", "DesktopUnavailable", "Injector", "ScreenShare", "open_desktop"]


def open_desktop() -> Desktop:
    """The desktop of the user who runs this process (on X11: of `DISPLAY`).

    Raises DesktopUnavailable with a message id under `screen.`.
    """
    # Encoding is Python in a thread beside trio's and the window's: at the default of 5 ms they would wait for it.
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform.startswith("linux"):
        from clients.desktop.x11 import X11Desktop

        return X11Desktop.open()
    from clients.desktop.generic import GenericDesktop

    return GenericDesktop.open()
