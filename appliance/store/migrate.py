"""Brings a database to this release's schema.

Each `migrations/mNNNN_name.py` has `apply(db)`, which runs once, in a transaction of its own, in the order of the
numbers. Migrations only expand: a release can use the schema of the one after it, so that going back loses nothing.
What contracts (drops or renames something that the release before still uses) comes one release later and raises
LEVEL; a database whose level is above ours is refused.
"""

from __future__ import annotations

import importlib
import pkgutil

from sqlite_utils import Database, Migrations

from appliance.store import migrations
from appliance.store.errors import StoreError

LEVEL = 1
"""What this release can use: databases whose `user_version` is not above it."""


def known() -> Migrations:
    """This release's migrations, in order."""
    found = Migrations("beistand")
    for name in sorted(module.name for module in pkgutil.iter_modules(migrations.__path__)):
        found(name=name)(importlib.import_module(f"{migrations.__name__}.{name}").apply)
    return found


def is_current(db: Database) -> bool:
    """Whether `db` has this release's schema. Raises StoreError store.newer_schema, sqlite3.Error."""
    return _level(db) == LEVEL and not known().pending(db)


def migrate(db: Database) -> None:
    """Applies what `db` lacks. Raises StoreError store.newer_schema, sqlite3.Error."""
    level = _level(db)
    steps = known()
    if steps.pending(db):
        steps.apply(db)
    if level < LEVEL:
        db.execute(f"PRAGMA user_version = {LEVEL}")


def _level(db: Database) -> int:
    level = int(db.execute("PRAGMA user_version").fetchone()[0])
    if level > LEVEL:
        raise StoreError("store.newer_schema", theirs=level, ours=LEVEL)
    return level
