"""What a technician keeps when the network, the browser tab or the appliance goes away in the middle of work."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.network import CustomerNetwork, customer_network
from tests.support.processes import Program

RESUME_SECONDS = 20.0


@dataclass(frozen=True)
class Session:
    """A technician who controls a customer's terminal, whose input goes into `typed`."""

    site: Appliance
    page: Page
    network: CustomerNetwork
    customer: Program
    typed: Path

    def type(self, text: str, delay: float = 0) -> None:
        """Type at the console, as a person does."""
        self.page.keyboard.type(text, delay=delay)

    def text(self) -> str:
        """What has arrived at the customer's."""
        return self.typed.read_text(encoding="utf-8")

    def arrives(self, text: str, timeout: float = 10.0) -> None:
        """The text is what has arrived since the beginning, no more and no less."""
        eventually(lambda: self.text() == text, timeout)


@pytest.fixture(scope="module")
def network() -> Iterator[CustomerNetwork]:
    """The customer's network; made before the browser starts, which lets requests fail when a network appears."""
    with customer_network() as made:
        yield made


@pytest.fixture
def session(
    seeded_folder: Path, tmp_path: Path, network: CustomerNetwork, chromium: Browser, desktop: VirtualDesktop
) -> Iterator[Session]:
    """The customer in a network of their own."""
    folder = tmp_path / "data"
    shutil.copytree(seeded_folder, folder)
    typed = tmp_path / "typed"
    typed.touch()
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(appliance(folder, listen="0.0.0.0"))
        page = stack.enter_context(technician(chromium, site, viewport={"width": 1400, "height": 900}))
        customer = stack.enter_context(client(site, desktop, make_key(page), tmp_path, network))
        page.get_by_role("button", name="Accept").first.click()
        answer_question(desktop)
        page.get_by_role("button", name="Request control").click()
        answer_question(desktop)
        # Each character goes into the file at once, as it is typed.
        stack.enter_context(terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {typed}"))
        running = Session(site, page, network, customer, typed)
        focus_screen(page)
        running.type("begin ")
        running.arrives("begin ")
        yield running


def focus_screen(page: Page) -> None:
    """Give the keyboard to the customer's desktop, without a click there that would move its focus."""
    page.get_by_role("textbox", name=re.compile("Keyboard of the remote desktop")).focus()


def test_P3_a_network_that_is_gone_for_ten_seconds_in_mid_typing_doubles_nothing_and_brings_nothing_late(
    session: Session,
) -> None:
    session.network.pull()
    session.type("lost while the cable is out ", delay=100)
    time.sleep(7.5)  # the fault itself, not a wait for something: about ten seconds without a network
    before = session.text()
    session.network.plug()

    # Keys that were pressed into nothing never come later. Those that do come were pressed after the network was back.
    def arrives_again() -> bool:
        session.type("x")
        return session.text().endswith("x")

    eventually(arrives_again, 30)
    after = session.text()
    assert after.startswith(before)
    assert re.fullmatch("begin x+", after), after
    session.type(" and on")
    eventually(lambda: session.text().endswith("x and on"))


def test_P2_a_reloaded_tab_comes_back_into_its_sessions_without_asking_the_customer_again(session: Session) -> None:
    session.page.reload()
    expect(session.page.locator("canvas").first).to_be_visible(timeout=15_000)
    # The page is new; control is still this technician's.
    expect(session.page.get_by_role("button", name="Give back control")).to_be_visible(timeout=15_000)
    focus_screen(session.page)

    def arrives() -> bool:
        session.type("again")
        return "again" in session.text()

    eventually(arrives, 15)


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_P4_an_appliance_that_comes_back_has_its_sessions_back(session: Session, kill: bool) -> None:
    session.page.get_by_placeholder("Write to the customer").fill("before the restart")
    session.page.keyboard.press("Enter")
    expect(session.page.get_by_text("before the restart")).to_be_visible()
    session.site.restart(kill=kill)
    expect(session.page.get_by_role("button", name="Give back control")).to_be_visible(timeout=40_000)
    expect(session.page.get_by_text("before the restart")).to_have_count(1)
    focus_screen(session.page)

    def arrives() -> bool:
        session.type("y")
        return session.text().endswith("y")

    eventually(arrives, 40)
    assert re.fullmatch("begin y+", session.text())
    assert session.customer.process.poll() is None
