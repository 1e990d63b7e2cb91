"""The browser's decoder in a real Chromium paints what the encoder was given."""

from __future__ import annotations

import base64
import http.server
import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from appliance.wire.messages import Monitor
from appliance.wire.screen import Kind, op_geometry, op_jpeg, pack_header
from clients.desktop.encoder import ScreenEncoder
from clients.desktop.pacing import Delay
from clients.desktop.protocol import Capture, CursorShape, Layout, Patch

STATIC = Path(__file__).parents[2] / "appliance" / "web" / "shared" / "static"

PAGE = """<!doctype html><canvas id=screen></canvas><script type=module>
const canvas = document.getElementById("screen").transferControlToOffscreen();
const worker = new Worker("/screen/worker.js", {type: "module"});
const seen = [];
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
worker.onmessage = ({data}) => seen.push(data);
worker.postMessage({type: "init", canvas}, [canvas]);
window.feed = (messages) => {
  for (const [text, flags] of messages) worker.postMessage({type: "data", data: bytes(text), flags});
};
window.told = (type) => seen.filter((message) => message.type === type).map((message) => {
  const plain = {...message};
  for (const key of ["pixels", "data", "ack"]) if (plain[key]) plain[key] = Array.from(plain[key]);
  return plain;
});
let id = 0;
window.pixels = (x, y, width, height) => new Promise((done) => {
  const mine = ++id;
  worker.addEventListener("message", ({data}) => {
    if (data.type !== "pixels" || data.id !== mine) return;
    done(btoa(Array.from(data.data, (b) => String.fromCharCode(b)).join("")));
  });
  worker.postMessage({type: "pixels", id: mine, x, y, width, height});
});
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not (STATIC / "vendor" / "zstddec.wasm").exists():
        pytest.skip("the browser libraries are not installed: make install")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(STATIC)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            yield page
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def page(browser_page: Any) -> Any:
    browser_page.reload()
    browser_page.wait_for_function("window.told && window.told('ready').length")
    return browser_page


class Stream:
    """A desktop in memory, encoded for the page."""

    def __init__(self, page: Any, width: int = 320, height: int = 200) -> None:
        self.page, self.width, self.height = page, width, height
        self.pixels = bytearray(width * height * 4)
        self.encoder = ScreenEncoder()
        self.layout = Layout(width, height, (Monitor(name="Größe 1", x=0, y=0, width=width, height=height),))
        self.now = 0.0
        self.sent = 0

    def paint(self, x: int, y: int, w: int, h: int, pixels: bytes) -> Patch:
        for row in range(h):
            at = ((y + row) * self.width + x) * 4
            self.pixels[at : at + w * 4] = pixels[row * w * 4 : (row + 1) * w * 4]
        return Patch(x, y, w, h, bytearray(pixels))

    def send(self, *patches: Patch, restart: bool = False, **rest: Any) -> None:
        capture = Capture(patches, **rest)
        encoded = self.encoder.encode(
            lambda: capture, layout=lambda: self.layout, restart=restart, now=self.now, delay=Delay(0.0, 4)
        )
        for message in encoded.messages:
            feed(self.page, message.payload, message.restart)
            self.sent += 1
        self.page.wait_for_function(f"window.told('painted').length >= {self.sent}")

    def start(self, **rest: Any) -> None:
        self.send(Patch(0, 0, self.width, self.height, bytearray(self.pixels)), restart=True, **rest)

    def shown(self) -> bytes:
        """The canvas as B G R X with X as in the desktop."""
        rgba = bytearray(base64.b64decode(self.page.evaluate(f"window.pixels(0, 0, {self.width}, {self.height})")))
        rgba[0::4], rgba[2::4] = rgba[2::4], rgba[0::4]
        rgba[3::4] = self.pixels[3::4]
        return bytes(rgba)


def feed(page: Any, payload: bytes, restart: bool) -> None:
    """In frames, as the wire brings them."""
    pieces = [payload[at : at + 5000] for at in range(0, len(payload), 5000)]
    frames = [
        (base64.b64encode(piece).decode(), (2 if restart and not number else 0) | (number == len(pieces) - 1))
        for number, piece in enumerate(pieces)
    ]
    page.evaluate("(messages) => window.feed(messages)", frames)


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def few(w: int, h: int, count: int) -> bytes:
    chooser = random.Random(count)
    colours = [noise(4, seed) for seed in range(count)]
    return b"".join(chooser.choice(colours) for _ in range(w * h))


def test_every_operation_is_painted_exactly(page: Any) -> None:
    stream = Stream(page)
    stream.paint(0, 0, 320, 200, noise(320 * 200 * 4, 1))
    stream.start()
    assert stream.shown() == stream.pixels
    for step, count in enumerate((1, 2, 3, 4, 11, 16, 17)):
        stream.send(stream.paint(10 + step, 20, 37, 21, few(37, 21, count)))
        assert stream.shown() == stream.pixels
    rows = bytes(stream.pixels[13 * 320 * 4 :]) + noise(13 * 320 * 4, 2)
    stream.send(stream.paint(0, 0, 320, 200, rows))
    assert stream.shown() == stream.pixels


def test_a_large_picture_comes_in_several_messages(page: Any) -> None:
    stream = Stream(page, 1400, 900)
    stream.paint(0, 0, 1400, 900, noise(1400 * 900 * 4, 3))
    stream.start()
    assert stream.sent >= 2
    assert stream.shown() == stream.pixels


def test_video_is_painted_and_made_exact_afterwards(page: Any) -> None:
    stream = Stream(page)
    stream.start()
    for frame in range(10):
        stream.now += 0.04
        stream.send(stream.paint(64, 0, 192, 128, noise(192 * 128 * 4, frame)))
    assert stream.shown() != stream.pixels
    stream.now = stream.encoder.refine_at
    stream.send()
    assert stream.shown() == stream.pixels


def test_geometry_cursor_and_pointer_are_told(page: Any) -> None:
    stream = Stream(page)
    stream.start(cursor=CursorShape(1, 2, 2, 1, bytes([0, 0, 128, 128, 1, 2, 3, 0])), pointer=(7, 8))
    assert page.evaluate("told('geometry')[0]") == {
        "type": "geometry",
        "width": 320,
        "height": 200,
        "monitors": [{"name": "Größe 1", "x": 0, "y": 0, "width": 320, "height": 200, "primary": False}],
    }
    cursor = page.evaluate("told('cursor')[0]")
    assert (cursor["hotX"], cursor["hotY"], cursor["width"], cursor["height"]) == (1, 2, 2, 1)
    assert cursor["pixels"] == [255, 0, 0, 128, 0, 0, 0, 0]
    assert page.evaluate("told('pointer')[0]") == {"type": "pointer", "x": 7, "y": 8}
    painted = page.evaluate("told('painted')[0]")
    assert bytes(painted["ack"])[:5] == b"\x01\x00\x00\x00\x01"


def test_a_damaged_stream_is_told_and_a_restart_mends_it(page: Any) -> None:
    stream = Stream(page)
    stream.start()
    feed(page, pack_header(Kind.UPDATE, 99) + b"\xff" * 40, restart=False)
    page.wait_for_function("told('error').length")
    assert page.evaluate("told('error')[0].needsRestart")
    stream.paint(5, 5, 10, 10, noise(400, 3))
    stream.start()
    assert stream.shown() == stream.pixels


def hostile(plain: bytes, *, window_log: int = 20) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_content_size=False)
    zstd = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = zstd.compress(plain) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return pack_header(Kind.RESTART, 1) + data


@pytest.mark.parametrize(
    "message",
    [
        hostile(bytes(64 * 1024 * 1024)),
        hostile(op_geometry(8, 8, ()) + bytes(8 * 1024 * 1024)),
        hostile(op_geometry(8, 8, ()), window_log=27),
        hostile(b"\x01\xff\xff\xff\xff\x00"),
        hostile(op_geometry(64, 64, ()) + op_jpeg(0, 0, 9, 9, bytes.fromhex("ffd8ffc00011080fff0fff03") + bytes(99))),
        hostile(op_geometry(64, 64, ()) + b"\x02\x00\x3f\x00\x00\x00\x02\x00\x01" + bytes(8)),
        hostile(op_geometry(64, 64, ()) + b"\x7f"),
    ],
    ids=["bomb", "bomb after geometry", "window", "huge picture", "jpeg bomb", "past the picture", "unknown"],
)
def test_hostile_messages_are_refused_in_bounded_memory(page: Any, message: bytes) -> None:
    feed(page, message, restart=True)
    page.wait_for_function("told('error').length")
    assert page.evaluate("told('painted').length") == 0
    stream = Stream(page)
    stream.start()
    assert stream.shown() == stream.pixels
