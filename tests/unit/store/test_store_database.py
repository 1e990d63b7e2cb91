from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from sqlite_utils import Database

from appliance.store import Store, StoreError

THOUSAND = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    " SELECT hex(randomblob(500)) || i FROM n"
)
FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def sql(text: str, *parameters: object) -> Callable[[Database], None]:
    def execute(db: Database) -> None:
        db.execute(text, parameters)

    return execute


def add(name: str) -> Callable[[Database], None]:
    return sql("INSERT INTO things VALUES (?)", name)


def names(db: Database) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM things ORDER BY name")]


@pytest.fixture
async def things(store: Store) -> Store:
    await store.write(sql("CREATE TABLE things (name TEXT PRIMARY KEY) STRICT"))
    return store


async def test_what_was_written_is_read_and_is_there_after_opening_again(things: Store) -> None:
    await things.write(add("a"))
    assert await things.read(names) == ["a"]
    await things.aclose()
    again = await Store.open(things.folder)
    assert await again.read(names) == ["a"]
    await again.aclose()


async def test_a_write_returns_what_its_function_returns(things: Store) -> None:
    assert await things.write(lambda db: 42) == 42


async def test_writes_that_wait_share_a_commit_and_one_that_fails_hurts_no_other(things: Store) -> None:
    commits = 0

    def count(_db: Database) -> None:
        nonlocal commits
        commits += 1

    things.before_commit.append(count)
    failed: list[str] = []
    hold, held = threading.Event(), trio.Event()

    def first(db: Database) -> None:
        trio.from_thread.run_sync(held.set)
        hold.wait()

    async def one(name: str) -> None:
        try:
            await things.write(add(name))
        except sqlite3.IntegrityError:
            failed.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(things.write, first)
        await held.wait()
        for name in ("a", "b", "a", "c", "d"):
            nursery.start_soon(one, name)
        await trio.testing.wait_all_tasks_blocked()
        hold.set()
    assert failed == ["a"]
    assert await things.read(names) == ["a", "b", "c", "d"]
    assert commits == 2


async def test_a_write_that_fails_half_way_takes_back_what_it_did(things: Store) -> None:
    def half(db: Database) -> None:
        db.execute("INSERT INTO things VALUES ('half')")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await things.write(half)
    assert await things.read(names) == []


async def test_a_caller_that_is_cancelled_while_it_waits_leaves_a_store_that_works(things: Store) -> None:
    hold, held = threading.Event(), trio.Event()

    def first(db: Database) -> None:
        trio.from_thread.run_sync(held.set)
        hold.wait()

    async def impatient(scope: trio.CancelScope) -> None:
        with scope:
            await things.write(add("given up"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(things.write, first)
        await held.wait()
        scope = trio.CancelScope()
        nursery.start_soon(impatient, scope)
        nursery.start_soon(things.write, add("patient"))
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        hold.set()
    assert await things.read(names) == ["patient"]
    await things.write(add("later"))
    assert await things.read(names) == ["later", "patient"]


async def test_a_caller_that_is_cancelled_while_its_write_runs_hears_how_it_ended(things: Store) -> None:
    hold, held = threading.Event(), trio.Event()

    def slow(db: Database) -> str:
        trio.from_thread.run_sync(held.set)
        hold.wait()
        add("a")(db)
        return "written"

    answers: list[str] = []

    async def cancelled(scope: trio.CancelScope) -> None:
        with scope:
            answers.append(await things.write(slow))

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(cancelled, scope)
        await held.wait()
        scope.cancel()
        hold.set()
    assert answers == ["written"]
    assert await things.read(names) == ["a"]


async def test_a_reader_sees_one_moment_and_cannot_write(things: Store) -> None:
    with pytest.raises(StoreError) as caught:
        await things.read(add("x"))
    assert caught.value.code == "store.read_only"

    between, go_on = trio.Event(), threading.Event()

    def twice(db: Database) -> tuple[list[str], list[str]]:
        before = names(db)
        trio.from_thread.run_sync(between.set)
        go_on.wait()
        return before, names(db)

    result: list[tuple[list[str], list[str]]] = []

    async def read() -> None:
        result.append(await things.read(twice))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await between.wait()
        await things.write(add("meanwhile"))
        go_on.set()
    assert result == [([], [])]


async def test_a_read_that_takes_too_long_is_stopped_and_the_next_one_works(things: Store) -> None:
    with pytest.raises(StoreError) as caught:
        await things.read(lambda db: db.execute(FOREVER).fetchone(), seconds=0.02)
    assert caught.value.code == "store.too_slow"
    assert await things.read(names) == []


async def test_a_reader_whose_caller_is_cancelled_stops_at_once(things: Store) -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(things.read, lambda db: db.execute(FOREVER).fetchone(), seconds=1000))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert await things.read(names) == []


async def test_closing_stops_readers_and_refuses_what_comes_after(things: Store) -> None:
    async def long() -> None:
        with pytest.raises(StoreError):
            await things.read(lambda db: db.execute(FOREVER).fetchone(), seconds=1000)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(long)
            await trio.testing.wait_all_tasks_blocked()
            await things.aclose()
    with pytest.raises(StoreError) as caught:
        await things.write(add("late"))
    assert caught.value.code == "store.unavailable"


async def test_a_second_server_on_the_folder_is_refused_and_the_first_goes_on(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        await Store.open(store.folder)
    assert caught.value.code == "store.in_use"
    assert await store.write(lambda db: 1) == 1


async def test_a_command_opens_beside_a_server_and_both_write(things: Store) -> None:
    beside = await Store.open_beside(things.folder)
    await beside.write(add("command"))
    await things.write(add("server"))
    assert await beside.read(names) == ["command", "server"]
    await beside.aclose()
    await things.write(add("server again"))


async def test_a_command_makes_no_database_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        await Store.open_beside(tmp_path / "typo")
    assert caught.value.code == "store.none"
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(4000)])
async def test_a_file_that_is_no_database_is_called_damaged_and_kept_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "beistand.db").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await Store.open(tmp_path)
    assert caught.value.code == "store.damaged"
    assert (tmp_path / "beistand.db").read_bytes() == content


async def test_after_a_bad_end_the_database_is_checked_and_damage_is_found(things: Store) -> None:
    await things.write(sql(f"INSERT INTO things {THOUSAND}"))
    await things.aclose()
    path = things.path
    data = bytearray(path.read_bytes())
    data[-4096 * 2 : -4096] = os.urandom(4096)
    path.write_bytes(data)
    (things.folder / "lock").write_text("12345\n")  # as a killed server leaves it
    with pytest.raises(StoreError) as caught:
        await Store.open(things.folder)
    assert caught.value.code == "store.damaged"
    assert path.read_bytes() == data


async def test_a_database_of_a_newer_release_is_refused_and_kept_as_it_is(things: Store) -> None:
    await things.aclose()
    connection = sqlite3.connect(things.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = things.path.read_bytes()
    with pytest.raises(StoreError) as caught:
        await Store.open(things.folder)
    assert caught.value.code == "store.newer_schema"
    assert caught.value.message_args["theirs"] == 99
    assert things.path.read_bytes() == before


async def test_the_folder_and_its_files_are_for_us_only(store: Store) -> None:
    await store.write(sql("CREATE TABLE things (name TEXT) STRICT"))
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for file in store.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_when_the_disk_is_full_a_write_says_so_and_later_ones_work_again(things: Store) -> None:
    big = sql("INSERT INTO things SELECT hex(randomblob(2000)) FROM json_each('[1,2,3,4,5,6,7,8,9,10]')")
    pages = await things.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await things.write(sql(f"PRAGMA max_page_count = {pages + 2}"))
    with pytest.raises(StoreError) as caught:
        await things.write(big)
    assert caught.value.code == "store.disk_full"
    assert await things.read(names) == []
    await things.write(sql("PRAGMA max_page_count = 100000"))
    await things.write(big)
    assert len(await things.read(names)) == 10


async def test_a_backup_is_made_while_there_are_writes_and_opens_as_a_database(things: Store, tmp_path: Path) -> None:
    await things.write(sql(f"INSERT INTO things {THOUSAND}"))
    seen: list[tuple[int, int]] = []
    target = tmp_path / "copy" / "beistand.db"
    target.parent.mkdir()

    async def write_on() -> None:
        for number in range(20):
            await things.write(add(f"meanwhile {number}"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_on)
        await things.backup(target, lambda done, total: seen.append((done, total)))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(seen) > 1
    assert seen[-1][0] == seen[-1][1] > 0
    copy = await Store.open(target.parent)
    assert len(await copy.read(names)) >= 1000
    await copy.aclose()


async def test_a_backup_overwrites_nothing_and_leaves_nothing_when_it_fails(things: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(FileExistsError):
        await things.backup(target)
    assert target.read_text() == "mine"
    with pytest.raises(ZeroDivisionError):
        await things.backup(tmp_path / "other.db", lambda done, total: 1 // 0)
    assert not (tmp_path / "other.db").exists()


async def test_opening_and_closing_fifty_times_leaves_no_descriptor_and_no_thread_behind(tmp_path: Path) -> None:
    async def once() -> None:
        store = await Store.open(tmp_path)
        await store.write(lambda db: db.execute("PRAGMA user_version").fetchone())
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(store.read, lambda db: db.execute("SELECT 1").fetchone())
        await store.aclose()

    await once()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(50):
        await once()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() <= threads + 4  # trio keeps a few idle ones


def test_every_table_is_strict_and_foreign_keys_hold(tmp_path: Path) -> None:
    async def main() -> None:
        store = await Store.open(tmp_path)
        tables = await store.read(
            lambda db: db.execute(
                "SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%'"
            ).fetchall()
        )
        assert tables
        assert [name for name, strict in tables if not strict] == []
        with pytest.raises(sqlite3.IntegrityError):
            await store.write(sql("INSERT INTO team_members VALUES ('no', 'body')"))
        await store.aclose()

    trio.run(main)
