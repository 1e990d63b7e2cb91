"""Fixtures for tests that run the real parts: an appliance, a browser, a desktop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.appliance import Appliance, appliance, seed
from tests.support.desktop import VirtualDesktop, virtual_desktop

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def seeded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a set-up site; copy it, don't use it."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    seed(folder)
    return folder


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    """A running appliance with an admin and two technicians (`tests.support.appliance`)."""
    folder = tmp_path / "data"
    shutil.copytree(seeded_folder, folder)
    with appliance(folder) as running:
        yield running


@pytest.fixture
def fresh_appliance(tmp_path: Path) -> Iterator[Appliance]:
    """A running appliance that nobody has set up."""
    with appliance(tmp_path / "data") as running:
        yield running


@pytest.fixture
def desktop() -> Iterator[VirtualDesktop]:
    """A customer's desktop."""
    with virtual_desktop() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium. Of the module, since its event loop must not outlive the module's tests: others run trio."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
