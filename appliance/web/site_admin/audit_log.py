"""The audit log: paged, searched, exported, its chain checked each time it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance.store import Audit, AuditCheck, AuditRow
from appliance.web.shared.pages import render
from appliance.web.shared.site import site_of
from appliance.words import Words

AUDIT = "/login/audit"
PAGE = 50
KINDS = ("identity", "admin", "session", "recording")
_EXPORT_PAGE = 1000
_VALUES = {
    "permissions": "identity.permission",
    "given": "identity.permission",
    "taken": "identity.permission",
    "tools": "console.tool",
    "outcome": "console.outcome",
    "reason": "console.reason",
}
"""Details whose values have words: the table they are in."""


@dataclass(frozen=True)
class LastCheck:
    """What checking the chain found, and when (seconds since 1970)."""

    at: float
    check: AuditCheck


def last_check(request: Request) -> LastCheck | None:
    """The last check since the server was started."""
    return getattr(request.app.state, "last_audit_check", None)


def title_of(kind: str, w: Words) -> str:
    """An event's kind (`ROOM.what`) in words (`ROOM.audit.what`); the kind itself where there are none."""
    room, _, what = kind.partition(".")
    message_id = f"{room}.audit.{what}"
    return w(message_id) if message_id in w else kind


async def show(request: Request) -> Response:
    """A page of events, the newest first. Without a place in the log, its chain is checked first."""
    site, query = site_of(request), request.query_params
    text, kind = query.get("text", "")[:80].strip(), query.get("kind", "")
    kind = kind if kind in KINDS else ""
    before = query.get("before", "")
    place = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    if place is None:
        request.app.state.last_audit_check = LastCheck(site.now(), await site.audit.verify())
    found = await site.audit.page(before=place, limit=PAGE + 1, kind=f"{kind}." if kind else "", text=text)
    rows = found[:PAGE]
    search = {"text": text, "kind": kind}
    return render(
        request,
        "site_admin/audit.html",
        last_check=last_check(request),
        rows=[_Line(row, request.state.words) for row in rows],
        text=text,
        kind=kind,
        kinds=KINDS,
        older=f"{AUDIT}?{urlencode({**search, 'before': rows[-1].seq})}" if len(found) > PAGE else "",
        newest=f"{AUDIT}?{urlencode(search)}" if place is not None else "",
    )


class _Line:
    """An event as the page shows it."""

    def __init__(self, row: AuditRow, w: Words) -> None:
        self.seq, self.at, self.actor, self.address = row.seq, row.at, row.actor, row.address
        self.title = title_of(row.kind, w)
        self.subject = row.subject if row.subject != row.actor else ""
        self.details = {
            _key_in_words(key, w): _value_in_words(key, value, w)
            for key, value in row.details.items()
            if value not in ("", None)
        }


def _key_in_words(key: str, w: Words) -> str:
    message_id = f"admin.audit.detail.{key}"
    return w(message_id) if message_id in w else key


def _value_in_words(key: str, value: object, w: Words) -> str:
    if isinstance(value, bool):
        return w("admin.audit.yes" if value else "admin.audit.no")
    if table := _VALUES.get(key):
        ids = [(name, f"{table}.{name}") for name in str(value).split()]
        return ", ".join(w(message_id) if message_id in w else name for name, message_id in ids)
    return str(value)


async def export(request: Request) -> Response:
    """The whole log as JSON lines, the newest first."""
    return StreamingResponse(
        _lines(site_of(request).audit),
        media_type="application/jsonl",
        headers={"content-disposition": 'attachment; filename="audit.jsonl"'},
    )


async def _lines(audit: Audit) -> AsyncIterator[bytes]:
    before: int | None = None
    encoder = msgspec.json.Encoder()
    while rows := await audit.page(before=before, limit=_EXPORT_PAGE):
        yield b"".join(encoder.encode(_plain(row)) + b"\n" for row in rows)
        before = rows[-1].seq


def _plain(row: AuditRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "actor": row.actor,
        "subject": row.subject,
        "address": row.address,
        "details": dict(row.details),
    }
