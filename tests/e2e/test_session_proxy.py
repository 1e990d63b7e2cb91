"""A session past a real mitmproxy, which opens every TLS connection: it works, and the proxy has read nothing of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import answer_question, client, make_key, technician
from tests.support.desktop import VirtualDesktop, eventually, terminal
from tests.support.processes import running
from tests.support.session import VIEWPORT, Session, accept, keys, site_of

MITMPROXY = "mitmproxy==11.0.2"
PLACE = Path(__file__).parents[2] / "build" / "mitmproxy"
SAID = "What only the two ends may read: 4711"


@pytest.fixture(scope="module")
def mitmdump() -> Path:
    """The proxy, in a virtual environment of its own that is kept in build/ between runs."""
    program = PLACE / "bin" / "mitmdump"
    if not (PLACE / "complete").exists():
        pip = [PLACE / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", MITMPROXY]
        try:
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", PLACE], check=True, capture_output=True, timeout=60
            )
            subprocess.run(pip, check=True, capture_output=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{MITMPROXY} could not be installed: {(error.stderr or b'')[-300:]!r}")
        (PLACE / "complete").touch()
    return program


@pytest.mark.timeout(400)
def test_past_a_proxy_that_opens_tls_a_session_works_and_the_proxy_reads_nothing(
    mitmdump: Path, seeded_folder: Path, chromium: Browser, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    typed, flows = tmp_path / "typed", tmp_path / "flows"
    typed.touch()
    options = [f"confdir={tmp_path / 'conf'}", "ssl_insecure=true", "flow_detail=1"]
    argv = [mitmdump, "--listen-host", "127.0.0.1", "--listen-port", "0", "-w", flows]
    with (
        site_of(seeded_folder, tmp_path) as site,
        running([*argv, *(word for option in options for word in ("--set", option))]) as proxy,
        technician(chromium, site, viewport=VIEWPORT) as page,
    ):
        port = proxy.wait_line("proxy listening at").rsplit(":", 1)[1].rstrip(". ")
        through = {"https_proxy": f"http://127.0.0.1:{port}", "no_proxy": ""}
        with client(site, desktop, make_key(page), tmp_path, **through) as program:
            accept(page)
            answer_question(desktop)
            expect(page.locator(".desktop")).to_be_visible(timeout=20_000)
            session = Session(page, desktop, program)
            session.take_control()
            words = page.locator(".words-strip .word").all_text_contents()
            page.get_by_role("textbox", name="Message to the customer").fill(SAID)
            page.keyboard.press("Enter")
            expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
            with terminal(desktop, "sh", "-c", f"stty raw -echo; exec cat > {typed}"):
                keys(page).focus()
                page.keyboard.type("typed past the proxy")
                eventually(lambda: typed.read_text() == "typed past the proxy")
            session.end()
            assert program.wait(30) == 0
        proxy.stop()
    read = flows.read_bytes()
    assert b"/wire" in read, "it went through the proxy, which has opened the connection"
    assert len(words) == 4
    for secret in (SAID, "Anna Berger", "Nordwind", "chat.message", "consent", "resume", "session.ended"):
        assert secret.encode() not in read
