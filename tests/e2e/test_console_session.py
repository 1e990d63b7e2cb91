"""The console in a real Chromium, with the real client on a virtual desktop: from the key to the recording."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import BEN, Appliance, appliance
from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually, terminal, virtual_desktop
from tests.support.portal import stand_in_client

NAME = re.compile("Accept .+")


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    shutil.copytree(seeded_folder, tmp_path / "data")
    with appliance(tmp_path / "data", env={"BEISTAND_CLIENTS": str(stand_in_client(tmp_path / "clients"))}) as running:
        yield running


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualDesktop]:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")  # the terminal is to understand more than ASCII
    with virtual_desktop() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, site: Appliance) -> Iterator[Page]:
    with technician(chromium, site, viewport={"width": 1280, "height": 800}) as page:
        yield page


def accept(page: Page) -> None:
    page.get_by_role("button", name=NAME).click()
    expect(page.locator(".session-name")).to_be_visible()


def see(page: Page, desktop: VirtualDesktop) -> None:
    """Accept who waits; the customer allows the screen."""
    accept(page)
    answer_question(desktop)
    expect(page.locator(".desktop")).to_be_visible()


def take_control(page: Page, desktop: VirtualDesktop) -> None:
    page.get_by_role("button", name="Request control").click()
    answer_question(desktop)
    expect(page.get_by_role("button", name="Give back control")).to_be_visible()
    expect(page.locator(".keys")).to_be_focused()


def click_into_terminal(page: Page, desktop: VirtualDesktop) -> None:
    """Click into the terminal through the console, and wait until the window manager has given it the focus."""
    page.locator(".desktop").click(position={"x": 200, "y": 200})
    eventually(lambda: "terminal" in desktop.run("xdotool", "getactivewindow", "getwindowname"))


def said(folder: Path) -> str:
    file = folder / "said"
    return file.read_text() if file.exists() else ""


def test_a_key_leads_a_customer_here_and_what_is_typed_arrives(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    key = make_key(page)
    expect(page.locator(".key-validity")).to_contain_text("Valid for another")
    with terminal(desktop, "sh", "-c", f"cat > {tmp_path}/said"), client(site, desktop, key, tmp_path):
        see(page, desktop)
        words = page.locator(".words-strip .word").all_text_contents()
        assert len(words) == 4
        expect(page.locator(".people")).to_contain_text("You: watching")
        take_control(page, desktop)
        expect(page.locator(".people")).to_contain_text("You: controlling")
        click_into_terminal(page, desktop)
        page.keyboard.type("Grüße, ä € @ \\ | und #1\n")
        eventually(lambda: said(tmp_path) == "Grüße, ä € @ \\ | und #1\n")

        # Reloading the tab loses nothing: chat, picture and control are there again.
        page.get_by_role("textbox", name="Message to the customer").fill("See https://example.org/a?b=1.")
        page.keyboard.press("Enter")
        page.reload()
        expect(page.locator(".desktop")).to_be_visible()
        expect(page.locator(".bubble")).to_have_count(1)
        link = page.locator(".bubble a")
        expect(link).to_have_attribute("href", "https://example.org/a?b=1")
        expect(link).to_have_attribute("rel", re.compile("noopener"))
        expect(page.get_by_role("button", name="Give back control")).to_be_visible()
        click_into_terminal(page, desktop)
        page.keyboard.type("again\n")
        eventually(lambda: said(tmp_path).endswith("#1\nagain\n"))

        page.locator("summary", has_text="End").click()
        page.get_by_role("button", name="Solved", exact=True).click()
        expect(page.get_by_role("heading", name="The session is over")).to_be_visible()
        page.get_by_role("button", name="Close", exact=True).click()

    page.get_by_role("link", name="Past sessions").click()
    page.get_by_role("link", name="Play").first.click()
    expect(page.locator("#screen")).to_be_visible()
    expect(page.locator("#events")).to_contain_text("took control")
    expect(page.locator("#chat")).to_contain_text("See https://example.org")
    page.get_by_role("slider").press("End")
    expect(page.locator("#time")).to_have_text(page.locator("#length").inner_text())
    with page.expect_download() as download:
        page.get_by_role("link", name="Export the recording").click()
    assert download.value.path().read_bytes().startswith(b"BSTREC1\n")


def test_a_refusal_is_obeyed_and_said(page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path) -> None:
    with client(site, desktop, make_key(page), tmp_path):
        accept(page)
        answer_question(desktop, allow=False)
        expect(page.get_by_role("heading", name="Refused by the customer")).to_be_visible()
        expect(page.locator(".desktop")).to_be_hidden()
        page.get_by_role("button", name="Ask to see the screen").click()
        answer_question(desktop)
        expect(page.locator(".desktop")).to_be_visible()


def test_the_clipboard_goes_both_ways(page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path) -> None:
    with (
        terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {tmp_path}/said"),
        client(site, desktop, make_key(page), tmp_path),
    ):
        see(page, desktop)
        take_control(page, desktop)
        page.evaluate("navigator.clipboard.writeText('Grüße 🙂')")
        page.locator("summary[aria-label=Clipboard]").click()
        page.get_by_role("button", name="Send my clipboard").click()
        eventually(lambda: desktop.run("xclip", "-selection", "clipboard", "-o") == "Grüße 🙂")
        click_into_terminal(page, desktop)
        page.locator("summary[aria-label='Special keys']").click()
        page.evaluate("navigator.clipboard.writeText('typed, ä€')")
        page.get_by_role("button", name="Type the clipboard").click()
        eventually(lambda: said(tmp_path) == "typed, ä€")


def test_a_customer_who_waits_rings_also_with_the_tab_in_the_background(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    key = make_key(page)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => true });
            window.shown = [];
            window.Notification = class {
                static permission = "granted";
                constructor(title) { window.shown.push(title); }
            };
            navigator.serviceWorker.getRegistration = async () => undefined;
        }"""
    )
    with client(site, desktop, key, tmp_path):
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        eventually(lambda: "is waiting" in page.evaluate("window.shown.join()"))


def test_a_lost_link_marks_the_picture_as_old_and_sends_nothing_later(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with (
        terminal(desktop, "sh", "-c", f"cat > {tmp_path}/said"),
        client(site, desktop, make_key(page), tmp_path),
    ):
        see(page, desktop)
        take_control(page, desktop)
        click_into_terminal(page, desktop)
        page.keyboard.type("before")
        page.context.set_offline(True)
        site.program.process.send_signal(19)  # the appliance stands still: nothing closes the connection
        try:
            expect(page.locator(".old-sign")).to_be_visible(timeout=2500)
            page.keyboard.type("lost")
        finally:
            page.context.set_offline(False)
            site.program.process.send_signal(18)
        expect(page.locator(".old-sign")).to_be_hidden(timeout=15_000)
        click_into_terminal(page, desktop)
        page.keyboard.type(" after\n")
        eventually(lambda: said(tmp_path).endswith("after\n"))
        assert said(tmp_path) == "before after\n"


def test_a_colleague_looks_on_and_both_are_named(
    page: Page, chromium: Browser, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with client(site, desktop, make_key(page), tmp_path), technician(chromium, site, BEN) as other:
        see(page, desktop)
        other.get_by_role("button", name="Refresh").click()
        other.get_by_role("button", name="Watch").click()
        expect(other.locator(".session-name")).to_be_visible()
        expect(other.locator(".desktop")).to_be_visible()
        expect(page.locator(".people")).to_contain_text("You, Ben Okafor: watching")
        expect(other.locator(".people")).to_contain_text("Anna Berger, You: watching")


def test_the_appliance_is_killed_and_restarted_and_the_session_goes_on(
    page: Page, site: Appliance, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    with (
        terminal(desktop, "sh", "-c", f"cat > {tmp_path}/said"),
        client(site, desktop, make_key(page), tmp_path),
    ):
        see(page, desktop)
        take_control(page, desktop)
        click_into_terminal(page, desktop)
        page.keyboard.type("before\n")
        eventually(lambda: said(tmp_path) == "before\n")
        site.restart(kill=True)
        field = page.get_by_role("textbox", name="Message to the customer")
        field.fill("Still there?")
        field.press("Enter")
        expect(page.locator("#link")).to_be_hidden(timeout=20_000)
        expect(page.locator(".bubble:not(.pending)")).to_have_count(1, timeout=20_000)
        expect(page.locator(".desktop")).to_be_visible(timeout=20_000)
        expect(page.locator(".old-sign")).to_be_hidden(timeout=20_000)
        if page.get_by_role("button", name="Request control").is_visible():
            page.get_by_role("button", name="Request control").click()
        expect(page.get_by_role("button", name="Give back control")).to_be_visible()
        click_into_terminal(page, desktop)
        page.keyboard.type("after\n")
        eventually(lambda: said(tmp_path) == "before\nafter\n")
        expect(page.locator(".bubble")).to_have_count(1)
