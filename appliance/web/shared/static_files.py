"""Static files of all faces, served from memory under `/static/VERSION/FACE/PATH`.

VERSION is one hash over all of them, so that an address may be kept for ever and a module's relative imports stay in
the same version. What is not in the table does not exist: a request never becomes a path in the file system.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.web.shared.routing import Access, page
from appliance.web.shared.security import STATIC_POLICY, WORKER_POLICY

WEB = Path(__file__).parent.parent

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
}
_BASE = ("shared/tokens.css", "shared/base.css", "shared/forms.css", "shared/lists.css")
_BUNDLES = {"shared/style.css": _BASE, "portal/style.css": (*_BASE, "portal/portal.css")}
"""Files that are worked on apart and fetched together: a customer's first page costs few round trips."""
_COMPRESSED = frozenset({".css", ".js", ".mjs", ".json", ".webmanifest", ".wasm", ".svg", ".txt"})


@dataclass(frozen=True)
class StaticFile:
    """One file: `gzipped` is None where compressing gains nothing."""

    content: bytes
    gzipped: bytes | None
    media_type: str
    policy: str


@dataclass(frozen=True)
class StaticFiles:
    """All static files by `FACE/PATH`, and the version they have together."""

    version: str
    files: Mapping[str, StaticFile]

    def url(self, name: str) -> str:
        """The address of `FACE/PATH`. Raises KeyError for a file that is not there."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


def _file(content: bytes, suffix: str) -> StaticFile:
    zipped = gzip.compress(content, 6, mtime=0) if suffix in _COMPRESSED else None
    return StaticFile(
        content=content,
        gzipped=zipped if zipped is not None and len(zipped) < 0.9 * len(content) else None,
        media_type=_MEDIA_TYPES[suffix],
        policy=WORKER_POLICY if suffix in (".js", ".mjs") else STATIC_POLICY,
    )


@cache
def static_files() -> StaticFiles:
    """Read the `static` folder of each face, once."""
    files = {}
    version = hashlib.sha256()
    for path in sorted(WEB.glob("*/static/**/*")):
        if path.is_file() and path.suffix in _MEDIA_TYPES:
            face, _, inner = path.relative_to(WEB).as_posix().partition("/static/")
            name = f"{face}/{inner}"
            files[name] = _file(path.read_bytes(), path.suffix)
    for name, parts in _BUNDLES.items():
        files[name] = _file(b"\n".join(files[part].content for part in parts), ".css")
    for name, file in files.items():
        version.update(name.encode() + b"\0" + hashlib.sha256(file.content).digest())
    return StaticFiles(version.hexdigest()[:16], files)


async def serve_static(request: Request) -> Response:
    """A file of the current version. One of another version is answered too, but may not be kept."""
    table = static_files()
    file = table.files.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    current = request.path_params["version"] == table.version
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if current else "no-cache",
        "content-security-policy": file.policy,
        "vary": "accept-encoding",
    }
    content = file.content
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        content = file.gzipped
    return Response(content, headers=headers, media_type=file.media_type)


ROUTES = [page("/static/{version}/{name:path}", serve_static, access=Access.ALWAYS)]
