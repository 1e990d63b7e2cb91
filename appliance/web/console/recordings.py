"""Recordings: the playback page, its data and the export, for whoever may see the session's recording."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import trio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance.domain.permissions import Permission
from appliance.identity import SignedIn
from appliance.relay.recording_format import SUFFIX, FormatError
from appliance.relay.recording_read import RecordingView, read_range, recording_path, view
from appliance.store import sessions
from appliance.store.sessions import StoredSession
from appliance.web.console.pages import script_words, shared_scripts
from appliance.web.shared.pages import render
from appliance.web.shared.site import site_of

CHUNK = 1024 * 1024
"""Bytes read and sent at once."""
MEDIA_TYPE = "application/octet-stream"

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")


def may_see(user: SignedIn, session: StoredSession) -> bool:
    """Whether `user` may see the recording of `session`: everybody's, or those of sessions that one was in."""
    permissions = user.user.permissions
    if Permission.RECORDINGS_ALL in permissions:
        return True
    took_part = any(member.id == user.user.id for member in session.members)
    return Permission.RECORDINGS_OWN in permissions and took_part


async def _found(request: Request) -> tuple[StoredSession, Path]:
    """The session that the address names, and its recording. What one may not see does not exist."""
    site = site_of(request)
    session_id = request.path_params["session"]
    try:
        path = recording_path(site.recordings, session_id)
    except ValueError:
        raise HTTPException(404) from None
    session = await site.store.read(lambda db: sessions.by_id(db, session_id))
    if session is None or not may_see(request.state.user, session) or not await trio.Path(path).exists():
        raise HTTPException(404)
    return session, path


async def _view(path: Path) -> RecordingView:
    try:
        return await trio.to_thread.run_sync(view, path)
    except (OSError, FormatError):
        raise HTTPException(404) from None


async def show(request: Request) -> Response:
    """The playback page."""
    session, _path = await _found(request)
    site = site_of(request)
    return render(
        request,
        "console/playback.html",
        session=session,
        words=script_words(request),
        time_zone=site.settings.current.time_zone,
        shared=shared_scripts(),
    )


async def index(request: Request) -> Response:
    """Where to begin, and what happened when; noted in the audit log, since a recording is played from here on."""
    session, path = await _found(request)
    content = msgspec.json.encode(await _view(path))
    await _note(request, "recording.played", session)
    return Response(content, media_type="application/json")


async def file(request: Request) -> Response:
    """The recording's file, whole or the one range (RFC 9110 §14) that the player asks for."""
    _session, path = await _found(request)
    size = (await trio.Path(path).stat()).st_size
    headers = {"accept-ranges": "bytes"}
    wanted = request.headers.get("range")
    if wanted is None:
        return StreamingResponse(_pieces(path, 0, size), media_type=MEDIA_TYPE, headers=headers)
    match = _RANGE.fullmatch(wanted)
    if match is None:
        raise HTTPException(400)
    begin, end = int(match[1]), min(int(match[2] or size), size - 1)
    if begin > end:
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {begin}-{end}/{size}"
    return StreamingResponse(_pieces(path, begin, end + 1), 206, media_type=MEDIA_TYPE, headers=headers)


async def export(request: Request) -> Response:
    """The whole file to keep, as `beistand recording verify` checks it."""
    session, path = await _found(request)
    await _note(request, "recording.exported", session)
    size = (await trio.Path(path).stat()).st_size
    return StreamingResponse(
        _pieces(path, 0, size),
        media_type=MEDIA_TYPE,
        headers={"content-disposition": f'attachment; filename="{session.id}{SUFFIX}"'},
    )


async def _pieces(path: Path, begin: int, end: int) -> AsyncIterator[bytes]:
    while begin < end:
        piece = await trio.to_thread.run_sync(read_range, path, begin, min(CHUNK, end - begin))
        if not piece:
            return
        yield piece
        begin += len(piece)


async def _note(request: Request, kind: str, session: StoredSession) -> None:
    user: SignedIn = request.state.user
    address = request.client.host if request.client else ""
    await site_of(request).audit.record(kind, actor=user.user.name, subject=session.id, address=address)
