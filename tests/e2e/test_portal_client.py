"""From the portal to the running client: what scanners did before changes nothing, and the page knows how far it is."""

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.desktop import VirtualDesktop
from tests.support.portal import session_key, stand_in_client
from tests.support.processes import Program, running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def portal(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    shutil.copytree(seeded_folder, tmp_path / "data")
    env = {"BEISTAND_CLIENTS": str(stand_in_client(tmp_path / "clients"))}
    with appliance(tmp_path / "data", env=env) as site:
        yield site


@contextlib.contextmanager
def client(page: Page, folder: Path, desktop: VirtualDesktop) -> Iterator[Program]:
    """The client that the page hands out, run from source: the file's trailer is what counts."""
    page.locator("details").evaluate("details => { details.open = true; }")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the program").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    env = {**desktop.env, "LANG": "en_GB.UTF-8", "PYTHONPATH": str(ROOT), "no_proxy": "*"}
    with running([sys.executable, "-m", "clients.customer", "--start-file", file], env=env, cwd=folder) as program:
        yield program


def test_after_every_kind_of_scanner_the_first_client_connects_and_a_second_is_refused(
    portal: Appliance, chromium: Browser, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    key = session_key(portal)
    scanner = httpx.Client(base_url=portal.address, verify=False)
    for _ in range(5):
        assert scanner.get(f"/k/{key}").status_code == 200
    context = chromium.new_context(ignore_https_errors=True, locale="en")
    page = context.new_page()
    page.goto(f"{portal.address}/k/{key}")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/start")
    address = re.search(r"https://[^\"]+", page.locator("#command").input_value())
    assert address
    for _ in range(5):
        scanner.head(address[0])
        assert scanner.get(address[0]).status_code == 200
        assert scanner.get(address[0], headers={"Range": "bytes=0-99"}).status_code == 206
    scanner.close()
    status = page.get_by_role("status")
    expect(status).to_contain_text("The program was downloaded")
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with client(page, second, desktop) as other:
        expect(status).to_contain_text("The program is running")
        expect(page.locator("#command")).to_be_hidden()
        late = httpx.Client(base_url=portal.address, verify=False)
        file = first / "late"
        file.write_bytes(late.get(address[0]).content)
        late.close()
        assert other.process.poll() is None
        env = {**desktop.env, "LANG": "en_GB.UTF-8", "PYTHONPATH": str(ROOT), "no_proxy": "*"}
        with running([sys.executable, "-m", "clients.customer", "--start-file", file], env=env) as refused:
            expect(status).to_contain_text("another", ignore_case=True, timeout=15_000)
            assert refused.process.poll() in (None, 5)
        assert other.process.poll() is None, "the first client is not disturbed"
    context.close()
