"""Whatever happens on the desktop, the viewer's picture is the desktop's, pixel for pixel."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.wire.messages import Monitor
from appliance.wire.screen import Geometry
from appliance.wire.screen_decoder import ScreenDecoder
from clients.desktop.encoder import ScreenEncoder
from clients.desktop.pacing import Delay
from clients.desktop.protocol import Capture, CursorShape, Layout, Patch

FULL_RATE = Delay(0.0, 4)


def unjpeg(image: bytes, w: int, h: int) -> bytes:
    from PIL import Image

    picture = Image.open(io.BytesIO(image)).convert("RGBA")
    assert picture.size == (w, h)
    return picture.tobytes("raw", "BGRA")


@dataclass
class Desk:
    """A desktop in memory, and a viewer of it."""

    width: int
    height: int
    pixels: bytearray = field(init=False)
    encoder: ScreenEncoder = field(default_factory=ScreenEncoder)
    viewer: ScreenDecoder = field(default_factory=lambda: ScreenDecoder(unjpeg))
    now: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = bytearray(self.width * self.height * 4)
        self.layout = Layout(
            self.width, self.height, (Monitor(name="DP-1", x=0, y=0, width=self.width, height=self.height),)
        )

    def paint(self, x: int, y: int, w: int, h: int, pixels: bytes) -> None:
        for row in range(h):
            at = ((y + row) * self.width + x) * 4
            self.pixels[at : at + w * 4] = pixels[row * w * 4 : (row + 1) * w * 4]

    def patch(self, x: int, y: int, w: int, h: int) -> Patch:
        rows = (self.pixels[(row * self.width + x) * 4 :][: w * 4] for row in range(y, y + h))
        return Patch(x, y, w, h, bytearray(b"".join(rows)))

    def send(self, *patches: Patch, restart: bool = False, delay: Delay = FULL_RATE, **rest: object) -> None:
        """Encode what was captured, and show it to the viewer."""
        capture = Capture(patches, **rest)  # type: ignore[arg-type]
        encoded = self.encoder.encode(
            lambda: capture, layout=lambda: self.layout, restart=restart, now=self.now, delay=delay
        )
        self.sizes = [len(message.payload) for message in encoded.messages]
        for message in encoded.messages:
            self.viewer.feed(message.payload)

    def start(self) -> None:
        self.send(self.patch(0, 0, self.width, self.height), restart=True)

    def seen(self) -> bool:
        return self.viewer.picture == self.pixels


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


rects = st.tuples(st.integers(0, 150), st.integers(0, 110), st.integers(1, 50), st.integers(1, 50)).map(
    lambda r: (r[0], r[1], min(r[2], 160 - r[0]), min(r[3], 120 - r[1]))
)
actions = st.one_of(
    st.tuples(st.just("fill"), rects, st.binary(min_size=4, max_size=4)),
    st.tuples(st.just("noise"), rects, st.integers(0, 2**16)),
    st.tuples(st.just("palette"), rects, st.integers(2, 20)),
    st.tuples(st.just("scroll"), st.integers(-40, 40).filter(bool), st.integers(0, 2**16)),
    st.tuples(st.just("nothing"), rects, st.just(0)),
)


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(actions, max_size=12))
def test_every_change_arrives_exactly(steps: list[tuple[str, object, object]]) -> None:
    desk = Desk(160, 120)
    desk.paint(0, 0, 160, 120, noise(160 * 120 * 4, 1))
    desk.start()
    assert desk.seen()
    for kind, what, how in steps:
        desk.now += 1
        if kind == "scroll":
            assert isinstance(what, int)
            rows, fresh = bytes(desk.pixels), noise(abs(what) * 160 * 4, int(str(how)))
            desk.pixels[:] = rows[len(fresh) :] + fresh if what < 0 else fresh + rows[: -len(fresh)]
            desk.send(desk.patch(0, 0, 160, 120))
        else:
            x, y, w, h = what  # type: ignore[misc]
            if kind == "fill":
                desk.paint(x, y, w, h, how * (w * h))  # type: ignore[operator]
            elif kind == "noise":
                desk.paint(x, y, w, h, noise(w * h * 4, int(str(how))))
            elif kind == "palette":
                colours = [noise(4, seed) for seed in range(int(str(how)))]
                chooser = random.Random(7)
                desk.paint(x, y, w, h, b"".join(chooser.choice(colours) for _ in range(w * h)))
            # What is damaged is more than what changed.
            left, top = max(0, x - 5), max(0, y - 5)
            desk.send(desk.patch(left, top, min(160 - left, w + 9), min(120 - top, h + 9)))
        assert desk.seen()


def text(seed: int, w: int, h: int) -> bytes:
    """Rows that look like a terminal: two colours, every line another."""
    out = bytearray()
    for line in range(-(-h // 13)):
        chooser = random.Random(seed * 1000 + line)
        for _ in range(13):
            out += b"".join(chooser.choice((b"\0\0\0\0", b"\xff\xff\xff\0")) for _ in range(w))
    return bytes(out[: w * h * 4])


def test_a_typed_character_costs_less_than_a_hundred_bytes() -> None:
    desk = Desk(1280, 800)
    desk.start()
    sizes = []
    for column in range(40):
        desk.paint(60 + column * 6, 60, 6, 13, text(column, 6, 13))
        desk.send(desk.patch(60 + column * 6, 60, 12, 13))
        sizes += desk.sizes
    assert desk.seen()
    assert sum(sizes) / len(sizes) < 100


def test_scrolled_text_is_copied_not_sent() -> None:
    desk = Desk(800, 600)
    desk.paint(100, 50, 600, 520, text(1, 600, 520))
    desk.start()
    rows = desk.patch(100, 63, 600, 507).pixels
    desk.paint(100, 50, 600, 507, bytes(rows))
    desk.paint(100, 557, 600, 13, text(2, 600, 13))
    desk.send(desk.patch(100, 50, 600, 520))
    assert desk.seen()
    assert sum(desk.sizes) < 2000


def test_scrolling_beside_a_still_panel_copies_only_what_scrolled() -> None:
    desk = Desk(800, 600)
    desk.paint(0, 0, 800, 600, noise(800 * 600 * 4, 3))
    desk.paint(0, 0, 500, 520, text(1, 500, 520))
    desk.start()
    desk.paint(0, 0, 500, 507, bytes(desk.patch(0, 13, 500, 507).pixels))
    desk.paint(0, 507, 500, 13, text(2, 500, 13))
    desk.send(desk.patch(0, 0, 800, 600))
    assert desk.seen()
    assert sum(desk.sizes) < 30_000


def test_nothing_changed_is_nothing_sent() -> None:
    desk = Desk(320, 200)
    desk.start()
    desk.send(desk.patch(0, 0, 320, 200))
    assert desk.sizes == []
    desk.send()
    assert desk.sizes == []


def test_video_goes_lossy_and_is_made_exact_when_it_is_still() -> None:
    desk = Desk(640, 480)
    desk.start()
    for frame in range(12):
        desk.now += 1 / 25
        desk.paint(64, 64, 256, 192, noise(256 * 192 * 4, frame))
        desk.send(desk.patch(64, 64, 256, 192))
    assert sum(desk.sizes) < 256 * 192 * 4 / 3
    assert not desk.seen()
    assert desk.encoder.refine_at > desk.now
    desk.now = desk.encoder.refine_at
    desk.send()
    assert desk.seen()
    assert desk.encoder.refine_at == float("inf")


def test_scrolling_text_never_goes_lossy() -> None:
    desk = Desk(640, 480)
    desk.start()
    for frame in range(12):
        desk.now += 1 / 25
        desk.paint(0, 0, 640, 480, text(frame, 640, 480))
        desk.send(desk.patch(0, 0, 640, 480))
        assert desk.seen()


def test_without_a_jpeg_library_all_stays_lossless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.desktop.motion.open_jpeg", lambda: None)
    desk = Desk(320, 240)
    desk.start()
    for frame in range(10):
        desk.now += 1 / 25
        desk.paint(0, 0, 320, 240, noise(320 * 240 * 4, frame))
        desk.send(desk.patch(0, 0, 320, 240))
        assert desk.seen()


def test_a_large_picture_is_sent_in_several_messages() -> None:
    desk = Desk(1600, 1200)
    desk.paint(0, 0, 1600, 1200, noise(1600 * 1200 * 4, 5))
    desk.start()
    assert desk.seen()
    assert len(desk.sizes) >= 2


def test_a_viewer_can_come_in_at_any_restart() -> None:
    desk = Desk(320, 200)
    desk.send(desk.patch(0, 0, 320, 200), restart=True, cursor=CursorShape(1, 2, 1, 1, b"abcd"), pointer=(5, 6))
    desk.paint(10, 10, 20, 20, noise(1600, 1))
    desk.send(desk.patch(10, 10, 20, 20))
    desk.viewer = ScreenDecoder()
    desk.start()
    assert desk.seen()
    assert desk.viewer.cursor is not None
    assert bytes(desk.viewer.cursor.pixels) == b"abcd"


def test_another_layout_begins_a_new_picture() -> None:
    desk = Desk(320, 200)
    desk.start()
    desk.width, desk.height, desk.pixels = 400, 100, bytearray(noise(400 * 100 * 4, 9))
    desk.layout = Layout(400, 100, (Monitor(name="HDMI-1", x=0, y=0, width=400, height=100),))
    desk.send(desk.patch(0, 0, 400, 100), layout=desk.layout)
    assert desk.seen()
    assert desk.viewer.geometry == Geometry(400, 100, desk.layout.monitors)


def test_a_lower_rate_and_its_reason_are_told_once() -> None:
    desk = Desk(64, 64)
    desk.start()
    desk.send(delay=Delay(0.61, 2))
    assert (desk.viewer.rate.quarters, desk.viewer.rate.delay_ms) == (2, 610)
    desk.send(delay=Delay(0.62, 2))
    assert desk.sizes == []


def test_a_capture_says_its_number_and_what_it_took() -> None:
    desk = Desk(64, 64)
    encoded = desk.encoder.encode(
        lambda: Capture((desk.patch(0, 0, 64, 64),)), layout=lambda: desk.layout, restart=True, now=0.0, delay=FULL_RATE
    )
    assert desk.viewer.feed(encoded.messages[0].payload) == encoded.messages[0].seq
    assert 0 < encoded.capture < 1
    assert 0 < encoded.encode < 1


def test_messages_are_numbered_without_saying_so() -> None:
    desk = Desk(64, 64)
    desk.start()
    for number in range(1, 4):
        encoded = desk.encoder.encode(
            lambda: Capture((), pointer=(number, number)),  # noqa: B023
            layout=lambda: desk.layout,
            restart=False,
            now=0.0,
            delay=FULL_RATE,
        )
        assert [desk.viewer.feed(message.payload) for message in encoded.messages] == [1 + number]
