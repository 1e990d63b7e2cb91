"""Takes the story's pictures.

A *picture* is what the documents show. The contact sheet shows each state in every *look*: light and dark, wide and
as narrow as a phone; the story is walked once in each language for it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from tests.support.desktop import VirtualDesktop

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
VIEW: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}

Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Look:
    """One way in which a page can be looked at."""

    scheme: Scheme
    width: int

    @property
    def name(self) -> str:
        """For files and people."""
        return f"{self.scheme}-{self.width}"


LOOKS = tuple(Look(scheme, size["width"]) for size in (VIEW, PHONE) for scheme in ("light", "dark"))


@dataclass
class Album:
    """Pictures in `folder`. With `looks` each state is also taken in every look into it, and shown to axe."""

    folder: Path
    looks: Path | None = None
    faults: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def page(self, page: Page, name: str, *, whole: bool = False) -> None:
        """Take a browser's page as it stands; `whole`: also what is below the window's end."""
        self._save(page.screenshot(full_page=whole), name)
        self.look(page, name)

    def look(self, page: Page, name: str) -> None:
        """A state that no document shows, but that is looked at."""
        if self.looks is None:
            return
        view = page.viewport_size or VIEW
        for look in LOOKS:
            page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
            page.set_viewport_size(VIEW if look.width == VIEW["width"] else PHONE)
            page.screenshot(path=self.looks / f"{name}.{look.name}.png", full_page=True)
            self.faults += [f"{name} ({look.name}): {fault}" for fault in _faults(page)]
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(view)

    def desktop(self, desktop: VirtualDesktop, name: str) -> None:
        """Take the customer's whole desktop."""
        file = self.folder / f"{name}.png"
        desktop.screenshot(file)
        self._save(file.read_bytes(), name)

    def _save(self, png: bytes, name: str) -> None:
        Image.open(io.BytesIO(png)).convert("RGB").save(self.folder / f"{name}.png", optimize=True)
        self.names.append(name)


def _faults(page: Page) -> list[str]:
    """What axe says about the page, and whether it is wider than the window."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    faults = [f"{item['id']}: {node['html'][:160]}" for item in found for node in item["nodes"]]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        faults.append("wider than the window")
    return faults
