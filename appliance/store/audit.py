"""Who did what, when and from where: a chain that shows what was done to it.

Each row's hash covers the row and the hash before it, so that an edited, removed or reordered row breaks the chain. The
last row's number and hash are the head, signed with a key in the data folder in the same transaction as the rows, so
that cutting off the end breaks the signature. The head also goes to the log (`beistand.audit`, from there to the
journal and wherever that is forwarded): whoever puts back an older copy of the whole database contradicts the log.

A kind is `ROOM.what`; its words are `ROOM.audit.what` of the catalogue. Details say which and how much, never a secret.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlite_utils import Database

from appliance.store.database import Store
from appliance.store.key_file import load_or_make
from appliance.store.text import storable

Detail = str | int | float | bool | None

log = logging.getLogger("beistand.audit")

_START = bytes(32)  # the hash before the first row
_SECRETS = frozenset({"password", "secret", "token", "cookie", "recovery_code", "totp"})
_LONGEST = 400  # characters of any text; most of it comes from strangers
_PAGE = 1000  # rows read at once while verifying


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One thing that happened. `actor` did it to `subject` (names of people and things), from `address`."""

    at: float
    kind: str
    actor: str = ""
    subject: str = ""
    address: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditRow(AuditEvent):
    """An event in its place in the chain."""

    seq: int


@dataclass(frozen=True)
class AuditCheck:
    """What verifying found. `problem` is a message id (`store.audit.…`) or "" where the chain is whole.

    `count` rows were good, counted from the first; `problem_args` are the message's arguments.
    """

    count: int
    problem: str = ""
    problem_args: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing was edited, removed, reordered or cut off."""
        return not self.problem


def append(db: Database, event: AuditEvent) -> None:
    """Adds `event` to the chain, in the write that it is about. Raises ValueError for a detail named like a secret."""
    if named := _SECRETS & event.details.keys():
        raise ValueError(f"an audit event carries {', '.join(sorted(named))}")
    details = {
        key: storable(value, _LONGEST) if isinstance(value, str) else value for key, value in event.details.items()
    }
    texts = (storable(text, _LONGEST) for text in (event.kind, event.actor, event.subject, event.address))
    seq, previous = _head(db)
    row = (seq + 1, float(event.at), *texts, msgspec.json.encode(details).decode())
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*row, _hash(previous, row)])


def _hash(previous: bytes, row: Iterable[object]) -> bytes:
    return hashlib.sha256(previous + msgspec.json.encode(tuple(row))).digest()


def _head(db: Database) -> tuple[int, bytes]:
    row = db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, _START)


def _signed(seq: int, hash_: bytes) -> bytes:
    return b"beistand audit head\0%d\0" % seq + hash_


class Audit:
    """The audit log of an open store. Make one a store; it signs each commit's last row."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._key = Ed25519PrivateKey.from_private_bytes(load_or_make(store.folder / "audit.key", 32))
        self._last: tuple[int, bytes] | None = None  # what we signed last, since we began
        store.before_commit.append(self._sign)

    @property
    def public_key(self) -> bytes:
        """Which the head's signature can be checked with, elsewhere too. 32 bytes, Ed25519."""
        return self._key.public_key().public_bytes_raw()

    async def record(
        self, kind: str, *, actor: str = "", subject: str = "", address: str = "", **details: Detail
    ) -> None:
        """Adds an event, now; returns when it is on the disk. Raises StoreError, and ValueError as `append` does."""
        event = AuditEvent(at=self._now(), kind=kind, actor=actor, subject=subject, address=address, details=details)
        await self._store.write(lambda db: append(db, event))

    async def page(
        self, *, before: int | None = None, limit: int = 50, kind: str = "", text: str = ""
    ) -> list[AuditRow]:
        """Events, newest first, older than number `before`, of kinds that begin with `kind`, and with `text` in any of
        actor, subject, address and details (upper or lower case alike). Raises StoreError.
        """

        def read(db: Database) -> list[AuditRow]:
            rows = db.execute(
                "SELECT seq, at, kind, actor, subject, address, details FROM audit WHERE seq < :before"
                " AND substr(kind, 1, length(:kind)) = :kind AND (:text = '' OR instr(lower(actor || char(10) ||"
                " subject || char(10) || address || char(10) || details), lower(:text)))"
                " ORDER BY seq DESC LIMIT :limit",
                {"before": before if before is not None else 2**62, "kind": kind, "text": text, "limit": limit},
            )
            return [_as_row(row) for row in rows]

        return await self._store.read(read)

    async def verify(self) -> AuditCheck:
        """Goes through the whole chain. Raises StoreError."""
        last, previous = 0, _START
        seen = self._last
        while True:
            rows = await self._store.read(lambda db, after=last: _rows_after(db, after))  # type: ignore[misc]
            for row in rows:
                if row[0] != last + 1:
                    return AuditCheck(last, "store.audit.missing", {"number": last + 1})
                if _hash(previous, row[:-1]) != row[-1]:
                    return AuditCheck(last, "store.audit.changed", {"number": row[0]})
                last, previous = row[0], row[-1]
                if seen is not None and seen[0] == last and seen[1] != previous:
                    return AuditCheck(last - 1, "store.audit.changed", {"number": last})
            if len(rows) < _PAGE:
                break
        return await self._store.read(lambda db: self._check_head(db, last, seen))

    def _check_head(self, db: Database, count: int, seen: tuple[int, bytes] | None) -> AuditCheck:
        head = db.execute("SELECT seq, hash, signature FROM audit_head").fetchone()
        if head is None:
            return AuditCheck(count) if count == 0 and seen is None else AuditCheck(count, "store.audit.no_head")
        seq, hash_, signature = head
        try:
            self._key.public_key().verify(signature, _signed(seq, hash_))
        except InvalidSignature:
            return AuditCheck(count, "store.audit.signature")
        row = db.execute("SELECT hash FROM audit WHERE seq = ?", [seq]).fetchone()
        newest = db.execute("SELECT max(seq) FROM audit").fetchone()[0] or 0
        if row is None or row[0] != hash_ or (seen is not None and seen[0] > seq):
            return AuditCheck(count, "store.audit.cut", {"number": seq})
        if newest != seq:
            return AuditCheck(seq, "store.audit.unsigned", {"number": seq + 1})
        return AuditCheck(newest)

    def _sign(self, db: Database) -> Callable[[], None] | None:
        seq, hash_ = _head(db)
        signed = db.execute("SELECT seq, hash FROM audit_head").fetchone()
        if seq == 0 or signed == (seq, hash_):
            return None
        db.execute(
            "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)", [seq, hash_, self._key.sign(_signed(seq, hash_))]
        )

        def after() -> None:
            self._last = (seq, hash_)
            log.info("audit head %d %s", seq, hash_.hex())

        return after


def _rows_after(db: Database, after: int) -> list[tuple[int, float, str, str, str, str, str, bytes]]:
    return db.execute("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [after, _PAGE]).fetchall()


def _as_row(row: tuple[int, float, str, str, str, str, str]) -> AuditRow:
    seq, at, kind, actor, subject, address, details = row
    return AuditRow(
        seq=seq,
        at=at,
        kind=kind,
        actor=actor,
        subject=subject,
        address=address,
        details=msgspec.json.decode(details, type=dict[str, Detail]),
    )
