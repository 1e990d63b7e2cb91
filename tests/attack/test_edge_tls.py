"""What a stranger may say before, in and instead of a TLS handshake."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.wire.messages import ALPN, WIRE_SERVER_NAME
from tests.support.edge import running_edge


async def ends(sock: Any, seconds: float = 5) -> None:
    """Read until the server closes."""
    with trio.fail_after(seconds):
        while True:
            await trio.lowlevel.wait_readable(sock)
            try:
                if not sock.recv(65536):
                    return
            except ConnectionResetError:
                return
            except BlockingIOError:
                pass


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        bytes(200),
        b"\x16\x03\x01\xff\xff" * 50,
    ],
    ids=["HTTP", "SSH", "zeros", "broken hello"],
)
async def test_who_speaks_no_tls_is_cut(tmp_path: Path, said: bytes) -> None:
    async with running_edge(tmp_path) as edge:
        sock = await edge.raw()
        sock.send(said)
        await ends(sock)
        assert b" 200 " in await edge.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def test_a_handshake_that_is_not_finished_is_cut(tmp_path: Path) -> None:
    async with running_edge(tmp_path, handshake_seconds=0.3) as edge:
        await ends(await edge.raw())
        sock = await edge.raw()
        sock.send(b"\x16\x03\x01")
        await ends(sock)


async def test_versions_of_tls_before_1_2_are_refused(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge:
        context = edge.trusting()
        with pytest.warns(DeprecationWarning, match="TLSv1"):  # noqa: PT031
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await edge.shake_hands(context, "localhost", await edge.raw())


async def test_the_session_protocols_name_serves_no_pages(tmp_path: Path) -> None:
    handed: list[Any] = []

    async def wire(stream: Any) -> None:
        handed.append(stream)

    async with running_edge(tmp_path, wire=wire) as edge:
        for alpn in ("http/1.1", None):
            stream = await edge.tls(WIRE_SERVER_NAME, alpn)
            with trio.fail_after(5):
                try:
                    await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert await stream.receive_some() == b""
                except trio.BrokenResourceError:
                    pass
    assert handed == []


async def test_the_session_protocol_is_not_served_under_other_names(tmp_path: Path) -> None:
    handed: list[Any] = []

    async def wire(stream: Any) -> None:
        handed.append(stream)

    async with running_edge(tmp_path, wire=wire) as edge:
        stream = await edge.tls("localhost", ALPN)
        assert stream.selected_alpn_protocol() is None
        assert b" 400 " in await edge.ask(b"\x02\x00\x00\x00\x00\x00", stream)
    assert handed == []


async def test_a_client_refuses_a_server_of_another_authority(tmp_path: Path) -> None:
    async with running_edge(tmp_path / "one") as edge, running_edge(tmp_path / "two") as other:
        with pytest.raises(ssl.SSLCertVerificationError):
            await edge.shake_hands(edge.trusting(ALPN), WIRE_SERVER_NAME, await other.raw())
