"""The way back for a site admin who cannot sign in: `beistand user reset NAME`, on the device itself.

Works whether the server runs or not. A running one refuses the user's old sessions at their next request, and closes
what they have open within seconds (`Sessions.run`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.identity.accounts import Accounts, Link
from appliance.identity.sessions import Sessions
from appliance.identity.throttle import Throttle
from appliance.store import Audit, Settings, Store
from appliance.wire.messages import Refusal


async def reset_user(folder: Path, name: str, now: Callable[[], float]) -> Link | Refusal:
    """Resets the user `name` in the data folder; the link's token is good for 24 hours and one use.

    Refused with `identity.user.unknown {name}`. Raises StoreError, store.none where there is no database.
    """
    store = await Store.open_beside(folder)
    try:
        Audit(store, now)  # signs what is written
        settings = await Settings.load(store)
        return await Accounts(store, settings, Sessions(store, settings, now), Throttle(), now).reset(name)
    finally:
        await store.aclose()
