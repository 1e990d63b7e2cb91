"""What the customer refuses or stops is neither shown nor recorded, and whoever ends the session ends it for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.relay.recording_format import SUFFIX
from appliance.relay.recording_read import RecordingView, view
from tests.support.appliance import Appliance
from tests.support.client_window import banner, banner_button, settled
from tests.support.console import answer_question, technician
from tests.support.desktop import VirtualDesktop, eventually
from tests.support.session import VIEWPORT, picture, site_of, waiting, watching


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    with site_of(seeded_folder, tmp_path) as running:
        yield running


@pytest.fixture
def page(chromium: Browser, site: Appliance) -> Iterator[Page]:
    with technician(chromium, site, viewport=VIEWPORT) as page:
        yield page


def recording(site: Appliance) -> RecordingView:
    """The only session's recording, once it is whole."""

    def whole() -> RecordingView:
        [file] = (site.folder / "recordings").glob(f"*{SUFFIX}")
        found = view(file)
        assert found.closed
        return found

    return eventually(whole)


def test_a_refused_screen_is_neither_shown_nor_recorded(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with waiting(page, site, desktop, tmp_path) as session:
        answer_question(desktop, allow=False)
        expect(page.get_by_role("heading", name="Refused by the customer")).to_be_visible()
        expect(picture(page)).to_be_hidden()
        assert banner(desktop) == []
        page.get_by_role("textbox", name="Message to the customer").fill("As you like")
        page.keyboard.press("Enter")
        expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
        session.end()
        assert session.customer.wait(30) == 0
    kept = recording(site)
    assert kept.restarts == []
    kinds = [event.kind for event in kept.events]
    assert "consent.denied" in kinds
    assert "chat" in kinds
    assert "consent.granted" not in kinds


def test_refused_control_leaves_the_customer_the_only_one_at_the_keyboard(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with watching(page, site, desktop, tmp_path):
        desktop.run("xdotool", "mousemove", "7", "9")
        page.get_by_role("button", name="Request control").click()
        answer_question(desktop, allow=False)
        expect(page.get_by_role("button", name="Request control")).to_be_enabled()
        expect(page.locator(".people")).to_contain_text("You: watching")
        picture(page).hover(position={"x": 300, "y": 300})
        page.get_by_role("textbox", name="Message to the customer").fill("As you like")
        page.keyboard.press("Enter")
        expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
        assert "x:7 y:9" in desktop.run("xdotool", "getmouselocation")


def test_stopped_sharing_ends_the_picture_at_once_and_in_the_recording_and_is_asked_for_anew(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with watching(page, site, desktop, tmp_path) as session:
        eventually(lambda: settled(desktop))
        window = desktop.window("Remote support")
        desktop.run("xdotool", "windowfocus", "--sync", window)
        # From the chat's field backwards: its lines, then the button.
        desktop.run("xdotool", "key", "--delay", "30", "shift+Tab", "shift+Tab", "space")
        expect(picture(page)).to_be_hidden()
        eventually(lambda: banner(desktop) == [])
        page.get_by_role("button", name="Ask to see the screen").click()
        answer_question(desktop, allow=False)
        expect(page.get_by_role("heading", name="Refused by the customer")).to_be_visible()
        session.end()
    kept = recording(site)
    assert len(kept.restarts) == 1


def test_end_now_ends_both_sides(page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path) -> None:
    with watching(page, site, desktop, tmp_path) as session:
        eventually(lambda: settled(desktop))
        desktop.run("xdotool", "mousemove", *banner_button(desktop), "click", "1")
        expect(page.get_by_role("heading", name="The session is over")).to_be_visible()
        expect(page.locator(".placard")).to_contain_text("The customer has ended the session")
        expect(picture(page)).to_be_hidden()
        assert session.customer.wait(30) == 0
        assert banner(desktop) == []
        expect(page.locator("#waiting-list li")).to_have_count(0)
