"""The disk fills up in the middle of a session: it goes on, new ones are refused with the reason, nothing is lost."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import make_key
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.session import controlling, keys, site_of


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    """Leave no byte free."""
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def test_with_a_full_disk_a_session_goes_on_and_what_needs_the_disk_says_so_until_there_is_room(
    chromium: Browser, seeded_folder: Path, desktop: VirtualDesktop, disk: Path, tmp_path: Path
) -> None:
    typed = tmp_path / "typed"
    typed.touch()
    with (
        site_of(seeded_folder, tmp_path, data=disk / "data") as site,
        controlling(chromium, site, desktop, tmp_path / "customer") as session,
        terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {typed}"),
    ):
        page = session.page
        keys(page).focus()
        page.keyboard.type("before ")
        eventually(lambda: typed.read_text() == "before ")
        fill(disk / "ballast")

        # Whatever the database's log still had room for is used up by trying.
        def refused() -> bool:
            fill(disk / "ballast")
            page.evaluate("location.hash = ''")
            page.get_by_role("button", name="Make a session key").click()
            return page.locator(".toast.error", has_text="disk is full").count() > 0

        eventually(refused, 30)
        page.locator("#session-list a").click()
        expect(keys(page)).to_be_focused()
        page.keyboard.type("during ")
        eventually(lambda: typed.read_text() == "before during ")
        page.get_by_role("textbox", name="Message to the customer").fill("kept until there is room")
        page.keyboard.press("Enter")
        expect(page.locator(".bubble.pending")).to_have_count(1)
        with site.http() as browser:
            assert browser.get("/").status_code == 200

        (disk / "ballast").unlink()
        expect(page.locator(".bubble:not(.pending)")).to_have_count(1, timeout=30_000)
        make_key(page)
        page.locator("#session-list a").click()
        session.end()
        assert session.customer.wait(30) == 0
