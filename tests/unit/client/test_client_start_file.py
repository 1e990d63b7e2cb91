"""A downloaded client knows its start from its trailer or its name, whatever a browser did to the file."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire.start_file import (
    StartFileDamaged,
    StartInfo,
    file_name,
    pack_trailer,
    parse_file_name,
    read_trailer,
)

INFO = StartInfo(
    server="help.example.com:8443",
    pins=(bytes(range(32)), bytes(range(32, 64))),
    token="Zm9vYmFyYmF6cXV4LTEyMzQ1Njc4OTA",
    language="de",
)
NAMED = StartInfo(server=INFO.server, pins=tuple(pin[:16] for pin in INFO.pins), token=INFO.token, language="de")


def test_a_trailer_is_read_back_from_the_end_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "client"
    file.write_bytes(b"\x7fELF" + bytes(100_000) + pack_trailer(INFO))
    assert read_trailer(file) == INFO


def test_a_file_without_a_trailer_carries_no_start(tmp_path: Path) -> None:
    file = tmp_path / "client"
    for content in (b"", b"\x7fELF" + bytes(100_000)):
        file.write_bytes(content)
        assert read_trailer(file) is None


def test_every_shortened_trailer_is_told_or_carries_nothing(tmp_path: Path) -> None:
    file = tmp_path / "client"
    trailer = pack_trailer(INFO)
    for cut in range(1, len(trailer)):
        file.write_bytes(b"program" + trailer[:-cut])
        if cut > len(trailer) - 8:
            assert read_trailer(file) is None
        else:
            with pytest.raises(StartFileDamaged):
                read_trailer(file)


def test_the_last_of_two_trailers_counts(tmp_path: Path) -> None:
    file = tmp_path / "client"
    other = StartInfo(server="other:443", pins=INFO.pins, token="another-token")
    file.write_bytes(b"program" + pack_trailer(other) + pack_trailer(INFO))
    assert read_trailer(file) == INFO


@pytest.mark.parametrize(
    "ending",
    [
        "",
        ".exe",
        " (1)",
        " (1).exe",
        "(2)",
        "[2]",
        "[2].exe",
        " - Copy.exe",
        " - Kopie",
        ".1",
        "_1",
        "-1",
        " 2",
        ".part",
    ],
)
def test_a_name_survives_what_browsers_and_people_add(ending: str) -> None:
    assert parse_file_name(file_name(INFO) + ending) == NAMED


def test_a_name_survives_a_change_of_case_and_letters_glued_to_its_end() -> None:
    assert parse_file_name(file_name(INFO).upper()) == NAMED
    assert parse_file_name(file_name(INFO) + "copy") == NAMED


def test_every_shortened_or_changed_name_is_told() -> None:
    name = file_name(INFO)
    for length in range(len("beistand-") + 16, len(name)):
        with pytest.raises(StartFileDamaged):
            parse_file_name(name[:length] + ".exe")
    for at in range(len("beistand-"), len(name) - 1):
        changed = name[:at] + ("a" if name[at] != "a" else "b") + name[at + 1 :]
        with pytest.raises(StartFileDamaged):
            parse_file_name(changed)


@pytest.mark.parametrize("name", ["", "beistand", "beistand-client", "beistand-client-linux-x86_64", "setup.exe"])
def test_a_plain_name_carries_no_start(name: str) -> None:
    assert parse_file_name(name) is None


def test_a_name_too_long_for_a_file_system_is_refused() -> None:
    long = StartInfo(server="a" * 120 + ".example:443", pins=INFO.pins, token=INFO.token)
    with pytest.raises(ValueError, match="too long"):
        file_name(long)


@given(st.binary(max_size=300))
def test_any_bytes_at_a_files_end_raise_only_the_one_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.mktemp("trailer") / "client"
    file.write_bytes(b"program\0BEISTND" + len(data).to_bytes(4, "big") + data)
    with pytest.raises(StartFileDamaged):
        read_trailer(file)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567 ([1])", max_size=250))
def test_any_name_gives_a_start_nothing_or_the_one_error(text: str) -> None:
    with contextlib.suppress(StartFileDamaged):
        assert parse_file_name("beistand-" + text) is None


def test_the_token_does_not_show_in_a_log_line() -> None:
    assert INFO.token not in repr(INFO)


def test_addresses_of_all_kinds_are_taken_apart() -> None:
    def address(server: str) -> tuple[str, int]:
        return StartInfo(server=server, pins=INFO.pins, token=INFO.token).address

    assert address("help.example.com:443") == ("help.example.com", 443)
    assert address("[2001:db8::1]:8443") == ("2001:db8::1", 8443)
    assert address("127.0.0.1:1") == ("127.0.0.1", 1)
