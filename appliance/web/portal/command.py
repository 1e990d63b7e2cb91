"""The line that a customer on Linux pastes into a terminal: fetch, check, run.

Everything stands inside one pair of single quotes given to `sh`, so that it means the same in bash, zsh, fish and csh.
What is put in comes from alphabets in which nothing means anything to a shell; a value outside its alphabet is an
error, never quoted. Whether this computer can run the program (processor, glibc) is said by the program's own first
lines, which are a shell script, too.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.web.portal.downloads import Package
from appliance.words import Words

_ORIGIN = re.compile(r"https://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_TICKET = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TEXT = re.compile(r"[\w .,:;()/–-]{1,200}")  # no quotes, $, `, \, !, % or newline

_TEMPLATE = (
    "sh -c 'cd; "
    'if command -v curl >/dev/null; then curl -f#{insecure_curl} -o {file} "{url}"; '
    'else wget -q --show-progress{insecure_wget} -O {file} "{url}"; fi && '
    'echo "{sha256}  {file}" | sha256sum -c && chmod +x {file} || {{ echo "{failed}"; exit 1; }}; '
    "exec ./{file}'"
)


def linux_command(package: Package, origin: str, web_pin: bytes | None, w: Words) -> str:
    """The line for `package`, in the words `w`. `origin`: "https://host[:port]" as this browser reached the site;
    `web_pin`: SHA-256 (32 bytes) of the served key where the certificate is of our own making, else None.

    Raises ValueError when a value is outside its alphabet.
    """
    insecure_curl = insecure_wget = ""
    if web_pin is not None:
        # The system's authorities do not know our own certificate; its very key is demanded instead.
        pin = f"sha256//{base64.b64encode(web_pin).decode('ascii')}"
        insecure_curl = f"k --pinnedpubkey {pin}"
        insecure_wget = f" --no-check-certificate --pinnedpubkey={pin}"
    return _TEMPLATE.format(
        failed=_checked(_TEXT, w("portal.command.failed")),
        insecure_curl=insecure_curl,
        insecure_wget=insecure_wget,
        file=package.name,
        sha256=package.sha256,
        url=f"{_checked(_ORIGIN, origin)}/download/{package.client.system}/{_checked(_TICKET, package.ticket)}",
    )


def public_key_pin(certificate: Path) -> bytes:
    """SHA-256 (32 bytes) of the public key (SubjectPublicKeyInfo) in the first certificate of a PEM file, which is what
    `--pinnedpubkey` compares. Raises OSError, ValueError."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _checked(alphabet: re.Pattern[str], value: str) -> str:
    if not alphabet.fullmatch(value):
        raise ValueError("a value for the command line is outside its alphabet")
    return value
