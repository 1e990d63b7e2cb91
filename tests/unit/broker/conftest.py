"""A running broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio.testing

from tests.support.broker import BrokerSite, broker_site


@pytest.fixture
async def hall(tmp_path: Path, mock_clock: trio.testing.MockClock) -> AsyncIterator[BrokerSite]:
    """A broker; `hall.console(...)` and `hall.customer(...)` connect to it."""
    async with broker_site(tmp_path / "data", mock_clock) as site:
        yield site
