"""Peers that take nothing, or leave in the middle: nobody else notices, and they cost nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.appliance import Appliance
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.portal import PROGRAM, customer, session_key, stand_in_client
from tests.support.session import controlling, keys, site_of

PEERS = 10
"""Fewer than one address may hold."""
SECONDS = 3.0


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    """A site with a client of 30 MB to download."""
    with site_of(seeded_folder, tmp_path) as running:
        stand_in_client(tmp_path / "clients", PROGRAM * 40)
        yield running


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(pid: int) -> float:
    """The part of one processor that a process takes, over some seconds."""
    before = processor(pid)
    time.sleep(SECONDS)
    return (processor(pid) - before) / SECONDS


def download(site: Appliance) -> tuple[str, dict[str, str]]:
    """The path of a start's download, and the cookies with which its browser asks."""
    with customer(site.address) as person:
        person.start(session_key(site))
        return "/download/linux-x86_64", dict(person.http.cookies)


def downloading(site: Appliance, path: str, cookies: dict[str, str]) -> ssl.SSLSocket:
    """A browser in the middle of the download, which reads no more."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", site.port))
    browser = context.wrap_socket(raw, server_hostname="localhost")
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    browser.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{site.port}\r\nCookie: {cookie}\r\n\r\n".encode())
    assert browser.recv(200).startswith(b"HTTP/1.1 200")
    return browser


def answers_quickly(site: Appliance) -> None:
    with site.http() as browser:
        browser.get("/")
        began = time.monotonic()
        assert browser.get("/").status_code == 200
        assert time.monotonic() - began < 1


def test_clients_that_leave_in_the_middle_of_a_download_cost_nothing_afterwards(site: Appliance) -> None:
    path, cookies = download(site)
    descriptors = Path(f"/proc/{site.program.pid}/fd")
    before = len(os.listdir(descriptors))
    for number in range(PEERS):
        browser = downloading(site, path, cookies)
        if number % 2:  # half of them with a reset, half with an orderly end
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        browser.close()
    eventually(lambda: len(os.listdir(descriptors)) <= before, 20)
    assert share(site.program.pid) < 0.05
    answers_quickly(site)


def test_P5_browsers_that_read_nothing_delay_no_key_press_and_are_cut(
    site: Appliance, chromium: Browser, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    typed = tmp_path / "typed"
    typed.touch()
    with (
        controlling(chromium, site, desktop, tmp_path / "customer") as session,
        terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {typed}"),
        contextlib.ExitStack() as stack,
    ):
        path, cookies = download(site)
        stalled = [stack.enter_context(downloading(site, path, cookies)) for _ in range(PEERS)]
        began = time.monotonic()
        keys(session.page).focus()
        text = ""
        while time.monotonic() - began < SECONDS:
            text += "x"
            session.page.keyboard.type("x")
            eventually(lambda wanted=text: typed.read_text() == wanted, 1)  # type: ignore[misc]
        answers_quickly(site)

        time.sleep(max(0.0, began + 20 - time.monotonic()))  # the fault itself: nothing is read for P5's 15 s and more
        received = 0
        for browser in stalled:
            browser.settimeout(5)
            with contextlib.suppress(OSError):
                while data := browser.recv(65536):
                    received += len(data)
        assert received < PEERS * len(PROGRAM) * 40 / 2
        session.page.keyboard.type("y")
        eventually(lambda: typed.read_text() == text + "y", 1)
