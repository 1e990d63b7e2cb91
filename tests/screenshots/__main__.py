"""`python -m tests.screenshots`: the documents' pictures, into docs/images/; with --sheet also build/contact-sheet/."""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.screenshots.album import Album
from tests.screenshots.sheet import make_sheet
from tests.screenshots.story import Story
from tests.support.appliance import appliance

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SHEET = ROOT / "build" / "contact-sheet"
CLIENT = ROOT / "build" / "client" / "beistand-client-linux-x86_64"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SEEN_MS = 15_000
"""What a page gets to show what it is to show; a machine that builds at the same time is slow."""
PORT = 8443
"""The port of the documents, where it is free, so that addresses in the pictures are those of `make run`."""


def main() -> int:
    """Walk the story; 1 when axe has something to say."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=IMAGES, help="for the documents' pictures")
    parser.add_argument("--sheet", action="store_true", help="the contact sheet: each page in every look and language")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    album = Album(options.out)
    walk(album, "en")
    kept = {f"{name}.png" for name in album.names}
    for old in options.out.glob("*.png"):
        if old.name not in kept:
            old.unlink()
    print(f"{len(kept)} pictures, {sum(file.stat().st_size for file in options.out.glob('*.png')) // 1024} KB")
    faults = sheet(SHEET) if options.sheet else []
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def walk(album: Album, language: str) -> None:
    """Walk the story once, at a new appliance on a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="beistand-story-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        env = {"BEISTAND_CLIENTS": str(CLIENT.parent)}
        expect.set_options(timeout=SEEN_MS)
        try:
            with appliance(Path(folder) / "data", env=env, port=_port()) as site:
                Story(site, browser, album, Path(folder), language).walk()
        finally:
            expect.set_options(timeout=None)
            browser.close()


def _port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def sheet(folder: Path) -> list[str]:
    """Walk the story in each language and put all looks together; what axe found."""
    shutil.rmtree(folder, ignore_errors=True)
    faults = []
    for language in ("en", "de"):
        looks = folder / language
        looks.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as pictures:
            album = Album(Path(pictures), looks)
            walk(album, language)
        faults += [f"{language} {fault}" for fault in album.faults]
    print(make_sheet(folder))
    return faults


if __name__ == "__main__":
    sys.exit(main())
