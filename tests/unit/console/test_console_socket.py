"""A browser's WebSocket as the stream that the broker reads and writes."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from starlette.websockets import WebSocket

from appliance.web.console.socket import MAX_MESSAGE, WebSocketStream


class Browser:
    """The other end, at the ASGI boundary."""

    def __init__(self) -> None:
        self.to_appliance, self._receive = trio.open_memory_channel[dict[str, Any]](10)
        self.sent: list[dict[str, Any]] = []

    async def stream(self) -> WebSocketStream:
        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            self.sent.append(dict(message))

        scope = {"type": "websocket", "path": "/", "headers": [], "client": ("203.0.113.4", 1)}
        websocket = WebSocket(scope, self._receive.receive, send)
        await self.say({"type": "websocket.connect"})
        await websocket.accept()
        return WebSocketStream(websocket)

    async def say(self, message: dict[str, Any]) -> None:
        await self.to_appliance.send(message)

    async def data(self, data: bytes) -> None:
        await self.say({"type": "websocket.receive", "bytes": data})

    @property
    def codes(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


async def test_bytes_come_as_they_were_sent_however_small_the_buffer() -> None:
    browser = Browser()
    stream = await browser.stream()
    assert stream.peer_address == "203.0.113.4"
    into = memoryview(bytearray(4))
    assert stream.receive_now(into) is None
    await browser.data(b"sixsix")
    await browser.data(b"")
    await browser.data(b"end")
    got = b""
    while len(got) < 9:
        await stream.wait_readable()
        size = stream.receive_now(into)
        assert size
        got += into[:size]
    assert got == b"sixsixend"
    await browser.say({"type": "websocket.disconnect", "code": 1001})
    await stream.wait_readable()
    assert stream.receive_now(into) == 0


async def test_after_the_browser_left_sending_says_so() -> None:
    browser = Browser()
    stream = await browser.stream()
    await stream.send_all(memoryview(b"hello"))
    assert browser.sent[-1] == {"type": "websocket.send", "bytes": b"hello"}
    await browser.say({"type": "websocket.disconnect", "code": 1006})
    await stream.wait_readable()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"nobody hears this")
    await stream.aclose()


@pytest.mark.parametrize(
    ("message", "code"),
    [({"text": "{}"}, 1003), ({"bytes": bytes(MAX_MESSAGE + 1)}, 1009)],
)
async def test_text_and_oversize_end_the_connection(message: dict[str, Any], code: int) -> None:
    browser = Browser()
    stream = await browser.stream()
    await browser.say({"type": "websocket.receive", **message})
    await stream.wait_readable()
    assert stream.receive_now(memoryview(bytearray(10))) == 0
    assert browser.codes == [code]


async def test_closing_says_goodbye_once() -> None:
    browser = Browser()
    stream = await browser.stream()
    await stream.aclose()
    await stream.aclose()
    assert browser.codes == [1000]
