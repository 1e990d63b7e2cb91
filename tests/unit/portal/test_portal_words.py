"""Every portal message that is there is used, and every one that is used is there."""

import re
from pathlib import Path

import pytest

from appliance.web.portal.systems import System
from appliance.words import LANGUAGES, words

PORTAL = Path(__file__).parents[3] / "appliance" / "web" / "portal"
MADE = {f"portal.system.{system}" for system in System} | {
    f"portal.{name}"
    for name in (
        "unavailable.no_client",
        "unavailable.not_built",
        "unavailable.damaged",
        "state.opened",
        "state.opened_do",
        "state.downloaded",
        "state.downloaded_do",
    )
}
"""Ids that are put together."""


def used() -> set[str]:
    text = "".join(path.read_text() for path in PORTAL.rglob("*") if path.suffix in (".py", ".html"))
    return set(re.findall(r"[\"'](portal\.[a-z_]+\.[a-z_]+)[\"']", text)) | MADE


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_and_pages_know_each_other(language: str) -> None:
    assert set(words(language).subset("portal.")) == used()
