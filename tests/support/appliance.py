"""A real appliance: `python -m appliance serve` on a data folder of its own, at a free port."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import Entered, Identity, Link, Throttle
from appliance.store import Audit, Settings, Store
from tests.support.processes import Program

PASSWORD = "Regen-im-Oktober-47"
"""Everybody's."""


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in with PASSWORD."""

    name: str
    display_name: str


ADMIN = Person("erika", "Erika Admin")
ANNA = Person("anna", "Anna Berger")
BEN = Person("ben", "Ben Okafor")
TEAM = "Helpdesk"


def seed(folder: Path, **settings: object) -> None:
    """Make a data folder with a site that is set up: an admin, two technicians, their team with the fallback queue."""
    trio.run(_seed, folder, settings)


async def _seed(folder: Path, changes: Mapping[str, object]) -> None:
    store = await Store.open(folder)
    try:
        now = time.time
        current = await Settings.load(store)
        audit = Audit(store, now)
        identity = Identity(store, current, audit, Throttle(audit), now)
        site = {
            "site_name": "Nordwind IT",
            "host_names": ("localhost",),
            "time_zone": "Europe/Berlin",
            "language": "en",
        }
        admin = await identity.set_up(ADMIN.name, ADMIN.display_name, PASSWORD, **site)
        assert isinstance(admin, Entered), admin
        members = []
        for person in (ANNA, BEN):
            link = await identity.accounts.create(
                person.name, person.display_name, permissions=TECHNICIAN | {Permission.OBSERVE}, by=None
            )
            assert isinstance(link, Link), link
            assert isinstance(await identity.use_link(link.token, PASSWORD), Entered)
            members.append(link.user.id)
        team = await identity.accounts.put_team(TEAM, members, by=None)
        await current.change(fallback_team_id=team.id, **changes)
    finally:
        await store.aclose()


class Appliance:
    """A running appliance. `address` is where browsers go, with the name localhost."""

    def __init__(
        self, folder: Path, *, listen: str = "127.0.0.1", port: int = 0, env: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.listen = listen
        self.env = dict(env or {})
        self._start(port)

    def _start(self, port: int) -> None:
        listen = f"{self.listen}:{port}"
        argv = [sys.executable, "-m", "appliance", "serve", "--listen", listen, "--data", self.folder]
        self.program = Program(argv, env={"LANG": "C.UTF-8", **self.env})
        line = self.program.wait_line("Beistand serves ")
        self.address = line.split()[-1]
        self.port = int(self.address.rsplit(":", 1)[1])

    def address_from(self, host: str) -> str:
        """Where browsers go that know this machine as `host`."""
        return f"https://{host}:{self.port}"

    def read_setup_code(self) -> str:
        """The set-up code that it has printed."""
        return self.program.wait_line("Set-up code:").split()[-1]

    def restart(self, *, kill: bool = False) -> None:
        """Stop (or kill) it and start it again at the same port."""
        if kill:
            self.program.kill()
        else:
            self.stop()
        self._start(self.port)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self.program.stop()

    def http(self) -> httpx.Client:
        """A browser without scripts: cookies, redirects followed. Its certificate is the device's own."""
        return httpx.Client(base_url=self.address, verify=False, follow_redirects=True, timeout=20)


@contextlib.contextmanager
def appliance(
    folder: Path, *, listen: str = "127.0.0.1", port: int = 0, env: Mapping[str, str] | None = None
) -> Iterator[Appliance]:
    """A running appliance on `folder`, at `port` (0: a free one) of `listen`."""
    running = Appliance(folder, listen=listen, port=port, env=env)
    try:
        yield running
    finally:
        running.stop()


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    fields = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", page):
        attributes = dict(re.findall(r"([a-z-]+)=\"([^\"]*)\"", tag))
        fields[attributes["name"]] = attributes.get("value", "")
    return fields


def post_form(client: httpx.Client, path: str, **values: str) -> httpx.Response:
    """Open the page at `path` and send its form with `values`, as a browser does."""
    page = client.get(path)
    return client.post(
        path, data={**hidden_fields(page.text), **values}, headers={"Origin": str(client.base_url).rstrip("/")}
    )
