"""The admin's pages in a real Chromium: accessible in both schemes, languages and widths, and quiet under the CSP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.appliance import ADMIN, PASSWORD, Appliance

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"


@contextmanager
def window(
    chromium: Browser, language: str = "en", scheme: Any = "light", width: int = 1280, **options: Any
) -> Iterator[tuple[BrowserContext, Page, list[str]]]:
    """A browser window, and what its console complained about."""
    context = chromium.new_context(
        ignore_https_errors=True,
        locale={"de": "de-DE", "en": "en-GB"}[language],
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        timezone_id="America/Lima",
        **options,
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    try:
        yield context, page, complaints
    finally:
        context.close()


def sign_in(page: Page, site: Appliance) -> None:
    """As the admin."""
    page.goto(f"{site.address}/login")
    page.fill("#name", ADMIN.name)
    page.fill("#password", PASSWORD)
    page.click("main button.primary")
    page.wait_for_url("**/login/overview")


def faults(page: Page) -> list[str]:
    """What axe says, and whether the page is wider than the window."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate(f"axe.run(document, {RULES})")
    found = [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in result["violations"]]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [f"{page.url} {fault}" for fault in (*found, *(["wider than the window"] if wide else []))]


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_axe_has_nothing_to_say_to_any_page(
    site: Appliance, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    with window(chromium, language, scheme, width) as (_, page, complaints):
        page.goto(f"{site.address}/login")
        found = faults(page)
        page.fill("#name", "nobody")
        page.fill("#password", "nothing")
        page.click("main button.primary")
        found += faults(page)
        complaints.clear()  # Chromium reports the status 422 of a form that was refused
        sign_in(page, site)
        page.goto(f"{site.address}/login/users")
        user = page.locator(".person a").first.get_attribute("href")
        page.goto(f"{site.address}/login/teams")
        team = page.locator(".person a").first.get_attribute("href")
        page.goto(f"{site.address}/login/account")
        page.click("form[action$='two-factor/begin'] button")
        found += faults(page)
        names = ("overview", "users", "users?q=zzz", "users/new", "teams", "sessions", "audit", "settings", "account")
        paths = [f"/login/{name}" for name in names] + [f"{user}", f"{user}/delete", f"{team}", f"{team}/delete"]
        for path in paths:
            page.goto(site.address + path)
            found += faults(page)
        assert not complaints
        page.goto(f"{site.address}/nowhere")
        found += faults(page)
        assert not found


def test_set_up_guesses_the_time_zone_and_leads_to_what_now(fresh_appliance: Appliance, chromium: Browser) -> None:
    with window(chromium) as (_, page, complaints):
        page.goto(fresh_appliance.address)
        assert page.url.endswith("/setup")
        assert not faults(page)
        page.fill("#code", fresh_appliance.read_setup_code().lower().replace("-", " "))
        page.keyboard.press("Enter")
        expect(page.locator("#time_zone")).to_have_value("America/Lima")
        assert not faults(page)
        page.fill("#display_name", "Erika")
        page.fill("#name", "erika")
        page.fill("#password", "aaaaaaaaaaaa")
        page.fill("#again", "aaaaaaaaaaaa")
        page.fill("#site_name", "Nordwind IT")
        page.keyboard.press("Enter")
        expect(page.locator("[role=alert]")).to_be_focused()
        expect(page.locator("#site_name")).to_have_value("Nordwind IT")
        assert not faults(page)
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        complaints.clear()
        page.click("main button.primary")
        page.wait_for_url("**/login/overview")
        expect(page.locator("main")).to_contain_text("Make accounts for your technicians")
        assert not faults(page)
        assert not complaints


def test_the_link_of_a_new_user_is_copied_by_its_button(site: Appliance, chromium: Browser) -> None:
    with window(chromium, permissions=["clipboard-read", "clipboard-write"]) as (_, page, complaints):
        sign_in(page, site)
        page.goto(f"{site.address}/login/users/new")
        page.fill("#display_name", "Clara Neu")
        page.fill("#name", "clara")
        page.click("main button.primary")
        assert not faults(page)
        page.click("button[data-copy]")
        expect(page.locator("button[data-copy]")).to_contain_text("Copied")
        link = page.evaluate("navigator.clipboard.readText()")
        assert link.startswith(f"{site.address}/login/link/")
        page.context.clear_cookies()
        page.goto(link)
        expect(page.locator("h1")).to_have_text("Welcome, Clara Neu")
        assert not faults(page)
        assert not complaints


def test_without_scripts_an_admin_signs_in_and_makes_a_user(site: Appliance, chromium: Browser) -> None:
    with window(chromium, java_script_enabled=False) as (_, page, _complaints):
        sign_in(page, site)
        page.goto(f"{site.address}/login/users/new")
        page.fill("#display_name", "Dora Ohne")
        page.fill("#name", "dora")
        page.click("main button.primary")
        expect(page.locator("#link")).to_have_value(
            re.compile(f"^{re.escape(site.address)}/login/link/[A-Za-z0-9_-]{{43}}$")
        )
        expect(page.locator("button[data-copy]")).to_be_hidden()


def test_names_that_are_markup_stay_text_and_the_csp_has_nothing_to_report(site: Appliance, chromium: Browser) -> None:
    """Stored scripts, as in MeshCentral (GHSA-c7hr-448w-65px)."""
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'"
    with window(chromium) as (_, page, complaints):
        sign_in(page, site)
        page.goto(f"{site.address}/login/users/new")
        page.fill("#display_name", hostile)
        page.fill("#name", "mallory")
        page.click("main button.primary")
        page.goto(f"{site.address}/login/teams")
        page.fill("#name", hostile)
        page.click("main button:has-text('Create')")
        for path in ("users", "teams", "audit", "overview"):
            page.goto(f"{site.address}/login/{path}")
        page.goto(f"{site.address}/login/users?q=%3Cimg")
        expect(page.locator(".person a")).to_have_text(hostile)
        page.click(".person a")
        expect(page.locator("h1")).to_have_text(hostile)
        assert page.locator("main img").count() == 0
        assert not complaints


def test_a_phone_reaches_every_page_through_the_menu(site: Appliance, chromium: Browser) -> None:
    with window(chromium, width=360) as (_, page, _complaints):
        sign_in(page, site)
        page.click("summary")
        page.click(".menu nav >> text=Erika Admin")
        expect(page.locator("h1")).to_have_text("Your account")
        page.click("summary")
        page.click(".menu nav >> text=Sign out")
        page.wait_for_url("**/login")
        expect(page.locator("[role=status]")).to_have_text("You are signed out.")
