"""What happens when somebody has just signed in: the session's cookie, and where they go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from appliance.domain.permissions import Permission
from appliance.web.shared.pages import redirect
from appliance.web.shared.security import SESSION_COOKIE, VISITOR_COOKIE

if TYPE_CHECKING:
    from appliance.identity import Entered, User

_ADMIN_PAGES = frozenset(
    f"/login/{name}" for name in ("overview", "users", "users/new", "teams", "sessions", "audit", "settings")
)

_BROWSERS = (
    ("Edge", r"\bEdgA?/(\d+)"),
    ("Opera", r"\bOPR/(\d+)"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"\b(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"\bVersion/(\d+)[\d.]* .*Safari/"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Macintosh"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


def browser_of(request: Request) -> str:
    """The browser as its user would call it, such as "Firefox 140, Linux"; "" where it does not say."""
    agent = request.headers.get("user-agent", "")[:400]
    found = ((name, re.search(pattern, agent)) for name, pattern in _BROWSERS)
    browser = next((f"{name} {match[1]}" for name, match in found if match), "")
    system = next((name for name, mark in _SYSTEMS if mark in agent), "")
    return ", ".join(part for part in (browser, system) if part)


def home_of(user: User) -> str:
    """Where somebody begins who came without a wish."""
    if user.may(Permission.SITE_ADMIN):
        return "/login/overview"
    return "/console" if user.may(Permission.CONSOLE) else "/login/account"


def destination(wish: str, user: User) -> str:
    """The page that was asked for, if it is one of a fixed set and open to this user; else their home."""
    allowed = {"/login/account"}
    if user.may(Permission.SITE_ADMIN):
        allowed |= _ADMIN_PAGES
    if user.may(Permission.CONSOLE):
        allowed.add("/console")
    return wish if wish in allowed else home_of(user)


def enter(request: Request, entered: Entered, *, wish: str = "", notice: str = "") -> Response:
    """Begin the session in this browser and lead on. The token from before signing in is over."""
    response = redirect(destination(wish, entered.who.user), notice=notice)
    response.set_cookie(SESSION_COOKIE, entered.cookie, path="/", secure=True, httponly=True, samesite="lax")
    response.delete_cookie(VISITOR_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def leave(path: str, *, notice: str = "") -> Response:
    """Take the session's cookie away and lead on."""
    response = redirect(path, notice=notice)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
