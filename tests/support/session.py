"""A session under way: a technician at the console sees a customer's desktop, or has control of it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mss
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually
from tests.support.network import CustomerNetwork
from tests.support.portal import stand_in_client
from tests.support.processes import Program

VIEWPORT = {"width": 1600, "height": 1000}


@contextlib.contextmanager
def site_of(
    seeded: Path,
    folder: Path,
    *,
    listen: str = "127.0.0.1",
    data: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Appliance]:
    """A copy of the seeded site in `folder` (or its data in `data`), running, whose portal hands out starts."""
    clients = {"BEISTAND_CLIENTS": str(stand_in_client(folder / "clients"))}
    data = data or folder / "data"
    shutil.copytree(seeded, data, dirs_exist_ok=True)
    with appliance(data, listen=listen, env={**clients, **(env or {})}) as running:
        yield running


@dataclass(frozen=True)
class Session:
    """Both ends of a session."""

    page: Page
    desktop: VirtualDesktop
    customer: Program

    def take_control(self) -> None:
        """Ask for control; the customer allows it; the keyboard is the desktop's."""
        self.page.get_by_role("button", name="Request control").click()
        answer_question(self.desktop)
        self.has_control()

    def has_control(self) -> None:
        """Wait until what is typed goes to the desktop."""
        expect(self.page.get_by_role("button", name="Give back control")).to_be_enabled(timeout=15_000)
        expect(keys(self.page)).to_be_focused(timeout=15_000)

    def shows_the_desktop(self) -> None:
        """The canvas shows, pixel for pixel, what is on the customer's screen."""
        eventually(lambda: painted(picture(self.page), self.desktop) == on_screen(self.desktop), 15)

    def end(self, reason: str = "Solved") -> None:
        """End it from the console."""
        end_menu(self.page).click()
        self.page.locator(".session:not([hidden])").get_by_role("button", name=reason, exact=True).click()
        expect(self.page.get_by_role("heading", name="The session is over")).to_be_visible()


def end_menu(page: Page) -> Locator:
    """The menu that ends the session."""
    return page.locator(".session:not([hidden]) summary", has_text="End")


def keys(page: Page) -> Locator:
    """What has the keyboard while it is the remote desktop's."""
    return page.locator(".session:not([hidden]) .keys")


def picture(page: Page) -> Locator:
    """The canvas with the customer's screen."""
    return page.locator(".session:not([hidden]) canvas.picture")


def accept(page: Page) -> None:
    """Accept who waits."""
    page.get_by_role("button", name=re.compile("Accept .+")).click()
    expect(page.locator(".session:not([hidden]) .session-name")).to_be_visible()


@contextlib.contextmanager
def waiting(
    page: Page, site: Appliance, desktop: VirtualDesktop, folder: Path, network: CustomerNetwork | None = None
) -> Iterator[Session]:
    """A customer has been accepted and is being asked for the screen."""
    folder.mkdir(exist_ok=True)
    with client(site, desktop, make_key(page), folder, network) as customer:
        accept(page)
        yield Session(page, desktop, customer)


@contextlib.contextmanager
def watching(
    page: Page, site: Appliance, desktop: VirtualDesktop, folder: Path, network: CustomerNetwork | None = None
) -> Iterator[Session]:
    """The technician sees the screen."""
    with waiting(page, site, desktop, folder, network) as session:
        answer_question(desktop)
        expect(page.locator(".session:not([hidden]) .desktop")).to_be_visible(timeout=15_000)
        yield session


@contextlib.contextmanager
def controlling(
    chromium: Browser, site: Appliance, desktop: VirtualDesktop, folder: Path, network: CustomerNetwork | None = None
) -> Iterator[Session]:
    """A technician of their own browser has control."""
    with (
        technician(chromium, site, viewport=VIEWPORT) as page,
        watching(page, site, desktop, folder, network) as session,
    ):
        session.take_control()
        yield session


_HASH = """async (canvas, [width, height]) => {
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const digest = await crypto.subtle.digest("SHA-256", copy.getImageData(0, 0, width, height).data);
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}"""


def painted(canvas: Locator, desktop: VirtualDesktop) -> str:
    """A hash of what the canvas shows."""
    with mss.MSS(display=desktop.display) as capture:
        whole = capture.monitors[0]
    return str(canvas.evaluate(_HASH, [whole["width"], whole["height"]]))


def on_screen(desktop: VirtualDesktop) -> str:
    """The same hash of what is on the screen."""
    with mss.MSS(display=desktop.display) as capture:
        pixels = bytearray(capture.grab(capture.monitors[0]).raw)
    pixels[0::4], pixels[2::4] = pixels[2::4], pixels[0::4]
    pixels[3::4] = b"\xff" * (len(pixels) // 4)
    return hashlib.sha256(pixels).hexdigest()
