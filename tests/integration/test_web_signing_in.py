"""Signing in and out, links, the second step and one's own account."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pyotp

from appliance.domain.permissions import TECHNICIAN
from appliance.identity import Link
from tests.support.appliance import PASSWORD
from tests.support.web_site import Browser, WebSite, web_site

NEW_PASSWORD = "Nebel-am-Morgen-83"


async def test_a_technician_signs_in_and_comes_to_the_console(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        assert (await browser.sign_in("ANNA")).headers["location"] == "/console"
        assert (await browser.get("/login")).headers["location"] == "/console"


async def test_whoever_asked_for_a_page_gets_there_after_signing_in(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        await browser.get("/login/users")
        assert browser.page.headers["location"] == "/login?next=%2Flogin%2Fusers"
        await browser.follow()
        answer = await browser.post("/login", {"name": "erika", "password": PASSWORD, "next": "/login/users"})
        assert answer.headers["location"] == "/login/users"


async def test_a_wrong_name_and_a_wrong_password_look_the_same(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        texts = []
        for name in ("erika", "erikb"):
            browser = running.browser()
            assert (await browser.sign_in(name, "not the password")).status_code == 422
            texts.append(browser.text.replace(browser.csrf, ""))
            assert f'value="{name}"' in browser.page.text
            assert "not the password" not in browser.page.text
        assert texts[0] == texts[1]


async def test_too_many_wrong_passwords_are_refused_with_the_time_to_wait(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        for _ in range(11):
            await browser.sign_in("erika", "not the password")
        assert browser.page.status_code == 429
        assert (await browser.sign_in("erika")).status_code == 429
        assert (await running.browser("198.51.100.9").sign_in("erika")).status_code == 303


async def test_signing_out_ends_the_session_on_the_server(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = await running.signed_in("erika")
        cookie = browser.client.cookies["__Host-beistand"]
        await browser.get("/login/overview")
        assert (await browser.post("/login/sign-out")).headers["location"] == "/login"
        assert "__Host-beistand" not in browser.client.cookies
        thief = running.browser()
        thief.client.cookies.set("__Host-beistand", cookie)
        assert (await thief.get("/login/overview")).headers["location"].startswith("/login?")


async def _link(running: WebSite) -> str:
    link = await running.site.identity.accounts.create("ben", "Ben Okafor", permissions=TECHNICIAN, by=None)
    assert isinstance(link, Link)
    return f"/login/link/{link.token}"


async def test_looking_at_a_sign_in_link_uses_nothing_up_and_using_it_does(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        path = await _link(running)
        scanner = running.browser("192.0.2.44")
        for _ in range(3):
            assert (await scanner.get(path)).status_code == 200
            await scanner.client.head(path)
        browser = running.browser()
        await browser.get(path)
        assert "Ben Okafor" in browser.text
        await browser.post(path, {"password": "short", "again": "short"})
        assert browser.page.status_code == 422
        answer = await browser.post(path, {"password": NEW_PASSWORD, "again": NEW_PASSWORD})
        assert answer.headers["location"] == "/console"
        assert (await scanner.get(path)).status_code == 404
        assert "24 hours" in scanner.text


async def test_a_sign_in_link_is_over_after_a_day(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        path = await _link(running)
        running.clock.at += 24 * 3600 + 1
        assert (await running.browser().get(path)).status_code == 404


async def _enrol(running: WebSite, browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
    await browser.get("/login/account")
    await browser.post("/login/account/two-factor/begin")
    await browser.follow()
    assert "<svg" in browser.page.text
    secret = re.sub(r"\s", "", re.findall(r'key-text">([^<]+)<', browser.page.text)[0])
    totp = pyotp.TOTP(secret)
    await browser.post("/login/account/two-factor", {"code": "000000"})
    assert browser.page.status_code == 422
    await browser.post("/login/account/two-factor", {"code": totp.at(running.clock())})
    codes = [html.unescape(code) for code in re.findall(r"<li>([^<]+)</li>", browser.page.text)]
    assert len(codes) == 10
    return totp, codes


async def test_with_a_second_step_the_password_alone_opens_nothing(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        totp, codes = await _enrol(running, await running.signed_in("erika"))
        running.clock.at += 60
        browser = running.browser()
        assert (await browser.sign_in("erika")).status_code == 200
        assert "__Host-beistand" not in browser.client.cookies
        step = re.findall(r'name="step" value="([^"]+)"', browser.page.text)[0]
        await browser.post("/login", {"step": step, "code": "123456"})
        assert browser.page.status_code == 422
        answer = await browser.post("/login", {"step": step, "code": totp.at(running.clock())})
        assert answer.headers["location"] == "/login/overview"

        again = running.browser()
        await again.sign_in("erika")
        step = re.findall(r'name="step" value="([^"]+)"', again.page.text)[0]
        assert (await again.post("/login", {"step": step, "code": codes[0]})).status_code == 303
        await again.get("/login/account")
        assert "9 recovery codes are left" in again.text


async def test_the_second_step_goes_only_with_a_code(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = await running.signed_in("erika")
        _, codes = await _enrol(running, browser)
        await browser.get("/login/account/two-factor/remove")
        assert (await browser.post("/login/account/two-factor/remove", {"code": "111111"})).status_code == 422
        assert (await browser.post("/login/account/two-factor/remove", {"code": codes[3]})).status_code == 303
        assert (await running.browser().sign_in("erika")).status_code == 303


async def test_a_new_password_signs_the_other_browsers_out(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        here, there = await running.signed_in("anna"), await running.signed_in("anna")
        await here.get("/login/account")
        change = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
        assert (await here.post("/login/account/password", {"current": "wrong", **change})).status_code == 422
        assert (await here.post("/login/account/password", {"current": PASSWORD, **change})).status_code == 303
        assert (await here.get("/login/account")).status_code == 200
        assert (await there.get("/login/account")).status_code == 303


async def test_nobody_ends_the_session_of_another_from_their_account(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        erika, anna, anna_too = [await running.signed_in(name) for name in ("erika", "anna", "anna")]
        sessions = running.site.identity.sessions
        everybody = {user.name: user.id for user in await running.site.identity.accounts.users()}
        of_erika = (await sessions.of_user(everybody["erika"]))[0].id
        await anna.get("/login/account")
        await anna.post("/login/account/sessions/revoke", {"session": of_erika})
        assert (await erika.get("/login/account")).status_code == 200
        await anna.get("/login/account")
        other = re.findall(r'name="session" value="([^"]+)"', anna.page.text)
        assert len(other) == 1
        await anna.post("/login/account/sessions/revoke", {"session": other[0]})
        assert (await anna_too.get("/login/account")).status_code == 303


async def test_language_and_colours_are_switched_at_the_foot_of_every_page(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        await browser.get("/login")
        assert '<html lang="en">' in browser.page.text
        answer = await browser.post("/preferences", {"language": "de", "back": "/login"})
        assert answer.headers["location"] == "/login"
        await browser.follow()
        await browser.post("/preferences", {"scheme": "dark", "back": "//evil.example"})
        assert browser.page.headers["location"] == "/"
        await browser.get("/login")
        assert '<html lang="de" data-scheme="dark">' in browser.page.text
