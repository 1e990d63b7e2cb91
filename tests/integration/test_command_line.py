"""The `beistand` command: what a person is told when something is wrong, and the exit code that a script sees."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlite_utils import Database

from appliance.cli import ExitCode
from appliance.identity.device_ca import DeviceCa
from tests.support.appliance import ADMIN, ANNA, Appliance, appliance
from tests.support.desktop import eventually
from tests.support.processes import running

GERMAN = {"LANG": "de_DE.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
ENGLISH = {"LANG": "en_GB.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE.*?END CERTIFICATE-----\n", re.S)
ROOT = Path(__file__).parents[2]


def beistand(*words: str | Path, cwd: Path, env: Mapping[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refused(cwd: Path, exit_code: ExitCode, english: str, german: str, *words: str | Path) -> str:
    """`serve` with `words` is refused in both languages, in a line or two and without a traceback; the English text."""
    texts = []
    for env, says in ((ENGLISH, english), (GERMAN, german)):
        done = beistand("serve", "--listen", "127.0.0.1:0", *words, cwd=cwd, env=env)
        assert done.returncode == exit_code, done.stderr
        assert says in done.stderr
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) <= 2, done.stderr
        texts.append(done.stderr)
    assert texts[0] != texts[1]
    return texts[0]


@pytest.fixture
def folder(seeded_folder: Path, tmp_path: Path) -> Path:
    """A site's data folder that no server uses."""
    shutil.copytree(seeded_folder, tmp_path / "data")
    return tmp_path / "data"


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, the database's bookkeeping apart."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal", "lock")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# -- what keeps it from starting --------------------------------------------------------------------------------


def test_a_port_in_use_is_named(tmp_path: Path, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        words = ("--listen", address, "--data", folder)
        said = refused(tmp_path, ExitCode.PORT_IN_USE, "in use by another program", "anderen Programm", *words)
    assert address in said


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path, folder: Path) -> None:
    with appliance(folder) as first:
        refused(tmp_path, ExitCode.DATA_IN_USE, "Another server is using", "anderer Server", "--data", folder)
        with first.http() as browser:
            assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("settings", "english", "german"),
    [
        ("listen = ", "is not valid TOML", "kein gültiges TOML"),
        ('listen = "8443"', "is no address to listen on", "8443"),
        ('lisen = "localhost:8443"', "there is no setting “lisen”", "lisen"),
        ("listen = 8443", "must be a text in quotes", "listen"),
        ('proxies = "everybody"', "is no network", "everybody"),
        ('host_name = "-x"', "is no host name", "-x"),
        ('key = "nowhere.pem"', "there is no file", "nowhere.pem"),
    ],
)
def test_a_bad_settings_file_is_named_with_the_place_and_what_would_be_right(
    settings: str, english: str, german: str, tmp_path: Path
) -> None:
    (tmp_path / "beistand.toml").write_text(settings)
    texts = []
    for env, says in ((ENGLISH, english), (GERMAN, german)):
        done = beistand("serve", cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (ExitCode.SETTINGS, "")
        assert says in done.stderr
        assert "beistand.toml" in done.stderr
        texts.append(done.stderr)
    assert texts[0] != texts[1]
    assert [path.name for path in tmp_path.iterdir()] == ["beistand.toml"], "nothing was made"


def test_a_settings_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    refused(tmp_path, ExitCode.SETTINGS, "can't be read", "nicht lesbar", "--config", "nowhere.toml")


def test_a_certificate_that_does_not_fit_its_key_is_refused(tmp_path: Path, folder: Path) -> None:
    first, second = (web_certificate(tmp_path / name) for name in ("first", "second"))
    words = ("--data", folder, "--certificate", first[0], "--key", second[1])
    assert str(first[0]) in refused(tmp_path, ExitCode.SETTINGS, "can't be used", "nicht", *words)
    first[0].write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    words = ("--data", folder, "--certificate", first[0], "--key", first[1])
    refused(tmp_path, ExitCode.SETTINGS, "can't be used", "nicht", *words)
    words = ("--data", folder, "--certificate", second[0])
    refused(tmp_path, ExitCode.SETTINGS, "both are needed", "--certificate", *words)


def test_a_damaged_database_is_said_and_left_as_it_is(tmp_path: Path, folder: Path) -> None:
    [database] = folder.glob("*.db")
    database.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    before = content(folder)
    said = refused(tmp_path, ExitCode.DATA_DAMAGED, "is damaged", "beschädigt", "--data", folder)
    assert str(database) in said
    assert content(folder) == before


def test_a_damaged_or_missing_device_key_is_said_and_not_made_anew(tmp_path: Path, folder: Path) -> None:
    DeviceCa.open(folder / "device_ca", time.time)
    key = folder / "device_ca" / "ca.pem"
    whole = key.read_bytes()
    key.write_bytes(whole[:40])
    before = content(folder)
    assert str(key) in refused(tmp_path, ExitCode.DATA_DAMAGED, "is damaged", "beschädigt", "--data", folder)
    assert content(folder) == before
    key.unlink()
    refused(tmp_path, ExitCode.DATA_DAMAGED, "is missing", "fehlt", "--data", folder)


@contextlib.contextmanager
def file_system(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own; skips where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_folder_is_said(tmp_path: Path, folder: Path) -> None:
    with file_system(tmp_path / "disk", "64m") as disk:
        shutil.copytree(folder, disk / "data")
        before = content(disk / "data")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        words = ("--data", disk / "data")
        refused(tmp_path, ExitCode.DATA_READ_ONLY, "cannot be written", "nicht beschreiben", *words)
        assert content(disk / "data") == before


def test_a_full_disk_is_said_and_starts_again_when_there_is_room(tmp_path: Path, folder: Path) -> None:
    with file_system(tmp_path / "disk", "4m") as disk:
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        refused(tmp_path, ExitCode.DISK_FULL, "disk is full", "voll", "--data", disk / "data")
        (disk / "ballast").unlink()
        with appliance(disk / "data") as running_, running_.http() as browser:
            assert browser.get("/setup").status_code == 200


# -- where a setting comes from ---------------------------------------------------------------------------------


def test_a_flag_goes_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    def served(*words: str | Path, env: Mapping[str, str]) -> Path:
        with running([sys.executable, "-m", "appliance", "serve", *words], cwd=tmp_path, env=env) as server:
            server.wait_line("Beistand serves")
        [made] = [path for path in tmp_path.iterdir() if path.is_dir()]
        shutil.rmtree(made)
        return made

    (tmp_path / "beistand.toml").write_text('listen = ["127.0.0.1:0"]\ndata = "from-file"\n')
    env = {**ENGLISH, "PYTHONPATH": str(ROOT)}
    assert served(env=env).name == "from-file"
    env["BEISTAND_DATA"] = "from-environment"
    assert served(env=env).name == "from-environment"
    assert served("--data", "from-flag", env=env).name == "from-flag"


# -- running ----------------------------------------------------------------------------------------------------


def web_certificate(folder: Path) -> tuple[Path, Path]:
    """A web certificate for localhost and its key, from a CA of their own."""
    folder.mkdir()
    files = DeviceCa.open(folder / "ca", time.time).web_certificate(["localhost"])
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text("".join(CERTIFICATE.findall(Path(files.chain).read_text())))
    key.write_bytes(Path(files.key).read_bytes())
    return chain, key


def served_certificate(port: int) -> bytes:
    """The certificate that a browser is shown, DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))


def leaf(chain: Path) -> bytes:
    """The first certificate of a chain, DER."""
    return ssl.PEM_cert_to_DER_cert(CERTIFICATE.findall(chain.read_text())[0])


def test_web_certificate_files_that_are_replaced_are_served_and_bad_ones_are_not(tmp_path: Path, folder: Path) -> None:
    first, second = (web_certificate(tmp_path / name) for name in ("first", "second"))
    env = {"BEISTAND_CERTIFICATE": str(first[0]), "BEISTAND_KEY": str(first[1])}
    with appliance(folder, env=env) as site:
        assert served_certificate(site.port) == leaf(first[0])
        wanted = leaf(second[0])
        # Not at one moment: in between, the key does not fit.
        os.replace(second[0], first[0])
        assert served_certificate(site.port)
        os.replace(second[1], first[1])
        eventually(lambda: served_certificate(site.port) == wanted, 30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_five_seconds_though_a_browser_does_not_read(
    folder: Path, number: signal.Signals
) -> None:
    with appliance(folder) as site, contextlib.ExitStack() as stack:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for _ in range(3):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", site.port))
            browser = stack.enter_context(context.wrap_socket(raw, server_hostname="localhost"))
            browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        began = time.monotonic()
        site.program.process.send_signal(number)
        assert site.program.wait(8) == ExitCode.OK
        assert time.monotonic() - began < 5
        assert "Beistand has stopped." in site.program.output


# -- beside a running server ------------------------------------------------------------------------------------


@pytest.fixture
def site(folder: Path) -> Iterator[Appliance]:
    with appliance(folder) as running_:
        yield running_


def test_the_last_admin_comes_back_by_a_link(site: Appliance, tmp_path: Path) -> None:
    listen = {**ENGLISH, "BEISTAND_LISTEN": f"127.0.0.1:{site.port}"}
    done = beistand("user", "reset", ADMIN.name, "--data", site.folder, cwd=tmp_path, env=listen)
    assert done.returncode == ExitCode.OK, done.stderr
    link = done.stdout.split()[-1]
    assert link.startswith(site.address)
    with site.http() as browser:
        assert browser.get(link).status_code == 200
    nobody = beistand("user", "reset", "nobody", "--data", site.folder, cwd=tmp_path, env=GERMAN)
    assert nobody.returncode == ExitCode.NOT_FOUND
    assert "nobody" in nobody.stderr


def test_the_audit_log_is_verified_and_an_edit_is_found(site: Appliance, tmp_path: Path) -> None:
    whole = beistand("audit", "verify", "--data", site.folder, cwd=tmp_path)
    assert whole.returncode == ExitCode.OK, whole.stderr
    assert "complete and unchanged" in whole.stdout
    assert "vollständig" in beistand("audit", "verify", "--data", site.folder, cwd=tmp_path, env=GERMAN).stdout
    site.stop()
    [database] = site.folder.glob("*.db")
    with contextlib.closing(Database(database).conn) as db:
        [(table,)] = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'audit%' LIMIT 1")
        db.execute(f"UPDATE {table} SET subject = 'somebody else' WHERE rowid = 2")
        db.commit()
    edited = beistand("audit", "verify", "--data", site.folder, cwd=tmp_path)
    assert edited.returncode == ExitCode.NOT_GENUINE, edited.stdout
    assert "NOT genuine" in edited.stderr


def test_a_backup_is_made_while_it_runs_serves_in_its_place_and_is_not_overwritten(
    site: Appliance, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    done = beistand("backup", copy, "--data", site.folder, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    names = [row["name"] for row in Database(copy).query("SELECT name FROM users")]
    assert {ADMIN.name, ANNA.name} <= set(names)
    before = copy.read_bytes()
    again = beistand("backup", copy, "--data", site.folder, cwd=tmp_path)
    assert again.returncode == ExitCode.USAGE
    assert "exists already" in again.stderr
    assert copy.read_bytes() == before
    site.stop()
    [database] = site.folder.glob("*.db")
    for file in site.folder.glob(f"{database.name}*"):
        file.unlink()
    os.replace(copy, database)
    with appliance(site.folder) as restored, restored.http() as browser:
        assert browser.get("/login").status_code == 200


def test_a_folder_without_a_database_is_said(tmp_path: Path) -> None:
    for words in (["audit", "verify"], ["backup", "copy.db"], ["user", "reset", "anna"]):
        done = beistand(*words, "--data", "nowhere", cwd=tmp_path)
        assert done.returncode == ExitCode.NOT_FOUND, words
        assert "There is no database" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_words_that_it_does_not_know_are_a_usage_error(tmp_path: Path) -> None:
    done = beistand("serve", "--nonsense", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "--nonsense" in done.stderr
    assert done.stdout == ""
