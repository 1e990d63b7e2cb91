"""The ASGI layer between Hypercorn and the pages.

Before a page: whose host name, how many requests, and `/wire`. Around it: every send is a checkpoint and fails once the
client has left (as shipped, Hypercorn swallows such sends without one, and a handler that streams spins at full CPU);
what the client sends is taken from Hypercorn at once, so that its leaving is seen behind it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import trio

from appliance.edge.hosts import host_untrusted, is_ours
from appliance.edge.limits import RequestRate
from appliance.words import words

Scope = MutableMapping[str, Any]
AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SOCKET_MESSAGES = 16
"""WebSocket messages kept for a handler that is busy; then the peer has to wait."""
WIRE_PATH = "/wire"

_DISCONNECTS = ("http.disconnect", "websocket.disconnect")


class ClientLeftError(OSError):
    """Sending to a client that has left."""


class Guard:
    """An ASGI application around the pages."""

    def __init__(
        self, pages: AsgiApp, tunnel: AsgiApp, host_names: Callable[[], frozenset[str]], rate: RequestRate
    ) -> None:
        """`tunnel` gets the WebSockets of `/wire`, `pages` all else."""
        self._pages = pages
        self._tunnel = tunnel
        self._host_names = host_names
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = host_untrusted(headers.get(b"host", b""))
        if host is None:
            await _refuse(scope, send, 400, "edge.host.malformed")
        elif not is_ours(host, self._host_names(), scope["server"][0]):
            await _refuse(scope, send, 421, "edge.host.unknown", host=host)
        elif wait := self._rate.wait(scope["client"][0]):
            await _refuse(scope, send, 429, "edge.too_many_requests", seconds=math.ceil(wait))
        elif scope["type"] == "websocket" and scope["path"] == WIRE_PATH:
            if b"origin" in headers:
                await _refuse(scope, send, 403, "edge.wire.browser")
            else:
                await attended(self._tunnel, scope, receive, send)
        else:
            await attended(self._pages, scope, receive, send)


async def attended(app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app`, which learns of its client's leaving by `receive`, or by ClientLeftError from `send`."""
    # A request's body is small (Limits.body_size) and kept whole.
    to_app, from_client = trio.open_memory_channel[AsgiMessage](
        math.inf if scope["type"] == "http" else SOCKET_MESSAGES
    )
    left: AsgiMessage | None = None

    async def pump() -> None:
        nonlocal left
        while left is None:
            message = await receive()
            if message["type"] in _DISCONNECTS:
                left = message
                to_app.close()
            else:
                await to_app.send(message)

    async def app_receive() -> AsgiMessage:
        try:
            return await from_client.receive()
        except trio.EndOfChannel:
            assert left is not None
            return left

    async def app_send(message: AsgiMessage) -> None:
        await trio.lowlevel.checkpoint()
        if left is not None:
            raise ClientLeftError
        await send(message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump)
        try:
            await app(scope, app_receive, app_send)
        except* ClientLeftError:
            pass
        nursery.cancel_scope.cancel()


async def _refuse(scope: Scope, send: Send, status: int, message_id: str, **args: str | int) -> None:
    """Answer with one plain sentence, in German where that is asked for."""
    languages = dict(scope["headers"]).get(b"accept-language", b"").lower()
    body = words("de" if languages.startswith(b"de") else "en")(message_id, **args).encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    if "seconds" in args:
        headers.append((b"retry-after", str(args["seconds"]).encode()))
    prefix = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
