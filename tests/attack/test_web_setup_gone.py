"""After set-up its page is gone in every spelling (as it was not in ScreenConnect, CVE-2024-1709)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.support.appliance import PASSWORD
from tests.support.web_site import SETUP_CODE, web_site

SPELLINGS = [
    "/setup",
    "/setup/",
    "//setup",
    "///setup",
    "/setup//",
    "/./setup",
    "/x/../setup",
    "/setup;x",
    "/setup;jsessionid=1",
    "/setup/;/",
    "/%73etup",
    "/%73%65%74%75%70",
    "/%2573etup",
    "/setup%2f",
    "/setup%2F",
    "/%2fsetup",
    "/setup%5c",
    "/setup%00",
    "/setup%0a",
    "/setup%20",
    "/setup.",
    "/setup.html",
    "/setup.aspx",
    "/setup/x",
    "/setup/index.html",
    "/SETUP",
    "/Setup",
    "/setup?step=site",
    "/setup#x",
    "/ſetup",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]

TAKE_OVER = {
    "step": "site",
    "code": SETUP_CODE,
    "display_name": "Mallory",
    "name": "mallory",
    "password": PASSWORD,
    "again": PASSWORD,
    "site_name": "Mine now",
    "host_names": "localhost",
    "time_zone": "UTC",
    "language": "en",
}


@pytest.mark.parametrize("who", ["", "anna", "erika"])
async def test_no_spelling_and_no_method_finds_the_set_up_page(tmp_path: Path, who: str) -> None:
    async with web_site(tmp_path) as running:
        browser = await running.signed_in(who) if who else running.browser()
        await browser.get("/login/account" if who else "/login")
        before = await running.dump()
        for path in SPELLINGS:
            for method in METHODS:
                answer = await browser.raw(method, path, TAKE_OVER)
                assert answer.status_code == 404, (method, path, answer.status_code)
                assert "__Host-beistand" not in answer.headers.get("set-cookie", "")
        assert await running.dump() == before
        assert running.site.settings.current.site_name == "Nordwind IT"


async def test_a_second_set_up_loses_against_the_first_even_at_the_same_time(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        answers: list[int] = []

        async def take(name: str) -> None:
            browser = running.browser()
            await browser.get("/setup")
            answer = await browser.post("/setup", {**TAKE_OVER, "name": name, "site_name": f"Site of {name}"})
            answers.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            for name in ("one", "two", "three"):
                nursery.start_soon(take, name)
        assert sorted(answers)[0] == 303
        assert sorted(answers)[1] >= 400
        assert len(await running.site.identity.accounts.users()) == 1
