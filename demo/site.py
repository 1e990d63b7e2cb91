"""The demo's data folder, made by the calls that the set-up page and the admin's pages make."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import Entered, Identity, Link, Throttle
from appliance.store import Audit, Settings, Store
from appliance.store.users import Team

SITE_NAME = "Nordlicht IT"
TEAM_NAME = "Helpdesk"
_SYLLABLES = tuple(first + second for first in "bdfgklmnprstvw" for second in "aeiou")


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in."""

    name: str
    display_name: str
    password: str


@dataclass(frozen=True)
class People:
    """Everybody at the demo's site."""

    admin: Account
    anna: Account
    ben: Account


def _password() -> str:
    """Easy to type, hard to guess: four made-up words (about 49 bits)."""
    return "-".join("".join(secrets.choice(_SYLLABLES) for _ in range(2)) for _ in range(4))


async def make_site(folder: Path, language: str) -> People:
    """Set up a site in `folder` (new): an admin, two technicians, their team with the fallback queue."""
    people = People(
        admin=Account("admin", "Alex Admin", _password()),
        anna=Account("anna", "Anna Becker", _password()),
        ben=Account("ben", "Ben Okafor", _password()),
    )
    store = await Store.open(folder)
    try:
        settings = await Settings.load(store)
        audit = Audit(store, time.time)
        identity = Identity(store, settings, audit, Throttle(audit), time.time)
        admin = await identity.set_up(
            people.admin.name,
            people.admin.display_name,
            people.admin.password,
            site_name=SITE_NAME,
            host_names=("localhost",),
            time_zone=_time_zone(),
            language=language,
        )
        assert isinstance(admin, Entered), admin
        members = []
        for person in (people.anna, people.ben):
            link = await identity.accounts.create(
                person.name, person.display_name, permissions=TECHNICIAN | {Permission.OBSERVE}, by=None
            )
            assert isinstance(link, Link), link
            assert isinstance(await identity.use_link(link.token, person.password), Entered)
            members.append(link.user.id)
        team = await identity.accounts.put_team(TEAM_NAME, members, by=None)
        assert isinstance(team, Team), team
        await settings.change(fallback_team_id=team.id)
    finally:
        await store.aclose()
    return people


def _time_zone() -> str:
    """This machine's time zone where it says so, else UTC."""
    parts = Path("/etc/localtime").resolve().parts
    return "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else "UTC"
