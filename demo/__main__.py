"""`python -m demo`: see the package."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path

import trio

from appliance.cli import terminal_words
from appliance.web.portal.downloads import Downloads, Unavailable
from appliance.web.portal.systems import System
from appliance.words import Words
from demo.customer import be_helped
from demo.desktop import missing_packages, run_desktop, run_program
from demo.site import Account, make_site
from demo.technician import NoKey

FIRST_PORT = 8443
PORTS = 40
READY_SECONDS = 30.0
PAUSE_SECONDS = 3.0
"""Between the end of a session and the customer's next call for help."""


def main() -> int:
    """Run the demo until Ctrl-C or SIGTERM; the exit code."""
    words = terminal_words()
    packages = missing_packages()
    if packages:
        print(words("demo.packages", packages=" ".join(packages)), file=sys.stderr)
        return 1
    clients = Path(os.environ.get("BEISTAND_CLIENTS", "build/client")).absolute()
    try:
        trio.run(Downloads(clients, time.time).client_for, System.LINUX_X86_64)
    except Unavailable:
        print(words("demo.client"), file=sys.stderr)
        return 1
    port = _free_port()
    if port is None:
        print(words("demo.ports", first=FIRST_PORT, last=FIRST_PORT + PORTS - 1), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="beistand-demo-") as folder:
        trio.run(_run, Path(folder), clients, port, words)
    print(words("demo.gone"))
    return 0


def _free_port() -> int | None:
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return None


async def _run(folder: Path, clients: Path, port: int, words: Words) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_on_signal, nursery.cancel_scope, words)
        data, home = folder / "data", folder / "customer"
        home.mkdir()
        print(words("demo.starting"), flush=True)
        people = await make_site(data, words.language)
        origin = f"https://localhost:{port}"
        await nursery.start(_serve, port, data, clients)
        env = await nursery.start(run_desktop, home, words("demo.note"))
        print(
            words(
                "demo.ready",
                origin=origin,
                anna=_account(people.anna),
                ben=_account(people.ben),
                admin=_account(people.admin),
            ),
            flush=True,
        )
        await _customers(origin, data / "device_ca" / "ca.pem", people.anna, words, env)


def _account(account: Account) -> str:
    return f"{account.name:<8}{account.password}"


async def _serve(
    port: int, data: Path, clients: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """The appliance; started when it takes connections."""
    listen = f"127.0.0.1:{port}"
    argv = [
        sys.executable,
        "-m",
        "appliance",
        "serve",
        "--listen",
        listen,
        "--data",
        str(data),
        "--clients",
        str(clients),
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watched, argv)
        with trio.fail_after(READY_SECONDS):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", port)
                except OSError:
                    await trio.sleep(0.05)
                else:
                    await stream.aclose()
                    break
        task_status.started()


async def _watched(argv: list[str]) -> None:
    code = await run_program(argv, {}, quiet=True)
    raise RuntimeError(f"the appliance has ended with {code}: {' '.join(argv)}")


async def _customers(origin: str, authority: Path, technician: Account, words: Words, env: Mapping[str, str]) -> None:
    """One customer after the other, so that there is always somebody to help."""
    while True:
        print(words("demo.waiting", name=technician.display_name), flush=True)
        try:
            await be_helped(origin, authority, technician, words.language, words("client.question.title"), env)
        except (OSError, urllib.error.URLError, NoKey) as error:
            print(words("demo.trouble", error=str(error)), file=sys.stderr, flush=True)
        print(words("demo.over"), flush=True)
        await trio.sleep(PAUSE_SECONDS)


async def _stop_on_signal(
    scope: trio.CancelScope, words: Words, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _number in signals:
            print(words("demo.stopping"), flush=True)
            scope.cancel()
            return


if __name__ == "__main__":
    sys.exit(main())
