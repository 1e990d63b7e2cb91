"""What was acknowledged is there after the process is killed in the middle of writing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
import trio

from appliance.store import Audit, Store, StoreError
from appliance.store.errors import as_store_error

WRITER = """
import sys, time
from pathlib import Path
import trio
from appliance.store import Audit, Store

async def main(folder):
    store = await Store.open(folder)
    audit = Audit(store, time.time)

    async def write(name):
        number = 0
        while True:
            number += 1
            await audit.record("store.test", subject=f"{name} {number}")
            print(f"{name} {number}", flush=True)

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(write, name)

trio.run(main, Path(sys.argv[1]))
"""


@contextmanager
def writer(folder: Path) -> Iterator[TextIO]:
    """A process that writes; its lines say what was acknowledged. Killed at the end of the block."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


def acknowledged_until_killed(folder: Path, lines: int) -> list[str]:
    with writer(folder) as output:
        said = [output.readline() for _ in range(lines)]
        os.kill(process_of(folder), signal.SIGKILL)
        said += output.readlines()
    return [line.strip() for line in said if line.endswith("\n")]


def process_of(folder: Path) -> int:
    return int((folder / "lock").read_text())


@pytest.mark.parametrize("lines", [1, 50, 400])
async def test_every_audit_event_that_was_acknowledged_is_there_after_kill_9(tmp_path: Path, lines: int) -> None:
    acknowledged = await trio.to_thread.run_sync(acknowledged_until_killed, tmp_path, lines)
    assert len(acknowledged) >= lines
    store = await Store.open(tmp_path)  # notices the bad end, and checks
    audit = Audit(store, lambda: 0.0)
    assert set(acknowledged) <= {row.subject for row in await audit.page(limit=100_000)}
    check = await audit.verify()
    assert check.whole, check
    await store.aclose()


async def test_a_second_server_is_refused_while_one_runs_and_not_after_it_was_killed(tmp_path: Path) -> None:
    with writer(tmp_path) as output:
        await trio.to_thread.run_sync(output.readline)
        with pytest.raises(StoreError) as caught:
            await Store.open(tmp_path)
        assert caught.value.code == "store.in_use"
    await (await Store.open(tmp_path)).aclose()


def test_a_broken_constraint_is_a_bug_and_no_state_of_the_disk() -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (a INTEGER NOT NULL)")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute("INSERT INTO t VALUES (NULL)")
        assert as_store_error(caught.value, Path("x")) is None
    finally:
        connection.close()
