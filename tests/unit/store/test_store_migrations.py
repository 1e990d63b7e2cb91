"""Every release's database can be brought to this one's schema with nothing lost.

`released/VERSION.sql` is a dump of a database as that version leaves it (`python tests/unit/store/released/dump.py`).
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from appliance.store import Audit, Settings, Store
from appliance.store.migrate import known, migrate

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))


def schema(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table'")]
        columns = {
            table: connection.execute(
                'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', [table]
            ).fetchall()
            for table in tables
        }
        indexes = connection.execute("SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' ORDER BY name")
        return {**columns, "indexes": indexes.fetchall()}
    finally:
        connection.close()


async def test_a_new_database_has_every_migration_once_in_the_order_of_the_numbers(store: Store) -> None:
    names = await store.read(
        lambda db: [row[0] for row in db.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    )
    assert names == sorted(names)
    assert len(set(names)) == len(names) > 0
    numbers = [re.fullmatch(r"m(\d{4})_[a-z0-9_]+", name) for name in names]
    assert all(numbers)
    assert len({match[1] for match in numbers if match}) == len(names)


def restored(dump: Path, path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    try:
        connection.executescript(dump.read_text())
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    finally:
        connection.close()


def test_there_is_a_released_version() -> None:
    assert RELEASED


@pytest.mark.parametrize("dump", RELEASED, ids=lambda path: path.stem)
async def test_a_database_of_a_released_version_comes_forward_with_its_content(dump: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    before = restored(dump, old / "beistand.db")
    (old / "audit.key").write_bytes(bytes(range(32)))  # as dump.py has it

    store = await Store.open(old)
    settings, audit = await Settings.load(store), Audit(store, lambda: 1.0)
    assert settings.is_set_up
    assert settings.current.site_name == "Released"
    assert (await audit.verify()).whole
    for table, count in before.items():
        assert await store.read(lambda db, t=table: db.table(t).count) >= count  # type: ignore[misc]
    assert await store.read(lambda db: db.execute("PRAGMA foreign_key_check").fetchall()) == []
    await store.aclose()

    await (await Store.open(new)).aclose()
    assert schema(old / "beistand.db") == schema(new / "beistand.db")


def test_a_migration_that_fails_leaves_the_schema_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = known()

    def broken(db: Database) -> None:
        db.execute("CREATE TABLE half (a TEXT) STRICT")
        raise RuntimeError("power cut")

    steps(name="m9999_broken")(broken)
    monkeypatch.setattr("appliance.store.migrate.known", lambda: steps)
    with Database(tmp_path / "beistand.db", strict=True) as db:
        with pytest.raises(RuntimeError):
            migrate(db)
        assert not db["half"].exists()
        assert db["settings"].exists()
        assert [step.name for step in steps.pending(db)] == ["m9999_broken"]


async def test_a_release_goes_back_to_its_database_after_a_later_one_has_expanded_it(store: Store) -> None:
    def later(db: Database) -> None:
        db.execute("ALTER TABLE users ADD COLUMN photo BLOB")
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('beistand', 'm9000_x', '')"
        )

    await store.write(later)
    await store.aclose()
    again = await Store.open(store.folder)
    assert await again.read(lambda db: db.execute("SELECT count(*) FROM users").fetchone()[0]) == 0
    await again.aclose()
