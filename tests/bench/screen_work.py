"""What is done on a desktop while its screen is measured: the same for us and for the peers."""

from __future__ import annotations

import contextlib
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.desktop import VirtualDesktop, eventually
from tests.support.processes import running

SIZE = "1920x1080"
TYPED = 150
TYPED_PER_SECOND = 10
LINES = 120
LINES_PER_SECOND = 20
VIDEO_SECONDS = 6.0
VIDEO_RATE = 25
VIDEO_SIZE = (640, 480)
IDLE_SECONDS = 5.0
TEXT = (
    "the quick brown fox jumps over the lazy dog while support staff watch the screen and type "
    "commands slowly enough to be read by a person on the other end of a slow line ok"
)
WORDS = TEXT.split(" ")


def line(number: int) -> str:
    """A line of text that is never twice the same."""
    return f"{number:05d} " + " ".join(WORDS[(number * 7 + k * 3) % len(WORDS)] for k in range(14)) + "\n"


class Work:
    """A terminal of 100 × 40 characters, full of text, that echoes what is typed and shows what is fed to it."""

    def __init__(self, desktop: VirtualDesktop, feed: Path) -> None:
        self._desktop = desktop
        self._feed = feed

    def type(self) -> None:
        """Type TYPED characters."""
        text = (TEXT + " ") * 9
        self._desktop.run("xdotool", "type", "--delay", str(1000 // TYPED_PER_SECOND), text[:TYPED])

    def scroll(self) -> None:
        """Let the terminal scroll by LINES lines, one at a time."""
        begin = time.perf_counter()
        with self._feed.open("a") as file:
            for number in range(LINES):
                file.write(line(1000 + number))
                file.flush()
                time.sleep(max(0.0, begin + (number + 1) / LINES_PER_SECOND - time.perf_counter()))

    def video(self) -> None:
        """Show moving pictures for VIDEO_SECONDS."""
        with running([sys.executable, "-m", "tests.bench.screen_work"], env=self._desktop.env) as program:
            assert program.process.wait(VIDEO_SECONDS * 4 + 20) == 0, program.output


@contextlib.contextmanager
def work_on(desktop: VirtualDesktop) -> Iterator[Work]:
    """Open the terminal."""
    with tempfile.TemporaryDirectory(prefix="screen-work-") as folder:
        feed = Path(folder) / "feed"
        feed.write_text("".join(line(number) for number in range(60)))
        shell = f"tail -n 99 -f {feed} & exec cat"
        argv = ["xterm", "-title", "terminal", "-fn", "fixed", "-geometry", "100x40+60+60", "-e", "sh", "-c", shell]
        with running(argv, env=desktop.env):
            window = desktop.window("terminal")
            desktop.run("xdotool", "mousemove", "200", "200", "windowfocus", "--sync", window)
            eventually(lambda: desktop.run("xdotool", "getwindowfocus").strip() == window)
            time.sleep(1)
            yield Work(desktop, feed)


# -- the moving pictures, a program of its own ------------------------------------------------------------------


def frame(number: int, frames: int) -> bytes:
    """One picture: soft gradients and moving shapes with a camera's noise; 4 bytes a pixel."""
    width, height = VIDEO_SIZE
    phase = 2 * math.pi * number / frames
    noise = random.Random(number)
    grain = [noise.randrange(-6, 7) for _ in range(4096)]
    columns = [
        (int(90 + 60 * math.sin(x / 53 + phase)), int(110 + 70 * math.sin(x / 91 - phase)), 2 * x % 97)
        for x in range(width)
    ]
    out = bytearray()
    for y in range(height):
        shade = int(40 * math.sin(y / 37 + phase))
        offset = noise.randrange(4096)
        row = bytearray(width * 4)
        row[0::4] = bytes((c[0] + shade + grain[(offset + x) % 4096]) & 255 for x, c in enumerate(columns))
        row[1::4] = bytes((c[1] - shade + grain[(offset + 7 * x) % 4096]) & 255 for x, c in enumerate(columns))
        row[2::4] = bytes((c[2] + shade + 60 + grain[(offset + 3 * x) % 4096]) & 255 for x, c in enumerate(columns))
        out += row
    return bytes(out)


def show_video() -> None:
    """Show the pictures in a window on DISPLAY; the X server has them beforehand, so that showing costs nothing."""
    from Xlib import X, display

    connection = display.Display()
    screen = connection.screen()
    width, height = VIDEO_SIZE
    window = screen.root.create_window(1000, 300, width, height, 0, screen.root_depth, override_redirect=1)
    context = window.create_gc()
    frames = []
    for number in range(16):
        pixmap = window.create_pixmap(width, height, screen.root_depth)
        data = frame(number, 16)
        rows = 64
        for y in range(0, height, rows):
            h = min(rows, height - y)
            piece = data[y * width * 4 : (y + h) * width * 4]
            pixmap.put_image(context, 0, y, width, h, X.ZPixmap, screen.root_depth, 0, piece)
        frames.append(pixmap)
    window.map()
    connection.sync()
    begin = time.perf_counter()
    for number in range(round(VIDEO_SECONDS * VIDEO_RATE)):
        window.copy_area(context, frames[number % len(frames)], 0, 0, width, height, 0, 0)
        connection.flush()
        time.sleep(max(0.0, begin + (number + 1) / VIDEO_RATE - time.perf_counter()))
    connection.close()


if __name__ == "__main__":
    show_video()
