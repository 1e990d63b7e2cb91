"""Ctrl-C with a session running whose customer takes nothing: stopped within five seconds, in order."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from appliance.cli import ExitCode
from appliance.relay.recording_format import SUFFIX
from appliance.relay.recording_read import verify
from tests.support.appliance import BEN
from tests.support.console import technician
from tests.support.desktop import VirtualDesktop, terminal
from tests.support.session import VIEWPORT, site_of, watching


def test_ctrl_c_ends_it_within_five_seconds_though_a_session_runs_whose_customer_takes_nothing(
    chromium: Browser, seeded_folder: Path, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    busy = ["sh", "-c", "while :; do seq 1 100; sleep 0.05; done"]
    with (
        site_of(seeded_folder, tmp_path) as site,
        technician(chromium, site, viewport=VIEWPORT) as page,
        watching(page, site, desktop, tmp_path / "customer") as session,
        terminal(desktop, *busy),
        technician(chromium, site, BEN) as other,
    ):
        other.get_by_role("button", name="Refresh").click()
        other.get_by_role("button", name="Watch").click()
        expect(other.locator(".desktop")).to_be_visible()
        # The customer's program stands still, with a picture under way: nothing that it is sent is taken.
        session.customer.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            site.program.process.send_signal(signal.SIGINT)
            assert site.program.wait(8) == ExitCode.OK
            assert time.monotonic() - began < 5
        finally:
            session.customer.signal(signal.SIGCONT)
        assert "Beistand has stopped." in site.program.output
        assert "Traceback" not in site.program.output
        [recording] = (site.folder / "recordings").glob(f"*{SUFFIX}")
        assert verify(recording).seconds > 0, "what was recorded until then is there"
