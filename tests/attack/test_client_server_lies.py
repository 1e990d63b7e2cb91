"""Whoever is not the pinned appliance gets nothing, and the appliance itself cannot break the client.

Seen in several agents: TLS checks that are skipped. Here every way of not being the appliance is tried on a real
socket.
"""

from __future__ import annotations

import contextlib
import datetime
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from appliance.wire.frames import HEADER, FrameType, ProtocolError, pack
from appliance.wire.messages import Refusal, SessionEnded, encode
from appliance.wire.start_file import StartInfo
from clients.customer.engine import Engine
from clients.customer.engine_end import EngineEnd
from clients.customer.link import Link, LinkLost, Refused
from clients.customer.net.dial import Proxy
from clients.customer.net.route import Route
from clients.customer.net.trouble import Trouble
from clients.customer.net.websocket import ClientSocket, WebSocketError
from clients.customer.talk import Ended, WindowEnd, talk_pair
from clients.platform.linux import LinuxPlatform
from tests.support.customer_appliance import (
    SESSION,
    Certificates,
    Peer,
    SmallAppliance,
    make_certificates,
    small_appliance,
)

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


async def untouched(peer: Peer) -> None:
    raise AssertionError("the client said hello to somebody it must not trust")


async def trouble(appliance: SmallAppliance, start: StartInfo | None = None, now: float | None = None) -> Trouble:
    route = Route(start or appliance.start(), proxy=lambda _host: None, now=lambda: now or time.time())
    with trio.fail_after(20), pytest.raises(Trouble) as raised:
        await route.connect()
    return raised.value


@contextlib.asynccontextmanager
async def appliance_with(folder: Path, **certificate: object) -> AsyncIterator[SmallAppliance]:
    made = make_certificates(folder, **certificate)  # type: ignore[arg-type]
    async with small_appliance(made, untouched, time=time.time()) as appliance:
        yield appliance


async def test_another_ca_is_refused(tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")
    async with appliance_with(tmp_path / "ours") as appliance:
        found = await trouble(appliance, appliance.start(pins=(other.fingerprint,)))
    assert found.code == "client.trouble.not_our_appliance"
    assert not appliance.hellos


async def test_a_leaf_of_another_ca_behind_our_ca_certificate_is_refused(tmp_path: Path) -> None:
    """Anybody can present the pinned CA's certificate, which is public: the leaf has to be signed by it."""
    async with appliance_with(tmp_path, signed_by_another=True) as appliance:
        found = await trouble(appliance)
    assert found.code == "client.trouble.not_our_appliance"


async def test_another_name_is_refused(tmp_path: Path) -> None:
    async with appliance_with(tmp_path, name="help.example.com") as appliance:
        found = await trouble(appliance)
    assert found.code == "client.trouble.not_our_appliance"


async def test_a_pin_that_differs_in_its_last_bit_is_refused(tmp_path: Path) -> None:
    async with appliance_with(tmp_path) as appliance:
        pin = appliance.certificates.fingerprint
        for wrong in (pin[:-1] + bytes([pin[-1] ^ 1]), pin[:15] + bytes([pin[15] ^ 1])):
            found = await trouble(appliance, appliance.start(pins=(wrong,)))
            assert found.code == "client.trouble.not_our_appliance"


async def test_either_of_two_pins_and_a_short_one_will_do(tmp_path: Path) -> None:
    async with appliance_with(tmp_path) as appliance:
        pin = appliance.certificates.fingerprint
        for pins in ((bytes(32), pin), (pin[:16],)):
            route = Route(appliance.start(pins=pins), proxy=lambda _host: None)
            wire = await route.connect()
            assert wire.ca.fingerprint == pin
            await wire.stream.aclose()


async def test_an_expired_certificate_is_the_servers_fault_when_the_clocks_agree(tmp_path: Path) -> None:
    async with appliance_with(tmp_path, from_=NOW - 3 * DAY, until=NOW - DAY) as appliance:
        found = await trouble(appliance)
    assert found.code == "client.trouble.certificate_dates"


async def test_a_certificate_that_fails_on_dates_only_tells_whose_clock_is_wrong(tmp_path: Path) -> None:
    async with appliance_with(tmp_path, from_=NOW + 3 * DAY, until=NOW + 5 * DAY) as appliance:
        found = await trouble(appliance, now=(NOW - 9 * DAY).timestamp())
    assert found.code == "client.trouble.clock_differs"
    assert set(found.args_for_words) == {"ours", "theirs"}


async def test_a_wrong_name_is_not_excused_by_wrong_dates(tmp_path: Path) -> None:
    async with appliance_with(tmp_path, name="x.example", from_=NOW - 3 * DAY, until=NOW - DAY) as appliance:
        found = await trouble(appliance, now=(NOW - 9 * DAY).timestamp())
    assert found.code == "client.trouble.not_our_appliance"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        bytes(2000),
        b"\x16\x03\x01\xff\xff" + bytes(70000),
    ],
)
async def test_what_is_no_tls_is_told_in_words(answer: bytes) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(answer)
                await stream.receive_some(1)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        start = StartInfo(server=f"127.0.0.1:{port}", pins=(bytes(32),), token="start-token")
        with trio.fail_after(20), pytest.raises(Trouble):
            await Route(start, proxy=lambda _host: None).connect()
        nursery.cancel_scope.cancel()


# -- a hostile appliance, rightly certified ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca"))


async def ended(certificates: Certificates, *hostile: bytes) -> Ended:
    """The client meets `hostile` after each welcome, one a connection, and then an end; it must take part in all."""
    left = list(hostile)

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        if left:
            await peer.stream.send_all(left.pop(0))
        else:
            await peer.say(SessionEnded(session=SESSION, reason="session.ended.solved"))
        # What was sent past the codec, its own side knows nothing of.
        while True:
            with contextlib.suppress(ProtocolError):
                await peer.event()

    ours, windows = talk_pair()
    with trio.fail_after(60):
        async with small_appliance(certificates, serve) as appliance:
            start = appliance.start()
            route = Route(start, proxy=lambda _host: None)
            platform = LinuxPlatform()

            def never() -> None:
                raise AssertionError

            engine = Engine(start, EngineEnd(ours), platform, route, never, language="en", chance=lambda: 0.0)  # type: ignore[arg-type]
            with windows:
                result = await engine.run()
                WindowEnd(windows).heard()
    return result


def control(payload: bytes) -> bytes:
    return pack(FrameType.CONTROL, 0, payload)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(HEADER.pack(FrameType.CONTROL, 0, 0, 0xFFFF), id="frame longer than allowed"),
        pytest.param(control(b"{" * 60000), id="nested a thousandfold"),
        pytest.param(control(b'{"t":"session","session":"x"}'), id="id too short"),
        pytest.param(control(b'{"t":"consent.ask","id":"aaaaaaaaa","tools":["root"]}'), id="unknown tool"),
        pytest.param(control(b"\xff\xfe"), id="not UTF-8"),
        pytest.param(control(b"[]"), id="no object"),
        pytest.param(pack(FrameType.OPEN, 3, b'{"t":"open","name":"screen","session":"session-1"}'), id="wrong parity"),
        pytest.param(pack(FrameType.OPEN, 2, b'{"t":"open","name":"tunnel","session":"session-1"}'), id="no such tool"),
        pytest.param(pack(FrameType.DATA, 9, b"x", 1), id="data on no channel"),
        pytest.param(pack(FrameType.CREDIT, 2, b"\xff" * 4), id="credit on no channel"),
        pytest.param(pack(FrameType.CLOSE, 9), id="close on no channel"),
        pytest.param(pack(FrameType.WELCOME, 0, b"{}"), id="a second welcome"),
        pytest.param(pack(FrameType.PING, 0, bytes(2000)), id="ping too long"),
        pytest.param(bytes(3000), id="unknown frames"),
        pytest.param(
            pack(FrameType.OPEN, 2, b'{"t":"open","name":"chat","session":"session-1"}')
            + b"".join(pack(FrameType.DATA, 2, b"x" * 1000) for _ in range(60)),
            id="a chat message without an end",
        ),
        pytest.param(
            pack(FrameType.OPEN, 2, b'{"t":"open","name":"chat","session":"session-1"}')
            + pack(FrameType.DATA, 2, b"{}", 1),
            id="a chat message of no kind",
        ),
        pytest.param(
            control(
                b'{"t":"consent.ask","id":"aaaaaaaaa","tools":["screen"],"seconds":-1e308,'
                b'"technician":{"id":"aaaaaaaaa","name":"A"}}'
            ),
            id="a question without time",
        ),
    ],
)
async def test_a_hostile_message_costs_at_most_the_connection(certificates: Certificates, hostile: bytes) -> None:
    over = control(encode(SessionEnded(session=SESSION, reason="session.ended.solved")))
    result = await ended(certificates, hostile + over)
    assert result.text.id == "session.ended.solved"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=400))
def test_any_bytes_after_the_welcome_end_in_a_lost_link_at_worst(data: bytes) -> None:
    async def main() -> None:
        link = Link(_Given(data))
        with contextlib.suppress(LinkLost, ProtocolError):
            while True:
                await link.event()

    trio.run(main)


@settings(max_examples=40, deadline=None)
@given(data=st.binary(min_size=1, max_size=400), kind=st.sampled_from(list(FrameType)))
def test_any_greeting_ends_in_one_of_three_errors(data: bytes, kind: FrameType) -> None:
    async def main() -> None:
        link = Link(_Given(pack(kind, 0, data)))
        system = LinuxPlatform().system("0", "en")
        with pytest.raises((LinkLost, ProtocolError, Refused)):
            await link.shake_hands(key=SigningKey.generate(), ca_fingerprint=bytes(32), system=system, token="t")

    trio.run(main)


class _Given:
    """A stream that gives some bytes and ends."""

    peer_address = "192.0.2.1"

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def wait_readable(self) -> None:
        await trio.lowlevel.checkpoint()

    def receive_now(self, into: memoryview) -> int | None:
        part, self._data = self._data[:17], self._data[17:]
        into[: len(part)] = part
        return len(part)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_refusal_of_another_key_is_final(certificates: Certificates) -> None:
    async def serve(peer: Peer) -> None:
        assert peer.hello is not None
        if peer.hello.resume is None:
            await peer.welcome()
        else:
            await peer.refuse(Refusal(reason="session.refused.key"))

    ours, windows = talk_pair()
    with trio.fail_after(20), windows:
        async with small_appliance(certificates, serve) as appliance:
            start = appliance.start()
            engine = Engine(
                start,
                EngineEnd(ours),
                LinuxPlatform(),
                Route(start, proxy=lambda _host: None),
                lambda: pytest.fail("no desktop"),
                language="en",
            )
            result = await engine.run()
    assert result.failed
    assert result.text.id == "session.refused.key"
    assert len(appliance.hellos) == 2


# -- a hostile proxy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_login"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy_refused"),
        (b"HTTP/1.1\r\n\r\n", "proxy_answer"),
        (b"\0" * 40000, "proxy_answer"),
        (b"", "proxy_answer"),
        (b"HTTP/1.1 -200 OK\r\n\r\n", "proxy_answer"),
    ],
)
async def test_a_proxys_answer_is_bounded_and_said_in_words(answer: bytes, code: str) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.receive_some(4096)
                await stream.send_all(answer)
                await stream.send_eof()
                await trio.sleep(1)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        start = StartInfo(server="help.example.com:443", pins=(bytes(32),), token="start-token")
        with trio.fail_after(20), pytest.raises(Trouble) as raised:
            await Route(start, proxy=lambda _host: Proxy("127.0.0.1", port)).connect()
        nursery.cancel_scope.cancel()
    assert raised.value.code == f"client.trouble.{code}"


@given(st.binary(max_size=300))
def test_any_bytes_of_a_websocket_raise_only_the_one_error(data: bytes) -> None:
    for upgraded in (False, True):
        client = ClientSocket("host:443", "/wire")
        if upgraded:
            client._open = True
        with contextlib.suppress(WebSocketError):
            for _payload in client.receive(data):
                pass


def test_a_websocket_frame_is_refused_before_its_bytes_are_waited_for() -> None:
    client = ClientSocket("host:443", "/wire")
    client._open = True
    with pytest.raises(WebSocketError):
        list(client.receive(b"\x82\x7f" + struct.pack(">Q", 2**40)))


# -- nothing leaks ----------------------------------------------------------------------------------------------


async def test_the_start_token_is_sent_inside_the_verified_connection_only(tmp_path: Path) -> None:
    """A listener that is not the appliance sees the bytes of two handshakes at most, and no token among them."""
    seen = bytearray()

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(1):
                while data := await stream.receive_some(4096):
                    seen.extend(data)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        start = StartInfo(server=f"127.0.0.1:{port}", pins=(bytes(32),), token="very-secret-token")
        with trio.fail_after(30), pytest.raises(Trouble):
            await Route(start, proxy=lambda _host: None).connect()
        nursery.cancel_scope.cancel()
    assert seen
    assert b"very-secret-token" not in seen


def test_credentials_of_a_proxy_do_not_show_in_a_log_line() -> None:
    assert "secret" not in repr(Proxy("proxy", 3128, "user:secret"))
