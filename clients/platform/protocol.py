"""What a platform is."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from appliance.wire.messages import System


class DisplayKind(enum.StrEnum):
    """What shows the desktop; the values are those of System.display."""

    X11 = "x11"
    WAYLAND = "wayland"
    NONE = "none"
    WINDOWS = "windows"
    MACOS = "macos"


@dataclass(frozen=True, slots=True)
class Display:
    """`window`: whether this client can show a window. `screen`: whether the desktop can be shared.

    `problem`: a message id that says why not, "" if both can be.
    """

    kind: DisplayKind
    window: bool
    screen: bool
    problem: str = ""


class Platform(Protocol):
    """One system. Nothing here raises for what it cannot find out: it says None, or the harmless of two answers."""

    def display(self) -> Display:
        """What there is to show windows on and to share; looks once."""
        ...

    def system(self, version: str, language: str) -> System:
        """This machine as the technician sees it. `version`: the client's; `language`: of the customer."""
        ...

    def language(self) -> str | None:
        """The person's language as two letters."""
        ...

    def prefers_dark(self) -> bool:
        """Whether the desktop is set to dark."""
        ...

    def is_locked(self) -> bool:
        """Whether the screen is locked now."""
        ...

    def idle_seconds(self) -> float | None:
        """Seconds since the last key or mouse, None where that is not known."""
        ...

    def remove_when_done(self) -> None:
        """From now on this program's own downloaded file goes with the process, however it ends.

        Called once the start was used up. Does nothing when the program was not started as a downloaded file.
        """
        ...
