"""What people outside are told when the database cannot be used."""

from __future__ import annotations

from appliance.store import StoreError
from appliance.wire.messages import Refusal


def not_stored(error: StoreError) -> Refusal:
    """That nothing was saved, and whether the disk is full. Where the data is, which `error` names, is for admins."""
    why = "disk_full" if error.code == "store.disk_full" else "unavailable"
    return Refusal(reason=f"session.not_stored.{why}", retry=True)
