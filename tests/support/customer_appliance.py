"""An appliance small enough to lie: what a customer's client meets in tests, on a real TLS socket.

It has a device CA of its own (made wrong on request), greets, checks the hello's signature and then does what the test
says. The broker's own behaviour is tested in the broker's room; here the client is.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nacl.signing import VerifyKey

from appliance.wire.channels import ChannelName
from appliance.wire.connection import Connection, Control, Data, Event, Handshake, Opened, Side
from appliance.wire.frames import Flag, FrameType
from appliance.wire.messages import (
    ALPN,
    WIRE_SERVER_NAME,
    CustomerMessage,
    Greeting,
    Hello,
    Message,
    Open,
    Refusal,
    Welcome,
    decode,
    encode,
    hello_signature_input,
)
from appliance.wire.start_file import StartInfo

SESSION = "session-0001"
UTC = datetime.UTC


@dataclass(frozen=True)
class Certificates:
    """A CA and a leaf in PEM files, and the CA's fingerprint."""

    chain: Path
    key: Path
    fingerprint: bytes


def make_certificates(
    folder: Path,
    *,
    name: str = WIRE_SERVER_NAME,
    from_: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
    signed_by_another: bool = False,
) -> Certificates:
    """A device CA and its wire certificate. `signed_by_another`: the leaf is another CA's, the chain shows ours."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(UTC)
    ca_key, ca = _issue(
        "Device CA", None, None, now - datetime.timedelta(days=9000), now + datetime.timedelta(days=9000)
    )
    issuer_key, issuer = ca_key, ca
    if signed_by_another:
        issuer_key, issuer = _issue("Device CA", None, None, now - datetime.timedelta(1), now + datetime.timedelta(1))
    leaf_key, leaf = _issue(
        name, issuer_key, issuer, from_ or now - datetime.timedelta(days=1), until or now + datetime.timedelta(days=1)
    )
    chain, key = folder / "chain.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    chain.write_bytes(leaf.public_bytes(pem) + ca.public_bytes(pem))
    key.write_bytes(
        leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return Certificates(chain, key, hashlib.sha256(ca.public_bytes(serialization.Encoding.DER)).digest())


def _issue(
    name: str,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    issuer: x509.Certificate | None,
    from_: datetime.datetime,
    until: datetime.datetime,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(from_)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


@dataclass
class Peer:
    """A client that has connected."""

    stream: trio.SSLStream[trio.SocketStream]
    connection: Connection
    hello: Hello | None = None
    events: list[Event] = field(default_factory=list)
    messages: dict[int, bytes] = field(default_factory=dict)

    async def send(self) -> None:
        """Send what is due."""
        while data := self.connection.data_to_send():
            await self.stream.send_all(b"".join(data))

    async def event(self) -> Event:
        """The next event; raises EndOfChannel when the client has gone."""
        while not self.events:
            data = await self.stream.receive_some(65536)
            if not data:
                raise trio.EndOfChannel
            for event in self.connection.receive(bytes(data)):
                if isinstance(event, Data):
                    event = Data(event.channel, bytes(event.payload), event.flags)
                self.events.append(event)
            await self.send()
        return self.events.pop(0)

    async def until(self, kind: type[Event]) -> Event:
        """The next event of `kind`, skipping others."""
        while True:
            event = await self.event()
            if isinstance(event, kind):
                return event

    async def heard(self, kind: type[msgspec.Struct]) -> msgspec.Struct:
        """The next control message of `kind`, skipping others."""
        while True:
            event = await self.until(Control)
            assert isinstance(event, Control)
            message = decode(event.payload, CustomerMessage)
            if isinstance(message, kind):
                return message

    async def message(self, channel: int) -> bytes:
        """The next whole message of a channel."""
        whole = b""
        while True:
            event = await self.until(Data)
            assert isinstance(event, Data)
            if event.channel != channel:
                continue
            self.connection.consumed(channel, len(event.payload))
            whole += event.payload
            if event.flags & Flag.FIN:
                return whole

    async def say(self, *messages: Message) -> None:
        """Send control messages."""
        for message in messages:
            self.connection.control(encode(message))
        await self.send()

    async def open(self, name: ChannelName) -> int:
        """Ask for a channel."""
        number = self.connection.open(Open(name=name, session=SESSION))
        await self.send()
        return number

    async def chat(self) -> int:
        """Accept the chat that the client opens after its welcome."""
        event = await self.until(Opened)
        assert isinstance(event, Opened)
        assert event.request.name is ChannelName.CHAT
        self.connection.accept(event.channel)
        await self.send()
        return event.channel

    async def welcome(self, **fields: object) -> None:
        """Accept the hello."""
        message = Welcome(**{"version": 1, "session": SESSION, "resume": "resume-1", "secret": bytes(16), **fields})  # type: ignore[arg-type]
        self.connection.handshake(FrameType.WELCOME, encode(message))
        await self.send()

    async def refuse(self, refusal: Refusal) -> None:
        """Refuse the hello."""
        self.connection.handshake(FrameType.REFUSED, encode(refusal))
        await self.send()


Serve = Callable[[Peer], Awaitable[None]]


@dataclass
class SmallAppliance:
    """Where it listens and what a start for it looks like; `hellos` are those that came."""

    port: int
    certificates: Certificates
    hellos: list[Hello] = field(default_factory=list)
    connections: int = 0

    def start(self, **fields: object) -> StartInfo:
        """A start that leads here."""
        values = {
            "server": f"127.0.0.1:{self.port}",
            "pins": (self.certificates.fingerprint,),
            "token": "start-token-1",
            "language": "en",
        }
        return StartInfo(**{**values, **fields})  # type: ignore[arg-type]


@asynccontextmanager
async def small_appliance(
    certificates: Certificates, serve: Serve, *, time: float = 0.0
) -> AsyncIterator[SmallAppliance]:
    """Listen on a free port; `serve` gets every peer whose hello is signed rightly, before the welcome."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    context.set_alpn_protocols([ALPN])
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    appliance = SmallAppliance(listeners[0].socket.getsockname()[1], certificates)

    async def handle(stream: trio.SocketStream) -> None:
        appliance.connections += 1
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await tls.do_handshake()
            if tls.selected_alpn_protocol() != ALPN:
                return  # no web here, and so no /wire
            peer = Peer(tls, Connection(Side.APPLIANCE))
            nonce = bytes(range(32))
            peer.connection.handshake(FrameType.GREETING, encode(Greeting(versions=[1], nonce=nonce, time=time)))
            await peer.send()
            event = await peer.until(Handshake)
            assert isinstance(event, Handshake)
            assert event.type is FrameType.HELLO
            peer.hello = hello = decode(event.payload, Hello)
            assert hello.key is not None
            assert hello.signature is not None
            session = hello.resume.session if hello.resume else ""
            VerifyKey(hello.key).verify(
                hello_signature_input(nonce, certificates.fingerprint, hello.key, session), hello.signature
            )
            appliance.hellos.append(hello)
            await serve(peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.EndOfChannel):
            pass
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.aclose_forcefully(tls)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield appliance
        nursery.cancel_scope.cancel()
