"""Commands, markup and nonsense in every field: nothing is run, nothing is believed, nothing breaks."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.appliance import PASSWORD
from tests.support.web_site import SETUP_CODE, Browser, web_site

CORPUS = [
    b"$(id)",
    b"`id`",
    b"; id",
    b"x\nid",
    b"x\r\nSet-Cookie: a=b",
    b"a\x00b",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"--help",
    b"-oProxyCommand=id",
    b"a[$(id)]",
    b"{{ 7 * 7 }}{% raw %}",
    b"%{7*7}%s%n{name}",
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(1)>',
    b"' OR 1=1 --",
    b"'; DROP TABLE users; --",
    b"../../../../etc/passwd",
    b"\xe2\x80\xaegnp.exe",
    b"x" * 5000,
]

_RUNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
_watched: list[list[str]] = []


def _hook(event: str, _args: object) -> None:
    if _watched and event in _RUNS:
        _watched[-1].append(event)


sys.addaudithook(_hook)


@contextmanager
def nothing_is_run() -> Iterator[None]:
    """Fails when a program is started."""
    _watched.append([])
    try:
        yield
        assert not _watched[-1]
    finally:
        _watched.pop()


async def send(browser: Browser, path: str, fields: dict[str, bytes]) -> int:
    """A form as bytes, as no browser but any attacker writes it."""
    fields = {"csrf": browser.csrf.encode(), **fields}
    body = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    answer = await browser.raw("POST", path, content=body.encode())
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert not [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("a=")]
    return answer.status_code


def fields_of(page: str) -> list[str]:
    """The names of all fields of a page's forms."""
    tags = re.findall(r"<(?:input|select|textarea|button)\b[^>]*\bname=\"([a-z_]+)\"", page)
    return sorted(set(tags) - {"csrf"})


BEFORE_SIGNING_IN = ["/login", "/", "/preferences"]


@pytest.mark.parametrize("path", BEFORE_SIGNING_IN)
async def test_every_field_before_signing_in(tmp_path: Path, path: str) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        page = await browser.get("/login" if path == "/preferences" else path)
        action = "/start" if path == "/" else path
        names = fields_of(page.text)
        assert names
        with nothing_is_run():
            for name in names:
                for hostile in CORPUS:
                    status = await send(browser, action, {name: hostile})
                    assert status in (303, 400, 413, 422, 429), (name, hostile)


async def test_every_field_of_the_set_up(tmp_path: Path) -> None:
    async with web_site(tmp_path, set_up=False) as running:
        browser = running.browser()
        await browser.get("/setup")
        good = {
            "step": b"site",
            "code": SETUP_CODE.encode(),
            "display_name": b"Erika",
            "name": b"erika",
            "password": PASSWORD.encode(),
            "again": PASSWORD.encode(),
            "site_name": b"Site",
            "host_names": b"localhost",
            "time_zone": b"UTC",
            "language": b"en",
        }
        refused = ("host_names", "time_zone", "language", "name")
        with nothing_is_run():
            for name in refused:
                for hostile in CORPUS:
                    if name == "host_names" and hostile == b"x\nid":
                        continue  # two names, one a line
                    assert await send(browser, "/setup", {**good, name: hostile}) in (200, 400, 422)
            for hostile in CORPUS:
                await send(browser, "/setup", {**good, "code": hostile})
        assert not running.site.settings.is_set_up


async def test_every_field_of_every_admins_form(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        await admin.get("/login/teams")
        await admin.post("/login/teams", {"name": "Helpdesk"})
        team = admin.page.headers["location"]
        anna = next(user.id for user in await running.site.identity.accounts.users() if user.name == "anna")
        pages = (
            "/login/users/new",
            f"/login/users/{anna}",
            f"/login/users/{anna}/delete",
            "/login/teams",
            team,
            f"{team}/delete",
            "/login/settings",
            "/login/account",
        )
        for path in pages:
            page = await admin.get(path)
            assert page.status_code == 200, path
            form = re.findall(r'<form class="form".*?</form>', page.text, re.DOTALL)[0]
            typed = re.findall(r'<input [^>]*name="([a-z_]+)"[^>]*? value="([^"]*)"', form)
            filled = {name: html.unescape(value).encode() for name, value in typed if name != "csrf"}
            action = re.findall(r'action="([^"]+)"', form)
            with nothing_is_run():
                for name in fields_of(form):
                    for hostile in CORPUS:
                        status = await send(admin, action[0] if action else path, {**filled, name: hostile})
                        assert status in (200, 303, 400, 422, 429), (path, name, hostile, status)
                        admin.client.cookies.delete(
                            "__Host-notice"
                        ) if "__Host-notice" in admin.client.cookies else None
        for path in ("/login/users", "/login/teams", "/login/audit", "/login/overview", "/login/settings"):
            page = await admin.get(path)
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            assert "<img src=x" not in page.text
            assert "49" not in re.findall(r"7 \* 7[^<]*", page.text)


async def test_every_question_in_an_address(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        admin = await running.signed_in("erika")
        with nothing_is_run():
            for hostile in CORPUS:
                text = quote(hostile[:600])
                for path in (
                    f"/login/users?q={text}",
                    f"/login/audit?text={text}&kind={text}&before={text}",
                    f"/login/sessions?before={text}",
                    f"/login?next={text}",
                    f"/login/users/{text}",
                    f"/login/teams/{text}",
                    f"/login/link/{text}",
                    f"/{text}",
                ):
                    answer = await admin.client.get(path)
                    assert answer.status_code in (200, 303, 404), (path, answer.status_code)
                    assert "<script>alert" not in answer.text
                    assert "<img src=x" not in answer.text
                    assert "\n" not in answer.headers.get("location", "")


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "x" * 5000, "../../etc", "' OR 1=1 --", "%00", "a" * 43, '"', "é"],
)
async def test_a_made_up_session_cookie_opens_nothing(tmp_path: Path, cookie: str) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        answer = await browser.client.get("/login/users", headers={"cookie": f"__Host-beistand={cookie}".encode()})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?")


async def test_a_notice_is_one_of_ours_or_none(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        browser = running.browser()
        for cookie in ("admin.notice.saved.__class__", "<b>x</b>", "admin.link.title", "common.error.500.text"):
            answer = await browser.client.get("/login", headers={"cookie": f"__Host-notice={cookie}"})
            assert answer.status_code == 200
            assert 'role="status"' not in answer.text
