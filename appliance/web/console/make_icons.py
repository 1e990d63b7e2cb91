"""Draws the installed application's icons: `python -m appliance.web.console.make_icons`. Needs Pillow (dev)."""

from __future__ import annotations

from math import hypot
from pathlib import Path

from PIL import Image

ACCENT = (11, 96, 117)
WHITE = (255, 255, 255)
OVERSAMPLING = 4
FOLDER = Path(__file__).parent / "static"


def life_ring(x: float, y: float) -> bool:
    """Whether the sign, a life ring within the unit circle, is at (x, y)."""
    distance = hypot(x, y)
    if not 0.36 <= distance <= 1.0:
        return False
    between = abs(abs(x) - abs(y)) < 0.30 and distance > 0.36
    return between or distance > 0.72


def draw(size: int, sign: float, *, round_corners: bool) -> Image.Image:
    """The icon at `size` pixels; `sign` is the life ring's share of it."""
    side = size * OVERSAMPLING
    image = Image.new("RGBA", (side, side), (*ACCENT, 0))
    corner = 0.44 if round_corners else 0.0
    for row in range(side):
        for column in range(side):
            x, y = (2 * column + 1) / side - 1, (2 * row + 1) / side - 1
            outside = hypot(max(0.0, abs(x) - (1 - corner)), max(0.0, abs(y) - (1 - corner))) > corner
            if corner and outside:
                continue
            image.putpixel((column, row), (*(WHITE if life_ring(x / sign, y / sign) else ACCENT), 255))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the files."""
    draw(192, 0.66, round_corners=True).save(FOLDER / "icon-192.png", optimize=True)
    draw(512, 0.66, round_corners=True).save(FOLDER / "icon-512.png", optimize=True)
    draw(512, 0.52, round_corners=False).save(FOLDER / "icon-maskable-512.png", optimize=True)


if __name__ == "__main__":
    main()
