"""The power goes: ext4's shutdown ioctl drops all that was not forced to the disk, journal included."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from appliance.store import Audit, Store, StoreError

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class Disk:
    """A file with an ext4 in it, mounted at `folder`."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self.image = image

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.folder)], check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)

    def cut_power(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    made = Disk(folder, image)
    try:
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        made.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs to make and mount an ext4: {error}")
    yield made
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@pytest.mark.parametrize("when", [1, 3, 40, 200])
async def test_what_was_acknowledged_survives_a_power_cut_in_the_middle_of_writing(disk: Disk, when: int) -> None:
    store = await Store.open(disk.folder / "data")
    audit = Audit(store, lambda: 1.0)
    acknowledged: list[str] = []
    refused: list[str] = []

    async def write(name: str) -> None:
        for number in range(10_000):
            try:
                await audit.record("store.test", subject=f"{name} {number}")
            except StoreError as error:
                refused.append(error.code)
                return
            acknowledged.append(f"{name} {number}")
            if len(acknowledged) == when:
                disk.cut_power()

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(write, name)
    assert refused == ["store.unavailable"] * 3
    await store.aclose()

    await trio.to_thread.run_sync(disk.unmount)
    await trio.to_thread.run_sync(disk.mount)
    store = await Store.open(disk.folder / "data")
    audit = Audit(store, lambda: 1.0)
    there = {row.subject for row in await audit.page(limit=100_000)}
    assert len(acknowledged) >= when
    assert set(acknowledged) <= there
    check = await audit.verify()
    assert check.whole, check
    await audit.record("store.test", subject="and on it goes")
    await store.aclose()
