"""The device's own certificate authority.

Clients don't trust the web's authorities for sessions: they pin this one, so that the site's web certificate can change
freely. They pin two fingerprints, the authority in use and the one that follows it, so that the change needs no new
client. A site without a web certificate of its own gets one from here as well.

Each file holds a private key and its certificates together: written beside and renamed into place, they can't be
parted. What clients pin begins at a fixed day rather than at the clock's, which on a new device may be years off.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.domain.certificate_files import CertificateFiles
from appliance.wire.messages import WIRE_SERVER_NAME

log = logging.getLogger("beistand.identity")

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
"""No certificate is from later than this, whatever the clock says; none is needed from before."""
CA_YEARS = 20
WIRE_DAYS = 2 * 365
WEB_DAYS = 395
"""Browsers refuse certificates that live longer than 398 days."""
WEB_DAYS_LEFT = 30
DAY_SECONDS = 86_400.0
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class DeviceCaError(Exception):
    """The authority can't be used. `code` is a message id under `edge.ca.`, `args` have the file's path."""

    def __init__(self, code: str, **details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details


@dataclass(frozen=True)
class _Pair:
    """A private key with its certificate and those above it."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    def pem(self) -> bytes:
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)


class DeviceCa:
    """The authority in use, the next one, and the certificates issued for this device."""

    def __init__(self, folder: Path, now: Callable[[], float], current: _Pair, following: _Pair) -> None:
        self._folder = folder
        self._now = now
        self._current = current
        self._next = following
        self._web_names: tuple[str, ...] = ()

    @classmethod
    def open(cls, folder: Path, now: Callable[[], float]) -> DeviceCa:
        """The authority kept in `folder`, made if there is none. `now`: seconds since 1970.

        Within its last year the authority is followed by the next one. Raises DeviceCaError for damaged files, OSError
        when they can't be read or written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        current_file, next_file = folder / "ca.pem", folder / "next-ca.pem"
        if not current_file.exists() and not next_file.exists():
            # In this order: interrupted between the two, the next start only makes the second one.
            _write(current_file, _make_ca(now()))
            _write(next_file, _make_ca(now()))
        if not current_file.exists():
            raise DeviceCaError("edge.ca.missing", path=str(current_file))
        current = _read(current_file)
        if current.certificate.not_valid_after_utc - _day(now()) < datetime.timedelta(days=365) and next_file.exists():
            os.replace(next_file, current_file)
            current = _read(current_file)
        if not next_file.exists():
            _write(next_file, _make_ca(now()))
        return cls(folder, now, current, _read(next_file))

    def fingerprints(self) -> tuple[bytes, ...]:
        """SHA-256 (32 bytes) of the certificates that a client pins: the current one's, the next one's."""
        return tuple(pair.certificate.fingerprint(hashes.SHA256()) for pair in (self._current, self._next))

    def wire_certificate(self) -> CertificateFiles:
        """The certificate for the session protocol, issued anew when half its time is over."""
        return self._kept("wire.pem", (WIRE_SERVER_NAME,), WIRE_DAYS, WIRE_DAYS / 2)

    def web_certificate(self, host_names: Iterable[str]) -> CertificateFiles:
        """The web certificate for `host_names` and for this machine by itself, issued anew when the names changed or
        its end is near. Names that are IP addresses are put in as such."""
        self._web_names = tuple(dict.fromkeys((*host_names, *LOCAL_NAMES)))
        return self._kept("web.pem", self._web_names, WEB_DAYS, WEB_DAYS_LEFT)

    async def keep_valid(self) -> None:
        """Issue certificates anew before they end, for as long as this runs."""
        while True:
            await trio.sleep(DAY_SECONDS)
            self.wire_certificate()
            if self._web_names:
                self.web_certificate(self._web_names)

    def _kept(self, name: str, names: Sequence[str], days: int, days_left: float) -> CertificateFiles:
        file = self._folder / name
        if not self._is_good(file, names, days_left):
            # Browsers count the whole life; pinning clients may have a slow clock.
            begin = _day(self._now()) - datetime.timedelta(days=2) if days == WEB_DAYS else BEGIN
            _write(file, self._issue(names, begin, days))
        return CertificateFiles(file, file)

    def _is_good(self, file: Path, names: Sequence[str], days_left: float) -> bool:
        if not file.exists():
            return False
        try:
            pair = _read(file)
            san = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            pair.certificate.verify_directly_issued_by(self._current.certificate)
        except (DeviceCaError, x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError) as error:
            log.warning("%s is issued anew: %s", file, error)
            return False
        left = pair.certificate.not_valid_after_utc - _day(self._now())
        return set(san) == set(_general_names(names)) and left > datetime.timedelta(days=days_left)

    def _issue(self, names: Sequence[str], begin: datetime.datetime, days: int) -> _Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._current.certificate
        end = min(_day(self._now()) + datetime.timedelta(days=days), issuer.not_valid_after_utc)
        authority = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _builder(key, issuer.subject, names[0], begin, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
            .sign(self._current.key, hashes.SHA256())
        )
        return _Pair(key, (certificate, issuer))


def _make_ca(now: float) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"Beistand device {secrets.token_hex(4)}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(key, subject, name, BEGIN, _day(now) + datetime.timedelta(days=CA_YEARS * 365.25))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Pair(key, (certificate,))


def _builder(
    key: ec.EllipticCurvePrivateKey, issuer: x509.Name, name: str, begin: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            with contextlib.suppress(UnicodeError):
                general.append(x509.DNSName(name.encode("idna").decode()))
    return general


def _day(now: float) -> datetime.datetime:
    """The time, never before BEGIN."""
    return max(datetime.datetime.fromtimestamp(now, datetime.UTC).replace(microsecond=0), BEGIN)


def _read(file: Path) -> _Pair:
    """The pair in `file`. Raises DeviceCaError when it is none, OSError when it can't be read."""
    if file.stat().st_mode & 0o077:
        log.warning("%s could be read by others.", file)
        file.chmod(0o600)
    data = file.read_bytes()
    try:
        key = load_pem_private_key(data, None)
        chain = tuple(x509.load_pem_x509_certificates(data))
    except (ValueError, TypeError) as error:
        raise DeviceCaError("edge.ca.damaged", path=str(file)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != chain[0].public_key():
        raise DeviceCaError("edge.ca.damaged", path=str(file))
    return _Pair(key, chain)


def _write(file: Path, pair: _Pair) -> None:
    """Put `pair` into `file`, readable by its owner only, whole or not at all."""
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as out:
        out.write(pair.pem())
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
