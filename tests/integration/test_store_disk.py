"""A real file system that is full, or cannot be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from sqlite_utils import Database

from appliance.store import Audit, Store, StoreError


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    target = tmp_path / "small"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


async def attempt(audit: Audit) -> str:
    try:
        await audit.record("store.test", subject="x" * 400)
    except StoreError as error:
        return error.code
    return ""


async def test_a_full_disk_is_said_keeps_what_there_is_and_is_over_when_there_is_room(small: Path) -> None:
    store = await Store.open(small)
    audit = Audit(store, lambda: 1.0)
    await audit.record("store.test", subject="before")
    fill(small / "ballast")
    said = [await attempt(audit) for _ in range(100)]
    assert said[-1] == "store.disk_full"
    assert set(said) <= {"", "store.disk_full"}  # the log before it has some room of its own
    assert (await audit.verify()).whole
    assert len(await audit.page(limit=1000)) == 1 + said.count("")
    os.unlink(small / "ballast")
    await audit.record("store.test", subject="after")
    assert (await audit.page(limit=1))[0].subject == "after"
    assert (await audit.verify()).whole
    await store.aclose()


async def test_a_backup_onto_a_full_disk_says_so_and_leaves_no_half_file(small: Path, tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data")

    def grow(db: Database) -> None:
        db.execute("CREATE TABLE big (a BLOB) STRICT")
        db.execute("INSERT INTO big VALUES (randomblob(4000000))")

    await store.write(grow)
    with pytest.raises(StoreError) as caught:
        await store.backup(small / "backup.db")
    assert caught.value.code == "store.disk_full"
    assert os.listdir(small) == []
    await store.aclose()


async def test_no_database_can_be_made_on_a_full_disk(small: Path) -> None:
    fill(small / "ballast")
    with pytest.raises(StoreError) as caught:
        await Store.open(small / "data")
    assert caught.value.code == "store.disk_full"


async def test_a_read_only_file_system_is_said_at_the_start(small: Path) -> None:
    await (await Store.open(small)).aclose()
    await trio.run_process(["mount", "-o", "remount,ro", str(small)])
    with pytest.raises(StoreError) as caught:
        await Store.open(small)
    assert caught.value.code == "store.read_only"
