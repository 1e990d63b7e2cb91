"""Writes VERSION.sql: a small database as this version leaves it. Run at each release, once all migrations are in."""

from __future__ import annotations

import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

import trio

from appliance.identity import Entered, Identity, Passwords, Throttle
from appliance.store import Audit, Settings, Store


def clock() -> float:
    return 1_700_000_000.0


async def made() -> str:
    """The dump, as SQL."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "audit.key").write_bytes(bytes(range(32)))
        store = await Store.open(folder)
        settings, audit = await Settings.load(store), Audit(store, clock)
        identity = Identity(store, settings, audit, Throttle(audit), clock, Passwords(memory_kib=8, passes=1))
        entered = await identity.set_up("anna", "Anna", "three purple onions", site_name="Released")
        assert isinstance(entered, Entered)
        await identity.accounts.create("bob", by=entered.who)
        await identity.accounts.put_team("Second line", [entered.who.user.id], by=entered.who)
        await identity.second_factor.begin(entered.who)
        await store.aclose()
        connection = sqlite3.connect(folder / "beistand.db")
        level = connection.execute("PRAGMA user_version").fetchone()[0]
        lines = [*connection.iterdump(), f"PRAGMA user_version = {level};", ""]
        connection.close()
        return "\n".join(lines)


if __name__ == "__main__":
    Path(__file__).with_name(f"{version('beistand')}.sql").write_text(trio.run(made))
