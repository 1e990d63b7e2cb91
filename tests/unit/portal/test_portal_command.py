"""The line for the terminal: pasted into a real shell against a real TLS server."""

import base64
import hashlib
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.web.portal.command import linux_command
from appliance.web.portal.downloads import BuiltClient, Manifest, Package
from appliance.web.portal.systems import System
from appliance.words import LANGUAGES, words

PROGRAM = b"#!/bin/sh\necho started as $0\n"


def package(content: bytes = PROGRAM, *, ticket: str = "ticket-of-24-characters-") -> Package:
    """A package whose client is `content` as a whole."""
    manifest = Manifest("1.0", hashlib.sha256(content).hexdigest(), len(content), "2.17")
    client = BuiltClient(System.LINUX_X86_64, Path("unused"), manifest, (), hashlib.sha256(content))
    return Package("start-one", client, b"", manifest.sha256, ticket, 0.0)


@contextmanager
def server(folder: Path, content: bytes) -> Iterator[tuple[str, bytes]]:
    """An HTTPS server with a certificate of its own making, answering every GET with `content`: origin and pin."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(1), now + timedelta(1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "chain.pem").write_bytes(certificate + private)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://127.0.0.1:{http.server_port}", hashlib.sha256(public).digest()
        http.shutdown()
        thread.join()


def pasted(line: str, home: Path, *, shell: str = "sh", path: str | None = None) -> subprocess.CompletedProcess[str]:
    """What happens when `line` is pasted into a shell."""
    env = {"HOME": str(home), "PATH": path or "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run([shell, "-c", line], env=env, capture_output=True, text=True, timeout=30)


def tools(folder: Path, fetcher: str) -> str:
    """A PATH on which `fetcher` is the only program that can fetch."""
    for name in ("sh", fetcher, "sha256sum", "chmod"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        (folder / name).symlink_to(found)
    return str(folder)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_line_fetches_checks_and_starts_the_program(tmp_path: Path, shell: str, language: str) -> None:
    with server(tmp_path, PROGRAM) as (origin, pin):
        line = linux_command(package(), origin, pin, words(language))
        assert "\n" not in line
        done = pasted(line, tmp_path, shell=shell)
    assert "started as ./beistand-" in done.stdout, done.stderr
    assert done.returncode == 0


def test_without_curl_it_takes_wget(tmp_path: Path) -> None:
    with server(tmp_path, PROGRAM) as (origin, pin):
        done = pasted(linux_command(package(), origin, pin, words("en")), tmp_path, path=tools(tmp_path, "wget"))
    assert "started as" in done.stdout, done.stderr


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_server_with_another_key_gets_no_word_in(tmp_path: Path, tool: str) -> None:
    """The certificate is not checked against authorities, so the pin is all there is: it has to hold."""
    with server(tmp_path, PROGRAM) as (origin, _):
        done = pasted(
            linux_command(package(), origin, b"another key's sha-256 32 bytes!!", words("en")),
            tmp_path,
            path=tools(tmp_path, tool),
        )
    assert "started as" not in done.stdout
    assert "was not started" in done.stdout
    assert done.returncode == 1


def test_a_changed_program_is_not_started(tmp_path: Path) -> None:
    with server(tmp_path, PROGRAM + b"# and something else\n") as (origin, pin):
        done = pasted(linux_command(package(), origin, pin, words("en")), tmp_path)
    assert "started as" not in done.stdout
    assert "was not started" in done.stdout
    assert done.returncode == 1


def test_with_a_certificate_of_the_web_the_usual_check_is_left_alone() -> None:
    line = linux_command(package(), "https://help.example", None, words("en"))
    assert "-k" not in line
    assert "insecure" not in line
    assert "pinnedpubkey" not in line
    assert "--no-check-certificate" not in line
    pinned = linux_command(package(), "https://help.example", b"p" * 32, words("en"))
    assert f"sha256//{base64.b64encode(b'p' * 32).decode()}" in pinned


@pytest.mark.parametrize(
    "origin",
    [
        "https://help.example;id",
        "https://$(id)",
        "https://a'b",
        'https://a"b',
        "https://a\nb",
        "https://`id`",
        "http://help.example",
        "https://help.example:8443/x",
        "https://help.example:8443 -o x",
        "",
    ],
)
def test_an_origin_outside_its_alphabet_makes_no_line(origin: str) -> None:
    with pytest.raises(ValueError, match="alphabet"):
        linux_command(package(), origin, b"p" * 32, words("en"))


def test_a_ticket_outside_its_alphabet_makes_no_line() -> None:
    with pytest.raises(ValueError, match="alphabet"):
        linux_command(replace(package(), ticket="a$(id)aaaaaaaaaaaaaaaaa"), "https://a", None, words("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_inside_the_quotes_is_no_quote(language: str) -> None:
    line = linux_command(package(), "https://[::1]:8443", b"\xff" * 32, words(language))
    assert re.fullmatch(r"sh -c '[^']+'", line)
    assert "!" not in line  # history expansion in csh
