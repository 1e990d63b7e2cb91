"""What the command line does on a data folder, beside a running appliance or without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import trio

from appliance.cli import ExitCode, Failure
from appliance.identity.reset import reset_user as reset_in_store
from appliance.relay.recording import public_key
from appliance.relay.recording_format import FormatError
from appliance.relay.recording_read import verify
from appliance.store import Audit, Settings, Store, StoreError
from appliance.wire.messages import Refusal
from appliance.words import Words

T = TypeVar("T")

STORE_EXIT_CODES = {
    "store.in_use": ExitCode.DATA_IN_USE,
    "store.damaged": ExitCode.DATA_DAMAGED,
    "store.newer_schema": ExitCode.DATA_DAMAGED,
    "store.read_only": ExitCode.DATA_READ_ONLY,
    "store.disk_full": ExitCode.DISK_FULL,
    "store.none": ExitCode.NOT_FOUND,
    "store.too_slow": ExitCode.NOT_NOW,
    "store.unavailable": ExitCode.NOT_NOW,
}


def failure_of(error: StoreError) -> Failure:
    """The exit code and the words for a store that can't be used."""
    return Failure(STORE_EXIT_CODES[error.code], error.code, **error.message_args)


def _in_store(folder: Path, work: Callable[[Store], Awaitable[T]]) -> T:
    async def main() -> T:
        store = await Store.open_beside(folder)
        try:
            return await work(store)
        finally:
            await store.aclose()

    try:
        return trio.run(main)
    except StoreError as error:
        raise failure_of(error) from None


def reset_user(folder: Path, name: str, port: int, words: Words) -> str:
    """A one-time sign-in link for `name`, in words. Raises Failure."""
    try:
        link = trio.run(reset_in_store, folder, name, time.time)
    except StoreError as error:
        raise failure_of(error) from None
    if isinstance(link, Refusal):
        raise Failure(ExitCode.NOT_FOUND, link.reason, **link.args)
    settings = _in_store(folder, Settings.load).current
    until = datetime.fromtimestamp(link.expires_at, UTC).astimezone(ZoneInfo(settings.time_zone))
    host = next(iter(settings.host_names), "localhost")
    address = f"https://{host}" if port == 443 else f"https://{host}:{port}"
    return words(
        "cli.user.reset",
        name=link.user.name,
        until=f"{until:%Y-%m-%d %H:%M %Z}",
        link=f"{address}/login/link/{link.token}",
    )


def verify_audit(folder: Path, words: Words) -> str:
    """What checking the audit chain found, in words. Raises Failure when it is not whole."""
    check = _in_store(folder, lambda store: Audit(store, time.time).verify())
    if not check.whole:
        raise Failure(ExitCode.NOT_GENUINE, "cli.audit.changed", reason=words(check.problem, **check.problem_args))
    return words("cli.audit.genuine", count=check.count)


def verify_recording(file: Path, folder: Path, words: Words) -> str:
    """What checking a recording found, in words. Raises Failure when it is not as it was recorded.

    With the data folder of the appliance that made it, also whether it was that one.
    """
    if not file.is_file():
        raise Failure(ExitCode.NOT_FOUND, "cli.recording.not_found", file=str(file))
    recordings = folder / "recordings"
    try:
        found = verify(file, public_key(recordings) if recordings.is_dir() else None)
    except FormatError:
        raise Failure(ExitCode.NOT_GENUINE, "recording.unreadable") from None
    args = {"seconds": round(found.seconds, 1), "segments": found.segments, "offset": found.offset}
    if not found.ok:
        raise Failure(ExitCode.NOT_GENUINE, f"recording.verify.{found.status}", **args)
    return words(f"recording.verify.{found.status}", **args)


def backup_database(folder: Path, file: Path, words: Words) -> str:
    """Copy the database while it may be in use, with progress on a terminal. Raises Failure."""

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{100 * done // max(total, 1):3d} %", end="\n" if done == total else "", file=sys.stderr)

    try:
        _in_store(folder, partial(Store.backup, path=file, progress=progress))
    except FileExistsError:
        raise Failure(ExitCode.USAGE, "cli.backup.exists", file=str(file)) from None
    return words("cli.backup.done", file=str(file))
