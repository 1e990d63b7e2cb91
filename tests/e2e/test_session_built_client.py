"""The built client as a customer runs it: the page's line in a shell, a session, and nothing left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.client_window import banner, banner_button, settled
from tests.support.console import answer_question, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually
from tests.support.portal import customer
from tests.support.processes import Program, running
from tests.support.session import VIEWPORT, Session, accept

pytestmark = pytest.mark.skipif(
    not Path("build/client/beistand-client-linux-x86_64").is_file(), reason="the client has not been built: make client"
)


@dataclass(frozen=True)
class Account:
    """A customer's account on their machine."""

    home: Path
    desktop: VirtualDesktop

    @property
    def env(self) -> dict[str, str]:
        """What a shell of theirs has."""
        places = {name: str(self.home / name) for name in ("tmp", "run", "cache")}
        return {
            **self.desktop.env,
            "HOME": str(self.home),
            "TMPDIR": places["tmp"],
            "XDG_RUNTIME_DIR": places["run"],
            "XDG_CACHE_HOME": places["cache"],
            "LANG": "en_GB.UTF-8",
            "LC_ALL": "",
            "no_proxy": "*",
        }

    def listing(self) -> set[str]:
        """Every file and folder of theirs."""
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*")}

    def processes(self) -> list[int]:
        """The processes with their environment, of the client and whatever it started."""
        mine = f"HOME={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found


@pytest.fixture
def account(desktop: VirtualDesktop, tmp_path: Path) -> Account:
    for name in ("tmp", "run", "cache", "Downloads"):
        (tmp_path / "home" / name).mkdir(parents=True, mode=0o700)
    (tmp_path / "home" / "Downloads" / "letter.txt").write_text("mine")
    return Account(tmp_path / "home", desktop)


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    shutil.copytree(seeded_folder, tmp_path / "data")
    with appliance(tmp_path / "data") as running_:
        yield running_


@pytest.fixture
def page(chromium: Browser, site: Appliance) -> Iterator[Page]:
    with technician(chromium, site, viewport=VIEWPORT) as page:
        yield page


@contextlib.contextmanager
def line_run(page: Page, site: Appliance, account: Account) -> Iterator[Program]:
    """The customer copies the page's line into a shell in their downloads folder, and is accepted and seen."""
    with customer(site.address) as person:
        person.start(make_key(page))
        line = person.command()
    with running(["bash", "-c", line], env=account.env, cwd=account.home / "Downloads") as shell:
        accept(page)
        answer_question(account.desktop)
        expect(page.locator(".session:not([hidden]) .desktop")).to_be_visible(timeout=20_000)
        yield shell


@pytest.mark.parametrize("who", ["technician", "customer"])
def test_the_pages_line_brings_a_session_that_ends_by_itself_and_leaves_nothing(
    who: str, page: Page, site: Appliance, account: Account
) -> None:
    before = account.listing()
    with line_run(page, site, account) as shell:
        assert account.listing() != before
        Session(page, account.desktop, shell).shows_the_desktop()
        if who == "technician":
            Session(page, account.desktop, shell).end()
        else:
            eventually(lambda: settled(account.desktop))
            account.desktop.run("xdotool", "mousemove", *banner_button(account.desktop), "click", "1")
            expect(page.get_by_role("heading", name="The session is over")).to_be_visible()
        assert shell.wait(40) == 0, shell.output
        eventually(lambda: account.processes() == [])
        eventually(lambda: account.listing() == before)
    assert banner(account.desktop) == []


def test_a_client_that_was_killed_with_all_its_processes_goes_with_the_next_start(
    page: Page, site: Appliance, account: Account
) -> None:
    before = account.listing()
    with line_run(page, site, account):
        while processes := account.processes():
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        expect(page.locator(".session-notice")).to_contain_text("connection was interrupted")
    with line_run(page, site, account) as shell:
        Session(page, account.desktop, shell).end()
        assert shell.wait(40) == 0, shell.output
        eventually(lambda: account.processes() == [])
    eventually(lambda: account.listing() == before)
