"""What is promised of lost connections, at its real length: P1 in half a minute, P2 in five."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.appliance import Appliance
from tests.support.console import QUESTION
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.network import CustomerNetwork, customer_network
from tests.support.session import Session, controlling, keys, picture, site_of

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
LOST = re.compile("connection was interrupted")


@pytest.fixture(scope="module")
def network() -> Iterator[CustomerNetwork]:
    """Made before the browser starts, which lets requests fail when a network appears."""
    with customer_network() as made:
        yield made


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    with site_of(seeded_folder, tmp_path, listen="0.0.0.0") as running:
        yield running


@pytest.fixture
def session(
    network: CustomerNetwork, site: Appliance, chromium: Browser, desktop: VirtualDesktop, tmp_path: Path
) -> Iterator[Session]:
    typed = tmp_path / "typed"
    typed.touch()
    with (
        controlling(chromium, site, desktop, tmp_path, network) as running,
        terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {typed}"),
    ):
        # A click would move the focus on the desktop.
        keys(running.page).focus()
        running.page.keyboard.type("begin ")
        eventually(lambda: typed.read_text() == "begin ")
        yield running


def away(capsys: pytest.CaptureFixture[str], minutes: float) -> None:
    """Let time pass, and say so."""
    end = time.monotonic() + 60 * minutes
    while (left := end - time.monotonic()) > 0:
        with capsys.disabled():
            print(f"\nthe cable stays out for another {left:.0f} s", end="", flush=True)
        time.sleep(min(30.0, left))


def returns(session: Session) -> None:
    """The customer is back, with control as it was; P4's minute is the longest that a client waits between tries."""
    expect(session.page.locator(".session-notice")).to_be_hidden(timeout=60_000)
    expect(picture(session.page)).to_be_visible(timeout=15_000)
    session.has_control()


def arrives(session: Session, typed: Path, text: str) -> None:
    """Typing works again, and nothing of before came with it."""
    keys(session.page).focus()

    def pressed() -> bool:
        session.page.keyboard.type(text)
        return typed.read_text().endswith(text)

    eventually(pressed, 60)
    assert re.fullmatch(f"begin ({text})+", typed.read_text())


@pytest.mark.parametrize("side", ["customer", "appliance"])
def test_P1_a_connection_that_is_open_in_one_direction_only_is_noticed_within_30_seconds(
    side: str, session: Session, site: Appliance, network: CustomerNetwork, tmp_path: Path
) -> None:
    descriptors = Path(f"/proc/{site.program.pid}/fd")
    before = len(os.listdir(descriptors))
    network.mute(side)
    muted = time.monotonic()
    try:
        expect(session.page.locator(".session-notice")).to_have_text(LOST, timeout=35_000)
        noticed = time.monotonic() - muted
    finally:
        network.unmute(side)
    assert noticed <= 31
    returns(session)
    arrives(session, tmp_path / "typed", "x")
    eventually(lambda: len(os.listdir(descriptors)) <= before, 60)


def test_P2_a_customer_who_is_away_for_four_minutes_comes_back_and_is_not_asked_again(
    session: Session, network: CustomerNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network.pull()
    away(capsys, 4)
    expect(session.page.locator(".session-notice")).to_have_text(LOST)
    network.plug()
    returns(session)
    assert QUESTION not in session.desktop.run("xwininfo", "-root", "-tree")
    arrives(session, tmp_path / "typed", "y")
    session.shows_the_desktop()


def test_P2_a_customer_who_is_away_for_six_minutes_comes_too_late_and_both_sides_are_told(
    session: Session, network: CustomerNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network.pull()
    away(capsys, 6)
    expect(session.page.get_by_role("heading", name="The session is over")).to_be_visible()
    expect(session.page.locator(".placard")).to_contain_text("did not come back in time")
    network.plug()
    # The client hears that there is nothing to come back to, says so, and goes.
    assert session.customer.wait(120) == 0
    assert (tmp_path / "typed").read_text() == "begin "
