"""Secrets at rest: sealed for one row with a key that is not in the database.

AES-256-GCM with a random nonce; the row's name is authenticated with it, so that a sealed value copied into another row
does not open there. Short codes (which a stolen database would let one guess) are kept as HMACs with another key, made
from the same file.

A sealed value: version (1 byte, 1), nonce (12), ciphertext with tag.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.store.key_file import load_or_make

_VERSION = b"\x01"


class EnvelopeError(Exception):
    """A sealed value was changed, belongs to another row, or was sealed with another key."""


class Envelope:
    """Seals and opens with the key in `path` (made where there is none; mode 0600). Raises StoreError."""

    def __init__(self, path: Path) -> None:
        root = load_or_make(path, 32)
        self._aead = AESGCM(_derived(root, b"beistand seal"))
        self._mac_key = _derived(root, b"beistand mac")

    def seal(self, secret: bytes, row: str) -> bytes:
        """`secret` for `row` only, which names table, column and id."""
        nonce = os.urandom(12)
        return _VERSION + nonce + self._aead.encrypt(nonce, secret, row.encode())

    def open(self, sealed: bytes, row: str) -> bytes:
        """What was sealed for `row`. Raises EnvelopeError."""
        if sealed[:1] != _VERSION:
            raise EnvelopeError("unknown version")
        try:
            return self._aead.decrypt(sealed[1:13], sealed[13:], row.encode())
        except (InvalidTag, ValueError) as error:
            raise EnvelopeError(f"cannot be opened for {row}") from error

    def mac(self, text: str, row: str) -> bytes:
        """32 bytes that show whether the same `text` comes again for `row`, and tell nothing else without the key."""
        return hmac.digest(self._mac_key, row.encode() + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256")


def _derived(root: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(root)
