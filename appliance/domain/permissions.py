"""What a user may do; given to users one by one in `/login`."""

from __future__ import annotations

import enum


class Permission(enum.StrEnum):
    """One thing a user may do. SITE_ADMIN does not imply the others: an admin who helps customers gives themselves
    those."""

    SITE_ADMIN = "site_admin"
    CONSOLE = "console"
    SESSION_KEYS = "session_keys"
    SCREEN = "screen"
    CONTROL = "control"
    CLIPBOARD = "clipboard"
    OBSERVE = "observe"
    RECORDINGS_OWN = "recordings_own"
    RECORDINGS_ALL = "recordings_all"


TECHNICIAN = frozenset(
    {
        Permission.CONSOLE,
        Permission.SESSION_KEYS,
        Permission.SCREEN,
        Permission.CONTROL,
        Permission.CLIPBOARD,
        Permission.RECORDINGS_OWN,
    }
)
"""What a new technician has."""
