"""The portal of a running appliance, as a customer meets it: the key, the start, the download, the line."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.wire.start_file import read_trailer
from tests.support.appliance import ANNA, Appliance, appliance
from tests.support.portal import PROGRAM, Customer, customer, session_key, stand_in_client, text_of


@pytest.fixture(scope="module")
def portal(seeded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("portal")
    shutil.copytree(seeded_folder, folder / "data")
    with appliance(folder / "data", env={"BEISTAND_CLIENTS": str(stand_in_client(folder / "clients"))}) as running:
        yield running


@pytest.fixture
def visitor(portal: Appliance) -> Iterator[Customer]:
    with customer(portal.address) as person:
        yield person


@pytest.mark.parametrize("shape", ["{}", " {} ", "lower", "spaced", "dashed"])
def test_case_spaces_and_dashes_of_a_key_do_not_matter(portal: Appliance, visitor: Customer, shape: str) -> None:
    key = session_key(portal)
    typed = {"lower": key.lower(), "spaced": " ".join(key), "dashed": f"{key[:2]}—{key[2:]}"}.get(
        shape, shape.format(key)
    )
    page = text_of(visitor.start(typed))
    assert ANNA.display_name in page
    assert "The key is right" in page


def test_the_start_belongs_to_this_browser_and_to_no_other(portal: Appliance, visitor: Customer) -> None:
    key = session_key(portal)
    visitor.start(key)
    cookie = next(cookie for cookie in visitor.http.cookies.jar if cookie.name == "__Host-portal")
    assert cookie.secure
    assert cookie.path == "/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.expires is None
    with customer(portal.address) as other:
        assert other.http.get("/start").headers["location"] == "/"
        assert other.post(key).status_code == 422


def test_pressing_twice_or_typing_the_key_again_leads_back_to_the_same_start(
    portal: Appliance, visitor: Customer
) -> None:
    key = session_key(portal)
    visitor.start(key)
    assert ANNA.display_name in visitor.start(key)


def test_a_look_alike_is_explained_beside_the_field_and_is_not_counted(portal: Appliance, visitor: Customer) -> None:
    for _ in range(40):
        answer = visitor.post("ABC-D0L1")
    assert answer.status_code == 422
    assert "0 L 1" in text_of(answer.text)
    assert 'value="ABC-D0L1"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    visitor.start(session_key(portal))


def test_the_copied_link_fills_in_the_key_and_consumes_nothing(portal: Appliance, visitor: Customer) -> None:
    key = session_key(portal)
    with customer(portal.address, agent="MailScanner/1.0") as scanner:
        for _ in range(10):
            assert scanner.http.get(f"/k/{key}").status_code == 200
            assert scanner.http.head(f"/k/{key}").status_code == 200
    page = visitor.http.get(f"/k/{key}").text
    typed = re.search(r'name="key"[^>]*value="([^"]*)"', page)
    assert typed
    assert ANNA.display_name in visitor.start(typed[1])


def test_what_is_no_key_in_a_link_leads_to_the_front_page(visitor: Customer) -> None:
    for text in ("short", "ABC-D0L1", "a" * 500, "%E2%98%83"):
        assert visitor.http.get(f"/k/{text}").headers["location"] == "/"


def test_scanners_may_open_and_download_as_often_as_they_like(
    portal: Appliance, visitor: Customer, tmp_path: Path
) -> None:
    visitor.start(session_key(portal))
    address = re.search(r"/download/[^\" ]+", visitor.command())
    assert address
    with customer(portal.address, agent="LinkChecker") as scanner:
        for _ in range(30):
            assert scanner.http.head(address[0]).status_code == 200
            assert scanner.http.get(address[0]).content.startswith(PROGRAM)
    for _ in range(30):
        assert visitor.http.head("/download/linux-x86_64").status_code == 200
        assert visitor.http.get("/download/linux-x86_64").status_code == 200
    done = subprocess.run(
        ["sh", "-c", visitor.command()],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "running as ./beistand-" in done.stdout, done.stderr


def test_the_line_of_the_page_fetches_this_starts_program(portal: Appliance, visitor: Customer, tmp_path: Path) -> None:
    visitor.start(session_key(portal))
    done = subprocess.run(
        ["sh", "-c", visitor.command()],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "running as ./beistand-" in done.stdout, done.stderr
    (file,) = tmp_path.glob("beistand-*")
    start = read_trailer(file)
    assert start is not None
    assert start.server == f"localhost:{portal.port}"
    assert "The program was downloaded" in text_of(visitor.http.get("/start").text)


def test_a_download_is_the_built_program_with_this_starts_trailer(
    portal: Appliance, visitor: Customer, tmp_path: Path
) -> None:
    visitor.start(session_key(portal))
    first = visitor.http.get("/download/linux-x86_64")
    second = visitor.http.get("/download/linux-x86_64")
    tokens = set()
    for answer in (first, second):
        assert answer.content.startswith(PROGRAM)
        assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
        assert answer.headers["content-type"] == "application/octet-stream"
        (tmp_path / "client").write_bytes(answer.content)
        start = read_trailer(tmp_path / "client")
        name = re.fullmatch(r'attachment; filename="(beistand-[0-9a-f]{8})"', answer.headers["content-disposition"])
        assert start is not None
        assert name, "a name says nothing that the machine's other users must not see"
        tokens.add(start.token)
    assert len(tokens) == 2, "each download has a token of its own"


def test_an_interrupted_download_goes_on_with_the_same_file(portal: Appliance, visitor: Customer) -> None:
    visitor.start(session_key(portal))
    whole = visitor.http.get("/download/linux-x86_64")
    half = len(whole.content) // 2
    rest = visitor.http.get(
        "/download/linux-x86_64", headers={"Range": f"bytes={half}-", "If-Range": whole.headers["etag"]}
    )
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    assert whole.content[:half] + rest.content == whole.content
    other = visitor.http.get("/download/linux-x86_64", headers={"Range": f"bytes={half}-", "If-Range": '"another"'})
    assert other.status_code == 200
    tail = visitor.http.get("/download/linux-x86_64", headers={"Range": "bytes=-5"})
    assert (tail.status_code, len(tail.content)) == (206, 5)
    beyond = visitor.http.get("/download/linux-x86_64", headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")


def test_without_a_start_there_is_nothing_to_download_and_the_page_says_what_to_do(visitor: Customer) -> None:
    for path in ("/download/linux-x86_64", "/download/linux-x86_64/unknown-ticket-00000000", "/download/windows"):
        answer = visitor.http.get(path)
        assert answer.status_code == 404
        assert "type a new key" in text_of(answer.text)


def test_the_page_hears_of_the_download_at_once(portal: Appliance, visitor: Customer) -> None:
    visitor.start(session_key(portal))
    with visitor.http.stream("GET", "/start/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in events.iter_lines() if line.startswith("data: "))
        assert json.loads(next(lines)[6:])["phase"] == "opened"
        with customer(portal.address) as terminal:
            address = re.search(r"/download/[^\" ]+", visitor.command())
            assert address
            terminal.http.get(address[0])
        progress = json.loads(next(lines)[6:])
        assert progress["phase"] == "downloaded"
        assert "downloaded" in progress["title"]


@pytest.mark.parametrize(
    ("agent", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0", "Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", "iPhone and iPad"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/140.0 Mobile", "Android"),
        ("Mozilla/5.0 (X11; Linux aarch64; rv:128.0) Firefox/128.0", "Linux on this processor"),
    ],
)
def test_a_system_without_a_client_is_told_so_before_the_key_is_spent_and_after(
    portal: Appliance, agent: str, system: str
) -> None:
    with customer(portal.address, agent=agent) as visitor:
        assert f"There is no program for {system} yet" in text_of(visitor.http.get("/").text)
        page = visitor.start(session_key(portal))
        assert f"For {system} there is no program yet. {ANNA.display_name} sees this, too." in text_of(page)
        assert "<textarea" not in page
        assert "<textarea" in visitor.http.get("/start?system=linux-x86_64").text


def test_the_page_speaks_the_browsers_language_and_can_be_switched(portal: Appliance) -> None:
    with customer(portal.address, language="de-AT,de;q=0.9,en;q=0.5") as visitor:
        page = visitor.http.get("/")
        assert '<html lang="de"' in page.text
        assert "Geben Sie den Schlüssel ein" in text_of(page.text)
        fields = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert fields
        data = {"csrf": fields[1], "back": "/", "language": "en"}
        visitor.http.post("/preferences", data=data, headers={"Origin": portal.address})
        assert "Type the key" in text_of(visitor.http.get("/").text)
        visitor.start(session_key(portal))
        visitor.http.get("/download/linux-x86_64")


def test_an_appliance_without_a_built_client_says_so(seeded_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(seeded_folder, tmp_path / "data")
    with (
        appliance(tmp_path / "data", env={"BEISTAND_CLIENTS": str(tmp_path / "none")}) as site,
        customer(site.address) as visitor,
    ):
        page = text_of(visitor.start(session_key(site)))
        assert "is not available on this appliance" in page
        assert "an administrator has to make the program available" in page
