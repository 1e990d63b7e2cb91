"""Writes down sessions and audit events behind what happens, in order, and says whether it is done.

A running session does not wait for the disk, and goes on when that is full; whoever needs to know (an accepted call, a
welcome) waits with `settled`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from sqlite_utils import Database

from appliance.store import AuditEvent, StoreError
from appliance.store.audit import Detail, append
from appliance.store.database import Store
from appliance.store.sessions import StoredSession, keep

log = logging.getLogger("beistand.broker")

RETRY_SECONDS = 5.0
MAX_EVENTS = 10_000
"""Audit events that wait for a disk with room; sessions wait as their newest state only."""


class Keeper:
    """Queue with `session` and `audit`; `run` writes."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._sessions: dict[str, StoredSession] = {}
        self._events: list[AuditEvent] = []
        self._wake = trio.Event()
        self._progress = trio.Event()
        self._queued = 0
        self._written = 0
        self.failing: StoreError | None = None

    def session(self, record: StoredSession) -> None:
        """The session is now like this."""
        self._sessions[record.id] = record
        self._queued += 1
        self._wake.set()

    def audit(self, kind: str, *, actor: str = "", subject: str = "", address: str = "", **details: Detail) -> None:
        """This has happened, now."""
        if len(self._events) < MAX_EVENTS:
            self._events.append(
                AuditEvent(at=self._now(), kind=kind, actor=actor, subject=subject, address=address, details=details)
            )
            self._queued += 1
            self._wake.set()

    async def settled(self) -> None:
        """Return once everything queued before is on the disk. Raises StoreError when it cannot be."""
        target = self._queued
        while self._written < target:
            progress = self._progress
            await progress.wait()
            if self.failing is not None and self._written < target:
                raise self.failing

    async def run(self) -> None:
        """Write, for ever; when cancelled, write what is queued first."""
        try:
            while True:
                await self._wake.wait()
                if not await self._write():
                    await trio.sleep(RETRY_SECONDS)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 2.0):
                await self._write()

    async def _write(self) -> bool:
        self._wake = trio.Event()
        sessions, events, target = self._sessions, self._events, self._queued
        if not sessions and not events:
            return True
        self._sessions, self._events = {}, []

        def write(db: Database) -> None:
            for record in sessions.values():
                keep(db, record)
            for event in events:
                append(db, event)

        try:
            with trio.CancelScope(shield=True):  # so that it is known whether it has happened
                await self._store.write(write)
        except StoreError as error:
            if self.failing is None:
                log.error("sessions are not being written down: %s", error)
            self.failing = error
            self._sessions = sessions | self._sessions
            self._events = events + self._events
            self._wake.set()
        else:
            self.failing = None
            self._written = target
        progress, self._progress = self._progress, trio.Event()
        progress.set()
        return self.failing is None
