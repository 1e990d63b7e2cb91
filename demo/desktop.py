"""The customer's virtual desktop: Xvfb, a window manager, a terminal and an editor."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio

SIZE = "1600x900"
NEEDED = {
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "xterm": "xterm",
    "mousepad": "mousepad",
    "xdotool": "xdotool",
    "xsetroot": "x11-xserver-utils",
    "xprop": "x11-utils",
}
"""What the desktop is made of: programs, and the Debian packages that have them."""

GRACE_SECONDS = 6.0


def missing_packages() -> list[str]:
    """The Debian packages that this machine lacks for the desktop."""
    return sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})


async def run_program(argv: list[str], env: Mapping[str, str], *, quiet: bool = True, cwd: Path | None = None) -> int:
    """Run a program to its end in a process group of its own; its exit code. Cancelled, it ends it: TERM, then KILL."""
    output = subprocess.DEVNULL if quiet else None
    process = await trio.lowlevel.open_process(
        argv,
        env={**os.environ, **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            _signal(process.pid, signal.SIGTERM)
            with trio.move_on_after(GRACE_SECONDS):
                await process.wait()
            _signal(process.pid, signal.SIGKILL)
            await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


async def run_desktop(
    home: Path, note: str, *, task_status: trio.TaskStatus[dict[str, str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run the desktop until cancelled; started with the environment of programs on it. `note` is in the editor."""
    async with trio.open_nursery() as nursery:
        display = await nursery.start(_run_server)
        env = {
            "DISPLAY": display,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_RUNTIME_DIR": str(home),
            "XDG_SESSION_TYPE": "x11",
            "WAYLAND_DISPLAY": "",
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
        }
        run_in_home = partial(run_program, env=env, cwd=home)
        nursery.start_soon(run_in_home, ["openbox"])
        with trio.fail_after(10):
            # A window that is mapped while openbox starts stays unmanaged and hidden.
            while "window id" not in await _output(["xprop", "-root", "_NET_SUPPORTING_WM_CHECK"], env):  # noqa: ASYNC110
                await trio.sleep(0.05)
        await run_program(["xsetroot", "-solid", "#30586a"], env)
        letter = home / "note.txt"
        letter.write_text(note, encoding="utf-8")
        nursery.start_soon(run_in_home, ["mousepad", "--disable-server", str(letter)])
        terminal = ["xterm", "-fa", "DejaVu Sans Mono", "-fs", "11", "-geometry", "84x20+40+420"]
        nursery.start_soon(run_in_home, terminal)
        # Beside the place where the client's window comes up.
        place = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "mousepad"]
        await run_program([*place, "windowsize", "800", "310", "windowmove", "40", "70"], env)
        task_status.started(env)
        await trio.sleep_forever()


async def _run_server(*, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    """An X server on a free display number; started with its name when it takes clients."""
    read, write = os.pipe()
    with open(read, "rb") as pipe:  # noqa: ASYNC230 - a pipe's end; it is read in a thread
        argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE}x24", "-nolisten", "tcp", "-noreset"]
        process = await trio.lowlevel.open_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[write],
            start_new_session=True,
        )
        os.close(write)
        try:
            number = await trio.to_thread.run_sync(pipe.readline, abandon_on_cancel=True)
            task_status.started(f":{number.decode().strip()}")
            await process.wait()
            raise RuntimeError("the virtual desktop has ended")
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                await process.wait()


async def _output(argv: list[str], env: Mapping[str, str]) -> str:
    done = await trio.run_process(
        argv, env={**os.environ, **env}, capture_stdout=True, capture_stderr=True, check=False
    )
    return done.stdout.decode(errors="replace")
