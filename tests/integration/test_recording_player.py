"""A recording in a real Chromium shows at every moment what was on the screen then."""

from __future__ import annotations

import base64
import http.server
import random
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from appliance.relay.recording import Recording
from appliance.relay.recording_read import read_range, view
from appliance.wire.frames import Flag
from appliance.wire.messages import Monitor
from clients.desktop.encoder import ScreenEncoder
from clients.desktop.pacing import Delay
from clients.desktop.protocol import Capture, Layout, Patch

STATIC = Path(__file__).parents[2] / "appliance" / "web" / "shared" / "static"
WIDTH, HEIGHT = 200, 120

PAGE = """<!doctype html><canvas id=screen></canvas><script type=module>
import {RecordingPlayer} from "/screen/player.js";
window.log = [];
const listener = {
  time: (position, playing) => { window.now = position; window.playing = playing; },
  geometry: () => {}, pointer: () => {}, cursor: () => {},
  failed: (error) => window.log.push(String(error)),
};
const player = window.player = new RecordingPlayer(document.getElementById("screen"), "/index", "/file", listener);
let id = 0;
window.pixels = (width, height) => new Promise((done) => {
  const mine = ++id;
  player.worker.addEventListener("message", ({data}) => {
    if (data.type !== "pixels" || data.id !== mine) return;
    done(btoa(Array.from(data.data, (b) => String.fromCharCode(b)).join("")));
  });
  player.worker.postMessage({type: "pixels", id: mine, x: 0, y: 0, width, height});
});
player.load().then((index) => { window.index = index; });
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    recording: Path

    def do_GET(self) -> None:
        match self.path:
            case "/":
                self.answer(200, "text/html", PAGE.encode())
            case "/index":
                self.answer(200, "application/json", msgspec.json.encode(view(self.recording)))
            case "/file":
                wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["range"])
                assert wanted is not None
                first, last = int(wanted[1]), int(wanted[2])
                self.answer(206, "application/octet-stream", read_range(self.recording, first, last - first + 1))
            case _:
                super().do_GET()

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


async def record(folder: Path) -> tuple[Path, dict[int, bytes]]:
    """Two minutes in which a block moves every second, with a restart point each minute, and what was seen when."""
    recording = Recording.open(folder, {"session": "session-play", "started_at": 0.0})
    encoder = ScreenEncoder()
    layout = Layout(WIDTH, HEIGHT, (Monitor(name="1", x=0, y=0, width=WIDTH, height=HEIGHT),))
    pixels = bytearray(random.Random(1).randbytes(WIDTH * HEIGHT * 4))
    seen: dict[int, bytes] = {}
    for second in range(121):
        colour = bytes([second * 2 % 256, second * 7 % 256, 255 - second, 0])
        for row in range(20):
            at = ((row + second % 100) * WIDTH + second) * 4
            pixels[at : at + 80] = colour * 20
        capture = Capture((Patch(0, 0, WIDTH, HEIGHT, bytearray(pixels)),))
        encoded = encoder.encode(
            lambda: capture,  # noqa: B023
            layout=lambda: layout,
            restart=second % 60 == 0,
            now=second,
            delay=Delay(0.0, 4),
        )
        for message in encoded.messages:
            first = message.payload[:100]
            recording.screen(first, Flag.RESTART if message.restart else 0, float(second))
            recording.screen(message.payload[100:], Flag.FIN, float(second))
        seen[second] = bytes(pixels)
        if second == 30:
            recording.event("control.taken", 30.0, name="Anna")
    await recording.close("session.ended.technician")
    return recording.path, seen


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[int, bytes]]]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not (STATIC / "vendor" / "zstddec.wasm").exists():
        pytest.skip("the browser libraries are not installed: make install")
    Handler.recording, seen = trio.run(record, tmp_path_factory.mktemp("recording"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(STATIC)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_function("window.index")
            yield page, seen
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def shown(page: Any, like: bytes) -> bytes:
    rgba = bytearray(base64.b64decode(page.evaluate(f"window.pixels({WIDTH}, {HEIGHT})")))
    rgba[0::4], rgba[2::4] = rgba[2::4], rgba[0::4]
    rgba[3::4] = like[3::4]
    return bytes(rgba)


def test_the_beginning_is_shown_and_the_index_is_there(played: tuple[Any, dict[int, bytes]]) -> None:
    page, seen = played
    assert shown(page, seen[0]) == seen[0]
    index = page.evaluate("window.index")
    assert index["duration"] == 120_000
    assert [at for at, _ in index["restarts"]] == [0, 60_000, 120_000]
    assert [(event["at"], event["kind"]) for event in index["events"]] == [(30_000, "control.taken"), (120_000, "end")]


@pytest.mark.parametrize("second", [45, 3, 119, 60, 120, 0])
def test_seeking_shows_what_was_on_the_screen_then(played: tuple[Any, dict[int, bytes]], second: int) -> None:
    page, seen = played
    page.evaluate(f"player.seek({second * 1000})")
    assert shown(page, seen[second]) == seen[second]
    assert page.evaluate("window.log") == []


def test_playing_fast_reaches_the_end_and_stops(played: tuple[Any, dict[int, bytes]]) -> None:
    page, seen = played
    page.evaluate("player.seek(57_000).then(() => { player.setSpeed(64); player.play(); })")
    page.wait_for_function("window.now >= 120_000 && !window.playing")
    page.wait_for_timeout(100)
    assert shown(page, seen[120]) == seen[120]
    assert page.evaluate("window.log") == []
