"""The device's own authority, over its life."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
import trio
from cryptography import x509

from appliance.identity.device_ca import BEGIN, DeviceCa, DeviceCaError
from appliance.wire.messages import WIRE_SERVER_NAME
from appliance.words import LANGUAGES, words

DAY = 86_400.0
NOW = BEGIN.timestamp() + 300 * DAY


def certificate(file: Path) -> x509.Certificate:
    """The first certificate in a PEM file."""
    return x509.load_pem_x509_certificates(file.read_bytes())[0]


def names(file: Path) -> set[str]:
    """What the certificate in a PEM file is for."""
    san = certificate(file).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in san}


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    first = DeviceCa.open(tmp_path / "ca", lambda: NOW).fingerprints()
    assert DeviceCa.open(tmp_path / "ca", lambda: NOW).fingerprints() == first
    assert len(first) == len(set(first)) == 2
    assert all(len(fingerprint) == 32 for fingerprint in first)


def test_its_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    ca = DeviceCa.open(tmp_path / "ca", lambda: NOW)
    ca.wire_certificate()
    ca.web_certificate(["a.example"])
    files = list((tmp_path / "ca").iterdir())
    assert {file.name for file in files} == {"ca.pem", "next-ca.pem", "wire.pem", "web.pem"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_wires_certificate_is_for_the_reserved_name_and_begins_before_any_clock(tmp_path: Path) -> None:
    long_ago = DeviceCa.open(tmp_path / "ca", lambda: 0.0)
    wire = certificate(long_ago.wire_certificate().chain)
    assert names(long_ago.wire_certificate().chain) == {WIRE_SERVER_NAME}
    assert wire.not_valid_before_utc == BEGIN
    assert wire.not_valid_after_utc > BEGIN + datetime.timedelta(days=700)


def test_the_web_certificate_follows_the_host_names(tmp_path: Path) -> None:
    ca = DeviceCa.open(tmp_path / "ca", lambda: NOW)
    file = ca.web_certificate(["a.example"]).chain
    assert names(file) == {"a.example", "localhost", "127.0.0.1", "::1"}
    before = certificate(file).serial_number
    ca.web_certificate(["a.example"])
    assert certificate(file).serial_number == before
    ca.web_certificate(["büro.example", "192.0.2.7"])
    assert names(file) == {"xn--bro-hoa.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"}


def test_a_certificate_near_its_end_is_issued_anew(tmp_path: Path) -> None:
    now = NOW
    ca = DeviceCa.open(tmp_path / "ca", lambda: now)
    web, wire = ca.web_certificate(()).chain, ca.wire_certificate().chain
    before = certificate(web).serial_number, certificate(wire).serial_number
    now += 370 * DAY
    ca.web_certificate(()), ca.wire_certificate()
    assert certificate(web).serial_number != before[0]
    assert certificate(wire).serial_number != before[1]


async def test_a_running_device_keeps_them_valid_by_itself(tmp_path: Path, autojump_clock: object) -> None:
    ca = DeviceCa.open(tmp_path / "ca", lambda: NOW + trio.current_time())
    web, wire = ca.web_certificate(["a.example"]).chain, ca.wire_certificate().chain
    before = certificate(web).serial_number, certificate(wire).serial_number
    with trio.move_on_after(380 * DAY):
        await ca.keep_valid()
    assert certificate(web).serial_number != before[0]
    assert certificate(wire).serial_number != before[1]
    assert names(web) == {"a.example", "localhost", "127.0.0.1", "::1"}


def test_in_its_last_year_the_next_one_takes_over_and_clients_know_it_already(tmp_path: Path) -> None:
    current, following = DeviceCa.open(tmp_path / "ca", lambda: NOW).fingerprints()
    later = DeviceCa.open(tmp_path / "ca", lambda: NOW + 19.5 * 365.25 * DAY)
    assert later.fingerprints()[0] == following
    assert current not in later.fingerprints()
    chain = x509.load_pem_x509_certificates(later.wire_certificate().chain.read_bytes())
    chain[0].verify_directly_issued_by(chain[1])


def test_a_lost_authority_is_not_quietly_replaced_but_an_interrupted_first_start_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    DeviceCa.open(folder, lambda: NOW)
    (folder / "ca.pem").unlink()
    with pytest.raises(DeviceCaError) as missing:
        DeviceCa.open(folder, lambda: NOW)
    assert missing.value.code == "edge.ca.missing"
    for file in folder.iterdir():
        file.unlink()
    (folder / ".ca.pem.new").write_bytes(b"half a")
    DeviceCa.open(folder, lambda: NOW)
    (folder / "next-ca.pem").unlink()
    DeviceCa.open(folder, lambda: NOW)


@pytest.mark.parametrize("name", ["ca.pem", "next-ca.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN", bytes(500)], ids=["empty", "cut", "zeros"])
def test_a_damaged_file_is_named_in_every_language(tmp_path: Path, name: str, content: bytes) -> None:
    DeviceCa.open(tmp_path / "ca", lambda: NOW)
    file = tmp_path / "ca" / name
    file.write_bytes(content)
    with pytest.raises(DeviceCaError) as damaged:
        DeviceCa.open(tmp_path / "ca", lambda: NOW)
    for language in LANGUAGES:
        assert str(file) in words(language)(damaged.value.code, **damaged.value.details)
    assert file.read_bytes() == content


def test_a_key_of_another_certificate_is_damage(tmp_path: Path) -> None:
    DeviceCa.open(tmp_path / "one", lambda: NOW)
    DeviceCa.open(tmp_path / "two", lambda: NOW)
    key = (tmp_path / "one" / "ca.pem").read_text().partition("-----BEGIN CERTIFICATE")[0]
    other = "-----BEGIN CERTIFICATE" + (tmp_path / "two" / "ca.pem").read_text().partition("-----BEGIN CERTIFICATE")[2]
    (tmp_path / "one" / "ca.pem").write_text(key + other)
    with pytest.raises(DeviceCaError):
        DeviceCa.open(tmp_path / "one", lambda: NOW)


def test_a_damaged_certificate_below_it_is_simply_issued_anew(tmp_path: Path) -> None:
    ca = DeviceCa.open(tmp_path / "ca", lambda: NOW)
    file = ca.wire_certificate().chain
    file.write_bytes(b"?")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.wire_certificate().chain)


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    DeviceCa.open(tmp_path / "ca", lambda: NOW)
    file = tmp_path / "ca" / "ca.pem"
    file.chmod(0o644)
    DeviceCa.open(tmp_path / "ca", lambda: NOW)
    assert file.stat().st_mode & 0o777 == 0o600
