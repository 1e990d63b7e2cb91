"""The portal in a real Chromium: by keyboard, without scripts, on a phone, in both languages, light and dark."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.appliance import ANNA, Appliance, appliance
from tests.support.portal import session_key, stand_in_client

AXE = (Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js").read_text()
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"


@pytest.fixture(scope="module")
def portal(seeded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("portal")
    shutil.copytree(seeded_folder, folder / "data")
    with appliance(folder / "data", env={"BEISTAND_CLIENTS": str(stand_in_client(folder / "clients"))}) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context(
        ignore_https_errors=True, locale="en", permissions=["clipboard-read", "clipboard-write"]
    )
    yield opened
    opened.close()


def started(page: Page, portal: Appliance) -> None:
    """Go to the page of a new start."""
    page.goto(portal.address)
    page.locator("#key").fill(session_key(portal))
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")


def test_the_first_page_is_small_and_quickly_fetched(portal: Appliance, context: BrowserContext) -> None:
    page = context.new_page()
    sizes: list[int] = []

    def count(request: object) -> None:
        measured = request.sizes()  # type: ignore[attr-defined]
        sizes.append(measured["responseBodySize"] + measured["responseHeadersSize"])

    page.on("requestfinished", count)
    page.goto(portal.address, wait_until="networkidle")
    assert len(sizes) < 5
    assert sum(sizes) < 100_000


def test_from_the_key_to_the_line_with_the_keyboard_alone(portal: Appliance, context: BrowserContext) -> None:
    page = context.new_page()
    key = session_key(portal)
    page.goto(portal.address)
    page.keyboard.type(key.lower())
    assert page.locator("#key").input_value() == f"{key[:3]}-{key[3:]}", "grouped while it is typed"
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")
    expect(page.get_by_role("heading", level=1)).to_contain_text(ANNA.display_name)
    copy = page.get_by_role("button", name="Copy")
    for _ in range(10):
        if copy.evaluate("button => button === document.activeElement"):
            break
        page.keyboard.press("Tab")
    assert copy.evaluate("button => getComputedStyle(button).outlineStyle") != "none", "focus is seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == page.locator("#command").input_value()
    assert line.startswith("sh -c '")


def test_a_look_alike_is_explained_while_it_is_typed_and_the_field_stays_in_place(
    portal: Appliance, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(portal.address)
    before = page.locator("#key").bounding_box()
    page.keyboard.type("abO1")
    expect(page.locator("#key-error")).to_contain_text("O 1")
    assert page.locator("#key").bounding_box() == before
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    expect(page.locator("#key-error")).to_be_hidden()


def test_the_page_follows_the_start_by_itself_and_closes_its_stream_when_hidden(
    portal: Appliance, context: BrowserContext
) -> None:
    page = context.new_page()
    started(page, portal)
    expect(page.get_by_role("status")).to_contain_text("The key is right")
    address = re.search(r"https://[^\"]+", page.locator("#command").input_value())
    assert address
    httpx.get(address[0], verify=False)
    expect(page.get_by_role("status")).to_contain_text("The program was downloaded")
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => window.away, configurable: true });
            window.away = true;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    with page.expect_request("**/start/events"):
        page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")


def test_without_scripts_everything_up_to_the_download_works(portal: Appliance, chromium: Browser) -> None:
    context = chromium.new_context(ignore_https_errors=True, locale="de", java_script_enabled=False)
    page = context.new_page()
    page.goto(portal.address)
    page.locator("#key").fill("ABC-D0L1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")
    assert "0 L 1" in page.locator("#key-error").inner_text()
    assert page.locator("#key").input_value() == "ABC-D0L1"
    page.locator("#key").fill(session_key(portal))
    page.keyboard.press("Enter")
    page.get_by_text("Ohne Terminal").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Programm herunterladen").click()
    assert download.value.suggested_filename.startswith("beistand-")
    page.get_by_role("link", name="Zeigen, wie weit es ist").click()
    assert "heruntergeladen" in page.get_by_role("status").inner_text()
    context.close()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_has_nothing_to_say_and_nothing_is_wider_than_the_screen(
    portal: Appliance, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        ignore_https_errors=True,
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 740},
        bypass_csp=True,
    )
    page = context.new_page()

    def checked(name: str) -> None:
        page.evaluate(AXE)
        found = page.evaluate("axe.run()")["violations"]
        assert [(name, item["id"], [node["html"] for node in item["nodes"]]) for item in found] == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), name

    page.goto(portal.address)
    checked("key")
    page.locator("#key").fill("ABC-D0L1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")
    checked("explained")
    started(page, portal)
    page.locator("details summary").click()
    checked("start")
    page.goto(f"{portal.address}/download/linux-x86_64/unknown")
    checked("gone")
    context.close()


def test_on_a_system_without_a_client_the_page_says_so(portal: Appliance, chromium: Browser) -> None:
    context = chromium.new_context(ignore_https_errors=True, locale="en", user_agent=WINDOWS)
    page = context.new_page()
    started(page, portal)
    expect(page.get_by_role("heading", name="There is no program for this device")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text(f"{ANNA.display_name} has been told")
    page.get_by_text("Not the right system?").click()
    page.get_by_role("link", name="It is a Linux computer").click()
    expect(page.locator("#command")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("The key is right")
    context.close()
