"""The portal's pages."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from babel.dates import format_time
from starlette.requests import Request
from starlette.responses import Response

from appliance.domain import keys
from appliance.domain.start import StartState
from appliance.web.portal.command import linux_command
from appliance.web.portal.delivery import PackageResponse, RangeNotSatisfiable, etag, parse_range_untrusted
from appliance.web.portal.downloads import BuiltClient, Package, Unavailable
from appliance.web.portal.progress import ProgressStream, progress_of
from appliance.web.portal.systems import CLIENT_HINTS, System, guess_system
from appliance.web.shared.language import prepare
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import Access, fields_of, page
from appliance.web.shared.site import site_of
from appliance.web.shared.times import zone_of
from appliance.wire.messages import Refusal
from appliance.wire.start_file import StartInfo

if TYPE_CHECKING:
    from appliance.broker import Start

PORTAL_COOKIE = "__Host-portal"

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_SUPPORTED = (System.LINUX_X86_64, System.UNKNOWN)


# -- the key -----------------------------------------------------------------------------------------------------


def _key_page(
    request: Request, *, typed: str = "", linked: bool = False, error: str = "", status: int = 200
) -> Response:
    prepare(request)
    w = request.state.words
    system = guess_system(request.headers)
    response = render(
        request,
        "portal/key.html",
        status=status,
        typed=typed,
        linked=linked,
        error=error,
        length=site_of(request).settings.current.key_length,
        elsewhere="" if system in _SUPPORTED else w(f"portal.system.{system}"),
    )
    response.headers["accept-ch"] = CLIENT_HINTS
    return response


async def show_key(request: Request) -> Response:
    """The front page: type the key."""
    return _key_page(request)


async def show_linked_key(request: Request) -> Response:
    """The technician's link: the key is filled in and nothing else happens, however often a scanner comes by."""
    match keys.read_key(request.path_params["key"]):
        case keys.TypedKey(key):
            return _key_page(request, typed=keys.display(key), linked=True)
        case _:
            return redirect("/")


async def redeem(request: Request) -> Response:
    """The typed key becomes a start of this browser, or is refused beside the field, where it stays."""
    prepare(request)
    site, w = site_of(request), request.state.words
    typed = (await fields_of(request)).get("key", [""])[0][: keys.MAX_TYPED + 1]
    if not typed.strip():
        return _key_page(request, error=w("portal.key.empty"), status=422)
    cookie = _portal_cookie(request) or secrets.token_urlsafe(32)
    address = request.client.host if request.client else ""
    answer = await site.broker.redeem_key(typed, cookie, address)
    if isinstance(answer, Refusal):
        return _key_page(request, typed=typed, error=w(answer.reason, **answer.args), status=422)
    response = redirect("/start")
    response.set_cookie(PORTAL_COOKIE, cookie, path="/", secure=True, httponly=True, samesite="lax")
    return response


# -- the start ---------------------------------------------------------------------------------------------------


async def show_start(request: Request) -> Response:
    """Who is asking, what will happen, the client for this system, how far it is."""
    start = await _start(request)
    if start is None:
        return redirect("/", notice="portal.notice.no_start")
    prepare(request)
    site, w = site_of(request), request.state.words
    system = _system(request)
    command = unavailable = glibc = ""
    size = 0
    if _is_startable(start):
        try:
            client = await site.downloads.client_for(system)
        except Unavailable as missing:
            unavailable = missing.code
            await site.broker.report_unsupported(start.id, str(system))
        else:
            packages = site.downloads.of_start(start.id)
            package = packages[0] if packages else await _pack(request, client, start)
            if package is not None:
                command = linux_command(package, _origin(request), site.web_pin(), w)
                size = package.size
                glibc = client.manifest.glibc
    progress = await site.broker.start_state(start.id)
    if progress is None:
        return redirect("/", notice="portal.notice.no_start")
    zone = zone_of(site.settings.current.time_zone)
    response = render(
        request,
        "portal/start.html",
        name=start.technician.name,
        progress=progress_of(progress, w, unsupported=bool(unavailable)),
        command=command,
        unavailable=unavailable,
        on_other_system=system is not System.LINUX_X86_64,
        system=system,
        megabytes=round(size / 1e6),
        glibc=glibc,
        until=format_time(datetime.fromtimestamp(start.expires_at, zone), "short", locale=request.state.language),
    )
    response.headers["accept-ch"] = CLIENT_HINTS
    return response


async def stream_progress(request: Request) -> Response:
    """The start's progress as an event stream, for as long as the page is open and visible."""
    start = await _start(request)
    if start is None:
        return Response(status_code=204)  # tells the browser not to come again
    prepare(request)
    unsupported = False
    try:
        await site_of(request).downloads.client_for(_system(request))
    except Unavailable:
        unsupported = True
    return ProgressStream(site_of(request).broker, start.id, request.state.words, unsupported=unsupported)


# -- the downloads -----------------------------------------------------------------------------------------------


async def download(request: Request) -> Response:
    """The customer's file, for the browser whose cookie has a start. Every download has a token of its own; a part
    (Range) goes on with the file that it is a part of."""
    start = await _start(request)
    if start is None or not _is_startable(start):
        return _gone(request)
    downloads = site_of(request).downloads
    packages = downloads.of_start(start.id)
    try:
        client = await downloads.client_for(_named_system(request))
        validator = request.headers.get("if-range")
        known = [package for package in packages if validator is None or etag(package) == validator]
        if "range" in request.headers and known:
            package: Package | None = known[-1]
        elif request.method == "HEAD" and packages:
            package = packages[-1]
        else:
            package = await _pack(request, client, start) or (packages[-1] if packages else None)
    except Unavailable:
        return _gone(request)
    return await _deliver(request, package)


async def download_by_ticket(request: Request) -> Response:
    """The customer's file at the address that the terminal's line has; without a cookie."""
    downloads = site_of(request).downloads
    package = downloads.by_ticket(request.path_params["ticket"])
    try:
        if package is None or await downloads.client_for(_named_system(request)) != package.client:
            return _gone(request)
    except Unavailable:
        return _gone(request)
    return await _deliver(request, package)


async def _deliver(request: Request, package: Package | None) -> Response:
    if package is None:
        return _gone(request)
    header = request.headers.get("range", "")
    if request.headers.get("if-range", etag(package)) != etag(package):
        header = ""
    try:
        part = parse_range_untrusted(header, package.size)
    except RangeNotSatisfiable:
        return Response(status_code=416, headers={"content-range": f"bytes */{package.size}"})
    is_head = request.method == "HEAD"
    if not is_head:
        await site_of(request).broker.downloaded(package.start_id)
    return PackageResponse(package, part, head=is_head)


def _gone(request: Request) -> Response:
    return render(request, "portal/gone.html", status=404)


async def _pack(request: Request, client: BuiltClient, start: Start) -> Package | None:
    """A package with a new token; None when the start is over since."""
    site = site_of(request)
    prepare(request)
    token = await site.broker.mint_token(start)
    if isinstance(token, Refusal):
        return None
    info = StartInfo(server=_server(request), pins=site.pins, token=token, language=request.state.language)
    return site.downloads.pack(client, info, start.id, start.expires_at)


# -- what a request says -----------------------------------------------------------------------------------------


def _portal_cookie(request: Request) -> str:
    cookie = request.cookies.get(PORTAL_COOKIE, "")
    return cookie if _COOKIE.fullmatch(cookie) else ""


async def _start(request: Request) -> Start | None:
    cookie = _portal_cookie(request)
    return await site_of(request).broker.start_of(cookie) if cookie else None


def _is_startable(start: Start) -> bool:
    return start.state in (StartState.OPENED, StartState.DOWNLOADED)


def _system(request: Request) -> System:
    """The system to show the start for: as asked by the page's own link, else as guessed."""
    asked = request.query_params.get("system", "")
    return System.LINUX_X86_64 if asked == System.LINUX_X86_64 else guess_system(request.headers)


def _named_system(request: Request) -> System:
    try:
        return System(request.path_params["system"])
    except ValueError:
        raise Unavailable("no_client") from None


def _server(request: Request) -> str:
    """ "host:port" under which this browser reached the site: behind a router only the browser knows it.

    The edge lets in only requests whose Host is one of the site's names. The answer is for this browser alone.
    """
    match = _HOST.fullmatch(request.headers.get("host", ""))
    if match is None:
        server = site_of(request).origin.removeprefix("https://")
        return server if re.search(r":\d+$", server) else f"{server}:443"
    return f"{match[1].lower()}:{match[2] or 443}"


def _origin(request: Request) -> str:
    return f"https://{_server(request)}".removesuffix(":443")


ROUTES = [
    page("/", show_key, access=Access.PUBLIC),
    page("/k/{key}", show_linked_key, access=Access.PUBLIC),
    page("/start", show_start, access=Access.PUBLIC),
    page("/start", redeem, ("POST",), access=Access.PUBLIC, max_body=4096),
    page("/start/events", stream_progress, access=Access.PUBLIC),
    page("/download/{system}", download, access=Access.PUBLIC),
    page("/download/{system}/{ticket}", download_by_ticket, access=Access.PUBLIC),
]
