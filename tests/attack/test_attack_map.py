"""docs/security-tests.md is true: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS.parent / "docs/security-tests.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)), ids=lambda part: part.rpartition("/")[2])
def test_each_test_that_the_map_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_no_file_of_attacks_is_missing_from_the_map() -> None:
    named = {Path(file).name for file, _name in NAMED}
    assert {path.name for path in Path(__file__).parent.glob("test_*.py")} - named == {Path(__file__).name}
