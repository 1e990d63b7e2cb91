"""What every answer carries and every request must pass: CSP and the other headers, Origin, the CSRF token.

Theory: a state-changing request has to show three things that another site's page cannot: the browser's own word on
where it comes from (`Sec-Fetch-Site`, `Origin`), and a token that only our pages hold. Signed in, the token belongs to
the server-side session; before that it is a cookie which no other host name can set (`__Host-`), repeated in the form.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE = "__Host-beistand"
VISITOR_COOKIE = "__Host-visitor"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 64 * 1024

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,64}")

_FIXED_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    # "no-referrer" would make browsers send "Origin: null" with our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (
        b"permissions-policy",
        b"accelerometer=(), autoplay=(self), browsing-topics=(), camera=(), clipboard-read=(self), "
        b"clipboard-write=(self), display-capture=(), fullscreen=(self), geolocation=(), gyroscope=(), hid=(), "
        b"idle-detection=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
]


def content_security_policy(nonce: str, *, screen: bool = False) -> str:
    """The policy of a page. `screen`: it decodes the remote screen, for which zstd's WebAssembly build is needed."""
    wasm = " 'wasm-unsafe-eval'" if screen else ""
    return (
        "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
        f"script-src 'nonce-{nonce}'{wasm}; style-src 'self' 'nonce-{nonce}'; img-src 'self' blob:; font-src 'self'; "
        "connect-src 'self'; media-src 'self'; manifest-src 'self'; worker-src 'self'"
    )


STATIC_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""For static files; opened as a document, they can do nothing."""

WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'"
"""For static scripts: a worker lives under the policy that came with its script."""


def from_own_page(headers: Headers) -> bool:
    """Whether the browser says that this request was made by a page of the same origin.

    One of the two headers must be there: every browser of the last years sends both with a form's POST.
    """
    origin = headers.get("origin")
    fetch_site = headers.get("sec-fetch-site")
    if origin is None and fetch_site is None:
        return False
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    return origin is None or own_origin(headers)


def own_origin(headers: Headers) -> bool:
    """Whether Origin is there and names the very host that the request went to (the edge has checked that host)."""
    host = headers.get("host", "")
    return bool(host) and headers.get("origin", "") == f"https://{host}"


def visitor_token(connection: HTTPConnection) -> tuple[str, bool]:
    """The CSRF token of somebody who is not signed in, and whether it is new, so that its cookie has to be set."""
    held = connection.cookies.get(VISITOR_COOKIE, "")
    return (held, False) if _TOKEN.fullmatch(held) else (secrets.token_urlsafe(24), True)


def same_token(given: str, expected: str) -> bool:
    """Compare two tokens in constant time, whatever characters were given."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


class SecurityHeaders:
    """ASGI middleware: every HTTP answer gets the headers above, unless its page has set one itself; nothing but
    static files may be kept by a cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A state of its own for every request, whatever the server shares between those of a connection.
        state: dict[str, Any] = dict(scope.get("state") or {})
        scope["state"] = state
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state["nonce"] = secrets.token_urlsafe(16)
        state["screen"] = False

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = content_security_policy(state["nonce"], screen=state["screen"])
                message = {**message, "headers": list(_completed(message.get("headers", ()), policy))}
            await send(message)

        await self.app(scope, receive, send_secured)


def _completed(headers: Iterable[tuple[bytes, bytes]], policy: str) -> Iterable[tuple[bytes, bytes]]:
    present = set()
    for name, value in headers:
        present.add(name.lower())
        yield name, value
    defaults = [(b"content-security-policy", policy.encode()), (b"cache-control", b"no-store"), *_FIXED_HEADERS]
    yield from (header for header in defaults if header[0] not in present)
