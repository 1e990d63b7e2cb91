"""Refusing inside a write: the exception takes the write back, and becomes the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlite_utils import Database

from appliance.store import Store
from appliance.wire.messages import Refusal

T = TypeVar("T")


class Refused(Exception):
    """Raised in a write that may not be."""

    def __init__(self, reason: str, **args: str | int) -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason=f"identity.{reason}", args=dict(args))


async def attempt(store: Store, fn: Callable[[Database], T]) -> T | Refusal:
    """What `fn` returned, with its changes on the disk; or why it refused, with nothing changed. Raises StoreError."""
    try:
        return await store.write(fn)
    except Refused as refused:
        return refused.refusal
