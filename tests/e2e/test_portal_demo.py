"""`python -m demo`, used as its own words say: open, sign in, accept, see, control; and nothing is left at its end."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.desktop import eventually
from tests.support.processes import Program

CLIENT = Path("build/client/beistand-client-linux-x86_64")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    if not CLIENT.is_file():
        pytest.skip("the customer client is not built: make client")
    program = Program([sys.executable, "-m", "demo"], env={"LANG": "C.UTF-8", "TMPDIR": str(tmp_path)})
    try:
        yield program
    finally:
        program.stop(20)


def working_on(folder: Path) -> list[str]:
    """The programs whose command line or working folder is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in argv or str(folder) in os.readlink(process / "cwd"):
                found.append(argv)
        except OSError:
            continue  # it has ended meanwhile
    return found


def test_a_newcomer_helps_the_waiting_customer_and_ends_the_demo(
    demo: Program, chromium: Browser, tmp_path: Path
) -> None:
    address = demo.wait_line("/console").split()[-1]
    password = re.search(r"anna\s+(\S+)", demo.wait_line("anna "))
    assert password
    demo.wait_line("A customer waits")
    context = chromium.new_context(ignore_https_errors=True, locale="en", viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.locator("[name=name]").fill("anna")
    page.locator("[name=password]").fill(password[1])
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("Accept")).first.click(timeout=20_000)
    expect(page.get_by_role("listitem", name="You: watching")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Request control").click(timeout=20_000)
    expect(page.get_by_role("button", name="Give back control")).to_be_visible(timeout=20_000)
    context.close()

    demo.process.send_signal(signal.SIGTERM)
    assert demo.wait(20) == 0
    assert "All gone" in demo.output
    assert list(tmp_path.glob("beistand-demo-*")) == []
    assert eventually(lambda: working_on(tmp_path) == [])
