"""A technician at the console in a real Chromium, and a customer with the real client on a virtual desktop."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.appliance import ANNA, PASSWORD, Appliance, Person
from tests.support.desktop import VirtualDesktop, eventually
from tests.support.network import CustomerNetwork
from tests.support.portal import Customer, customer
from tests.support.processes import Program, running

ROOT = Path(__file__).parents[2]
QUESTION = "A question for you"
DEAF_SECONDS = 0.8
"""A question's window takes no key in its first moment, so that nobody allows what they have not read."""


def sign_in(page: Page, site: Appliance, person: Person = ANNA) -> None:
    """Sign in and wait for the console to be connected."""
    page.goto(f"{site.address}/login?next=/console")
    page.locator("input[name=name]").fill(person.name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    # A network that appears or goes (other tests make some) ends a first try, and the next one waits a little.
    expect(page.locator("#link")).to_have_attribute("data-state", "open", timeout=20_000)


@contextlib.contextmanager
def technician(chromium: Browser, site: Appliance, person: Person = ANNA, **options: object) -> Iterator[Page]:
    """A signed-in technician's page; every error of its scripts fails the test."""
    context: BrowserContext = chromium.new_context(
        **{  # type: ignore[arg-type]
            "ignore_https_errors": True,
            "locale": "en",
            "permissions": ["clipboard-read", "clipboard-write", "notifications"],
            **options,
        }
    )
    faults: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    try:
        sign_in(page, site, person)
        yield page
        assert faults == []
    finally:
        context.close()


def make_key(page: Page) -> str:
    """Press *Make a session key*; the key that is shown."""
    page.evaluate("location.hash = ''")
    expect(page.locator(".big-key")).to_have_count(0)
    page.get_by_role("button", name="Make a session key").click()
    label = page.locator(".big-key").get_attribute("aria-label") or ""
    return label.split("Session key ")[1].split(".")[0]


@contextlib.contextmanager
def client(
    site: Appliance,
    desktop: VirtualDesktop,
    key: str,
    folder: Path,
    network: CustomerNetwork | None = None,
    **env: str,
) -> Iterator[Program]:
    """The customer types `key` on the portal, downloads, and runs the client (from source) on `desktop`."""
    with customer(site.address_from(network.appliance_host) if network else site.address) as person:
        start_file = _download(person, key, folder)
    variables = {**desktop.env, "LANG": "en_GB.UTF-8", "LC_ALL": "", "PYTHONPATH": str(ROOT), "no_proxy": "*", **env}
    argv: list[str | Path] = [sys.executable, "-m", "clients.customer", "--start-file", start_file]
    with running(network.argv(argv) if network else argv, env=variables) as program:
        yield program


def _download(person: Customer, key: str, folder: Path) -> Path:
    person.start(key)
    answer = person.http.get("/download/linux-x86_64")
    assert answer.status_code == 200, answer.text[:200]
    file = folder / "start"
    file.write_bytes(answer.content)
    return file


def answer_question(desktop: VirtualDesktop, *, allow: bool = True, title: str = QUESTION) -> None:
    """Press Allow (or Refuse, which has the keyboard first) in the question's window, and wait until it has gone."""
    window = desktop.window(title)
    time.sleep(DEAF_SECONDS)
    desktop.run("xdotool", "windowfocus", "--sync", window)
    desktop.run("xdotool", "key", "--delay", "30", *(["Tab"] if allow else []), "Return")
    eventually(lambda: window not in desktop.run("sh", "-c", f"xdotool search --onlyvisible --name '{title}' || true"))
