"""A customer with two monitors: the technician sees both, or picks one, and what is clicked lands there."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.console import technician
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.monitors import second_monitor, two_monitors
from tests.support.processes import running
from tests.support.session import VIEWPORT, keys, site_of, watching


def pick(page: Page, name: str | re.Pattern[str]) -> None:
    """Choose in the monitor picker."""
    page.locator("summary[aria-label=Monitors]").click()
    page.locator(".menu-list").get_by_role("button", name=name).click()
    expect(page.locator(".menu-list").get_by_role("button", name=name)).to_be_hidden()
    expect(keys(page)).to_be_focused()


def clicks_land_at(page: Page, desktop: VirtualDesktop, x: int, y: int) -> None:
    """The middle of what is shown is this place of the customer's desktop."""
    shown = page.locator(".desktop").bounding_box()
    assert shown
    page.mouse.move(shown["x"] + shown["width"] / 2, shown["y"] + shown["height"] / 2)

    def there() -> bool:
        said = re.match(r"x:(\d+) y:(\d+)", desktop.run("xdotool", "getmouselocation"))
        return said is not None and abs(int(said[1]) - x) <= 2 and abs(int(said[2]) - y) <= 2

    eventually(there)


def test_each_of_two_monitors_can_be_picked_and_one_that_is_pulled_out_is_gone_from_the_picture(
    chromium: Browser, seeded_folder: Path, tmp_path: Path
) -> None:
    with (
        two_monitors(tmp_path) as desktop,
        running(["openbox"], env=desktop.env),
        site_of(seeded_folder, tmp_path) as site,
        technician(chromium, site, viewport=VIEWPORT) as page,
        watching(page, site, desktop, tmp_path / "customer") as session,
    ):
        session.take_control()
        picker = page.locator("summary[aria-label=Monitors]")
        expect(picker).to_be_hidden()
        clicks_land_at(page, desktop, 640, 512)

        second_monitor(desktop)
        expect(picker).to_be_visible()
        clicks_land_at(page, desktop, 1280, 512)
        pick(page, re.compile(r"DUMMY1 \(1280 × 1024\)"))
        clicks_land_at(page, desktop, 1280 + 640, 512)
        pick(page, re.compile("DUMMY0"))
        clicks_land_at(page, desktop, 640, 512)
        pick(page, "All monitors")
        clicks_land_at(page, desktop, 1280, 512)
        with terminal(desktop, "sh", geometry="60x20+1500+200"):
            session.shows_the_desktop()

        pick(page, re.compile("DUMMY1"))
        second_monitor(desktop, on=False)
        expect(picker).to_be_hidden()
        clicks_land_at(page, desktop, 640, 512)
        session.shows_the_desktop()
