"""Where the edge listens, and how it says that it can't."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.edge import CertificateFiles, EdgeError
from appliance.edge.certificates import LOOK_AGAIN_SECONDS
from appliance.identity.device_ca import DeviceCa
from appliance.words import LANGUAGES, words
from tests.support.edge import running_edge

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def start(folder: Path, **settings: Any) -> EdgeError:
    """Start an edge that can't; the error."""
    with pytest.raises(ExceptionGroup) as group:
        async with running_edge(folder, **settings):
            pass
    error: BaseException = group.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, EdgeError)
    for language in LANGUAGES:
        assert words(language)(error.code, **error.details)
    return error


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = await start(tmp_path, listen=(("127.0.0.1", port),))
    assert error.code == "edge.port_in_use"
    assert error.details["address"] == f"127.0.0.1:{port}"


async def test_an_address_that_is_not_here_is_named(tmp_path: Path) -> None:
    assert (await start(tmp_path, listen=(("192.0.2.1", 0),))).code == "edge.port_not_allowed"
    assert (await start(tmp_path, listen=(("no.such.name.invalid", 0),))).code == "edge.address_unknown"


async def test_a_certificate_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    error = await start(tmp_path, certificate=CertificateFiles(broken, broken))
    assert error.code == "edge.certificate"
    assert error.details["path"] == str(broken)


async def test_localhost_is_served_on_every_address_it_has_with_one_port(tmp_path: Path) -> None:
    async with running_edge(tmp_path, listen=(("localhost", 0),)) as edge:
        assert len({port for _host, port in edge.bound}) == 1
        assert {host for host, _port in edge.bound} <= {"127.0.0.1", "::1"}
        for host, _port in edge.bound:
            assert b" 200 " in await edge.ask(GET, await edge.tls(sock=await edge.raw(host)))


async def test_every_address_means_both_families(tmp_path: Path) -> None:
    async with running_edge(tmp_path, listen=(("", 0),)) as edge:
        assert {host for host, _port in edge.bound} <= {"0.0.0.0", "::"}
        answer = await edge.ask(GET, await edge.tls())
        assert answer.endswith(b"from 127.0.0.1 with 0")


async def test_sockets_of_the_service_manager_are_taken(tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    async with running_edge(tmp_path, listen=(), descriptors=(given.detach(),)) as edge:
        assert b" 200 " in await edge.ask(GET)


async def test_a_renewed_certificate_is_taken_and_a_bad_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.edge.certificates.LOOK_AGAIN_SECONDS", 0.0)
    assert LOOK_AGAIN_SECONDS > 0
    file = tmp_path / "web.pem"
    ca = DeviceCa.open(tmp_path / "other", lambda: 1.8e9)
    shutil.copy(ca.web_certificate(["one.example"]).chain, file)
    async with running_edge(tmp_path, certificate=CertificateFiles(file, file)) as edge:

        async def served() -> set[str]:
            stream = await edge.tls(None)
            der = stream._socket.getpeercert(binary_form=True)
            assert der is not None
            pem = ssl.DER_cert_to_PEM_cert(der)
            (tmp_path / "served.pem").write_text(pem)
            decoded = ssl._ssl._test_decode_cert(str(tmp_path / "served.pem"))  # type: ignore[attr-defined]
            return {name for _kind, name in decoded["subjectAltName"]}

        assert "one.example" in await served()
        kept = await edge.tls(None)
        beside = tmp_path / "beside.pem"
        shutil.copy(ca.web_certificate(["two.example"]).chain, beside)
        os.replace(beside, file)
        assert "two.example" in await served()
        file.write_text("half a cert")
        with caplog.at_level(logging.ERROR):
            assert "two.example" in await served()
            assert "two.example" in await served()
        assert len([record for record in caplog.records if str(file) in record.getMessage()]) == 1
        assert b" 200 " in await edge.ask(GET, kept)  # a connection from before goes on


async def test_a_key_press_waits_little_behind_a_bulk_transfer(tmp_path: Path) -> None:
    """The edge leaves little in the kernel: what was given to a peer that reads slowly stays with the relay, which can
    still send what is urgent first."""
    given = 0

    async def wire(stream: Any) -> None:
        nonlocal given
        while True:
            await stream.send_all(bytes(16 * 1024))
            given += 16 * 1024

    async with running_edge(tmp_path, wire=wire) as edge:
        sock = await edge.raw()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        from appliance.wire.messages import ALPN, WIRE_SERVER_NAME

        await edge.tls(WIRE_SERVER_NAME, ALPN, sock)
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert given < 1_000_000
