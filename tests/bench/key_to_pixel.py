"""Key → painted pixel in the technician's Chromium, through the appliance, at 1080p.

A key event is dispatched in the console's page; the time ends when the worker has painted the picture that the key
changed, so that waiting for vsync is left out, as for noVNC (`tests.bench.peers.novnc`). Browser, appliance, client and
X server share the machine's cores.
"""

from __future__ import annotations

import contextlib
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

WATCH_WORKERS = """
// Every picture that the screen's worker has painted, as it says so.
const NativeWorker = window.Worker;
window.painted = [];
window.Worker = class extends NativeWorker {
  constructor(...args) {
    super(...args);
    this.addEventListener('message', ({ data }) => {
      if (data.type !== 'painted') return;
      window.painted.push({ at: performance.now(), capture: data.capture, encode: data.encode, decode: data.decode, size: data.size });
      if (window.onpainted) window.onpainted();
    });
  }
};
window.key = (key) => new Promise((resolve) => {
  const late = setTimeout(() => { window.onpainted = null; resolve(null); }, 2000);
  window.painted.length = 0;
  const start = performance.now();
  window.onpainted = () => { clearTimeout(late); window.onpainted = null; const p = window.painted[0]; resolve({ ...p, delay: p.at - start }); };
  const target = document.activeElement;
  for (const type of ['keydown', 'keyup'])
    target.dispatchEvent(new KeyboardEvent(type, { key, code: 'Key' + key.toUpperCase(), bubbles: true, cancelable: true }));
});
"""


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
        page.add_init_script(WATCH_WORKERS)
        page.reload()
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
        print_delays(
            "key → painted pixel, 1080p",
            "beistand",
            [each["delay"] for each in found],
            f"{SAMPLES - len(found)} not seen",
        )
        for part in ("capture", "encode", "decode"):
            values = sorted(each[part] for each in found)
            Figure(f"key → painted pixel: {part}", "beistand", round(values[len(values) // 2], 2), "ms").print()
        browser.close()


if __name__ == "__main__":
    main()
