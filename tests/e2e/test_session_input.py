"""A technician works on a customer's desktop: layouts, clipboard, windows, special keys, view only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import BEN
from tests.support.console import technician
from tests.support.desktop import VirtualDesktop, eventually, terminal, virtual_desktop
from tests.support.processes import running
from tests.support.session import VIEWPORT, Session, keys, picture, site_of, watching

ALTGR = {"@": "KeyQ", "€": "KeyE", "\\": "Minus", "|": "IntlBackslash", "{": "Digit7", "~": "BracketRight"}
PLAIN = {"ä": "Quote", "ö": "Semicolon", "ü": "BracketLeft", "ß": "Minus", " ": "Space", "y": "KeyZ", "z": "KeyY"}
TEXT = "ä € @ \\ | ß {~ yz"


@pytest.fixture(scope="module")
def session(seeded_folder: Path, tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Session]:
    """A session in which the customer has allowed control."""
    folder = tmp_path_factory.mktemp("input")
    with (
        pytest.MonkeyPatch.context() as patch,
        site_of(seeded_folder, folder) as site,
        virtual_desktop() as desktop,
        technician(chromium, site, viewport=VIEWPORT) as page,
    ):
        patch.setenv("LC_ALL", "C.UTF-8")  # the terminal is to understand more than ASCII
        with watching(page, site, desktop, folder) as session, technician(chromium, site, BEN) as other:
            session.take_control()
            other.get_by_role("button", name="Refresh").click()
            expect(other.get_by_role("button", name="Watch")).to_be_visible()
            yield session


@pytest.fixture
def typed(session: Session, tmp_path: Path) -> Iterator[Path]:
    """Where what arrives in a focused terminal is."""
    file = tmp_path / "typed"
    file.touch()
    with terminal(session.desktop, "sh", "-c", f"stty raw -echo; exec cat > {file}"):
        keys(session.page).focus()
        yield file


def arrives(typed: Path, text: str) -> None:
    """The text is what has arrived."""

    def same() -> bool:
        assert typed.read_text(encoding="utf-8") == text
        return True

    eventually(same)


def on_a_german_keyboard(page: Page, text: str) -> None:
    """Press what a person presses on a German keyboard, with the events that a browser makes of it."""
    devtools = page.context.new_cdp_session(page)

    def event(kind: str, key: str, code: str) -> None:
        devtools.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code})

    for character in text:
        if character in ALTGR:
            event("rawKeyDown", "AltGraph", "AltRight")
        code = ALTGR.get(character) or PLAIN[character]
        event("rawKeyDown", character, code)
        event("keyUp", character, code)
        if character in ALTGR:
            event("keyUp", "AltGraph", "AltRight")
    devtools.detach()


@pytest.mark.parametrize("layout", ["de", "us", "fr"])
def test_a_german_keyboard_types_what_it_says_on_every_layout_of_the_customers(
    session: Session, typed: Path, layout: str
) -> None:
    session.desktop.run("setxkbmap", layout)
    try:
        on_a_german_keyboard(session.page, TEXT)
        arrives(typed, TEXT)
        # What an input method or a dead key has composed comes as text.
        session.page.keyboard.insert_text("é ñ")
        arrives(typed, TEXT + "é ñ")
    finally:
        session.desktop.run("setxkbmap", "us")


def test_what_the_customer_copies_can_be_pasted_here_and_the_other_way_round(
    session: Session, typed: Path, tmp_path: Path
) -> None:
    page, desktop = session.page, session.desktop
    copied = "Grüße aus Köln 🙂\nzweite Zeile 👩‍💻"
    (tmp_path / "copied").write_text(copied, encoding="utf-8")
    with running(["xclip", "-quiet", "-selection", "clipboard", tmp_path / "copied"], env=desktop.env):
        eventually(lambda: page.evaluate("navigator.clipboard.readText()") == copied)
    page.evaluate("navigator.clipboard.writeText('Zurück: ä€🎉')")
    page.locator("summary[aria-label=Clipboard]").click()
    page.get_by_role("button", name="Send my clipboard").click()
    eventually(lambda: desktop.run("xclip", "-selection", "clipboard", "-o") == "Zurück: ä€🎉")


def place(desktop: VirtualDesktop, window: str) -> tuple[int, int]:
    """Where a window's inside begins."""
    said = re.findall(r"Absolute upper-left [XY]:\s+(-?\d+)", desktop.run("xwininfo", "-id", window))
    return int(said[0]), int(said[1])


def test_a_window_is_dragged_by_its_title_bar_and_the_canvas_shows_it_to_the_pixel(
    session: Session, typed: Path
) -> None:
    page, desktop = session.page, session.desktop
    window = desktop.window("terminal")
    x, y = place(desktop, window)
    box = picture(page).bounding_box()
    assert box
    scale = box["width"] / 1280

    def at(left: float, top: float) -> tuple[float, float]:
        return box["x"] + left * scale, box["y"] + top * scale

    page.mouse.move(*at(x + 150, y - 10))
    page.mouse.down()
    page.mouse.move(*at(x + 150 + 300, y - 10 + 120), steps=15)
    page.mouse.up()

    def moved() -> bool:
        now = place(desktop, window)
        assert now == (pytest.approx(x + 300, abs=2), pytest.approx(y + 120, abs=2))
        return True

    eventually(moved)
    session.shows_the_desktop()


@pytest.mark.parametrize(
    ("name", "keysyms"),
    [
        ("Ctrl+Alt+Del", ["Control_L", "Alt_L", "Delete"]),
        ("F5", ["F5"]),
        ("Super", ["Super_L"]),
        ("Ctrl+W", ["Control_L", "w"]),
    ],
)
def test_the_menu_presses_what_the_browser_would_keep_for_itself(
    session: Session, name: str, keysyms: list[str]
) -> None:
    page, desktop = session.page, session.desktop
    with running(["stdbuf", "-oL", "xev", "-event", "keyboard"], env=desktop.env) as watcher:
        desktop.run("xdotool", "windowfocus", "--sync", desktop.window("Event Tester"))
        page.locator("summary[aria-label='Special keys']").click()
        page.get_by_role("button", name=name, exact=True).click()

        def seen(kind: str) -> list[str]:
            events = re.findall(rf"^{kind} event(?:.|\n)*?keysym 0x\w+, (\w+)", watcher.output, re.M)
            return [event for event in events if event in keysyms]

        eventually(lambda: len(seen("KeyRelease")) == len(keysyms))
        assert seen("KeyPress") == keysyms
        assert seen("KeyRelease") == keysyms[::-1]
    expect(keys(page)).to_be_focused()


def test_who_only_watches_moves_and_types_nothing(session: Session, typed: Path) -> None:
    page, desktop = session.page, session.desktop
    page.get_by_role("button", name="Give back control").click()
    expect(page.locator(".people")).to_contain_text("You: watching")
    desktop.run("xdotool", "mousemove", "7", "9")
    picture(page).hover(position={"x": 300, "y": 300})
    keys(page).focus()
    page.keyboard.type("not this")
    expect(picture(page)).to_be_visible()
    # It was agreed to already, so the customer is not asked again; what was typed before does not come after all.
    page.get_by_role("button", name="Request control").click()
    session.has_control()
    assert "x:7 y:9" in desktop.run("xdotool", "getmouselocation")
    page.keyboard.type("but this")
    eventually(lambda: typed.read_text() == "but this")
