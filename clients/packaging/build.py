"""`python -m clients.packaging.build`: the customer client for Linux as one file, in build/client/.

Writes `beistand-client-linux-x86_64` and, beside it, `.json` with version, sha256, size, the glibc it needs and what it
was built with. The same sources, interpreter and libraries give the same file.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from appliance.words import words
from clients.customer import VERSION

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OUTPUT = ROOT / "build" / "client"
NAME = "beistand-client-linux-x86_64"
HEAD_WORDS = {
    "machine": ("found",),
    "glibc": ("needed", "systems", "found"),
    "folder": ("folders", "megabytes"),
    "unpack": (),
}
"""What the head says, and the arguments in the order in which it gives them; ids are under `client.start.`."""
SYSTEMS = {
    "Debian": (("11", 31), ("12", 36), ("13", 41)),
    "Ubuntu": (("20.04", 31), ("22.04", 35), ("24.04", 39)),
    "Fedora": (("34", 33), ("35", 34), ("36", 35), ("37", 36), ("38", 37), ("39", 38), ("40", 39)),
    "RHEL": (("8", 28), ("9", 34), ("10", 39)),
}
"""Releases and the minor number of their glibc 2, so that a person is told a name that they know."""
SPARE_MEGABYTES = 20
GOAL = 20_000_000
"""Bytes that the file should not exceed."""


class Missing(Exception):
    """Something that the build needs is not there; the text says what to do."""


def main() -> int:
    """Build; 0, or 1 with a line that says what is missing."""
    try:
        check()
        program = gather()
        glibc = needed_glibc(program)
        step("Packing")
        file = write(program, glibc)
    except Missing as problem:
        print(problem, file=sys.stderr)
        return 1
    size = file.stat().st_size
    step(f"{file.relative_to(ROOT)}: {size / 1e6:.1f} MB, needs glibc {glibc} or newer")
    if size > GOAL:
        print(f"That is more than {GOAL / 1e6:.0f} MB.", file=sys.stderr)
        return 1
    return 0


def step(text: str) -> None:
    """A line of progress."""
    print(f"  client: {text}", flush=True)


def check() -> None:
    """Raises Missing."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Missing("The client for Linux is built on Linux on a 64-bit Intel or AMD machine, and this is another.")
    if importlib.util.find_spec("_tkinter") is None:
        raise Missing(
            f"{sys.executable} has no tkinter, which the client's window is made of. On Debian: make deps, then remove "
            ".venv and run make client again (or set PYTHON to an interpreter that has it)."
        )
    for tool in ("strip", "objdump", "readelf"):
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is missing (Debian package binutils). Run make deps, then make client again.")
    if importlib.util.find_spec("PyInstaller") is None:
        raise Missing("PyInstaller is missing. Run make install, then make client again.")


def gather() -> Path:
    """Let PyInstaller gather the program into a folder; the folder."""
    step("Gathering the program and its libraries (about 10 seconds)")
    work = OUTPUT / "work"
    argv = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR"]
    argv += ["--workpath", str(work), "--distpath", str(work), str(HERE / "client.spec")]
    # Sets and dictionaries in the same order every time, so that the archive is the same every time.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"}
    done = subprocess.run(  # noqa: S603 - our own command line
        argv, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise Missing(f"PyInstaller failed:\n{done.stdout}{done.stderr}")
    return work / "program"


def needed_glibc(program: Path) -> str:
    """The newest GLIBC_ version that any file in `program` asks the dynamic linker for."""
    readelf = shutil.which("readelf") or "readelf"
    needed = (2, 0)
    for file in program.rglob("*"):
        if file.is_file() and not file.is_symlink() and _is_elf(file):
            listing = subprocess.run(  # noqa: S603 - a fixed program on our own files
                [readelf, "-VW", str(file)], capture_output=True, text=True, check=True
            ).stdout
            for major, minor in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", listing):
                needed = max(needed, (int(major), int(minor)))
    return f"{needed[0]}.{needed[1]}"


def systems_with(glibc: str) -> str:
    """The first release of each system that has this glibc."""
    minor = int(glibc.partition(".")[2])
    first = [(name, next((release for release, has in all_ if has >= minor), None)) for name, all_ in SYSTEMS.items()]
    return ", ".join(f"{name} {release}" for name, release in first if release)


def packed(program: Path, glibc: str) -> bytes:
    """Head and archive of a gathered program."""
    archive = _archive(program)
    unpacked = sum(file.stat().st_size for file in program.rglob("*") if file.is_file())
    return _head(archive, glibc, math.ceil(unpacked / 2**20) + SPARE_MEGABYTES) + archive


def write(program: Path, glibc: str) -> Path:
    """The file and its manifest, in build/client/; the file."""
    whole = packed(program, glibc)
    file, manifest = OUTPUT / NAME, OUTPUT / f"{NAME}.json"
    # Renamed into place: a server that looks meanwhile sees the old one or the new one, never half of one.
    for path, content in ((manifest, _manifest(whole, glibc)), (file, whole)):
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.chmod(0o755 if path == file else 0o644)
        new.rename(path)
    return file


def _archive(program: Path) -> bytes:
    """A tar of the folder's content, compressed, without anything that differs between two builds."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(program.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(program)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            entry.mode = 0o700 if entry.isdir() or entry.mode & 0o100 else 0o600
            if entry.isfile():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)
    return packed.getvalue()


def _head(archive: bytes, glibc: str, megabytes: int) -> bytes:
    text = (HERE / "head.sh").read_text(encoding="utf-8")
    values = {
        "SIZE": str(len(archive)),
        "SHA256": hashlib.sha256(archive).hexdigest(),
        "GLIBC": glibc,
        "MEGABYTES": str(megabytes),
        "SYSTEMS": _quoted(systems_with(glibc)),
        "WORDS_EN": _say("en"),
        "WORDS_DE": _say("de"),
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    # The offset is part of what it counts: as many digits as it has, padded in front by nothing.
    offset = len(text.encode()) - len("@OFFSET@") + 1
    digits = len(str(offset + len(str(offset))))
    return text.replace("@OFFSET@", str(offset + digits)).encode()


def _say(language: str) -> str:
    """The head's words as shell variables, each a format for printf."""
    catalogue = words(language)
    lines = []
    for key, arguments in HEAD_WORDS.items():
        marks = {name: f"\0{name}\0" for name in arguments}
        text = catalogue(f"client.start.{key}", **marks).replace("%", "%%")
        for position, name in enumerate(arguments, 1):
            if text.count(marks[name]) != 1 or (position > 1 and text.index(marks[name]) < text.index("%s")):
                raise ValueError(
                    f"client.start.{key} in {language}: the arguments must come once, in the order {arguments}"
                )
            text = text.replace(marks[name], "%s")
        lines.append(f"        say_{key}={_quoted(text)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _manifest(whole: bytes, glibc: str) -> bytes:
    built_with = {"python": platform.python_version()}
    for package in ("pyinstaller", "trio", "msgspec", "zstandard", "pynacl", "mss", "python-xlib"):
        built_with[package] = importlib.metadata.version(package)
    manifest = {
        "version": VERSION,
        "sha256": hashlib.sha256(whole).hexdigest(),
        "size": len(whole),
        "glibc": glibc,
        "built_with": built_with,
    }
    return json.dumps(manifest, indent=2).encode() + b"\n"


def _is_elf(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    if code == 0:
        step(f"{time.monotonic() - began:.0f} seconds")
    sys.exit(code)
