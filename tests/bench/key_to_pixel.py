"""Key → painted pixel in the technician's Chromium, through the appliance, at 1080p.

A key event is dispatched in the console's page; the time ends when the worker has painted the picture that the key
changed, so that waiting for vsync is left out, as for noVNC (`tests.bench.peers.novnc`). Browser, appliance, client and
X server share the machine's cores.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.bench.figures import Figure, print_delays
from tests.support.appliance import appliance, seed
from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import terminal, virtual_desktop

SIZE = "1920x1080"
SAMPLES = 60
SUBJECT = "Beistand"
METRIC = "key → painted pixel, 1080p"

WATCH_WORKERS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def samples(page: Page, count: int = SAMPLES) -> list[dict[str, float]]:
    """Press `count` keys, not in step with anything that ticks; what was painted for each."""
    found = []
    for index in range(count):
        time.sleep(0.2 + (index % 7) * 0.011)
        seen = page.evaluate("key => window.key(key)", chr(97 + index % 26))
        if seen is not None:
            found.append(seen)
    return found


def main() -> None:
    """Measure and print."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        seed(scratch / "data")
        site = stack.enter_context(appliance(scratch / "data"))
        desktop = stack.enter_context(virtual_desktop(SIZE))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = stack.enter_context(technician(browser, site, viewport={"width": 1920, "height": 1080}))
        page.evaluate(WATCH_WORKERS)  # the screen's worker is made later
        key = make_key(page)
        stack.enter_context(client(site, desktop, key, scratch))
        page.get_by_role("button", name="Accept").first.click()
        answer_question(desktop)
        page.get_by_role("button", name="Request control").click()
        answer_question(desktop)
        stack.enter_context(terminal(desktop, "cat"))
        page.locator("canvas").first.click(position={"x": 20, "y": 300})
        desktop.run("xdotool", "windowfocus", "--sync", desktop.window("terminal"))
        time.sleep(1)
        found = samples(page)
        if not found:
            raise SystemExit("no key was seen on the screen")
        print_delays(METRIC, SUBJECT, [each["delay"] for each in found], f"{SAMPLES - len(found)} not seen")
        decode = statistics.median(each["decode"] for each in found)
        Figure(f"{METRIC}: decode and paint", SUBJECT, round(decode, 2), "ms").print()
        browser.close()


if __name__ == "__main__":
    main()
