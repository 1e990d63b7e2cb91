"""Routes that say who may use them.

Every page and socket of the appliance is declared with `page()` or `socket()` and an `Access`; the check happens here,
before the handler runs, so that no handler can forget it. The role × route matrix of the tests is made from the
same table.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from appliance.domain.permissions import Permission
from appliance.web.shared import security
from appliance.web.shared.language import prepare
from appliance.web.shared.site import site_of

if TYPE_CHECKING:
    from appliance.identity import SignedIn

Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]

MAX_FIELDS = 300


class Access(enum.Enum):
    """Who may use a route. Before set-up only SETUP and ALWAYS exist; after it SETUP is gone."""

    SETUP = "setup"
    ALWAYS = "always"
    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    TECHNICIAN = "technician"
    SITE_ADMIN = "site_admin"


_NEEDED = {Access.TECHNICIAN: Permission.CONSOLE, Access.SITE_ADMIN: Permission.SITE_ADMIN}


class Verdict(enum.Enum):
    """What becomes of a request at the door."""

    ENTER = "enter"
    NOT_THERE = "not_there"
    SIGN_IN = "sign_in"
    FORBIDDEN = "forbidden"


def judge(access: Access, *, is_set_up: bool, user: SignedIn | None) -> Verdict:
    """The one decision on who enters where."""
    if access is Access.ALWAYS:
        return Verdict.ENTER
    if (access is Access.SETUP) == is_set_up:
        return Verdict.NOT_THERE
    if access in (Access.SETUP, Access.PUBLIC):
        return Verdict.ENTER
    if user is None:
        return Verdict.SIGN_IN
    needed = _NEEDED.get(access)
    if needed is not None and needed not in user.user.permissions:
        return Verdict.FORBIDDEN
    return Verdict.ENTER


def address_of(connection: HTTPConnection) -> str:
    """The peer's IP address, as the edge knows it."""
    return connection.client.host if connection.client else ""


def who_of(request: Request) -> SignedIn:
    """Who asks, on a page that is open to people who are signed in only."""
    return cast("SignedIn", request.state.user)


def host_of(connection: HTTPConnection) -> str:
    """The host name that was asked for, without a port; the edge has checked it. For advice, never for links."""
    return re.sub(r":\d{1,5}$", "", connection.headers.get("host", "")).strip("[]").lower()


async def _authenticated(connection: HTTPConnection) -> SignedIn | None:
    cookie = connection.cookies.get(security.SESSION_COOKIE)
    if not cookie or len(cookie) > 256:
        return None
    who = await site_of(connection).identity.authenticate(cookie, address_of(connection))
    if who is not None and hasattr(connection.state, "authenticated"):
        connection.state.authenticated()  # the edge: from now on it does not count among its address's
    return who


class Page(Route):
    """An HTTP route with its access; see `page()`."""

    def __init__(
        self, path: str, handler: Handler, *, access: Access, methods: Sequence[str], screen: bool, max_body: int
    ) -> None:
        super().__init__(path, handler, methods=methods)
        self.access = access
        self.screen = screen
        self.max_body = max_body

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check access, method, origin and token, then answer. Refusals are HTTPExceptions: the error pages."""
        request = Request(scope, _limited(receive, self.max_body))
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        state = request.state
        prepare(request)
        settings = site_of(request).settings
        state.user = user = None if self.access is Access.ALWAYS else await _authenticated(request)
        match judge(self.access, is_set_up=settings.is_set_up, user=user):
            case Verdict.NOT_THERE:
                raise HTTPException(404)
            case Verdict.FORBIDDEN:
                raise HTTPException(403)
            case Verdict.SIGN_IN if request.method in security.SAFE_METHODS:
                return RedirectResponse("/login?" + urlencode({"next": request.scope["path"]}), 303)
            case Verdict.SIGN_IN:
                raise HTTPException(403)
        if self.methods and request.method not in self.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self.methods))})
        state.screen = self.screen
        visitor, new = security.visitor_token(request)
        state.csrf = user.csrf if user else visitor
        state.csrf_used = False
        if request.method not in security.SAFE_METHODS:
            await self._check_unsafe(request)
        response: Response = await self.endpoint(request)
        if state.csrf_used and not user and new:
            response.set_cookie(security.VISITOR_COOKIE, visitor, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _check_unsafe(self, request: Request) -> None:
        if not security.from_own_page(request.headers):
            raise HTTPException(403, "origin")
        given = request.headers.get("x-csrf-token") or (await fields_of(request)).get("csrf", [""])[0]
        if not security.same_token(given, request.state.csrf):
            raise HTTPException(403, "csrf")


def _limited(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413)
        return message

    return receive_limited


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a posted form, each with its values in order. Only url-encoded forms in UTF-8 are taken (400,
    415 else): the pages here need no other, and a multipart parser is not for strangers to play with."""
    fields: dict[str, list[str]] | None = getattr(request.state, "fields", None)
    if fields is None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/x-www-form-urlencoded", ""):
            raise HTTPException(415)
        try:
            pairs = parse_qsl(
                (await request.body()).decode("utf-8"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MAX_FIELDS,
            )
        except ValueError as error:
            raise HTTPException(400) from error
        fields = {}
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        request.state.fields = fields
    return fields


def page(
    path: str,
    handler: Handler,
    methods: Sequence[str] = ("GET",),
    *,
    access: Access,
    screen: bool = False,
    max_body: int = security.MAX_BODY,
) -> Page:
    """A route for browsers. `screen`: it shows a remote screen (its CSP allows WebAssembly). `max_body`: bytes."""
    return Page(path, handler, access=access, methods=methods, screen=screen, max_body=max_body)


class Socket(WebSocketRoute):
    """A WebSocket with its access; see `socket()`."""

    def __init__(self, path: str, handler: SocketHandler, *, access: Access) -> None:
        super().__init__(path, handler)
        self.handler = handler
        self.access = access

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse before accepting (403) whoever comes from another origin or may not be here."""
        websocket = WebSocket(scope, receive, send)
        user = None
        allowed = security.own_origin(websocket.headers)
        if allowed:
            user = await _authenticated(websocket)
            verdict = judge(self.access, is_set_up=site_of(websocket).settings.is_set_up, user=user)
            allowed = verdict is Verdict.ENTER
        if not allowed:
            await websocket.close(1008)
            return
        websocket.state.user = user
        await self.handler(websocket)


def socket(path: str, handler: SocketHandler, *, access: Access) -> Socket:
    """A WebSocket for our own pages: the exact Origin is demanded. The handler finds `websocket.state.user`."""
    return Socket(path, handler, access=access)
