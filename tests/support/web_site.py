"""The web application in this process: real store, identity and pages; a browser without scripts, over ASGI."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import trio
from starlette.applications import Starlette
from starlette.types import Message

from appliance.broker import Broker
from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import Entered, Identity, Link, Passwords, Throttle
from appliance.relay.recording import Recording
from appliance.store import Audit, Settings, Store
from appliance.web.app import Site, build_app
from appliance.web.portal.downloads import Downloads
from tests.support.appliance import PASSWORD

SETUP_CODE = "ABCDEFGH2"
ORIGIN = "https://localhost"
START = 1_750_000_000.0

_FIELD = re.compile(r"<(?:input|button|option|textarea)\b[^>]*>")


@dataclass
class Clock:
    """Seconds since 1970, moved by hand."""

    at: float = START

    def __call__(self) -> float:
        return self.at


def attributes(tag: str) -> dict[str, str]:
    """A tag's attributes."""
    return {name: html.unescape(value) for name, value in re.findall(r'([a-z-]+)="([^"]*)"', tag)}


@dataclass
class Browser:
    """Keeps cookies, follows no redirects by itself, and says where its requests come from, as browsers do."""

    app: Starlette
    address: str = "203.0.113.5"
    client: httpx.AsyncClient = field(init=False)
    page: httpx.Response = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(app=self.app, client=(self.address, 40000))
        self.client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"accept-language": "en"})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        self.page = await self.client.get(path, headers=headers)
        return self.page

    @property
    def csrf(self) -> str:
        """The token in the forms of the page that is open."""
        match = re.search(r'name="csrf" value="([^"]+)"', self.page.text)
        return match[1] if match else ""

    async def post(self, path: str, values: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a form of the page that is open."""
        self.page = await self.client.post(
            path,
            data={"csrf": self.csrf, **(values or {})},
            headers={"origin": ORIGIN, "sec-fetch-site": "same-origin", **headers},
        )
        return self.page

    async def raw(
        self,
        method: str,
        target: str,
        values: dict[str, str] | None = None,
        *,
        content: bytes | None = None,
        kind: str = "application/x-www-form-urlencoded",
    ) -> httpx.Response:
        """A request whose target nobody tidies up, neither its slashes nor its dots; its cookies are not kept."""
        path, _, query = target.partition("#")[0].partition("?")
        body = urlencode({"csrf": self.csrf, **(values or {})}).encode() if content is None else content
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        headers = {
            "host": "localhost",
            "origin": ORIGIN,
            "sec-fetch-site": "same-origin",
            "content-type": kind,
            "content-length": str(len(body)),
            "cookie": cookies,
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method,
                "scheme": "https",
                "path": unquote(path, errors="replace"),
                "raw_path": path.encode(),
                "query_string": query.encode(),
                "root_path": "",
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
                "client": (self.address, 40000),
                "server": ("localhost", 443),
                "state": {},
            },
            receive,
            send,
        )
        text = b"".join(message.get("body", b"") for message in sent[1:])
        headers_sent = [(name, value) for name, value in sent[0]["headers"] if name != b"content-encoding"]
        return httpx.Response(sent[0]["status"], headers=headers_sent, content=text)

    async def follow(self) -> httpx.Response:
        """Go where the last answer leads."""
        return await self.get(self.page.headers["location"])

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """Through the sign-in page."""
        await self.get("/login")
        return await self.post("/login", {"name": name, "password": password})

    @property
    def text(self) -> str:
        """What the page that is open says, without its tags."""
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.page.text)))


@dataclass
class WebSite:
    """A running application."""

    site: Site
    app: Starlette
    clock: Clock

    def browser(self, address: str = "203.0.113.5") -> Browser:
        """Somebody's browser."""
        return Browser(self.app, address)

    async def set_up(self) -> None:
        """As the set-up page would: the admin erika, the technician anna, and paul, who has no permissions."""
        entered = await self.site.identity.set_up(
            "erika", "Erika Admin", PASSWORD, site_name="Nordwind IT", host_names=("localhost",), language="en"
        )
        assert isinstance(entered, Entered), entered
        await self.site.identity.sign_out(entered.who)
        await self.user("anna", "Anna Berger", TECHNICIAN)
        await self.user("paul", "Paul Neu", frozenset())

    async def user(self, name: str, display_name: str, permissions: frozenset[Permission]) -> str:
        """A user with PASSWORD; the id."""
        link = await self.site.identity.accounts.create(name, display_name, permissions=permissions, by=None)
        assert isinstance(link, Link), link
        entered = await self.site.identity.use_link(link.token, PASSWORD)
        assert isinstance(entered, Entered), entered
        await self.site.identity.sign_out(entered.who)
        return link.user.id

    async def dump(self) -> list[str]:
        """Everything in the database, but for when a browser was last seen."""
        lines = await self.site.store.read(lambda db: list(db.conn.iterdump()))
        return [line for line in lines if '"web_sessions"' not in line]

    async def signed_in(self, name: str) -> Browser:
        """A browser in which `name` is signed in."""
        browser = self.browser()
        answer = await browser.sign_in(name)
        assert answer.status_code == 303, answer.text
        return browser


@contextlib.asynccontextmanager
async def web_site(folder: Path, *, set_up: bool = True) -> AsyncIterator[WebSite]:
    """The application on a data folder of its own; passwords are hashed cheaply."""
    clock = Clock()
    store = await Store.open(folder / "data")
    try:
        settings = await Settings.load(store)
        audit = Audit(store, clock)
        throttle = Throttle(audit, trio.current_time)
        identity = Identity(store, settings, audit, throttle, clock, Passwords(memory_kib=64, passes=1))
        broker = Broker(
            store=store,
            settings=settings,
            audit=audit,
            throttle=throttle,
            recorder_factory=Recording.open,
            ca_fingerprints=lambda: (bytes(32),),
            now=clock,
        )
        site = Site(
            store=store,
            settings=settings,
            identity=identity,
            audit=audit,
            throttle=throttle,
            broker=broker,
            downloads=Downloads(folder / "clients", clock),
            recordings=folder / "recordings",
            setup_code=SETUP_CODE,
            pins=(bytes(32),),
            port=lambda: 443,
            now=clock,
        )
        running = WebSite(site, build_app(site), clock)
        if set_up:
            await running.set_up()
        yield running
    finally:
        await store.aclose()
