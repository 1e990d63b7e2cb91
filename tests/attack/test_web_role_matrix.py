"""Every route × every role, made from the route table: what is not allowed is refused before its handler runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from appliance.domain.permissions import Permission
from appliance.web.app import route_table
from appliance.web.shared.routing import Access, Page, Socket, Verdict
from tests.support.web_site import Browser, WebSite, web_site

ROLES = ("before_setup", "stranger", "nobody", "technician", "site_admin")

E, N, S, F = Verdict.ENTER, Verdict.NOT_THERE, Verdict.SIGN_IN, Verdict.FORBIDDEN

MATRIX: dict[Access, tuple[Verdict, ...]] = {
    Access.SETUP: (E, N, N, N, N),
    Access.ALWAYS: (E, E, E, E, E),
    Access.PUBLIC: (N, E, E, E, E),
    Access.SIGNED_IN: (N, S, E, E, E),
    Access.TECHNICIAN: (N, S, F, E, F),
    Access.SITE_ADMIN: (N, S, F, F, E),
}

PATHS_OF_ADMINS = re.compile(r"/login/(overview|users|teams|sessions|audit|settings)\b")


def test_every_route_declares_its_access() -> None:
    for route in route_table():
        assert isinstance(route, Page | Socket), f"{route} is not declared with page() or socket()"
        assert route.access in MATRIX


def test_what_is_sensitive_by_its_place_is_not_open_by_mistake() -> None:
    for route in route_table():
        assert isinstance(route, Page | Socket)
        if PATHS_OF_ADMINS.match(route.path):
            assert route.access is Access.SITE_ADMIN, route.path
        if route.path.startswith("/console") and route.access is not Access.TECHNICIAN:
            assert route.access is Access.PUBLIC, route.path
            assert route.path.rsplit("/", 1)[1] in ("offline", "sw.js", "manifest.webmanifest"), route.path
        if route.path.startswith("/login/account"):
            assert route.access is Access.SIGNED_IN, route.path


def test_no_two_routes_answer_the_same_address() -> None:
    seen: set[tuple[str, str]] = set()
    for route in route_table():
        if isinstance(route, Page):
            for method in route.methods or ():
                assert (route.path, method) not in seen, f"{method} {route.path} is there twice"
                seen.add((route.path, method))


async def _browser(running: WebSite, role: str) -> Browser:
    names = {"nobody": "paul", "technician": "anna", "site_admin": "vera"}
    if role == "site_admin":
        await running.user("vera", "Vera", frozenset({Permission.SITE_ADMIN}))
    return await running.signed_in(names[role]) if role in names else running.browser()


def _verdict(status: int, headers: Any, text: str) -> Verdict:
    """What an answer to a request without a CSRF token means."""
    if status in (301, 302, 303, 307) and headers["location"].startswith("/login?next="):
        return S
    if status == 403:
        return E if "open too long" in text else F
    return N if status == 404 else E


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_to_its_own_pages_only(tmp_path: Path, role: str) -> None:
    async with web_site(tmp_path, set_up=role != "before_setup") as running:
        browser = await _browser(running, role)
        before = await running.dump()
        for route in route_table():
            if not isinstance(route, Page):
                continue
            path = re.sub(r"\{[^}]+\}", "x", route.path)
            expected = MATRIX[route.access][ROLES.index(role)]
            for method in sorted(route.methods or ()):
                answer = await browser.client.request(method, path)
                unsafe = method not in ("GET", "HEAD")
                found = _verdict(answer.status_code, answer.headers, answer.text)
                if method == "HEAD" and found is not S:
                    continue  # no body to tell by; the same handler as GET
                if found is N and expected is E and "{" in route.path:
                    continue  # the handler ran, and there is no such thing
                # A form cannot be sent again after signing in.
                expected_here = F if unsafe and expected is S else expected
                if path == "/" and role == "before_setup":
                    assert answer.headers["location"] == "/setup"
                    continue
                assert found is expected_here, (role, method, path, answer.status_code)
        assert await running.dump() == before


async def _knock(running: WebSite, route: Socket, headers: dict[str, str]) -> list[Message]:
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": re.sub(r"\{[^}]+\}", "x", route.path),
        "raw_path": route.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.5", 40000),
        "server": ("localhost", 443),
        "subprotocols": [],
        "state": {},
    }
    await running.app(scope, receive, send)
    return sent


ORIGINS = [
    None,
    "null",
    "",
    "http://localhost",
    "https://localhost.evil.example",
    "https://evil.example",
    "https://sub.localhost",
    "https://localhost:444",
    "https://localhost/",
    "https://LOCALHOST@evil.example",
]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "before_setup"])
async def test_a_socket_opens_only_for_its_role(tmp_path: Path, role: str) -> None:
    async with web_site(tmp_path) as running:
        browser = await _browser(running, role)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        for route in route_table():
            if isinstance(route, Socket) and MATRIX[route.access][ROLES.index(role)] is not E:
                headers = {"host": "localhost", "origin": "https://localhost", "cookie": cookie}
                assert [message["type"] for message in await _knock(running, route, headers)] == ["websocket.close"]


async def test_a_socket_refuses_every_origin_but_its_own(tmp_path: Path) -> None:
    """Cross-site WebSocket hijacking, as in MeshCentral (CVE-2024-26135)."""
    async with web_site(tmp_path) as running:
        browser = await running.signed_in("anna")
        cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        sockets = [route for route in route_table() if isinstance(route, Socket)]
        assert sockets
        for route in sockets:
            for origin in ORIGINS:
                headers = {"host": "localhost", "cookie": cookie}
                if origin is not None:
                    headers["origin"] = origin
                sent = await _knock(running, route, headers)
                assert [message["type"] for message in sent] == ["websocket.close"], origin
