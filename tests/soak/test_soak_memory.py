"""Three sessions in which somebody types for ten minutes: the server's memory does not grow."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import technician
from tests.support.desktop import eventually, terminal, virtual_desktop
from tests.support.session import VIEWPORT, keys, site_of, watching

SESSIONS = 3
MINUTES = 10
WARM_UP_MINUTES = 2
GROWTH_MIB = 16
"""More than what three recordings' buffers and the allocator's slack come to, less than any leak in ten minutes."""


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    size = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert size
    return int(size[1]) / 1024


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / str(number) for number in range(SESSIONS)]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_three_sessions_of_typing_leave_the_servers_memory_as_it_was(
    seeded_folder: Path,
    tmp_path: Path,
    folders: list[Path],
    chromium: Browser,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(site_of(seeded_folder, tmp_path))
        page = stack.enter_context(technician(chromium, site, viewport=VIEWPORT))
        for folder in folders:
            desktop = stack.enter_context(virtual_desktop("1024x768"))
            session = stack.enter_context(watching(page, site, desktop, folder))
            session.take_control()
            stack.enter_context(terminal(desktop, "sh", "-c", f"cat > {folder}/typed"))
        begin = time.monotonic()
        warm = 0.0
        lines = 0
        while (minutes := (time.monotonic() - begin) / 60) < MINUTES:
            for number in range(SESSIONS):
                page.locator("#session-list a").nth(number).click()
                expect(keys(page)).to_be_focused()
                page.keyboard.type(f"line {lines:06} of the quick brown fox\n", delay=10)
            lines += 1
            if not warm and minutes > WARM_UP_MINUTES:
                warm = resident(site.program.pid)
            if lines % 20 == 0:
                with capsys.disabled():
                    print(
                        f"\n{minutes:4.1f} min, {lines} lines, {resident(site.program.pid):.1f} MiB", end="", flush=True
                    )
        assert resident(site.program.pid) - warm < GROWTH_MIB
        wanted = "".join(f"line {number:06} of the quick brown fox\n" for number in range(lines))
        for folder in folders:
            eventually(lambda file=folder / "typed": file.read_text() == wanted, 30)  # type: ignore[misc]
