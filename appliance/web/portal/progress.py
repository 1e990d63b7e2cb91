"""How far a start is, in words, and the event stream by which an open page hears of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from appliance.domain.start import StartState
from appliance.words import Words

if TYPE_CHECKING:
    from appliance.broker import Broker, StartProgress

STREAM_SECONDS = 600.0
"""An event stream ends by itself after so long; a page that is still there opens the next one."""
HEARTBEAT_SECONDS = 20.0
"""Proxies drop connections that are silent for longer."""


class Phase(enum.StrEnum):
    """What the page shows; the style sheet and the script know these names."""

    OPENED = "opened"
    DOWNLOADED = "downloaded"
    CONNECTED = "connected"
    ENDED = "ended"
    EXPIRED = "expired"
    UNSUPPORTED = "unsupported"


class Progress(msgspec.Struct, frozen=True):
    """How far a start is: for the style, and in a line and a sentence."""

    phase: Phase
    title: str
    text: str


def progress_of(progress: StartProgress, w: Words, *, unsupported: bool = False) -> Progress:
    """`progress` in the words `w`. `unsupported`: this browser's system has no client."""
    start, name = progress.start, progress.start.technician.name
    match start.state:
        case StartState.ENDED:
            return Progress(Phase.ENDED, w("portal.state.ended"), w("portal.state.ended_do"))
        case StartState.EXPIRED:
            return Progress(Phase.EXPIRED, w("portal.state.expired"), w("portal.state.expired_do", name=name))
        case StartState.CONNECTED:
            phase, title, text = Phase.CONNECTED, w("portal.state.connected"), w("portal.state.connected_do")
        case _ if unsupported:
            title = w("portal.state.unsupported", name=name)
            return Progress(Phase.UNSUPPORTED, title, w("portal.state.unsupported_do"))
        case state:
            phase = Phase(state.value)
            title, text = w(f"portal.state.{state}"), w(f"portal.state.{state}_do")
    if progress.refusal is not None:
        text = w(progress.refusal.reason, **progress.refusal.args)
    elif not progress.somebody:
        text += " " + w("portal.state.nobody")
    elif start.fallback:
        text += " " + w("portal.state.fallback", name=name)
    return Progress(phase, title, text)


class ProgressStream(Response):
    """`text/event-stream`: a Progress as JSON now and at each change, until the start is over or the page has gone."""

    media_type = "text/event-stream"

    def __init__(self, broker: Broker, start_id: str, w: Words, *, unsupported: bool) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._broker = broker
        self._start_id = start_id
        self._w = w
        self._unsupported = unsupported

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
            with trio.move_on_after(STREAM_SECONDS):
                await self._tell(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            nursery.cancel_scope.cancel()

    async def _tell(self, send: Send) -> None:
        state = await self._broker.start_state(self._start_id)
        while state is not None:
            progress = progress_of(state, self._w, unsupported=self._unsupported)
            data = b"data: " + msgspec.json.encode(progress) + b"\n\n"
            await send({"type": "http.response.body", "body": data, "more_body": True})
            if progress.phase in (Phase.ENDED, Phase.EXPIRED):
                return
            state = await self._changed(state.version, send)

    async def _changed(self, seen: int, send: Send) -> StartProgress | None:
        """The start's next state, with a sign of life now and then until it comes."""
        while True:
            with trio.move_on_after(HEARTBEAT_SECONDS):
                return await self._broker.wait_change(self._start_id, seen)
            await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
