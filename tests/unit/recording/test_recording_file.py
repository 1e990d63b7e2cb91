"""A recording is what was relayed, and shows whatever was done to it afterwards."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.relay.recording import Recording, public_key
from appliance.relay.recording_format import FormatError, RecordingFile, RecordKind, end_of, records
from appliance.relay.recording_read import Status, read_range, recording_path, verify, view
from appliance.wire.frames import Flag
from appliance.wire.messages import ChatMessage

SESSION = "session-0001"
META = {"session": SESSION, "started_at": 1000.0, "technician": "Anna Ödön"}
CHAT = ChatMessage(seq=1, id="message-1", sender="customer", name="Kunde", text="Grüß Gott 😀", at=1003.0)


async def recorded(folder: Path) -> Path:
    recording = Recording.open(folder, META)
    recording.event("control.taken", 1000.5, technician="Anna")
    recording.screen(b"first picture", Flag.RESTART, 1001.0)
    recording.screen(b"its rest", Flag.FIN, 1001.1)
    recording.chat(CHAT, 1003.0)
    await recording.flush()
    recording.screen(b"second picture", Flag.RESTART | Flag.FIN, 1061.0)
    recording.screen(b"an update", Flag.FIN, 1062.25)
    await recording.close("session.ended.technician")
    assert recording.failed is None
    assert recording.head
    return recording.path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import trio

    return trio.run(recorded, tmp_path_factory.mktemp("original")).read_bytes()


def parts(path: Path) -> list[tuple[int, int, int, bytes]]:
    with RecordingFile(path) as file:
        return [
            (record.kind, record.at, record.flags, record.data)
            for segment in file.segments()
            for record in records(segment.body)
        ]


async def test_everything_comes_back_with_its_time(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "recordings")
    screen = [part for part in parts(path) if part[0] == RecordKind.SCREEN]
    assert screen == [
        (1, 1000, Flag.RESTART, b"first picture"),
        (1, 1100, Flag.FIN, b"its rest"),
        (1, 61000, Flag.RESTART | Flag.FIN, b"second picture"),
        (1, 62250, Flag.FIN, b"an update"),
    ]
    assert verify(path).status is Status.COMPLETE
    assert verify(path, public_key(tmp_path / "recordings")).ok
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_player_gets_restart_points_and_events(tmp_path: Path) -> None:
    path = await recorded(tmp_path)
    index = view(path)
    assert (index.session, index.started_at, index.meta) == (SESSION, 1000.0, {"technician": "Anna Ödön"})
    assert index.closed
    assert index.duration == 62250
    assert [at for at, _offset in index.restarts] == [1000, 61000]
    assert [(event.at, event.kind) for event in index.events] == [
        (500, "control.taken"),
        (3000, "chat"),
        (62250, "end"),
    ]
    assert index.events[1].details["text"] == "Grüß Gott 😀"
    with RecordingFile(path) as file:
        second = file.segment(index.restarts[1][1])
    assert next(records(second.body)).data == b"second picture"
    assert read_range(path, index.restarts[1][1], 4) == b"SEGM"


async def test_a_crash_loses_nothing_that_was_flushed_and_the_session_goes_on_in_the_same_file(tmp_path: Path) -> None:
    recording = Recording.open(tmp_path, META)
    recording.screen(b"before", Flag.RESTART | Flag.FIN, 1001.0)
    await recording.flush()
    before = recording.path.read_bytes()
    # The appliance dies in the middle of writing the next segment.
    recording.screen(b"lost", Flag.FIN, 1002.0)
    await recording.flush()
    torn = recording.path.read_bytes()[:-20]
    await recording.close("session.ended.technician")
    recording.path.write_bytes(torn)

    check = verify(recording.path)
    assert (check.status, check.offset, check.segments) == (Status.CUT_SHORT, len(before), 1)
    assert view(recording.path).size == len(before)
    assert not view(recording.path).closed

    again = Recording.open(tmp_path, {**META, "started_at": 1010.0})
    again.screen(b"after", Flag.RESTART | Flag.FIN, 1012.0)
    await again.close("session.ended.customer")
    assert verify(again.path).ok
    assert [part[1:] for part in parts(again.path) if part[0] == RecordKind.SCREEN] == [
        (1000, Flag.RESTART | Flag.FIN, b"before"),
        (12000, Flag.RESTART | Flag.FIN, b"after"),
    ]


async def test_a_closed_recording_is_not_written_again(tmp_path: Path) -> None:
    path = await recorded(tmp_path)
    before = path.read_bytes()
    again = Recording.open(tmp_path, META)
    again.event("late", 2000.0)
    await again.flush()
    assert again.failed == "recording.write_failed"
    assert path.read_bytes() == before


async def test_a_clock_set_back_does_not_go_back_in_the_recording(tmp_path: Path) -> None:
    recording = Recording.open(tmp_path, META)
    for at in (1010.0, 1005.0, 1011.0):
        recording.screen(b"x", Flag.FIN, at)
    await recording.close("done")
    assert [part[1] for part in parts(recording.path) if part[0] == RecordKind.SCREEN] == [10000, 10000, 11000]
    assert verify(recording.path).ok


async def test_a_full_disk_fails_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording.open(tmp_path, META)
    recording.screen(b"x" * 1000, Flag.RESTART | Flag.FIN, 1001.0)
    await recording.flush()
    good = recording.path.read_bytes()
    write, left = os.write, [50]

    def full(descriptor: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(recording.path):
            return write(descriptor, data)
        if not left[0]:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = write(descriptor, data[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    recording.screen(b"y" * 1000, Flag.FIN, 1002.0)
    await recording.flush()
    assert recording.failed == "recording.disk_full"
    recording.screen(b"z", Flag.FIN, 1003.0)
    await recording.close("done")
    assert recording.path.read_bytes() == good


async def test_what_the_disk_does_not_take_in_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.relay.recording.MAX_PENDING", 10_000)
    recording = Recording.open(tmp_path, META)
    for _ in range(30):
        recording.screen(b"x" * 1000, Flag.FIN, 1001.0)
    assert recording.failed == "recording.too_slow"
    await recording.close("done")


@pytest.mark.parametrize("session", ["../../etc/passwd", "short", "a/bbbbbbbb", "a" * 65, "aaaaaaaa\n"])
async def test_only_ids_become_file_names(tmp_path: Path, session: str) -> None:
    with pytest.raises(ValueError, match="id"):
        recording_path(tmp_path, session)
    with pytest.raises(ValueError, match="id"):
        Recording.open(tmp_path, {**META, "session": session})


# -- what somebody does to the file -----------------------------------------------------------------------------

fuzzed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(data=st.data())
def test_any_changed_byte_is_found(tmp_path: Path, original: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(original) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(original)
    changed[at] ^= mask
    path = tmp_path / "changed.bsr"
    path.write_bytes(changed)
    assert not verify(path).ok


@fuzzed
@given(data=st.data())
def test_any_cut_is_found(tmp_path: Path, original: bytes, data: st.DataObject) -> None:
    path = tmp_path / "cut.bsr"
    path.write_bytes(original[: data.draw(st.integers(0, len(original) - 1))])
    assert verify(path).status in (Status.CUT_SHORT, Status.DAMAGED)


def test_exchanged_left_out_and_doubled_segments_are_found(tmp_path: Path, original: bytes) -> None:
    path = tmp_path / "edited.bsr"
    path.write_bytes(original)
    with RecordingFile(path) as file:
        pieces = [original[segment.offset : end_of(segment)] for segment in file.segments()]
        head, tail = original[: file.first], original[file.first + sum(map(len, pieces)) :]
    assert len(pieces) >= 4
    for order in ([1, 0, 2, 3], [0, 2, 3], [1, 2, 3], [0, 1, 1, 2, 3], [0, 1, 2, 3, 0], [0, 1, 3]):
        path.write_bytes(head + b"".join(pieces[number] for number in order) + tail)
        assert verify(path).status is Status.DAMAGED, order


async def test_a_recording_made_with_another_key_is_foreign(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "theirs")
    await recorded(tmp_path / "ours")
    assert verify(path, public_key(tmp_path / "ours")).status is Status.FOREIGN


@fuzzed
@given(data=st.binary(max_size=300))
def test_hostile_files_are_refused(tmp_path: Path, original: bytes, data: bytes) -> None:
    path = tmp_path / "hostile.bsr"
    for content in (data, b"BSTREC1\n" + data, original[:200] + data, original[:-16] + data):
        path.write_bytes(content)
        assert not verify(path).ok or content == original
        with contextlib.suppress(FormatError):
            view(path)
