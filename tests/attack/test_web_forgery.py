"""Requests that another site's page, or a hostile proxy, could cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.appliance import PASSWORD
from tests.support.web_site import ORIGIN, web_site

FOREIGN = [
    {},
    {"origin": "null"},
    {"origin": "https://evil.example"},
    {"origin": "http://localhost"},
    {"origin": "https://localhost.evil.example"},
    {"origin": "https://localhost:1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
]
OWN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_form_from_elsewhere_changes_nothing_even_with_the_right_token(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/teams")
        before = await running.dump()
        answer = await admin.client.post("/login/teams", data={"csrf": admin.csrf, "name": "Evil"}, headers=headers)
        assert answer.status_code == 403
        assert "open too long" in answer.text
        assert await running.dump() == before


async def test_a_form_without_the_sessions_own_token_changes_nothing(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin, anna, stranger = await running.signed_in("erika"), await running.signed_in("anna"), running.browser()
        await anna.get("/login/account")
        await stranger.get("/login")
        before = await running.dump()
        for token in ("", "x", anna.csrf, stranger.csrf, "\udcff".encode("utf-8", "surrogatepass").decode("latin-1")):
            answer = await admin.client.post("/login/teams", data={"csrf": token, "name": "Evil"}, headers=OWN)
            assert answer.status_code == 403
        assert (await admin.client.post("/login/teams", headers=OWN)).status_code == 403
        assert await running.dump() == before


async def test_signing_somebody_in_from_elsewhere_is_refused(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        victim, attacker = running.browser(), running.browser()
        await attacker.get("/login")
        await victim.get("/login")
        answer = await victim.client.post(
            "/login", data={"csrf": attacker.csrf, "name": "anna", "password": PASSWORD}, headers=OWN
        )
        assert answer.status_code == 403
        assert "__Host-beistand" not in victim.client.cookies


async def test_the_token_changes_at_signing_in(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        await browser.get("/login")
        before = browser.csrf
        await browser.post("/login", {"name": "erika", "password": PASSWORD})
        await browser.get("/login/account")
        assert browser.csrf != before
        assert "__Host-visitor" not in browser.client.cookies


HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "localhost@evil.example",
    "evil.example#localhost",
    "a/b",
    "[::1",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_hostile_host_gets_into_no_link_and_no_redirect(tmp_path: Path, host: str) -> None:
    """The edge lets only our names through; a page would not believe another one either."""
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        people = {user.name: user.id for user in await running.site.identity.accounts.users()}
        for path in ("/login/overview", f"/login/users/{people['anna']}", "/login/users", "/login", "/", "/nowhere"):
            answer = await admin.client.get(path, headers={"host": host})
            assert "evil.example" not in answer.text
            assert "evil.example" not in answer.headers.get("location", "")
        await admin.get(f"/login/users/{people['anna']}")
        answer = await admin.client.post(
            f"/login/users/{people['anna']}/link",
            data={"csrf": admin.csrf},
            headers={"host": host, "origin": f"https://{host}", "sec-fetch-site": "same-origin"},
        )
        assert "evil.example" not in answer.text
        if answer.status_code == 200:
            assert "https://localhost/login/link/" in answer.text


async def test_every_answer_carries_the_headers_whatever_it_is(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        nonces = set()
        for method, path in (
            ("GET", "/login/overview"),
            ("GET", "/login"),
            ("GET", "/nowhere"),
            ("GET", "/login/users"),
            ("POST", "/login/teams"),
            ("DELETE", "/login"),
            ("GET", "/setup"),
        ):
            headers = (await admin.client.request(method, path)).headers
            policy = headers["content-security-policy"]
            for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
                assert part in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
            assert "camera=()" in headers["permissions-policy"]
            nonces.add(policy.partition("nonce-")[2].partition("'")[0])
        assert len(nonces) == 7


async def test_an_unforeseen_error_is_a_page_with_the_headers_and_without_its_inside(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")

        async def broken() -> None:
            raise RuntimeError("a secret of the inside")

        running.site.identity.accounts.teams = broken  # type: ignore[method-assign,assignment]
        admin.client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        answer = await admin.get("/login/teams")
        assert answer.status_code == 500
        assert "Something went wrong here" in answer.text
        assert "secret" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_static_files_are_found_by_name_only(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        await browser.get("/login")
        base = browser.page.text.partition('href="/static/')[2].partition("/shared/")[0]
        answer = await browser.get(f"/static/{base}/shared/base.css")
        assert "immutable" in answer.headers["cache-control"]
        assert (await browser.get("/static/0123/shared/base.css")).headers["cache-control"] == "no-cache"
        for hostile in (
            "../shared/security.py",
            "shared/../../app.py",
            "shared/..%2f..%2fapp.py",
            "%2e%2e/%2e%2e/app.py",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "shared\\base.css",
            "shared/base.css%00.js",
            "shared/base.css/",
            "shared",
            "",
            "shared/templates/shared/layout.html",
        ):
            assert (await browser.client.get(f"/static/{base}/{hostile}")).status_code == 404, hostile


async def test_a_body_beyond_its_limit_is_refused_while_it_comes(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        await browser.get("/login")
        assert (await browser.raw("POST", "/login", {"name": "x" * 70_000})).status_code == 413
        many = "&".join(f"f{number}=1" for number in range(400))
        assert (await browser.raw("POST", "/login", content=many.encode())).status_code == 400
        for kind in ("multipart/form-data; boundary=x", "application/json", "text/xml"):
            assert (await browser.raw("POST", "/login", content=b"--x--", kind=kind)).status_code == 415
