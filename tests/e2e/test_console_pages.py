"""The console's pages: nothing for axe to say, reachable by keyboard, in both languages, light and dark, on a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import virtual_desktop
from tests.support.portal import stand_in_client

AXE = (Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js").read_text()
SIZES = {1280: 800, 360: 740}


@pytest.fixture(scope="module")
def session_at(chromium: Browser, seeded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A site where Anna is in a session that is shown and written in, and has a past one with a recording."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(seeded_folder, folder / "data")
    env = {"BEISTAND_CLIENTS": str(stand_in_client(folder / "clients"))}
    with appliance(folder / "data", env=env) as site, virtual_desktop() as desktop, technician(chromium, site) as page:
        for last in (False, True):
            with client(site, desktop, make_key(page), folder):
                page.get_by_role("button", name=re.compile("Accept .+")).click()
                answer_question(desktop)
                expect(page.locator(".desktop")).to_be_visible()
                page.locator(".chat textarea").fill("Hello, <b>there</b>")
                page.keyboard.press("Enter")
                expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
                if last:
                    make_key(page)
                    yield site
                else:
                    page.locator("summary", has_text="End").click()
                    page.get_by_role("button", name="Solved", exact=True).click()
                    page.get_by_role("button", name="Close", exact=True).click()
                    expect(page.locator(".session")).to_have_count(0)


def faults(page: Page) -> list[str]:
    """What axe has to say about the page as it stands."""
    page.evaluate(AXE)
    violations = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{item['id']}: {node['html'][:160]} {node['any'][:1]}" for item in violations for node in item["nodes"]]


def views(page: Page) -> Iterator[str]:
    """Bring up each view in turn."""
    yield "home"
    page.locator("#key-list a").first.click()
    expect(page.locator(".big-key")).to_be_visible()
    yield "key"
    page.evaluate("location.hash = 'past'")
    expect(page.locator("#past-list table")).to_be_visible()
    yield "past"
    page.evaluate("location.hash = document.querySelector('#session-list a').getAttribute('href').slice(1)")
    expect(page.locator(".bubble")).to_have_count(1)
    yield "session"
    for index in (1, 2):
        page.locator(".rail [role=tab]").nth(index).click()
        yield f"rail {index}"
    if page.viewport_size and page.viewport_size["width"] < 500:
        page.locator(".tools button.narrow-only").click()
        yield "screen"
    expect(page.locator(".desktop")).to_be_visible()
    page.locator(".delay-menu summary").click()
    yield "delay"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    yield "shortcuts"
    page.keyboard.press("Escape")
    page.evaluate("location.hash = 'past'")
    page.locator("#past-list a").first.click()
    expect(page.locator("#screen")).to_be_visible()
    yield "playback"


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_axe_has_nothing_to_say_and_nothing_is_wider_than_the_window(
    chromium: Browser, session_at: Appliance, width: int, scheme: str, language: str
) -> None:
    viewport = {"width": width, "height": SIZES[width]}
    with technician(chromium, session_at, viewport=viewport, color_scheme=scheme) as page:
        page.context.add_cookies([{"name": "language", "value": language, "url": session_at.address}])
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("#session-list a")).to_have_count(1)
        found = []
        for view in views(page):
            found += [f"{view}: {fault}" for fault in faults(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{view}: wider than the window")
        assert not found, "\n".join(found)


def test_shortcuts_do_what_the_sheet_says_and_leave_fields_alone(chromium: Browser, session_at: Appliance) -> None:
    with technician(chromium, session_at) as page:
        expect(page.locator("#session-list a")).to_have_count(1)
        page.keyboard.press("1")
        expect(page.locator(".session-name")).to_be_visible()
        page.keyboard.press("c")
        field = page.get_by_role("textbox", name="Message to the customer")
        expect(field).to_be_focused()
        page.keyboard.type("hp?1")
        assert field.input_value() == "hp?1"
        field.evaluate("field => field.blur()")
        page.keyboard.press("p")
        expect(page.get_by_role("heading", name="Past sessions")).to_be_visible()
        page.keyboard.press("?")
        page.get_by_role("checkbox", name="Use single keys as shortcuts").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        expect(page.get_by_role("heading", name="Past sessions")).to_be_visible()


def test_signed_out_elsewhere_the_console_goes_to_sign_in(chromium: Browser, session_at: Appliance) -> None:
    with technician(chromium, session_at) as page:
        other = page.context.new_page()
        other.goto(f"{session_at.address}/login/account")
        other.get_by_role("button", name="Sign out").first.click()
        page.wait_for_url("**/login?next=*")


def test_presence_is_kept_and_shown_again(chromium: Browser, session_at: Appliance) -> None:
    with technician(chromium, session_at) as page:
        page.get_by_label("Away").check()
        expect(page.locator("#presence")).to_have_attribute("data-presence", "away")
        page.get_by_label("Available").check()
        expect(page.locator("#presence")).to_have_attribute("data-presence", "available")
