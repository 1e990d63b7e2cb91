from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio
from sqlite_utils import Database

from appliance.store import Audit, AuditEvent, Store, StoreError
from appliance.store import audit as audit_module


def clock() -> float:
    return 1_700_000_000.25


@pytest.fixture
async def log(store: Store) -> Audit:
    audit = Audit(store, clock)
    for number in range(1, 8):
        await audit.record("store.test", actor=f"actor {number}", subject="Käse", address="192.0.2.1", number=number)
    return audit


async def test_events_come_back_newest_first_in_pages_and_by_filter(log: Audit) -> None:
    await log.record("other.thing", subject="50 % _off_")
    page = await log.page(limit=3)
    assert [row.seq for row in page] == [8, 7, 6]
    assert [row.seq for row in await log.page(before=6, limit=2)] == [5, 4]
    assert page[1].details == {"number": 7}
    assert page[1].at == clock()
    assert [row.seq for row in await log.page(kind="other.")] == [8]
    assert [row.seq for row in await log.page(text="ACTOR 3")] == [3]
    assert [row.seq for row in await log.page(text="% _off_")] == [8]
    assert await log.page(text="%") == await log.page(kind="other.")


async def test_an_untouched_chain_is_whole(log: Audit, store: Store) -> None:
    check = await log.verify()
    assert check.whole
    assert check.count == 7
    assert (await Audit(store, clock).verify()).whole


async def test_an_empty_log_is_whole(store: Store) -> None:
    assert (await Audit(store, clock).verify()).whole


@pytest.mark.parametrize(
    ("what", "sql", "problem", "number"),
    [
        ("edit", "UPDATE audit SET actor = 'somebody else' WHERE seq = 3", "changed", 3),
        ("edit details", "UPDATE audit SET details = '{}' WHERE seq = 7", "changed", 7),
        ("edit time", "UPDATE audit SET at = at + 0.001 WHERE seq = 1", "changed", 1),
        ("edit with its hash", "UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", "changed", 4),
        ("delete", "DELETE FROM audit WHERE seq = 3", "missing", 3),
        ("delete first", "DELETE FROM audit WHERE seq = 1", "missing", 1),
        (
            "reorder",
            "UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;"
            " UPDATE audit SET seq = 4 WHERE seq = 100",
            "changed",
            3,
        ),
        (
            "close the gap",
            "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3",
            "changed",
            3,
        ),
        ("truncate", "DELETE FROM audit WHERE seq > 5", "cut", 7),
        ("truncate with a head", "DELETE FROM audit WHERE seq > 5; UPDATE audit_head SET seq = 5", "signature", None),
        ("truncate all", "DELETE FROM audit", "cut", 7),
        ("no head", "DELETE FROM audit_head", "no_head", None),
        ("everything away", "DELETE FROM audit_head; DELETE FROM audit", "no_head", None),
        ("another signature", "UPDATE audit_head SET signature = zeroblob(64)", "signature", None),
        ("not even a signature", "UPDATE audit_head SET signature = x'00'", "signature", None),
    ],
)
async def test_each_way_to_tamper_is_found_and_named(
    log: Audit, store: Store, what: str, sql: str, problem: str, number: int | None
) -> None:
    hooks, store.before_commit[:] = store.before_commit[:], []  # as from outside, where nothing signs
    await store.write(lambda db: db.executescript(sql))
    store.before_commit[:] = hooks
    check = await log.verify()
    assert not check.whole
    assert check.problem == f"store.audit.{problem}"
    assert check.problem_args.get("number") == number


async def test_rows_added_without_the_key_are_found(log: Audit, store: Store) -> None:
    store.before_commit.clear()
    await store.write(lambda db: audit_module.append(db, AuditEvent(at=1.0, kind="store.forged")))
    check = await log.verify()
    assert (check.problem, check.problem_args, check.count) == ("store.audit.unsigned", {"number": 8}, 7)


async def test_an_older_copy_of_the_whole_database_contradicts_what_a_running_server_signed(
    log: Audit, store: Store, tmp_path: Path
) -> None:
    old = tmp_path / "old.db"
    await store.backup(old)
    await log.record("store.test", subject="to be forgotten")

    def put_back(db: Database) -> None:
        db.attach("old", old)

    def copy(db: Database) -> None:
        db.executescript(
            "DELETE FROM audit WHERE seq > 7; DELETE FROM audit_head;"
            " INSERT INTO audit_head SELECT * FROM old.audit_head"
        )

    await trio.to_thread.run_sync(lambda: put_back(store._db))  # type: ignore[arg-type]
    hooks, store.before_commit[:] = store.before_commit[:], []
    await store.write(copy)
    store.before_commit[:] = hooks
    assert (await log.verify()).problem == "store.audit.cut"


async def test_each_signed_head_goes_to_the_log_once_a_commit(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(store, clock)
    with caplog.at_level(logging.INFO, "beistand.audit"):
        await audit.record("store.test")
        await store.write(lambda db: db.executescript("UPDATE settings SET id = id"))
        await audit.record("store.test")
    heads = [record.getMessage().split()[:3] for record in caplog.records]
    assert heads == [["audit", "head", "1"], ["audit", "head", "2"]]


async def test_an_event_belongs_to_the_write_that_it_is_about(log: Audit, store: Store) -> None:
    def write(db: Database) -> None:
        audit_module.append(db, AuditEvent(at=1.0, kind="store.test", subject="never happened"))
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError):
        await store.write(write)
    assert await log.page(text="never happened") == []
    assert (await log.verify()).whole


async def test_an_event_with_a_detail_named_like_a_secret_is_a_bug(log: Audit) -> None:
    with pytest.raises(ValueError, match="password"):
        await log.record("store.test", password="hunter2")
    assert await log.page(text="hunter2") == []


async def test_texts_of_strangers_are_bounded_and_stored_whatever_they_are(log: Audit) -> None:
    await log.record("store.test", subject="x" * 100_000, host="\ud800\x00\u202e'; DROP TABLE audit; --")
    (row,) = await log.page(limit=1)
    assert len(row.subject) == 400
    assert "DROP TABLE" in str(row.details["host"])
    assert (await log.verify()).whole


async def test_a_key_file_of_another_size_is_called_damaged(store: Store) -> None:
    (store.folder / "audit.key").write_bytes(b"short")
    with pytest.raises(StoreError) as caught:
        Audit(store, clock)
    assert caught.value.code == "store.damaged"


async def test_a_long_log_is_verified_in_many_short_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_PAGE", 10)
    audit = Audit(store, clock)

    def write(db: Database) -> None:
        for _ in range(30):
            audit_module.append(db, AuditEvent(at=1.0, kind="store.test"))

    await store.write(write)
    assert (await audit.verify()).count == 30
