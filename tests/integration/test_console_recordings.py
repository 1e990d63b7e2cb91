"""Recordings over HTTP: who may see which, ranges, export, and what is noted of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.relay.recording import Recording
from appliance.relay.recording_read import recording_path
from appliance.store import sessions
from appliance.store.sessions import StoredMember, StoredSession
from appliance.wire.messages import System
from tests.support.web_site import START, WebSite, web_site

SESSION = "session-recorded"
PAGE = f"/console/recordings/{SESSION}"
ADDRESSES = [PAGE, f"{PAGE}/index", f"{PAGE}/file", f"{PAGE}/export"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WebSite]:
    """Anna had a session that was recorded; Ben did not take part; Clara may see all recordings, Dora none."""
    async with web_site(tmp_path) as running:
        own = frozenset(TECHNICIAN)
        await running.user("ben", "Ben Okafor", own)
        await running.user("clara", "Clara Voss", own | {Permission.RECORDINGS_ALL})
        await running.user("dora", "Dora Lind", own - {Permission.RECORDINGS_OWN})
        people = {user.name: user for user in await running.site.identity.accounts.users()}
        members = tuple(
            StoredMember(id=people[name].id, name=people[name].display_name, role="owner") for name in ("anna", "dora")
        )
        stored = StoredSession(
            id=SESSION,
            key_id="key-00000001",
            issuer_id=people["anna"].id,
            issuer_name="Anna Berger",
            client_key=bytes(32),
            token=bytes(32),
            previous_token=None,
            secret=bytes(16),
            system=System(os="Debian", host="<b>pc</b>", user="weber"),
            address="203.0.113.9",
            began_at=START,
            owner_id=people["anna"].id,
            owner_name="Anna Berger",
            recorded=True,
            ended_at=START + 60,
            reason="session.ended.solved",
            members=members,
        )
        await running.site.store.write(lambda db: sessions.keep(db, stored))
        recording = Recording.open(running.site.recordings, {"session": SESSION, "started_at": START})
        recording.event("control.taken", START + 1, name="Anna Berger")
        await recording.close("session.ended.solved")
        yield running


def file_of(site: WebSite) -> bytes:
    return recording_path(site.site.recordings, SESSION).read_bytes()


async def test_own_recordings_are_seen_and_others_do_not_exist(site: WebSite) -> None:
    for name, status in (("anna", 200), ("clara", 200), ("ben", 404), ("dora", 404)):
        browser = await site.signed_in(name)
        for address in ADDRESSES:
            assert (await browser.get(address)).status_code == status, (name, address)


async def test_the_page_shows_what_the_customer_calls_itself_as_text(site: WebSite) -> None:
    browser = await site.signed_in("anna")
    page = (await browser.get(PAGE)).text
    assert "&lt;b&gt;pc&lt;/b&gt;" in page
    assert "<b>pc</b>" not in page


@pytest.mark.parametrize(
    "name", ["..%2fbeistand.db", "session-recorde", "session-recorded.bsr", "a/../../x", "%00aaaaaaaa"]
)
async def test_an_address_is_never_a_path(site: WebSite, name: str) -> None:
    browser = await site.signed_in("clara")
    for suffix in ("", "/index", "/file", "/export"):
        answer = await browser.raw("GET", f"/console/recordings/{name}{suffix}")
        assert answer.status_code == 404


async def test_the_index_says_what_happened(site: WebSite) -> None:
    browser = await site.signed_in("anna")
    index = (await browser.get(f"{PAGE}/index")).json()
    assert index["session"] == SESSION
    assert index["closed"] is True
    assert index["events"][0] == {"at": 1000, "kind": "control.taken", "details": {"name": "Anna Berger"}}


async def test_a_range_is_given_as_asked(site: WebSite) -> None:
    browser = await site.signed_in("anna")
    whole = file_of(site)
    answer = await browser.get(f"{PAGE}/file", range="bytes=8-19")
    assert (answer.status_code, answer.content) == (206, whole[8:20])
    assert answer.headers["content-range"] == f"bytes 8-19/{len(whole)}"
    answer = await browser.get(f"{PAGE}/file", range="bytes=10-999999999")
    assert (answer.status_code, answer.content) == (206, whole[10:])
    assert (await browser.get(f"{PAGE}/file", range=f"bytes={len(whole)}-")).status_code == 416
    for wrong in ("bytes=-5", "bytes=1-2,4-5", "chars=1-2", "bytes=9-1x", f"bytes={'9' * 40}-"):
        assert (await browser.get(f"{PAGE}/file", range=wrong)).status_code == 400
    assert (await browser.get(f"{PAGE}/file")).content == whole


async def test_the_export_is_the_file_and_playing_and_exporting_are_noted(site: WebSite) -> None:
    browser = await site.signed_in("anna")
    await browser.get(f"{PAGE}/index")
    answer = await browser.get(f"{PAGE}/export")
    assert answer.content == file_of(site)
    assert answer.headers["content-disposition"] == f'attachment; filename="{SESSION}.bsr"'
    rows = await site.site.audit.page(kind="recording.")
    assert [(row.kind, row.actor, row.subject) for row in rows] == [
        ("recording.exported", "anna", SESSION),
        ("recording.played", "anna", SESSION),
    ]


async def test_a_recording_that_is_gone_or_no_recording_is_said_to_be_missing(site: WebSite) -> None:
    browser = await site.signed_in("anna")
    path = recording_path(site.site.recordings, SESSION)
    path.write_bytes(b"not a recording")
    assert (await browser.get(f"{PAGE}/index")).status_code == 404
    path.unlink()
    assert (await browser.get(PAGE)).status_code == 404


async def test_what_makes_the_console_installable_is_public_and_says_nothing_private(site: WebSite) -> None:
    browser = site.browser()
    manifest = await browser.get("/console/manifest.webmanifest")
    assert manifest.json()["scope"] == "/console"
    for icon in manifest.json()["icons"]:
        assert (await browser.get(icon["src"])).status_code == 200
    worker = await browser.get("/console/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert "cannot be reached" in (await browser.get("/console/offline")).text
