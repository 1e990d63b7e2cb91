"""The portal is what a stranger reaches first: hostile text, guessing, traversal, foreign hosts and pages."""

import re
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Dialog

from tests.support.appliance import Appliance, appliance, hidden_fields
from tests.support.portal import Customer, customer, session_key, stand_in_client, text_of

CORPUS = (
    "$(id)",
    "`id`",
    "; id",
    "| id",
    "&& id",
    "\nid",
    "\r\nSet-Cookie: x=y",
    "-h",
    "--help",
    "a[$(id)]",
    "$((1+1))",
    "{{7*7}}",
    "{0.__class__}",
    "%s%n",
    "' OR 1=1 --",
    '"><script>alert(1)</script>',
    "../../etc/passwd",
    "\x00",
    "\ud7ff\ufffe",
    "\u202e\u0000",
    "A" * 5000,
)
AUDIT = """
import sys
def hook(event, args):
    if event in {"os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "os.fork", "os.forkpty"}:
        with open(PATH, "a") as file:
            file.write(f"{event} {args!r}\\n")
sys.addaudithook(hook)
"""


@pytest.fixture(scope="module")
def spawned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which the server under attack notes every program it starts."""
    return tmp_path_factory.mktemp("audit") / "spawned"


@pytest.fixture(scope="module")
def portal(seeded_folder: Path, tmp_path_factory: pytest.TempPathFactory, spawned: Path) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(seeded_folder, folder / "data")
    (spawned.parent / "sitecustomize.py").write_text(f"PATH = {str(spawned)!r}\n{AUDIT}")
    env = {"BEISTAND_CLIENTS": str(stand_in_client(folder / "clients")), "PYTHONPATH": str(spawned.parent)}
    with appliance(folder / "data", env=env) as running:
        spawned.write_text("")
        yield running
    assert "Traceback" not in running.program.output


@pytest.fixture
def visitor(portal: Appliance) -> Iterator[Customer]:
    with customer(portal.address) as person:
        yield person


@pytest.fixture(scope="module")
def with_start(portal: Appliance) -> Iterator[Customer]:
    """A browser that has a start; one for all tests that do not change it, since the edge counts requests."""
    with customer(portal.address) as person:
        person.start(session_key(portal))
        yield person


@pytest.fixture(autouse=True)
def _nothing_was_started(portal: Appliance, spawned: Path) -> Iterator[None]:
    """The audit hook has seen no program start."""
    yield
    assert spawned.read_text() == ""


def answered(answer: httpx.Response) -> None:
    """The server answered with a page or a refusal of its own, and is well."""
    assert answer.status_code < 500, answer.text
    assert "uid=" not in answer.text
    assert "x" not in answer.cookies
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_text_in_the_key_is_a_wrong_key_and_nothing_else(visitor: Customer, text: str) -> None:
    answer = visitor.post(text)
    answered(answer)
    assert answer.status_code in (400, 413, 422)
    answered(visitor.post("", csrf=text[:200]))


@pytest.mark.parametrize("body", [b"key=%FF%FE", b"key=\xff", b"key=" + b"9" * 100_000, b"%00=%00", b"key=a&" * 400])
def test_malformed_forms_are_refused(visitor: Customer, body: bytes) -> None:
    csrf = hidden_fields(visitor.http.get("/").text)["csrf"].encode()
    headers = {"Origin": visitor.address, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = visitor.http.post("/start", content=b"csrf=" + csrf + b"&" + body, headers=headers)
    except httpx.TransportError:
        return  # cut while it was still sending
    answered(answer)
    assert answer.status_code >= 400


def header_safe(text: str) -> bytes:
    """The text as a header can carry it: no line ends, no NUL."""
    return re.sub(rb"[\r\n\x00]", b"", text.encode("utf-8", "replace"))[:2000]


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_headers_and_cookies_reach_no_page(visitor: Customer, text: str) -> None:
    value = header_safe(text)
    names = ("user-agent", "accept-language", "sec-ch-ua-platform", "sec-ch-ua-arch", "referer", "range", "if-range")
    answer = visitor.http.get("/", headers=[(name.encode(), value) for name in (*names, "x-forwarded-host")])
    answered(answer)
    assert answer.status_code == 200
    if len(value) > 5:
        assert value not in answer.content
    plain = re.sub(rb"[;,]", b"", value)
    cookies = ("__Host-portal", "__Host-visitor", "__Host-beistand", "__Host-notice", "language", "scheme")
    header = b"; ".join(name.encode() + b"=" + plain for name in cookies)
    for path in ("/", "/start", "/start/events", "/download/linux-x86_64"):
        answered(visitor.http.get(path, headers=[(b"cookie", header)]))


@pytest.mark.parametrize(
    "path",
    [
        "/download/../../../etc/passwd",
        "/download/..%2f..%2f..%2fetc%2fpasswd",
        "/download/%2e%2e/%2e%2e/etc/passwd",
        "/download/linux-x86_64/../../../../etc/passwd",
        "/download/linux-x86_64/..%2f..%2fdata%2fdevice_ca%2fca.pem",
        "/download/linux-x86_64%00",
        "/download/linux-x86_64.json",
        "/download//etc/passwd",
        "/download/..\\..\\data\\ca.pem",
        "/download/linux-x86_64/%2fetc%2fpasswd",
        "/download/unknown",
        "/download/",
        "/k/../../etc/passwd",
        "/k/..%2f..%2fetc%2fpasswd",
        "/static/x/../../../../etc/passwd",
    ],
)
def test_no_path_leads_out_of_what_is_handed_out(with_start: Customer, path: str) -> None:
    visitor = with_start
    request = visitor.http.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = visitor.http.send(request)
    answered(answer)
    assert answer.status_code in (303, 400, 404)
    assert "root:" not in answer.text
    assert "PRIVATE KEY" not in answer.text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example:8443", "localhost\tx", "$(id)"],
)
def test_a_foreign_host_name_gets_no_page(with_start: Customer, host: str) -> None:
    try:
        answer = with_start.http.get("/start", headers={"Host": host})
    except httpx.TransportError:
        return
    answered(answer)
    assert answer.status_code in (400, 403, 404, 421)
    assert answer.headers["content-type"].startswith("text/plain"), "the name stands in no page"
    assert "/download/" not in answer.text


def test_another_sites_page_cannot_spend_a_key_in_somebody_elses_browser(portal: Appliance, visitor: Customer) -> None:
    key = session_key(portal)
    csrf = hidden_fields(visitor.http.get("/").text)["csrf"]
    for headers, token in (
        ({"Origin": "https://evil.example"}, csrf),
        ({"Origin": "null"}, csrf),
        ({}, csrf),
        ({"Origin": portal.address, "Sec-Fetch-Site": "cross-site"}, csrf),
        ({"Origin": portal.address}, "wrong"),
        ({"Origin": portal.address}, ""),
    ):
        answer = visitor.http.post("/start", data={"csrf": token, "key": key}, headers=headers)
        assert answer.status_code == 403
    visitor.start(key)


def test_a_ticket_of_one_start_opens_no_page_and_its_token_stands_in_no_address(
    portal: Appliance, visitor: Customer
) -> None:
    page = visitor.start(session_key(portal))
    ticket = re.search(r"/download/linux-x86_64/([A-Za-z0-9_-]+)", visitor.command())
    assert ticket
    with customer(portal.address) as other:
        other.http.cookies.set("__Host-portal", ticket[1], domain="localhost.local")
        assert other.http.get("/start").status_code == 303
        program = other.http.get(ticket[0]).content
    token = re.search(rb'"token":"([^"]+)"', program[-4096:])
    assert token
    assert token[1].decode() not in page


def test_the_users_agent_is_shown_to_nobody(portal: Appliance) -> None:
    agent = 'Windows"><img src=x onerror=alert(1)>'
    with customer(portal.address, agent=agent) as visitor:
        page = visitor.start(session_key(portal))
        assert "onerror" not in page
        assert "For Windows there is no program yet" in text_of(page)
    with sqlite3.connect(f"file:{portal.folder}/beistand.db?mode=ro", uri=True) as database:
        assert "onerror" not in "\n".join(database.iterdump())


def test_a_real_browser_shows_hostile_keys_as_text(portal: Appliance, chromium: Browser) -> None:
    context = chromium.new_context(ignore_https_errors=True, locale="en")
    page = context.new_page()
    trouble: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        trouble.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("console", lambda message: trouble.append(message.text) if "Content Security" in message.text else None)
    try:
        for text in ('"><img src=x onerror=alert(1)>', "<script>alert(1)</script>", "'-alert(1)-'", "{{7*7}}"):
            page.goto(portal.address)
            page.locator("#key").evaluate("(field, text) => { field.value = text; }", text)
            page.get_by_role("button", name="Continue").click()
            page.wait_for_url("**/start")
            assert page.locator("#key").input_value() == text
            assert page.locator("#key-error").is_visible()
    finally:
        context.close()
    assert trouble == []


# -- guessing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def guessed(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    """An appliance of its own: guessing closes the door for this address."""
    shutil.copytree(seeded_folder, tmp_path / "data")
    env = {"BEISTAND_CLIENTS": str(stand_in_client(tmp_path / "clients"))}
    with appliance(tmp_path / "data", env=env) as running:
        yield running


def neutral(page: str, key: str) -> str:
    """A page without what differs in any two pages: nonce, token, the typed key."""
    page = re.sub(r'(nonce|value)="[A-Za-z0-9_-]{20,}"', "", page)
    return page.replace(key, "")


def test_wrong_expired_used_and_revoked_keys_get_the_same_page_in_the_same_time(guessed: Appliance) -> None:
    used, expired = session_key(guessed), session_key(guessed)
    with customer(guessed.address) as first:
        first.start(used)
    with sqlite3.connect(guessed.folder / "beistand.db") as database:
        # Keys live for a minute at least: this one's time is over now.
        database.execute("UPDATE session_keys SET expires_at = 1 WHERE id NOT IN (SELECT key_id FROM starts)")
    database.close()
    pages, times = set(), []
    with customer(guessed.address) as visitor:
        for key in ("2222222", used, expired):
            fields = hidden_fields(visitor.http.get("/").text)
            began = time.perf_counter()
            answer = visitor.http.post(
                "/start", data={"csrf": fields["csrf"], "key": key}, headers={"Origin": guessed.address}
            )
            times.append(time.perf_counter() - began)
            assert answer.status_code == 422
            assert "__Host-portal" not in answer.headers.get("set-cookie", "")
            pages.add(
                (neutral(answer.text, key), tuple(sorted(name for name in answer.headers if name != "set-cookie")))
            )
    assert len(pages) == 1
    assert min(times) > 0.29
    assert max(times) - statistics.median(times) < 0.2


def test_a_guesser_has_to_wait_and_is_told_how_long_also_with_the_right_key(guessed: Appliance) -> None:
    right = session_key(guessed)
    with customer(guessed.address) as guesser:
        for tries in range(60):
            answer = guesser.post(f"22222{tries // 8 + 2}{tries % 8 + 2}")
            if "again in" in text_of(answer.text):
                break
        assert 5 <= tries < 30
        told = text_of(guesser.post(right).text)
        assert re.search(r"again in \d+ seconds?", told), told
        assert f'value="{right}"' in guesser.post(right).text, "the key stays in the form"
