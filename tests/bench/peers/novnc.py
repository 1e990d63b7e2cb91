"""Key → painted pixel of TigerVNC with noVNC, painted by the same Chromium that measures ours.

The key event is dispatched in the page; the time is taken right after noVNC's drawing call that changed the watched
cell (its canvas is drawn in the main thread), so that waiting for vsync is left out, as it is for ours.
`python -m tests.bench.peers.novnc xtigervnc|x0tigervnc`
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.bench.figures import Figure, print_delays
from tests.support.desktop import VirtualDesktop, eventually, terminal, virtual_desktop
from tests.support.processes import running

SIZE = "1920x1080"
SAMPLES = 60
NOVNC = "@novnc/novnc@1.7.0"

PAGE = (Path(__file__).parent / "novnc.html").read_text(encoding="utf-8")


def free_port() -> int:
    """A port nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int) -> None:
    """Return when somebody listens there."""

    def connect() -> bool:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True

    eventually(connect, 20)


@contextlib.contextmanager
def vnc_server(kind: str) -> Iterator[tuple[VirtualDesktop, int]]:
    """A desktop of SIZE with its RFB port: `xtigervnc` is its own X server, `x0tigervnc` scrapes an Xvfb."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        if kind == "xtigervnc":
            number = next(n for n in range(90, 190) if not Path(f"/tmp/.X11-unix/X{n}").exists())
            desktop = VirtualDesktop(f":{number}")
            common = ["-geometry", SIZE, "-depth", "24", "-rfbport", str(port), "-localhost", "-SecurityTypes", "None"]
            stack.enter_context(running(["Xtigervnc", desktop.display, *common]))
            wait_port(port)
            stack.enter_context(running(["openbox"], env=desktop.env))
            eventually(lambda: "window id" in desktop.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"))
        else:
            desktop = stack.enter_context(virtual_desktop(SIZE))
            options = ["-display", desktop.display, "-rfbport", str(port), "-localhost=1", "-SecurityTypes", "None"]
            stack.enter_context(running(["X0tigervnc", *options]))
            wait_port(port)
        yield desktop, port


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each on the terminal."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def pages(folder: Path) -> Iterator[int]:
    """A folder served over HTTP; its port."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, name="noVNC's pages", daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def main(kind: str) -> None:
    """Measure one kind of TigerVNC server and print the figures."""
    subject = f"{'Xtigervnc' if kind == 'xtigervnc' else 'x0tigervnc'} + noVNC"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="novnc-")))
        npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", NOVNC]
        subprocess.run(npm, check=True, capture_output=True)
        (folder / "index.html").write_text(PAGE, encoding="utf-8")
        desktop, port = stack.enter_context(vnc_server(kind))
        stack.enter_context(terminal(desktop, "cat"))
        gateway = free_port()
        stack.enter_context(running(["websockify", f"127.0.0.1:{gateway}", f"127.0.0.1:{port}"]))
        wait_port(gateway)
        web = stack.enter_context(pages(folder))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        started = time.perf_counter()
        page.goto(f"http://127.0.0.1:{web}/?port={gateway}")
        page.wait_for_function("window.connected")
        Figure("page → connected", subject, round((time.perf_counter() - started) * 1000), "ms").print()
        time.sleep(2)
        delays = []
        for index in range(SAMPLES):
            # Not in step with anything that ticks.
            time.sleep(0.2 + (index % 7) * 0.011)
            delays.append(page.evaluate("c => window.key(c)", chr(97 + index % 26)))
        seen = [delay for delay in delays if delay is not None]
        print_delays("key → painted pixel, 1080p", subject, seen, f"{len(delays) - len(seen)} not seen")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "xtigervnc")
