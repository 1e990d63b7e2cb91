"""The customer's built client: its size, how soon its window is there, how soon the technician sees, what rest costs.

`make client` builds it. The file is the one that the portal hands out, started as a customer starts it; the technician
watches in Chromium.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from Xlib import X, display

from tests.bench.figures import Figure
from tests.bench.key_to_pixel import WATCH_WORKERS
from tests.bench.relay_cpu import cpu_seconds, median_figure
from tests.bench.startup import pss_mib
from tests.support.appliance import Appliance, appliance, seed
from tests.support.console import DEAF_SECONDS, QUESTION, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually, terminal, virtual_desktop
from tests.support.portal import customer
from tests.support.processes import running

SUBJECT = "Beistand"
SIZE = "1920x1080"
BUILT = Path("build/client/beistand-client-linux-x86_64")
STARTS = 5
CONSENTS = 3
IDLE_SECONDS = 10.0


def download(site: Appliance, key: str, file: Path) -> Path:
    """The client for the start with `key`, ready to run."""
    with customer(site.address) as person:
        person.start(key)
        answer = person.http.get("/download/linux-x86_64").raise_for_status()
    file.write_bytes(answer.content)
    file.chmod(0o755)
    return file


@contextlib.contextmanager
def mapped_windows(desktop: VirtualDesktop) -> Iterator[display.Display]:
    """Hears of windows that appear on the root."""
    connection = display.Display(desktop.display)
    connection.screen().root.change_attributes(event_mask=X.SubstructureNotifyMask)
    connection.sync()
    try:
        yield connection
    finally:
        connection.close()


def wait_window(connection: display.Display) -> float:
    """The time at which the next window of a person's size is shown."""
    while True:
        event = connection.next_event()
        if event.type == X.MapNotify and event.window.get_geometry().width > 100:
            return time.perf_counter()


def environment(desktop: VirtualDesktop, scratch: Path) -> dict[str, str]:
    """What the client sees."""
    return {**desktop.env, "LANG": "en_GB.UTF-8", "LC_ALL": "", "no_proxy": "*", "TMPDIR": str(scratch)}


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in family(child))]


def clock_offset(page: Page) -> float:
    """What to add to the page's milliseconds for our seconds, from the quickest of some round trips."""
    found = []
    for _ in range(10):
        before = time.perf_counter()
        there = float(page.evaluate("performance.now()"))
        after = time.perf_counter()
        found.append((after - before, (before + after) / 2 - there / 1000))
    return min(found)[1]


def starts(site: Appliance, page: Page, scratch: Path) -> list[float]:
    """Seconds from the start of the program to its window, each time on a desktop of its own."""
    delays = []
    for number in range(STARTS + 1):
        with virtual_desktop(SIZE) as desktop, mapped_windows(desktop) as windows:
            file = download(site, make_key(page), scratch / f"start-{number}")
            begin = time.perf_counter()
            with running([file], env=environment(desktop, scratch)):
                delays.append(wait_window(windows) - begin)
    return delays[1:]  # the first one warms the disk cache


def consent(page: Page, desktop: VirtualDesktop) -> float:
    """Seconds from the press of Allow to the first painted picture."""
    window = desktop.window(QUESTION)
    time.sleep(DEAF_SECONDS)
    desktop.run("xdotool", "windowfocus", "--sync", window)
    desktop.run("xdotool", "key", "Tab")
    offset = clock_offset(page)
    begin = time.perf_counter()
    desktop.run("xdotool", "key", "Return")
    eventually(lambda: page.evaluate("window.painted.messages"))
    return float(page.evaluate("window.painted.first")) / 1000 + offset - begin


def at_rest(page: Page, client: int) -> None:
    """Print what a still desktop costs."""
    time.sleep(3)
    processes = family(client)
    spent, size = sum(map(cpu_seconds, processes)), page.evaluate("window.painted.bytes")
    begin = time.perf_counter()
    time.sleep(IDLE_SECONDS)
    seconds = time.perf_counter() - begin
    spent, size = sum(map(cpu_seconds, processes)) - spent, page.evaluate("window.painted.bytes") - size
    Figure("customer client at rest, sharing: screen", SUBJECT, round(size / seconds, 1), "B/s").print()
    Figure("customer client at rest, sharing: CPU", SUBJECT, round(100 * spent / seconds, 2), "% of a core").print()
    memory = round(sum(map(pss_mib, processes)), 1)
    Figure("customer client at rest, sharing: memory", SUBJECT, memory, "MiB PSS").print()


def main() -> None:
    """Measure and print."""
    if not BUILT.exists():
        raise SystemExit(f"{BUILT} is not there: make client")
    Figure("customer client: file", SUBJECT, round(BUILT.stat().st_size / 1e6, 2), "MB").print()
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        seed(scratch / "data")
        site = stack.enter_context(appliance(scratch / "data", env={"BEISTAND_CLIENTS": os.fspath(BUILT.parent)}))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        with technician(browser, site) as page:
            median_figure("customer client: start → window", SUBJECT, starts(site, page, scratch), "s").print()
        delays = []
        for number in range(CONSENTS):
            with contextlib.ExitStack() as session:
                page = session.enter_context(technician(browser, site, viewport={"width": 1920, "height": 1080}))
                page.evaluate(WATCH_WORKERS)
                desktop = session.enter_context(virtual_desktop(SIZE))
                session.enter_context(terminal(desktop, "cat"))
                file = download(site, make_key(page), scratch / f"session-{number}")
                client = session.enter_context(running([file], env=environment(desktop, scratch)))
                page.get_by_role("button", name="Accept").first.click()
                delays.append(consent(page, desktop))
                if number == CONSENTS - 1:
                    at_rest(page, client.pid)
        median_figure("consent → first picture at the technician", SUBJECT, delays, "s").print()
        browser.close()


if __name__ == "__main__":
    main()
