"""The built file's beginning: where it runs, what it says where it cannot, and that it takes everything away again.

The archive behind it is a small program here, so that each case takes milliseconds; `test_client_built.py` has the
real one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from clients.packaging import build
from tests.support.desktop import eventually

PROGRAM = """#!/bin/sh
case $1 in used|stay) : >"$BEISTAND_RUN/used" ;; esac
echo "started $1 in $BEISTAND_RUN from $BEISTAND_FILE"
case $1 in
    quick) exit 3 ;;
    stay) exec sleep 60 ;;
esac
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the client's, with PROGRAM in it."""
    folder = tmp_path_factory.mktemp("built")
    program = folder / "program"
    program.mkdir()
    (program / "beistand-client").write_text(PROGRAM)
    (program / "beistand-client").chmod(0o755)
    file = folder / "client"
    file.write_bytes(build.packed(program, "2.17") + b"\0a trailer")
    file.chmod(0o755)
    return file


class Place:
    """A downloads folder and a folder for temporary files, empty but for the file."""

    def __init__(self, folder: Path, built: Path) -> None:
        self.temporary = folder / "tmp"
        self.home = folder / "home"
        self.downloads = folder / "my downloads"
        for made in (self.temporary, self.home, self.downloads):
            made.mkdir()
        self.file = Path(shutil.copy(built, self.downloads / "beistand (1)"))
        self.running: list[subprocess.Popen[str]] = []

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH",)}
        return {**kept, "TMPDIR": str(self.temporary), "HOME": str(self.home), "LANG": "C", **more}

    def start(self, *argv: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            argv,
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def staying(self, what: str = "stay") -> subprocess.Popen[str]:
        process = self.start(str(self.file), what)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("started")
        return process

    def left(self) -> list[str]:
        return [entry.name for entry in self.temporary.iterdir()]

    def gone(self) -> bool:
        return not self.left()


@pytest.fixture
def place(tmp_path: Path, built: Path):  # type: ignore[no-untyped-def]
    place = Place(tmp_path, built)
    yield place
    for process in place.running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
    eventually(place.gone)


def watcher_of(process: subprocess.Popen[str]) -> int:
    """The watcher's process: the only child of the program."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def test_arguments_and_exit_code_pass_through_and_nothing_is_left(place: Place) -> None:
    done = place.start(str(place.file), "quick")
    out, err = done.communicate(timeout=10)
    assert (done.returncode, err) == (3, "")
    assert out.startswith(f"started quick in {place.temporary}/beistand-")
    assert out.strip().endswith(f"from {place.file}")
    eventually(place.gone)
    assert place.file.exists()


def test_it_starts_without_its_execute_bit(place: Place) -> None:
    place.file.chmod(0o644)
    done = place.start("/bin/sh", str(place.file), "quick")
    done.communicate(timeout=10)
    assert done.returncode == 3


def test_the_download_goes_with_the_run_that_used_it(place: Place) -> None:
    place.start(str(place.file), "used").communicate(timeout=10)
    eventually(place.gone)
    assert not place.file.exists()


def test_the_download_stays_while_the_program_runs(place: Place) -> None:
    """A lost connection, however long, is not the end: as long as the process lives, nothing is removed."""
    process = place.staying()
    assert (place.temporary / place.left()[0] / "used").exists()
    assert place.file.exists()
    process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_killed_program_leaves_nothing(place: Place, how: signal.Signals) -> None:
    process = place.staying()
    process.send_signal(how)
    eventually(place.gone)
    assert not place.file.exists()


def test_the_whole_process_group_killed_at_once_leaves_nothing(place: Place) -> None:
    process = place.staying()
    os.killpg(process.pid, signal.SIGKILL)
    eventually(place.gone)
    assert not place.file.exists()


def test_what_even_the_watchers_death_left_behind_goes_with_the_next_start(place: Place, built: Path) -> None:
    process = place.staying()
    os.killpg(os.getpgid(watcher_of(process)), signal.SIGKILL)
    process.kill()
    process.wait(10)
    (left,) = place.left()
    again = Path(shutil.copy(built, place.downloads / "beistand (2)"))
    place.start(str(again), "quick").communicate(timeout=10)
    eventually(place.gone)
    assert left
    assert not place.file.exists()
    assert again.exists()


def test_a_start_does_not_sweep_a_run_that_lives(place: Place) -> None:
    process = place.staying()
    (running,) = place.left()
    place.start(str(place.file), "quick").communicate(timeout=10)
    eventually(lambda: place.left() == [running])
    assert process.poll() is None
    process.kill()


def test_what_only_looks_like_a_runs_folder_is_left_alone(place: Place) -> None:
    mine = place.temporary / "beistand-1-2-notes"
    mine.mkdir()
    (mine / "text").write_text("mine")
    elsewhere = place.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("x\n1:1\n")
    (place.temporary / "beistand-1-2-link").symlink_to(elsewhere)
    place.start(str(place.file), "quick").communicate(timeout=10)
    eventually(lambda: sorted(place.left()) == ["beistand-1-2-link", "beistand-1-2-notes"])
    assert (mine / "text").exists()
    assert (elsewhere / "file").exists()
    shutil.rmtree(mine)
    (place.temporary / "beistand-1-2-link").unlink()


def test_another_file_of_the_same_name_is_not_touched(place: Place, built: Path) -> None:
    process = place.staying()
    place.file.unlink()
    shutil.copy(built, place.file)
    process.kill()
    eventually(place.gone)
    assert place.file.exists()


def test_the_same_file_with_other_content_is_not_touched(place: Place) -> None:
    process = place.staying()
    with place.file.open("r+b") as file:
        file.truncate(0)
        file.write(b"something that the customer keeps")
    process.kill()
    eventually(place.gone)
    assert place.file.read_bytes() == b"something that the customer keeps"


def test_a_link_in_its_place_is_not_followed(place: Place) -> None:
    process = place.staying()
    kept = place.downloads / "kept"
    place.file.rename(kept)
    place.file.symlink_to(kept)
    process.kill()
    eventually(place.gone)
    assert kept.exists()
    assert place.file.is_symlink()


def test_a_moved_download_is_left_where_it_was_put(place: Place) -> None:
    process = place.staying()
    moved = place.downloads / "moved"
    place.file.rename(moved)
    process.kill()
    eventually(place.gone)
    assert moved.exists()


@pytest.mark.parametrize(
    ("language", "says"), [("C", "glibc 2.17 or newer"), ("de_DE.UTF-8", "braucht glibc 2.17 oder neuer")]
)
def test_an_old_system_is_told_which_glibc_is_needed(place: Place, language: str, says: str) -> None:
    fake = place.home / "getconf"
    fake.write_text("#!/bin/sh\necho glibc 2.13\n")
    fake.chmod(0o755)
    done = place.start(str(place.file), "quick", PATH=f"{place.home}:{os.environ['PATH']}", LANG=language)
    out, err = done.communicate(timeout=10)
    assert (done.returncode, out) == (6, "")
    assert says in err
    assert "2.13" in err
    assert "RHEL 8" in err


def test_a_system_without_glibc_is_told_so(place: Place) -> None:
    fake = place.home / "getconf"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    done = place.start(str(place.file), "quick", PATH=f"{place.home}:{os.environ['PATH']}")
    assert "musl" in done.communicate(timeout=10)[1]
    assert done.returncode == 6


def test_a_file_cut_short_says_so_and_leaves_nothing(place: Place) -> None:
    whole = place.file.read_bytes()
    place.file.write_bytes(whole[:-60])
    done = place.start(str(place.file), "quick")
    _, err = done.communicate(timeout=10)
    assert done.returncode == 7
    assert "did not arrive whole" in err
    eventually(place.gone)
    assert place.file.exists()


def mounted(script: str) -> list[str]:
    """Run `script` in a mount namespace of its own; skips where that cannot be made."""
    argv = ["unshare", "--mount", "sh", "-c"]
    try:
        subprocess.run([*argv, "mount -t tmpfs tmpfs /mnt"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mount namespace can be made here: {error}")
    return [*argv, script]


def test_a_noexec_tmp_is_no_obstacle(place: Place) -> None:
    mount = f"mount -t tmpfs -o noexec tmpfs '{place.temporary}'"
    script = f"{mount} && '{place.file}' quick; code=$?; ls '{place.temporary}'; exit $code"
    done = place.start(*mounted(script), XDG_CACHE_HOME=str(place.home))
    out, err = done.communicate(timeout=10)
    assert (done.returncode, err) == (3, "")
    assert out.startswith("started quick in ")
    assert f"started quick in {place.temporary}" not in out
    assert len(out.splitlines()) == 1


def test_a_full_tmp_is_no_obstacle(place: Place) -> None:
    script = f"mount -t tmpfs -o size=1M tmpfs '{place.temporary}' && exec '{place.file}' quick"
    done = place.start(*mounted(script))
    out, err = done.communicate(timeout=10)
    assert (done.returncode, err) == (3, "")
    assert f"started quick in {place.temporary}" not in out


def test_without_any_folder_that_allows_programs_it_says_what_to_do(place: Place, tmp_path: Path) -> None:
    shut = " && ".join(f"mount -t tmpfs -o noexec tmpfs {folder}" for folder in ("/var/tmp", "/dev/shm"))
    copied = f"cp '{place.file}' /mnt/f && mount -t tmpfs -o noexec tmpfs /tmp && exec sh /mnt/f quick"
    script = f"mount -t tmpfs tmpfs /mnt && {shut} && {copied}"
    done = place.start(
        *mounted(script), TMPDIR="/tmp", HOME="/dev/shm", XDG_CACHE_HOME="/dev/shm", XDG_RUNTIME_DIR="/dev/shm"
    )
    _, err = done.communicate(timeout=10)
    assert done.returncode == 7
    assert "There is no folder in which this program may run: tried /tmp /var/tmp /dev/shm." in err
