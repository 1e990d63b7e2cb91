"""A customer and a technician at a running appliance, without a screen: for tests of the portal."""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx

from demo.browser import Browser
from demo.site import Account
from demo.technician import make_key
from tests.support.appliance import ANNA, PASSWORD, Appliance, hidden_fields

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PROGRAM = b"#!/bin/sh\necho running as $0\nexit\n" + bytes(range(256)) * 3000


def stand_in_client(folder: Path, content: bytes = PROGRAM) -> Path:
    """A folder of clients whose program only says that it runs; the real one takes a minute to build."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "beistand-client-linux-x86_64"
    file.write_bytes(content)
    facts = {"version": "1.0", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "glibc": "2.31"}
    file.with_name(f"{file.name}.json").write_text(json.dumps(facts))
    return folder


def session_key(site: Appliance) -> str:
    """A new key of Anna's, made over the console's socket."""
    browser = Browser(site.address, site.folder / "device_ca" / "ca.pem", "en")
    return make_key(browser, Account(ANNA.name, ANNA.display_name, PASSWORD))


class Customer:
    """A customer's browser without scripts."""

    def __init__(self, address: str, agent: str = FIREFOX, language: str = "en") -> None:
        headers = {"User-Agent": agent, "Accept-Language": language}
        self.address = address
        self.http = httpx.Client(base_url=address, verify=False, follow_redirects=False, timeout=20, headers=headers)

    def post(self, text: str, **more: str) -> httpx.Response:
        """Type `text` into the key's field and send the form; the answer, no redirect followed."""
        fields = hidden_fields(self.http.get("/").text)
        data = {"csrf": fields["csrf"], "key": text, **more}
        return self.http.post("/start", data=data, headers={"Origin": self.address})

    def start(self, key: str) -> str:
        """Type `key`; the page that follows."""
        answer = self.post(key)
        assert answer.status_code == 303, text_of(answer.text)
        return self.http.get("/start").text

    def command(self) -> str:
        """The line for the terminal on the start's page."""
        found = re.search(r"<textarea[^>]*>(.*?)</textarea>", self.http.get("/start").text, re.S)
        assert found
        return html.unescape(found[1])


@contextlib.contextmanager
def customer(address: str, agent: str = FIREFOX, language: str = "en") -> Iterator[Customer]:
    """A customer's browser at the portal's `address`, closed at the end."""
    person = Customer(address, agent, language)
    with person.http:
        yield person


def text_of(page: str) -> str:
    """What a page says in its main part, without tags."""
    main = re.search(r"<main.*?</main>", page, re.S)
    bare = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", main[0] if main else page, flags=re.S)
    return " ".join(html.unescape(bare).split())
