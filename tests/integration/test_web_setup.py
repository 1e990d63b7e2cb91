"""Setting a new site up, as an admin does it."""

from __future__ import annotations

from pathlib import Path

from tests.support.appliance import PASSWORD
from tests.support.web_site import SETUP_CODE, web_site

SITE = {
    "step": "site",
    "code": SETUP_CODE,
    "display_name": "Erika Admin",
    "name": "erika",
    "password": PASSWORD,
    "again": PASSWORD,
    "site_name": "Nordwind IT",
    "host_names": "localhost\nSupport.Example.COM",
    "time_zone": "Europe/Berlin",
    "language": "de",
}


async def test_the_first_admin_sets_the_site_up_and_is_led_on(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        assert (await browser.get("/")).headers["location"] == "/setup"
        await browser.follow()
        assert "set-up code" in browser.text
        await browser.post("/setup", {"step": "code", "code": "abc def-gh2"})
        assert browser.page.status_code == 200
        answer = await browser.post("/setup", SITE)
        assert answer.headers["location"] == "/login/overview"
        cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("__Host-beistand="))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        await browser.follow()
        assert "Your site is set up" in browser.text
        assert "Make accounts for your technicians" in browser.text
        current = running.site.settings.current
        assert current.host_names == ("localhost", "support.example.com")
        assert (current.site_name, current.time_zone, current.language) == ("Nordwind IT", "Europe/Berlin", "de")
        assert (await browser.get("/setup")).status_code == 404


async def test_before_set_up_nothing_answers_but_the_set_up_page(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        for path in ("/login", "/login/overview", "/console", "/start", "/nowhere", "/setup/", "/api/v1"):
            assert (await browser.get(path)).status_code == 404, path
        assert (await browser.get("/setup")).status_code == 200


async def test_look_alikes_in_the_code_are_explained_and_cost_no_try(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        for _ in range(30):
            await browser.post("/setup", {"step": "code", "code": "ABCDEFGHO"})
            assert browser.page.status_code == 422
            assert "O: none of these occurs in a code" in browser.text
        await browser.post("/setup", {"step": "code", "code": SETUP_CODE})
        assert browser.page.status_code == 200


async def test_wrong_codes_are_throttled_and_a_right_one_is_then_refused_too(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        for _ in range(12):
            await browser.post("/setup", {"step": "code", "code": "222222222"})
        await browser.post("/setup", {**SITE})
        assert browser.page.status_code == 422
        assert not running.site.settings.is_set_up
        elsewhere = running.browser("198.51.100.7")
        await elsewhere.get("/setup")
        await elsewhere.post("/setup", {"step": "code", "code": SETUP_CODE})
        assert elsewhere.page.status_code == 200


async def test_a_weak_password_keeps_all_that_was_typed_but_itself(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        await browser.post("/setup", {**SITE, "password": "password12", "again": "password12"})
        assert browser.page.status_code == 422
        assert 'value="Nordwind IT"' in browser.page.text
        assert "Support.Example.COM" in browser.page.text
        assert "password12" not in browser.page.text
        assert 'aria-invalid="true"' in browser.page.text
        assert not running.site.settings.is_set_up


async def test_a_host_name_that_is_none_is_named_beside_its_field(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        await browser.post("/setup", {**SITE, "host_names": "https://example.com/x"})
        assert browser.page.status_code == 422
        assert "“https://example.com/x” is no host name" in browser.text
        assert not running.site.settings.is_set_up


async def test_a_site_form_without_the_code_does_nothing(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        for code in ("", "ABCDEFGH3"):
            await browser.post("/setup", {**SITE, "code": code})
            assert browser.page.status_code == 422
        assert not running.site.settings.is_set_up
