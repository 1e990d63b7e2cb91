"""The documents' story, walked: their pictures are made by it, and axe has nothing to say at any of its stations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.screenshots.__main__ import CLIENT, IMAGES, ROOT, walk
from tests.screenshots.album import Album

DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.fixture(autouse=True)
def _built() -> None:
    if not CLIENT.is_file():
        pytest.skip("the customer client is not built: make client")


@pytest.mark.timeout(300)
def test_the_story_goes_as_the_documents_tell_it_and_makes_every_picture_they_show(tmp_path: Path) -> None:
    album = Album(tmp_path)
    walk(album, "en")
    shown = {name for file in DOCUMENTS for name in re.findall(r"images/([\w-]+)\.png", file.read_text("utf-8"))}
    assert shown
    assert shown == set(album.names), "each picture is shown, and each that is shown is made"
    assert {file.stem for file in IMAGES.glob("*.png")} == shown, "docs/images is old: make screenshots"


@pytest.mark.timeout(600)
def test_axe_has_nothing_to_say_in_german_light_or_dark_wide_or_on_a_phone(tmp_path: Path) -> None:
    looks = tmp_path / "looks"
    looks.mkdir()
    album = Album(tmp_path, looks)
    walk(album, "de")
    assert not album.faults, "\n".join(album.faults)
