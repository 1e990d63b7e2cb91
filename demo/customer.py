"""The demo's customer: types the key, downloads the client, starts it, and says yes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import trio

from demo.browser import Browser
from demo.desktop import run_program
from demo.site import Account
from demo.technician import make_key

THINKING_SECONDS = 1.2
"""A question's window takes no key in its first moment; nor would a person."""


async def be_helped(
    origin: str, authority: Path, technician: Account, language: str, question_title: str, env: Mapping[str, str]
) -> None:
    """Wait for `technician`, from the key to the session's end. `env`: the environment of the customer's desktop."""
    folder = Path(env["HOME"])
    client = await trio.to_thread.run_sync(_fetch_client, origin, authority, technician, language, folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say_yes, question_title, env)
        await run_program([str(client)], env, cwd=folder)
        nursery.cancel_scope.cancel()


def _fetch_client(origin: str, authority: Path, technician: Account, language: str, folder: Path) -> Path:
    """What a technician and a customer do before the client runs, each in their own browser."""
    key = make_key(Browser(origin, authority, language), technician)
    browser = Browser(origin, authority, language)
    browser.submit("/", "/start", key=key)
    client = browser.download("/download/linux-x86_64", folder)
    client.chmod(0o700)
    return client


async def _say_yes(question_title: str, env: Mapping[str, str]) -> None:
    """Press Allow in each question's window: the one next to Refuse, which has the keyboard first."""
    while True:
        found = await trio.run_process(
            ["xdotool", "search", "--sync", "--onlyvisible", "--name", f"^{question_title}$"],
            env={**env},
            capture_stdout=True,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        windows = found.stdout.split()
        if not windows:
            await trio.sleep(THINKING_SECONDS)
            continue
        await trio.sleep(THINKING_SECONDS)
        window = windows[-1].decode()
        await run_program(["xdotool", "windowfocus", "--sync", window, "key", "--clearmodifiers", "Tab", "Return"], env)
