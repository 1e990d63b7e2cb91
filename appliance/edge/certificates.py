"""Certificates by name: which one a connection gets is decided by the name in its TLS hello.

The files are looked at again when a connection comes in and they were not looked at for a second; changed ones are
taken, broken ones are logged and the old ones stay. So a renewed certificate needs no signal and no restart.
"""

from __future__ import annotations

import logging
import ssl

import trio

from appliance.domain.certificate_files import CertificateFiles

log = logging.getLogger("beistand.edge")

LOOK_AGAIN_SECONDS = 1.0


def _stamp(files: CertificateFiles) -> object:
    """What changes when a file does. Raises OSError."""
    return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (files.chain.stat(), files.key.stat())]


def _context(files: CertificateFiles, alpn: str) -> ssl.SSLContext:
    """A server's context for one protocol. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols([alpn])
    # One ticket is enough for a client that comes back; each costs a write before the first byte of the protocol.
    context.num_tickets = 1
    context.load_cert_chain(files.chain, files.key, password=_no_password)
    return context


def _no_password() -> str:
    # OpenSSL would ask on the terminal, and the server would hang there.
    return ""


class _Reloading:
    """A context that follows its files."""

    def __init__(self, files: CertificateFiles, alpn: str) -> None:
        self._files = files
        self._alpn = alpn
        self._stamp: object = _stamp(files)
        self.context = _context(files, alpn)
        self._looked = trio.current_time()

    def refresh(self) -> bool:
        """Take changed files; whether there is a new context."""
        if trio.current_time() - self._looked < LOOK_AGAIN_SECONDS:
            return False
        self._looked = trio.current_time()
        try:
            stamp = _stamp(self._files)
            if stamp == self._stamp:
                return False
            # Remembered before it is loaded, so that a bad file is complained about once.
            self._stamp = stamp
            self.context = _context(self._files, self._alpn)
        except OSError as error:
            log.error("The certificate %s can't be used, the one before stays: %s", self._files.chain, error)
            return False
        log.info("The certificate %s was loaded.", self._files.chain)
        return True


class Certificates:
    """The web's and the wire's contexts, the former handing over to the latter by SNI."""

    def __init__(self, web: CertificateFiles, wire: CertificateFiles, *, wire_name: str, wire_alpn: str) -> None:
        """Raises OSError when files can't be read or don't belong together."""
        self._web = _Reloading(web, "http/1.1")
        self._wire = _Reloading(wire, wire_alpn)
        self._wire_name = wire_name
        self._web.context.sni_callback = self._choose

    def current(self) -> ssl.SSLContext:
        """The context to begin a handshake with; the name in it may change it."""
        if self._web.refresh():
            self._web.context.sni_callback = self._choose
        self._wire.refresh()
        return self._web.context

    def is_wire(self, context: ssl.SSLContext) -> bool:
        """Whether a connection with this context asked for the session protocol's name."""
        return context is self._wire.context

    @property
    def wire(self) -> ssl.SSLContext:
        """The session protocol's context."""
        self._wire.refresh()
        return self._wire.context

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name == self._wire_name:
            connection.context = self._wire.context
