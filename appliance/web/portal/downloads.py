"""The customer clients that this appliance hands out.

A folder holds what `make client` built: `beistand-client-linux-x86_64` and, beside it, a manifest of the same name
with `.json`: {"version", "sha256", "size", "glibc"}. A file is handed out only while it is what its manifest says.

A customer's file is the built client followed by a trailer (`appliance.wire.start_file`). It exists nowhere as a whole:
the built file is read from the disk piece by piece, and its hash goes on from the built file's, which is computed
once. Such a file is a `Package`; its ticket is an address that works without the portal's cookie, for the command
line, as long as the start does.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import trio

from appliance.web.portal.systems import System
from appliance.wire.start_file import StartInfo, pack_trailer

READ_SIZE = 256 * 1024
MAX_MANIFEST = 16 * 1024
MAX_PACKAGES = 16
"""Packages of one start that are remembered; the oldest address stops working when a browser asks for more."""

_BUILT_FOR = (System.LINUX_X86_64,)


class Manifest(msgspec.Struct, frozen=True):
    """What the build says about a client. `sha256`: hex; `size`: bytes; `glibc`: the oldest that it runs with."""

    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.+-]{1,40}$")]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, msgspec.Meta(gt=0)]
    glibc: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){1,2}$")]


class Unavailable(Exception):
    """There is no client for a system. `code` is a message id under `portal.unavailable.`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = f"portal.unavailable.{code}"


@dataclass(frozen=True)
class BuiltClient:
    """A client as it was built and checked. `identity` tells whether the file on the disk is still this one."""

    system: System
    path: Path
    manifest: Manifest
    identity: tuple[int, ...]
    digest: hashlib._Hash = field(repr=False, compare=False)


@dataclass(frozen=True)
class Package:
    """One customer's file: the built client and the trailer with their start. `sha256` (hex) and `size` (bytes) are the
    whole file's; `expires_at`: seconds since 1970."""

    start_id: str
    client: BuiltClient
    trailer: bytes = field(repr=False)
    sha256: str
    ticket: str = field(repr=False)
    expires_at: float

    @property
    def name(self) -> str:
        """What the file is called. The token is in the trailer only: a name is seen by every user of the machine."""
        return f"beistand-{self.sha256[:8]}"

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.client.manifest.size + len(self.trailer)


class Downloads:
    """The built clients in `folder`, and the packages made of them."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._folder = folder
        self._now = now
        self._clients: dict[System, BuiltClient] = {}
        self._checking = trio.Lock()
        self._packages: dict[str, list[Package]] = {}
        self._tickets: dict[str, Package] = {}

    async def client_for(self, system: System) -> BuiltClient:
        """The client for `system`, checked against its manifest when the file is new or has changed.

        Raises Unavailable: `no_client` (there is none for this system), `not_built`, `damaged`.
        """
        if system not in _BUILT_FOR:
            raise Unavailable("no_client")
        path = self._folder / f"beistand-client-{system}"
        async with self._checking:  # one hash of a file at a time, however many customers come
            known = self._clients.get(system)
            client = await trio.to_thread.run_sync(_check, system, path, known)
            self._clients[system] = client
        return client

    def pack(self, client: BuiltClient, info: StartInfo, start_id: str, expires_at: float) -> Package:
        """A new package for a start. Raises ValueError when `info` breaks a bound."""
        self._forget_expired()
        trailer = pack_trailer(info)
        digest = client.digest.copy()
        digest.update(trailer)
        package = Package(
            start_id=start_id,
            client=client,
            trailer=trailer,
            sha256=digest.hexdigest(),
            ticket=secrets.token_urlsafe(18),
            expires_at=expires_at,
        )
        packages = self._packages.setdefault(start_id, [])
        packages.append(package)
        self._tickets[package.ticket] = package
        if len(packages) > MAX_PACKAGES:
            # The first one stands in the command on the customer's page: it stays.
            del self._tickets[packages.pop(1).ticket]
        return package

    def by_ticket(self, ticket: str) -> Package | None:
        """The package at an address, unless its start has expired."""
        package = self._tickets.get(ticket)
        return package if package is not None and package.expires_at > self._now() else None

    def of_start(self, start_id: str) -> tuple[Package, ...]:
        """The packages of a start, the oldest first."""
        return tuple(package for package in self._packages.get(start_id, ()) if package.expires_at > self._now())

    def _forget_expired(self) -> None:
        now = self._now()
        for start_id in [start for start, packages in self._packages.items() if packages[-1].expires_at <= now]:
            for package in self._packages.pop(start_id):
                del self._tickets[package.ticket]


@contextlib.contextmanager
def open_built(client: BuiltClient) -> Iterator[int]:
    """A descriptor of the built file, for `read_part`. Raises Unavailable("damaged") when it is no longer the file
    that was checked, also when it was replaced since. Does blocking calls, each short."""
    try:
        descriptor = os.open(client.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable("damaged") from error
    try:
        if _identity(os.fstat(descriptor)) != client.identity:
            raise Unavailable("damaged")
        yield descriptor
    finally:
        os.close(descriptor)


async def read_part(package: Package, descriptor: int, start: int, end: int) -> bytes:
    """Bytes of the whole file from `start`, at most up to `end` and READ_SIZE; from the built file or the trailer.

    Raises Unavailable("damaged") when the built file has become shorter.
    """
    base = package.client.manifest.size
    if start >= base:
        return package.trailer[start - base : end - base]
    data = await trio.to_thread.run_sync(os.pread, descriptor, min(end, base, start + READ_SIZE) - start, start)
    if not data:
        raise Unavailable("damaged")
    return data


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _check(system: System, path: Path, known: BuiltClient | None) -> BuiltClient:
    """`known` if the file is still that one, else the file checked against its manifest. Blocks; runs in a thread."""
    try:
        with path.open("rb") as file:
            identity = _identity(os.fstat(file.fileno()))
            if known is not None and known.identity == identity:
                return known
            with path.with_name(f"{path.name}.json").open("rb") as description:
                manifest = msgspec.json.decode(description.read(MAX_MANIFEST), type=Manifest)
            digest: Any = hashlib.file_digest(file, "sha256")
    except (FileNotFoundError, NotADirectoryError):
        raise Unavailable("not_built") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable("damaged") from error
    if identity[2] != manifest.size or digest.hexdigest() != manifest.sha256:
        raise Unavailable("damaged")
    return BuiltClient(system, path, manifest, identity, digest)
