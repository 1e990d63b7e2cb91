"""What an admin does in `/login`: users, teams, settings, the audit log."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from pathlib import Path

from appliance.store import StoreError
from tests.support.web_site import Browser, WebSite, web_site


async def _id(running: WebSite, name: str) -> str:
    return next(user.id for user in await running.site.identity.accounts.users() if user.name == name)


async def _new_user(browser: Browser, name: str = "ben") -> str:
    await browser.get("/login/users/new")
    form = {"display_name": "Ben Okafor", "name": name, "language": "de", "permission": ["console", "session_keys"]}
    await browser.post("/login/users/new", form)
    assert browser.page.status_code == 200
    return html.unescape(re.findall(r'id="link" value="([^"]+)"', browser.page.text)[0])


async def test_a_new_user_gets_a_link_that_is_shown_once_and_lets_them_in(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        link = await _new_user(admin)
        assert link.startswith("https://localhost/login/link/")
        await admin.get("/login/users")
        assert "Invited" in admin.text
        assert link.rsplit("/", 1)[1] not in admin.page.text
        browser = running.browser()
        await browser.get(link.removeprefix("https://localhost"))
        answer = await browser.post(
            link.removeprefix("https://localhost"), {"password": "Wolken-ueber-Kiel-5", "again": "Wolken-ueber-Kiel-5"}
        )
        assert answer.headers["location"] == "/console"


async def test_a_taken_name_is_said_beside_the_field_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/users/new")
        form = {"display_name": "Second Anna", "name": "Anna", "language": "de", "permission": ["observe"]}
        assert (await admin.post("/login/users/new", form)).status_code == 422
        assert 'value="Second Anna"' in admin.page.text
        assert re.search(r'value="observe" checked', admin.page.text)
        assert not re.search(r'value="control" checked', admin.page.text)


async def test_taking_a_permission_away_holds_at_once(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        await running.user("vera", "Vera", frozenset())
        admin, vera_id = await running.signed_in("erika"), await _id(running, "vera")
        path = f"/login/users/{vera_id}"
        await admin.get(path)
        form = {"display_name": "Vera", "name": "vera", "language": "en"}
        await admin.post(path, {**form, "permission": ["site_admin"]})
        vera = await running.signed_in("vera")
        assert (await vera.get("/login/users")).status_code == 200
        await admin.get(path)
        await admin.post(path, form)
        assert (await vera.get("/login/users")).status_code in (303, 403)


async def test_disabling_signs_out_and_is_undone_by_enabling(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin, anna = await running.signed_in("erika"), await running.signed_in("anna")
        path = f"/login/users/{await _id(running, 'anna')}"
        await admin.get(path)
        await admin.post(f"{path}/disable")
        assert (await anna.get("/login/account")).status_code == 303
        assert (await anna.sign_in("anna")).status_code == 422
        await admin.get(path)
        assert "Disabled" in admin.text
        await admin.post(f"{path}/enable")
        assert (await anna.sign_in("anna")).status_code == 303


async def test_deleting_wants_the_name_typed(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        path = f"/login/users/{await _id(running, 'anna')}/delete"
        await admin.get(path)
        assert (await admin.post(path, {"typed": "ann"})).status_code == 422
        assert "Nothing was deleted" in admin.text
        assert (await admin.post(path, {"typed": "Anna"})).headers["location"] == "/login/users"
        assert {user.name for user in await running.site.identity.accounts.users()} == {"erika", "paul"}


async def test_the_last_admin_can_neither_go_nor_lose_the_permission(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        path = f"/login/users/{await _id(running, 'erika')}"
        await admin.get(path)
        form = {"display_name": "Erika Admin", "name": "erika", "language": "en", "permission": ["console"]}
        assert (await admin.post(path, form)).status_code == 422
        assert (await admin.post(f"{path}/disable")).status_code == 422
        assert (await admin.post(f"{path}/delete", {"typed": "erika"})).status_code == 403
        assert (await admin.get("/login/users")).status_code == 200


async def test_a_locked_user_is_shown_and_unlocked(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        stranger, admin = running.browser("198.51.100.20"), await running.signed_in("erika")
        for _ in range(11):
            await stranger.sign_in("anna", "wrong")
        await admin.get("/login/overview")
        assert "1 locked" in admin.text
        path = f"/login/users/{await _id(running, 'anna')}"
        await admin.get(path)
        assert "Locked" in admin.text
        await admin.post(f"{path}/unlock")
        assert (await stranger.sign_in("anna")).status_code == 303


async def test_teams_are_made_filled_and_deleted(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/teams")
        assert "No teams yet" in admin.text
        await admin.post("/login/teams", {"name": "Helpdesk"})
        path = admin.page.headers["location"]
        await admin.follow()
        await admin.post(path, {"name": "Helpdesk", "member": [await _id(running, "anna")]})
        await admin.get("/login/teams")
        assert "Anna Berger" in admin.text
        await admin.get("/login/users?q=anna")
        assert "Helpdesk" in admin.text
        await admin.get(f"{path}/delete")
        assert (await admin.post(f"{path}/delete", {"typed": "helpdesk"})).status_code == 303
        assert not await running.site.identity.accounts.teams()


SETTINGS = {
    "site_name": "Nordwind IT",
    "host_names": "localhost help.example.com",
    "time_zone": "Europe/Berlin",
    "language": "en",
    "key_length": "9",
    "key_minutes": "60",
    "fallback_team_id": "",
    "record_sessions": "on",
    "resume_seconds": "120",
    "session_idle_minutes": "45",
    "session_hours": "6",
    "idle_minutes": "30",
    "absolute_hours": "8",
}


async def test_settings_are_changed_all_together_and_logged(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/settings")
        assert (await admin.post("/login/settings", {**SETTINGS, "key_minutes": "1441"})).status_code == 422
        assert running.site.settings.current.key_length == 7
        assert 'value="1441"' in admin.page.text
        assert (await admin.post("/login/settings", SETTINGS)).status_code == 303
        current = running.site.settings.current
        assert (current.key_length, current.key_minutes, current.host_names[1]) == (9, 60, "help.example.com")
        await admin.get("/login/audit?kind=admin")
        assert "changed the settings" in admin.text
        assert "7 → 9" in admin.text


async def test_nobody_takes_away_the_name_they_came_by(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/settings")
        assert (await admin.post("/login/settings", {**SETTINGS, "host_names": "other.example"})).status_code == 422
        assert "lock yourself out" in admin.text


async def test_the_audit_log_is_checked_on_its_page_and_shows_tampering(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/audit")
        assert "complete and unchanged" in admin.text
        file = next((tmp_path / "data").glob("*.db"))
        with sqlite3.connect(file) as other:
            other.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
        other.close()
        await admin.get("/login/audit")
        assert "tampered with or damaged" in admin.text
        assert "Entry 2 was changed" in admin.text
        await admin.get("/login/overview")
        assert "Damaged" in admin.text


async def test_the_audit_log_is_paged_searched_and_exported(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        for number in range(60):
            await running.site.audit.record("session.began", subject=f"case {number}")
        await admin.get("/login/audit")
        assert "case 59" in admin.text
        older = html.unescape(re.findall(r'href="(/login/audit\?[^"]*before=[^"]*)"', admin.page.text)[0])
        await admin.get(older)
        assert "case 59" not in admin.text
        assert "case 2" in admin.text
        await admin.get("/login/audit?text=CASE+31")
        assert "case 31" in admin.text
        assert "case 30" not in admin.text
        await admin.get("/login/audit?text=nothing+like+this")
        assert "Nothing found" in admin.text
        await admin.get("/login/audit/export")
        lines = [json.loads(line) for line in admin.page.text.splitlines()]
        assert [line["seq"] for line in lines] == list(range(len(lines), 0, -1))


async def test_the_overview_says_which_client_there_is(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/overview")
        assert "make client" in admin.text


async def test_a_full_disk_is_said_plainly_and_only_admins_read_where(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin, anna = await running.signed_in("erika"), await running.signed_in("anna")
        await admin.get("/login/teams")
        await anna.get("/login/account")

        async def full(_write: object) -> None:
            raise StoreError("store.disk_full", path="/var/lib/beistand/beistand.db")

        running.site.store.write = full  # type: ignore[method-assign,assignment]
        await admin.post("/login/teams", {"name": "Helpdesk"})
        assert admin.page.status_code == 503
        assert "free some space" in admin.text
        await anna.post("/login/account/language", {"language": "de"})
        assert anna.page.status_code == 503
        assert "free some space" not in anna.text
        assert "was not saved" in anna.text
