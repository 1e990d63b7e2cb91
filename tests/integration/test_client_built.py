"""The built file itself, as it was downloaded: on this machine, and in an older Debian's root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from appliance.wire.messages import EndNow, Person, SessionEnded, SessionView
from appliance.wire.start_file import pack_trailer
from clients.packaging import build
from tests.support.customer_appliance import SESSION, Peer, SmallAppliance, make_certificates, small_appliance
from tests.support.desktop import VirtualDesktop, eventually, virtual_desktop
from tests.support.processes import running

BUILT = build.OUTPUT / build.NAME
OLD_DEBIAN = build.ROOT / "build" / "debian-bullseye"
MIRROR = "http://deb.debian.org/debian"

pytestmark = pytest.mark.skipif(not BUILT.exists(), reason="the client has not been built: make client")


@pytest.fixture(scope="module")
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop() as desktop:
        yield desktop


def downloaded(folder: Path, appliance: SmallAppliance) -> Path:
    folder.mkdir()
    file = folder / "beistand (1)"
    file.write_bytes(BUILT.read_bytes() + pack_trailer(appliance.start()))
    file.chmod(0o755)
    return file


def environment(desktop: VirtualDesktop, folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir()
    return {**desktop.env, "LANG": "C", "LC_ALL": "", "no_proxy": "*", "TMPDIR": str(folder / "tmp")}


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


@pytest.mark.parametrize("way", ["ended", "killed"])
async def test_a_session_leaves_neither_the_download_nor_anything_else(
    way: str, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    welcomed = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.welcome(site="Muster GmbH")
        await peer.say(
            SessionView(session=SESSION, state="active", technicians=[Person(id="user-anna", name="Anna Berger")])
        )
        welcomed.set()
        await peer.heard(EndNow)
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.customer"))
        await trio.sleep_forever()

    certificates = make_certificates(tmp_path / "ca")
    with trio.fail_after(60):
        async with small_appliance(certificates, serve) as appliance:
            file = downloaded(tmp_path / "downloads", appliance)
            with running([file], env=environment(desktop, tmp_path)) as client:
                await welcomed.wait()
                await trio.to_thread.run_sync(desktop.window, "Muster GmbH")
                assert file.exists()
                assert not is_empty(tmp_path / "tmp")
                arguments = cmdline(client.pid)
                if way == "killed":
                    client.process.kill()
                else:
                    client.process.terminate()
                await trio.to_thread.run_sync(client.process.wait, 10)
            await trio.to_thread.run_sync(eventually, lambda: is_empty(tmp_path / "tmp"))
    assert not file.exists()
    assert b"start-token" not in arguments
    assert client.output == ""


async def test_a_file_that_never_got_through_can_be_started_again(desktop: VirtualDesktop, tmp_path: Path) -> None:
    async def never(_peer: Peer) -> None:
        await trio.sleep_forever()

    certificates = make_certificates(tmp_path / "ca")
    with trio.fail_after(60):
        async with small_appliance(certificates, never) as appliance:
            file = downloaded(tmp_path / "downloads", appliance)
            with running([file], env=environment(desktop, tmp_path)) as client:
                await trio.to_thread.run_sync(desktop.window, "Remote support")
                client.process.kill()
            await trio.to_thread.run_sync(eventually, lambda: is_empty(tmp_path / "tmp"))
    assert file.exists()


def test_the_manifest_describes_the_file() -> None:
    import hashlib

    manifest = json.loads(BUILT.with_name(f"{build.NAME}.json").read_bytes())
    whole = BUILT.read_bytes()
    assert manifest["sha256"] == hashlib.sha256(whole).hexdigest()
    assert manifest["size"] == len(whole) <= build.GOAL
    assert manifest["glibc"] == build.needed_glibc(build.OUTPUT / "work" / "program")


def test_without_a_display_the_built_file_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [BUILT], env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 4
    assert "DISPLAY is not set" in done.stderr
    eventually(lambda: is_empty(tmp_path))


@pytest.fixture(scope="module")
def old_debian() -> Path:
    """A root of Debian 11 (glibc 2.31), kept in build/ between runs."""
    if os.getuid() != 0:
        pytest.skip("debootstrap and chroot need root")
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed: make deps")
    if not (OLD_DEBIAN / "complete").exists():
        shutil.rmtree(OLD_DEBIAN, ignore_errors=True)
        argv = ["debootstrap", "--variant=minbase", "bullseye", str(OLD_DEBIAN), MIRROR]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            pytest.skip("debootstrap did not finish within ten minutes")
        if done.returncode:
            pytest.skip(f"debootstrap could not make a Debian 11 root: {done.stdout[-300:]}")
        (OLD_DEBIAN / "complete").touch()
    return OLD_DEBIAN


@pytest.mark.timeout(700)
@pytest.mark.parametrize(("language", "says"), [("C", "needs glibc"), ("de_DE.UTF-8", "braucht glibc")])
def test_an_older_debian_says_which_glibc_is_needed(old_debian: Path, language: str, says: str) -> None:
    file = old_debian / "tmp" / "beistand"
    shutil.copy(BUILT, file)
    try:
        done = subprocess.run(
            [shutil.which("chroot") or "/usr/sbin/chroot", old_debian, "/tmp/beistand"],
            env={"PATH": "/usr/bin:/bin", "LANG": language},
            capture_output=True,
            text=True,
            timeout=30,
        )
        left = [entry.name for entry in (old_debian / "tmp").iterdir()]
    finally:
        file.unlink()
    assert done.returncode == 6
    assert says in done.stderr
    assert "2.31" in done.stderr
    assert "Debian 12" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert left == ["beistand"]


def test_the_build_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda _tool: None)
    assert build.main() == 1
    assert "binutils" in capsys.readouterr().err
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _name: None)
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "tkinter" in said
    assert "make deps" in said
    assert sys.executable in said
