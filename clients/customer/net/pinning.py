"""Whom the client trusts: the appliance's own device CA, known by its fingerprint, and nobody else.

The start carries fingerprints, not certificates, so that it fits into a file name; OpenSSL verifies against
certificates. So the first connection of a run only **learns**: it shakes hands without verifying, sends nothing, takes
the certificate whose fingerprint is pinned out of the presented chain, and closes. Every connection after that is
verified by OpenSSL in the usual way, with that certificate as the only root: chain, name and dates. That costs one more
handshake a run, and no verification of our own making.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any

from appliance.wire.messages import ALPN
from clients.customer.net.trouble import Trouble

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True)
class DeviceCa:
    """A pinned device CA. `certificate`: DER; `fingerprint`: SHA-256, 32 bytes, which a hello signs over."""

    certificate: bytes
    fingerprint: bytes


def learning_context() -> ssl.SSLContext:
    """For the connection that only learns the CA: nothing is verified, and nothing may be sent."""
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pinned_context(ca: DeviceCa, *, check_time: bool = True) -> ssl.SSLContext:
    """For the real connection: `ca` is the only root. Without `check_time` all but the dates is verified."""
    context = _context()
    context.load_verify_locations(cadata=ca.certificate)
    if not check_time:
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def find_ca(tls: ssl.SSLSocket | ssl.SSLObject, pins: tuple[bytes, ...]) -> DeviceCa:
    """The pinned CA in the chain that the peer presented.

    Raises Trouble("not_our_appliance"): the peer is somebody else, perhaps a proxy that inspects TLS.
    """
    for certificate in _presented(tls):
        fingerprint = hashlib.sha256(certificate).digest()
        if any(fingerprint.startswith(pin) for pin in pins):
            return DeviceCa(certificate, fingerprint)
    raise Trouble("not_our_appliance", inspected=True)


def verified_or_trouble(error: ssl.SSLError) -> Trouble:
    """What a failed handshake with `pinned_context` means."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return Trouble("tls", inspected=True)
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return DatesOnly()
    return Trouble("not_our_appliance", inspected=True)


class DatesOnly(Trouble):
    """Chain and name may be right, but a certificate's dates are not: somebody's clock is wrong."""

    def __init__(self) -> None:
        super().__init__("clock")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    return context


def _presented(tls: Any) -> list[bytes]:
    """The peer's chain as DER, leaf first. The ssl module made it public in Python 3.13 only."""
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    return [certificate.public_bytes(2) for certificate in tls._sslobj.get_unverified_chain() or ()]  # 2: DER
