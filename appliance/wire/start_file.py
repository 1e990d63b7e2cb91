"""How a downloaded customer client knows its appliance and its start: by a trailer, or by its own name.

The file is the same for everybody; what differs is appended as a **trailer** at its very end::

    offset  size  field
    0       8     magic     TRAILER_MAGIC
    8       4     length    big endian; bytes of JSON that follow, at most MAX_TRAILER
    12      n     JSON      {"server": "host:port", "pins": ["…"], "token": "…", "language": "de"}

Where a file must stay as it was signed, its **name** carries the same: `beistand-` and a base32 text, which file
systems that ignore case keep, and which a browser's ` (1)`, `[2]`, `.1` or ` - Copy` does not touch, since none of them
is a letter of base32 at its end. Inside::

    offset  size  field
    0       1     length of the whole, checksum included; so a name that was cut short is told from a whole one
    1       1     version, 1
    2       2     language, ASCII
    4       1     number of pins, then 16 bytes of each
    .       1+n   token, length and ASCII
    .       n     server, ASCII
    end-4   4     the first bytes of SHA-256 over all that is before

A pin is the SHA-256 of a device CA's certificate, or its first 16 bytes: nobody finds a second certificate for 128
bits either.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Annotated

import msgspec

TRAILER_MAGIC = b"\0BEISTND"
HEADER_SIZE = len(TRAILER_MAGIC) + 4
MAX_TRAILER = 4096
"""Bytes of JSON in a trailer."""
MAX_NAME = 200
"""Characters of a name, so that a browser's own additions and an extension still fit into 255."""
NAME_PREFIX = "beistand-"
SHORT_PIN = 16
"""Bytes of a pin in a file name."""
_VERSION = 1
_CHECK = 4

Pin = Annotated[bytes, msgspec.Meta(min_length=SHORT_PIN, max_length=32)]


class StartInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to begin: where, whom to trust, for which start, in which language.

    `server`: "host:port" (an IPv6 host in brackets). `pins`: SHA-256 fingerprints (32 bytes, or the first 16) of the
    device CA certificates {current, next}. `token`: the start token, a secret good for one hello.
    """

    server: Annotated[str, msgspec.Meta(max_length=300, pattern=r"^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):[0-9]{1,5}$")]
    pins: Annotated[tuple[Pin, ...], msgspec.Meta(min_length=1, max_length=4)]
    token: Annotated[str, msgspec.Meta(min_length=8, max_length=128, pattern="^[A-Za-z0-9_-]+$")]
    language: Annotated[str, msgspec.Meta(pattern="^[a-z]{2}$")] = "en"

    def __repr__(self) -> str:
        return f"StartInfo(server={self.server!r}, language={self.language!r})"  # the token stays out of every log

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)


class StartFileDamaged(ValueError):
    """The file or its name did carry a start, but a part is missing or was changed."""


def pack_trailer(info: StartInfo) -> bytes:
    """The bytes to append to a built client. Raises ValueError when `info` breaks a bound."""
    payload = msgspec.json.encode(info)
    if len(payload) > MAX_TRAILER or _decode_untrusted(payload) != info:
        raise ValueError("start info out of bounds")
    return TRAILER_MAGIC + len(payload).to_bytes(4, "big") + payload


def read_trailer(path: str | os.PathLike[str]) -> StartInfo | None:
    """The start at the end of the file, None when it carries none.

    Raises StartFileDamaged when the trailer is not whole, OSError when the file cannot be read.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - HEADER_SIZE - MAX_TRAILER))
        tail = file.read(HEADER_SIZE + MAX_TRAILER)
    at = tail.rfind(TRAILER_MAGIC)
    if at < 0:
        return None
    payload = tail[at + HEADER_SIZE :]
    if len(payload) != int.from_bytes(tail[at + len(TRAILER_MAGIC) : at + HEADER_SIZE], "big"):
        raise StartFileDamaged("trailer cut short")
    return _decode_untrusted(payload)


def file_name(info: StartInfo) -> str:
    """A name, without extension, that carries `info`. Raises ValueError when it would be too long (long host names)."""
    token, server = info.token.encode("ascii"), info.server.encode("ascii")
    body = bytes([_VERSION]) + info.language.encode("ascii") + bytes([len(info.pins)])
    body += b"".join(pin[:SHORT_PIN] for pin in info.pins) + bytes([len(token)]) + token + server
    size = 1 + len(body) + _CHECK
    if size > 255:
        raise ValueError("start info too long for a file name")
    whole = bytes([size]) + body
    whole += hashlib.sha256(whole).digest()[:_CHECK]
    name = NAME_PREFIX + base64.b32encode(whole).decode("ascii").rstrip("=").lower()
    if len(name) > MAX_NAME:
        raise ValueError("start info too long for a file name")
    return name


def parse_file_name(name: str) -> StartInfo | None:
    """The start in a file's name (without its folder), None when it carries none.

    Raises StartFileDamaged when the name was cut short or changed.
    """
    match = re.match(re.escape(NAME_PREFIX) + r"([a-z2-7]{16,})", name, re.IGNORECASE | re.ASCII)
    if match is None:
        return None
    text = match[1].upper()
    size = base64.b32decode(text[:8])[0]
    text = text[: -(-size * 8 // 5)]
    try:
        whole = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as error:
        raise StartFileDamaged("file name cut short") from error
    if len(whole) != size or hashlib.sha256(whole[:-_CHECK]).digest()[:_CHECK] != whole[-_CHECK:]:
        raise StartFileDamaged("file name cut short or changed")
    try:
        return _parse_name_untrusted(whole[1:-_CHECK])
    except (IndexError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise StartFileDamaged("file name malformed") from error


def _parse_name_untrusted(body: bytes) -> StartInfo:
    if body[0] != _VERSION:
        raise StartFileDamaged("file name of another version")
    count, at = body[3], 4
    pins = [body[at + SHORT_PIN * index : at + SHORT_PIN * (index + 1)] for index in range(count)]
    at += SHORT_PIN * count
    token_end = at + 1 + body[at]
    fields = {
        "server": body[token_end:].decode("ascii"),
        "pins": pins,
        "token": body[at + 1 : token_end].decode("ascii"),
        "language": body[1:3].decode("ascii"),
    }
    return msgspec.convert(fields, StartInfo)


def _decode_untrusted(payload: bytes) -> StartInfo:
    try:
        return msgspec.json.decode(payload, type=StartInfo)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StartFileDamaged("trailer malformed") from error
