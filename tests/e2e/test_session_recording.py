"""A session's recording: what is played back is what was seen, and an exported file proves itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from appliance.cli import ExitCode
from appliance.relay.recording_format import SUFFIX
from appliance.relay.recording_read import view
from tests.support.console import technician
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.session import VIEWPORT, Session, on_screen, painted, picture, site_of, watching

ROOT = Path(__file__).parents[2]


def steady(session: Session, window: str) -> tuple[float, str]:
    """A moment (seconds since 1970) around which the desktop stood still, and what the technician saw then.

    The focus is in `window`, since the cursor in the client's own field blinks.
    """
    session.desktop.run("xdotool", "windowfocus", "--sync", window)

    def look() -> tuple[float, str] | None:
        began, before = time.time(), painted(picture(session.page), session.desktop)
        time.sleep(0.6)  # of the recording
        after = painted(picture(session.page), session.desktop)
        return (began + 0.5, before) if before == after == on_screen(session.desktop) else None

    return eventually(look, 30)


def seek(page: Page, milliseconds: float) -> None:
    """Move the slider."""
    page.locator("#seek").fill(str(round(milliseconds / 100) * 100))


def verify(file: Path, data: Path, language: str = "en_GB.UTF-8") -> tuple[int, str]:
    """Exit code and words of `beistand recording verify`."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "recording", "verify", str(file), "--data", str(data)],
        env={**os.environ, "LANG": language, "LC_ALL": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_is_played_back_is_what_was_seen_and_the_exported_file_proves_itself(
    chromium: Browser, seeded_folder: Path, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    seen: list[tuple[float, str]] = []
    with (
        site_of(seeded_folder, tmp_path) as site,
        technician(chromium, site, viewport=VIEWPORT) as page,
    ):
        with watching(page, site, desktop, tmp_path / "customer") as session:
            with terminal(desktop, "sh", "-c", "exec cat > /dev/null", geometry="60x20+500+300"):
                window = desktop.window("terminal")
                seen.append(steady(session, window))
                session.take_control()
                desktop.run("xdotool", "windowfocus", "--sync", window)
                page.keyboard.type("typed by the technician\n")
                page.get_by_role("textbox", name="Message to the customer").fill("All is recorded")
                page.keyboard.press("Enter")
                expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
                seen.append(steady(session, window))
                desktop.run("xdotool", "windowmove", "--sync", window, "100", "90")
                seen.append(steady(session, window))
            session.end()
            page.get_by_role("button", name="Close", exact=True).click()
        assert len({frame for _at, frame in seen}) == len(seen)

        page.get_by_role("link", name="Past sessions").click()
        page.get_by_role("link", name="Play").first.click()
        screen = page.locator("#screen")
        expect(screen).to_be_visible()
        for event in ("agreed", "took control", "End"):
            expect(page.locator("#events")).to_contain_text(event)
        expect(page.locator("#chat")).to_contain_text("All is recorded")
        [file] = (site.folder / "recordings").glob(f"*{SUFFIX}")
        began = view(file).started_at
        for at, frame in (seen[1], seen[0], seen[2]):
            seek(page, (at - began) * 1000)
            eventually(lambda frame=frame: painted(screen, desktop) == frame)  # type: ignore[misc]
        page.locator("#events button", has_text="took control").click()
        expect(page.locator("#chat .future")).to_have_count(1)

        exported = tmp_path / "exported"
        with page.expect_download() as download:
            page.get_by_role("link", name="Export the recording").click()
        download.value.save_as(exported)

    code, words = verify(exported, site.folder)
    assert (code, "complete and unchanged" in words) == (ExitCode.OK, True), words
    assert "vollständig" in verify(exported, site.folder, "de_DE.UTF-8")[1]

    whole = exported.read_bytes()
    edited, cut = tmp_path / "edited", tmp_path / "cut"
    edited.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    for file in (edited, cut):
        code, words = verify(file, site.folder)
        assert code == ExitCode.NOT_GENUINE
        assert "complete and unchanged" not in words
    assert verify(tmp_path / "nowhere", site.folder)[0] == ExitCode.NOT_FOUND
