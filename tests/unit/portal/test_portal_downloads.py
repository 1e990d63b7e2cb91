"""The built clients, the packages made of them, and their delivery."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from appliance.web.portal import downloads as downloads_module
from appliance.web.portal.delivery import PackageResponse, RangeNotSatisfiable, parse_range_untrusted
from appliance.web.portal.downloads import Downloads, Package, Unavailable
from appliance.web.portal.systems import System
from appliance.wire.start_file import StartInfo, read_trailer

BASE = os.urandom(700_001)
INFO = StartInfo(server="help.example:8443", pins=(b"p" * 32,), token="t" * 32, language="de")


def build(folder: Path, content: bytes = BASE, **manifest: object) -> Path:
    """What `make client` leaves behind."""
    path = folder / "beistand-client-linux-x86_64"
    path.write_bytes(content)
    facts = {"version": "1.0", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "glibc": "2.31"}
    path.with_name(f"{path.name}.json").write_text(json.dumps(facts | manifest))
    return path


class Clock:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def downloads(tmp_path: Path, clock: Clock) -> Downloads:
    return Downloads(tmp_path, clock)


async def packed(downloads: Downloads, clock: Clock, start: str = "start-one") -> Package:
    return downloads.pack(await downloads.client_for(System.LINUX_X86_64), INFO, start, clock() + 60)


async def refusal(downloads: Downloads, system: System = System.LINUX_X86_64) -> str:
    with pytest.raises(Unavailable) as refused:
        await downloads.client_for(system)
    return refused.value.code.rpartition(".")[2]


async def test_a_system_without_a_client_and_an_appliance_without_a_build_are_told_apart(downloads: Downloads) -> None:
    assert await refusal(downloads, System.WINDOWS) == "no_client"
    assert await refusal(downloads) == "not_built"


async def test_a_build_appears_while_the_server_runs(downloads: Downloads, tmp_path: Path) -> None:
    assert await refusal(downloads) == "not_built"
    build(tmp_path)
    assert (await downloads.client_for(System.LINUX_X86_64)).manifest.glibc == "2.31"


@pytest.mark.parametrize(
    "manifest", [{"sha256": "0" * 64}, {"size": 5}, {"glibc": "$(id)"}, {"version": "1\n2"}, {"sha256": "x"}]
)
async def test_a_file_that_is_not_what_its_manifest_says_is_not_handed_out(
    downloads: Downloads, tmp_path: Path, manifest: dict[str, object]
) -> None:
    build(tmp_path, **manifest)
    assert await refusal(downloads) == "damaged"


async def test_the_file_is_hashed_once_and_again_when_it_changes(
    downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def count(file: object, name: str, /) -> object:
        hashed.append(name)
        return original(file, name)  # type: ignore[arg-type]

    original = hashlib.file_digest
    monkeypatch.setattr(downloads_module.hashlib, "file_digest", count)
    build(tmp_path)
    first = await downloads.client_for(System.LINUX_X86_64)
    assert await downloads.client_for(System.LINUX_X86_64) is first
    assert len(hashed) == 1
    build(tmp_path, b"another build")
    assert (await downloads.client_for(System.LINUX_X86_64)).manifest.size == 13
    assert len(hashed) == 2


async def test_a_package_knows_hash_and_size_of_the_whole_file_without_having_it(
    downloads: Downloads, tmp_path: Path, clock: Clock
) -> None:
    build(tmp_path)
    package = await packed(downloads, clock)
    whole = BASE + package.trailer
    assert (package.size, package.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    (tmp_path / "whole").write_bytes(whole)
    assert read_trailer(tmp_path / "whole") == INFO
    assert INFO.token not in package.name
    assert INFO.token not in repr(package)


async def test_a_ticket_works_as_long_as_its_start(downloads: Downloads, tmp_path: Path, clock: Clock) -> None:
    build(tmp_path)
    package = await packed(downloads, clock)
    assert downloads.by_ticket(package.ticket) is package
    clock.time += 61
    assert downloads.by_ticket(package.ticket) is None
    assert downloads.of_start("start-one") == ()
    other = await packed(downloads, clock, "start-two")
    assert downloads.of_start("start-two") == (other,)


async def test_a_scanner_that_downloads_for_ever_fills_no_memory_and_leaves_the_pages_own_line_working(
    downloads: Downloads, tmp_path: Path, clock: Clock
) -> None:
    build(tmp_path)
    first = await packed(downloads, clock)
    others = [await packed(downloads, clock) for _ in range(100)]
    assert len(downloads.of_start("start-one")) == downloads_module.MAX_PACKAGES
    assert downloads.by_ticket(first.ticket) is first
    assert downloads.by_ticket(others[-1].ticket) is others[-1]
    assert downloads.by_ticket(others[0].ticket) is None


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=-7", (93, 100)),
        ("bytes=-700", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 500 + "-", None),
    ],
)
def test_ranges_are_read_as_http_says(header: str, part: tuple[int, int] | None) -> None:
    assert parse_range_untrusted(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range_untrusted(header, 100)


class Sent:
    """What an ASGI response sends."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, message: dict[str, object]) -> None:
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        self.pieces.append(body)


async def delivered(response: PackageResponse) -> list[bytes]:
    sent = Sent()
    await response({"type": "http"}, None, sent)  # type: ignore[arg-type]
    return sent.pieces


async def test_the_file_is_sent_in_pieces_and_any_part_of_it_is_the_same_bytes(
    downloads: Downloads, tmp_path: Path, clock: Clock
) -> None:
    build(tmp_path)
    package = await packed(downloads, clock)
    whole = BASE + package.trailer
    pieces = await delivered(PackageResponse(package, None, head=False))
    assert b"".join(pieces) == whole
    assert max(map(len, pieces)) <= downloads_module.READ_SIZE
    for start, end in [(0, 1), (699_990, 700_010), (700_001, len(whole)), (len(whole) - 1, len(whole)), (5, 600_000)]:
        assert b"".join(await delivered(PackageResponse(package, (start, end), head=False))) == whole[start:end]
    assert b"".join(await delivered(PackageResponse(package, None, head=True))) == b""


async def test_a_file_that_was_replaced_since_is_not_mixed_with_the_old_hash(
    downloads: Downloads, tmp_path: Path, clock: Clock
) -> None:
    path = build(tmp_path)
    package = await packed(downloads, clock)
    replacement = tmp_path / "new"
    replacement.write_bytes(BASE[::-1])
    replacement.rename(path)
    with pytest.raises(Unavailable):
        await delivered(PackageResponse(package, None, head=False))
