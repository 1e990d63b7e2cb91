"""What the story's people have: a browser each; the customer also a desktop with a letter and a terminal."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mss
from playwright.sync_api import Browser, BrowserContext, Page

from tests.screenshots.album import VIEW
from tests.support.desktop import VirtualDesktop, eventually, virtual_desktop
from tests.support.processes import Program, running

FAILED = Path(tempfile.gettempdir()) / "beistand-story-failed.png"
COMPUTER = "lena-laptop"
ZONE = "Europe/Berlin"
LENA = 1000
NAMESPACE = ("unshare", "--user", "--map-root-user", "--uts", "--mount")
LOCALES = {"en": "en-GB", "de": "de-DE"}
TERMINAL = "xterm -title Terminal -u8 -fa 'DejaVu Sans Mono' -fs 10 -geometry 78x11+24+572 -bg white"


@contextlib.contextmanager
def window(chromium: Browser, language: str) -> Iterator[tuple[BrowserContext, Page]]:
    """Somebody's browser window; errors of a page's scripts and of its content security policy fail the story."""
    context = chromium.new_context(
        ignore_https_errors=True,
        locale=LOCALES[language],
        timezone_id=ZONE,
        viewport=VIEW,
        color_scheme="light",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write", "notifications"],
    )
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
    try:
        yield context, page
        assert errors == []
    finally:
        context.close()


@contextlib.contextmanager
def customers_desktop(home: Path, letter: str) -> Iterator[VirtualDesktop]:
    """A desktop of the customer's, on which they have written `letter`; `home`: their folder, empty.

    What it looks like when the block fails is kept.
    """
    note = home / "letter.txt"
    note.write_text(letter, encoding="utf-8")
    with virtual_desktop("1280x800") as desktop:
        desktop.run("xsetroot", "-solid", "#30586a")
        env = {**desktop.env, "HOME": str(home), "GSETTINGS_BACKEND": "memory", "NO_AT_BRIDGE": "1"}
        editor = f"exec mousepad --disable-server {shlex.quote(str(note))}"
        with running(as_lena(home, editor), env=env):
            place = desktop.window("letter.txt")
            desktop.run("xdotool", "windowsize", "--sync", place, "640", "430", "windowmove", place, "24", "72")
            yield desktop


@contextlib.contextmanager
def terminal(desktop: VirtualDesktop, home: Path, language: str) -> Iterator[Program]:
    """The customer's terminal window. What the desktop looks like when the block fails is kept."""
    env = {
        **desktop.env,
        "HOME": str(home),
        "PS1": "lena@laptop:~$ ",
        "LC_ALL": "",
        "TZ": ZONE,
        "LANG": f"{LOCALES[language].replace('-', '_')}.UTF-8",
        "no_proxy": "*",
    }
    with running(as_lena(home, f"exec {TERMINAL} -e bash --norc"), env=env, cwd=home) as program:
        desktop.window("Terminal")
        try:
            yield program
        except BaseException:
            desktop.screenshot(FAILED)
            print(f"The customer's desktop as it was: {FAILED}")
            raise


def as_lena(home: Path, command: str) -> list[str | Path]:
    """`command` for a shell, as a user who is no administrator, at a computer with a name that does not change; as it
    is where the system does not allow that."""
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        return ["sh", "-c", command]
    users = home.with_name("passwd")
    users.write_text(f"lena:x:{LENA}:{LENA}::{home}:/bin/bash\n")
    prepare = f"hostname {COMPUTER}; mount --bind '{users}' /etc/passwd"
    lena = f'exec unshare --user --map-user={LENA} --map-group={LENA} sh -c "$1"'
    return [*NAMESPACE, "sh", "-c", f"{prepare}; {lena}", "sh", command]


def paste_line(desktop: VirtualDesktop, line: str, folder: Path) -> None:
    """Paste `line` into the terminal and press Enter."""
    file = folder / "line"
    file.write_text(line, encoding="utf-8")
    with running(["xclip", "-quiet", "-selection", "primary", "-in", file], env=desktop.env):
        eventually(lambda: desktop.run("xclip", "-selection", "primary", "-out") == line)
        desktop.run("xdotool", "windowfocus", "--sync", desktop.window("Terminal"), "key", "shift+Insert")
        desktop.run("xdotool", "key", "Return")


def colour(desktop: VirtualDesktop, x: int, y: int) -> tuple[int, int, int]:
    """The colour of one pixel of the desktop."""
    with mss.MSS(display=desktop.display) as capture:
        shot = capture.grab({"left": x, "top": y, "width": 1, "height": 1})
        return tuple(shot.pixel(0, 0))  # type: ignore[return-value]
