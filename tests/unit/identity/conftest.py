from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import House, site


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with site(tmp_path / "data") as made:
        yield made
