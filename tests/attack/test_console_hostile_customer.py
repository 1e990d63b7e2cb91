"""Stored scripts from a customer's computer (as in MeshCentral GHSA-c7hr-448w-65px), in the console in a real browser.

Whatever a client says about its machine and its user, writes, and gives as reasons is text wherever it is shown, and
the content security policy has nothing to report.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.appliance import Appliance, appliance
from tests.support.console import ROOT, make_key, technician
from tests.support.portal import customer, stand_in_client
from tests.support.processes import running

HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>\"'{{7*7}}"
LINKS = 'javascript:alert(1) data:text/html,<script>alert(1)</script> https://example.org/"onmouseover=alert(1)'

CLIENT = """
import json, sys
import trio
from nacl.signing import SigningKey
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.start_file import read_trailer
from clients.customer.link import Link
from clients.customer.net.route import Route

async def main(file, texts):
    start = read_trailer(file)
    wire = await Route(start).connect()
    link = Link(wire.stream)
    hostile = texts[0]
    names = dict.fromkeys(("os", "host", "user", "arch", "display", "client"), hostile)
    system = m.System(**names, language="en")
    welcome = await link.shake_hands(
        key=SigningKey.generate(), ca_fingerprint=wire.ca.fingerprint, system=system, token=start.token
    )
    channel = link.connection.open(m.Open(name=ChannelName.CHAT, session=welcome.session, after=0))
    for number, text in enumerate(texts):
        link.connection.send(channel, m.encode(m.ChatSend(id=f"message-{number}", text=text)))
    link.connection.send(channel, m.encode(m.ChatTyping(sender="x", name=hostile)))
    link.tell(m.ScreenUnavailable(reason=hostile, args={"name": hostile}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run_sending)
        nursery.start_soon(link.run_pinging, 10.0, 30.0)
        while True:
            await link.event()

trio.run(main, sys.argv[1], json.loads(sys.argv[2]))
"""


@pytest.fixture
def site(seeded_folder: Path, tmp_path: Path) -> Iterator[Appliance]:
    shutil.copytree(seeded_folder, tmp_path / "data")
    with appliance(tmp_path / "data", env={"BEISTAND_CLIENTS": str(stand_in_client(tmp_path / "clients"))}) as running:
        yield running


def harmless(page: Page) -> None:
    """Nothing of it has become an element, a listener or a script that ran."""
    assert "owned" not in page.title()
    assert page.locator("img, iframe, [onerror], [onmouseover]").count() == 0
    assert page.locator("a[href^='javascript'], a[href^='data']").count() == 0


def test_what_a_hostile_client_says_is_text_everywhere(chromium: Browser, site: Appliance, tmp_path: Path) -> None:
    with technician(chromium, site, viewport={"width": 1280, "height": 800}) as page:
        with customer(site.address) as person:
            person.start(make_key(page))
            file = tmp_path / "start"
            file.write_bytes(person.http.get("/download/linux-x86_64").content)
        texts = json.dumps([HOSTILE, LINKS])
        with running([sys.executable, "-c", CLIENT, file, texts], env={"PYTHONPATH": str(ROOT), "no_proxy": "*"}):
            page.get_by_role("button", name="Accept").first.click()
            expect(page.locator(".bubble").first).to_contain_text(HOSTILE)
            expect(page.locator(".bubble")).to_have_count(2)
            assert page.locator(".bubble a").evaluate_all("all => all.map((one) => one.href)") == [
                "https://example.org/"
            ]
            expect(page.locator(".session-name")).to_contain_text("<img")
            for details in page.locator("summary:visible").all():
                details.click()
                harmless(page)
                page.keyboard.press("Escape")
            harmless(page)
            page.reload()
            expect(page.locator(".bubble").first).to_contain_text(HOSTILE)
            harmless(page)
        for path in ("/console#past", "/login/account"):
            page.goto(site.address + path)
            harmless(page)
