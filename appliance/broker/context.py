"""What every part of the broker is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from appliance.broker.keeper import Keeper
from appliance.domain.policy import OFFERED
from appliance.relay.pool import BufferPool
from appliance.relay.taps import RecorderFactory
from appliance.store.database import Store
from appliance.store.settings import Settings
from appliance.wire.messages import Tool

if TYPE_CHECKING:
    from appliance.broker.session import Session


@dataclass(kw_only=True)
class Context:
    """`now`: seconds since 1970; `make_token`: a new secret or id of 128 bits or more, URL-safe; `touch(topic)`: that
    part of the consoles' state has changed; `session_ended(session)`: that one is over; `reroute(session)`: put it into
    the queue where it belongs now; `offered`: the tools of this site's sessions."""

    store: Store
    settings: Settings
    keeper: Keeper
    now: Callable[[], float]
    make_token: Callable[[], str]
    touch: Callable[[str], None]
    session_ended: Callable[[Session], None]
    reroute: Callable[[Session], None]
    recorder_factory: RecorderFactory | None
    offered: frozenset[Tool] = OFFERED
    pool: BufferPool = field(default_factory=BufferPool)
    nursery: trio.Nursery | None = None

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after so many seconds, if the broker still runs."""

        async def wait() -> None:
            await trio.sleep(seconds)
            act()

        if self.nursery is not None:
            self.nursery.start_soon(wait)
