"""A technician without a screen: signs in and makes a session key over the console's socket."""

from __future__ import annotations

import socket
import urllib.parse

import msgspec
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, Request

from appliance.wire.connection import Connection, Control, Event, Handshake, Side
from appliance.wire.frames import FrameType
from appliance.wire.messages import VERSION, Call, Hello, PeerKind, Reply, ToConsole, decode, encode
from demo.browser import Browser
from demo.site import Account

SOCKET_PATH = "/console/socket"


class NoKey(Exception):
    """The appliance made no key; the text says why."""


def make_key(browser: Browser, account: Account) -> str:
    """A new key of `account`'s, who signs in for it and out again. Blocks. Raises NoKey, OSError."""
    browser.submit("/login", "/login", name=account.name, password=account.password)
    with _Console(browser) as console:
        result = console.call("key.create")
    browser.submit("/login/account", "/login/sign-out")
    return str(msgspec.json.decode(result)["key"])


class _Console:
    """The console's socket, as the browser opens it."""

    def __init__(self, browser: Browser) -> None:
        address = urllib.parse.urlsplit(browser.origin)
        host, port = address.hostname or "localhost", address.port or 443
        self._wire = Connection(Side.PEER)
        self._events: list[Event] = []
        self._web = WSConnection(ConnectionType.CLIENT)
        self._socket = browser.tls.wrap_socket(socket.create_connection((host, port), timeout=20), server_hostname=host)
        headers = [(b"Origin", browser.origin.encode()), (b"Cookie", browser.cookies.encode())]
        self._send(self._web.send(Request(host=address.netloc, target=SOCKET_PATH, extra_headers=headers)))

    def __enter__(self) -> _Console:
        self._handshake(FrameType.GREETING)
        self._wire.handshake(FrameType.HELLO, encode(Hello(version=VERSION, kind=PeerKind.CONSOLE)))
        self._handshake(FrameType.WELCOME)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, name: str) -> bytes:
        """The result of a call without parameters, as JSON. Raises NoKey for a refusal."""
        self._wire.control(encode(Call(id=1, name=name)))
        while True:
            event = self._next()
            if isinstance(event, Control):
                message = decode(event.payload, ToConsole)
                if isinstance(message, Reply):
                    if message.refusal is not None:
                        raise NoKey(message.refusal.reason)
                    return bytes(message.result)

    def _handshake(self, expected: FrameType) -> None:
        event = self._next()
        if not isinstance(event, Handshake) or event.type != expected:
            raise NoKey(f"{event} instead of {expected.name}")

    def _next(self) -> Event:
        while not self._events:
            self._flush()
            data = self._socket.recv(65536)
            if not data:
                raise NoKey("the console's socket was closed")
            self._web.receive_data(data)
            for event in self._web.events():
                if isinstance(event, BytesMessage):
                    self._events += self._wire.receive(bytes(event.data))
                elif isinstance(event, Ping):
                    self._send(self._web.send(event.response()))
                elif isinstance(event, RejectConnection | CloseConnection):
                    raise NoKey(str(event))
                elif isinstance(event, AcceptConnection):
                    continue
        return self._events.pop(0)

    def _flush(self) -> None:
        data = b"".join(self._wire.data_to_send())
        if data:
            self._send(self._web.send(BytesMessage(data=data)))

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)
