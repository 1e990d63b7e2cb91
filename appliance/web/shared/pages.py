"""From a handler's data to a page: templates, words, static addresses, redirects, error pages."""

from __future__ import annotations

import html
import logging
import re
from functools import cache, partial
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.domain.permissions import Permission
from appliance.store import StoreError
from appliance.web.shared import times
from appliance.web.shared.icons import icon, icon_sprite
from appliance.web.shared.language import LANGUAGE_COOKIE, prepare
from appliance.web.shared.routing import Access, fields_of, page
from appliance.web.shared.site import site_of
from appliance.web.shared.static_files import WEB, static_files
from appliance.words import DEFAULT, LANGUAGES, Words, words

SCHEME_COOKIE = "scheme"
NOTICE_COOKIE = "__Host-notice"
SCHEMES = ("auto", "light", "dark")

_LOCAL_PATH = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?")
_NOTICE = re.compile(r"[a-z_]+\.[a-z_.]+")
_log = logging.getLogger("beistand.web")


@cache
def templates() -> Environment:
    """The templates of all faces; each face's are named `FACE/NAME.html`."""
    folders = [str(folder) for folder in sorted(WEB.glob("*/templates"))]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        icon=icon,
        icon_sprite=icon_sprite,
        static=lambda name: static_files().url(name),
        languages=LANGUAGES,
        schemes=SCHEMES,
        Permission=Permission,
    )
    return environment


def _csrf_field(request: Request) -> Markup:
    request.state.csrf_used = True
    return Markup('<input type="hidden" name="csrf" value="{}">').format(request.state.csrf)


def _csrf_token(request: Request) -> str:
    request.state.csrf_used = True
    return str(request.state.csrf)


def render(request: Request, template: str, /, status: int = 200, **context: Any) -> Response:
    """A page of `template` (`FACE/NAME.html`). Beside `context` a template has: `w`, `language`, `nonce`, `static`,
    `icon`, `csrf_field()`, `csrf_token()`, `when(seconds)`, `user` (SignedIn or None), `site_name`, `path`."""
    site = site_of(request)
    prepare(request)
    state = request.state
    settings = site.settings.current
    w: Words = state.words
    notice = request.cookies.get(NOTICE_COOKIE, "")
    known = bool(_NOTICE.fullmatch(notice)) and ".notice." in notice and notice in w
    text = (
        templates()
        .get_template(template)
        .render(
            w=w,
            language=state.language,
            scheme=scheme_of(request),
            nonce=state.nonce,
            user=getattr(state, "user", None),
            path=request.scope["path"],
            site_name=settings.site_name if site.settings.is_set_up else "Beistand",
            notice=w(notice) if known else "",
            csrf_field=partial(_csrf_field, request),
            csrf_token=partial(_csrf_token, request),
            when=lambda at: times.when(at, site.now(), settings.time_zone, w),
            **context,
        )
    )
    response = HTMLResponse(text, status_code=status, headers={"content-language": state.language})
    if notice:
        response.delete_cookie(NOTICE_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def redirect(path: str, *, notice: str = "") -> Response:
    """See other. `notice`: a message id with `.notice.` in it and without arguments, shown once on the next page."""
    response = RedirectResponse(path, 303)
    if notice:
        response.set_cookie(NOTICE_COOKIE, notice, max_age=60, path="/", secure=True, httponly=True, samesite="lax")
    return response


def local_path(text: str, default: str = "/") -> str:
    """`text` if it is a plain path of this site, else `default`."""
    return text if len(text) <= 200 and _LOCAL_PATH.fullmatch(text) else default


def scheme_of(connection: HTTPConnection) -> str:
    """The colour scheme chosen here: auto, light or dark."""
    scheme = connection.cookies.get(SCHEME_COOKIE, "")
    return scheme if scheme in SCHEMES else "auto"


async def change_preferences(request: Request) -> Response:
    """Language and colour scheme, kept in cookies of this browser for a year."""
    fields = await fields_of(request)
    response = redirect(local_path(fields.get("back", [""])[0]))
    for name, allowed in ((LANGUAGE_COOKIE, LANGUAGES), (SCHEME_COOKIE, SCHEMES)):
        value = fields.get(name, [""])[0]
        if value in allowed:
            response.set_cookie(name, value, max_age=31_536_000, path="/", secure=True, httponly=True, samesite="lax")
    return response


ROUTES = [page("/preferences", change_preferences, methods=("POST",), access=Access.ALWAYS)]

_ERRORS = {400, 403, 404, 405, 413, 415, 429, 500, 503}


def error_page(
    request: Request, status: int, *, detail: str = "", reason: str = "", headers: dict[str, str] | None = None
) -> Response:
    """The page of an HTTP error: what happened, what was kept, what to do now. `reason`: more of it, in words."""
    kind = "expired" if detail in ("csrf", "origin") else str(status if status in _ERRORS else 400)
    if not hasattr(request.state, "csrf"):
        request.state.csrf = ""
    response = render(request, "shared/error.html", status=status, kind=kind, reason=reason)
    response.headers.update(headers or {})
    return response


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's handler for HTTPException. Before set-up the front door leads to the set-up page."""
    error = cast(HTTPException, error)
    if error.status_code == 404 and request.scope["path"] == "/" and not site_of(request).settings.is_set_up:
        return RedirectResponse("/setup", 303)
    return error_page(request, error.status_code, detail=error.detail, headers=dict(error.headers or {}))


async def on_store_error(request: Request, error: Exception) -> Response:
    """The database cannot be used. Only a site admin is told why: it names places of this machine."""
    error = cast(StoreError, error)
    prepare(request)
    user = getattr(request.state, "user", None)
    admin = user is not None and user.user.may(Permission.SITE_ADMIN)
    _log.error("a page could not be served: %s", error)
    return error_page(
        request,
        503,
        reason=request.state.words(error.code, **error.message_args) if admin else "",
        headers={"Retry-After": "30"},
    )


class LastResort:
    """ASGI middleware: an unforeseen error becomes the 500 page, and goes on to the server's log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            try:
                response = error_page(Request(scope), 500)
            except Exception:
                _log.exception("the error page failed, too")
                response = HTMLResponse(f"<h1>{html.escape(words(DEFAULT)('common.error.500.title'))}</h1>", 500)
            await response(scope, receive, send)
            raise error
