"""A package as an HTTP answer: whole, in part (Range), or its head only; never whole in memory."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from appliance.web.portal.downloads import Package, open_built, read_part

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiable(ValueError):
    """The asked range begins behind the end."""


def parse_range_untrusted(header: str, size: int) -> tuple[int, int] | None:
    """The part that a Range header asks for, as [start, end); None for the whole: no header, a malformed one, several
    ranges (RFC 9110 allows to answer any of them in full). Raises RangeNotSatisfiable."""
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable
    return start, end


class PackageResponse(Response):
    """The bytes of `package`; `part` is [start, end), None for the whole."""

    def __init__(self, package: Package, part: tuple[int, int] | None, *, head: bool) -> None:
        self.package = package
        self.head = head
        self.start, self.end = part or (0, package.size)
        headers = {
            "content-disposition": f'attachment; filename="{package.name}"',
            "content-length": str(self.end - self.start),
            "accept-ranges": "bytes",
            "etag": etag(package),
        }
        if part is not None:
            headers["content-range"] = f"bytes {self.start}-{self.end - 1}/{package.size}"
        super().__init__(
            status_code=200 if part is None else 206, headers=headers, media_type="application/octet-stream"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises Unavailable when the built file was replaced since the package was asked for, or shrinks
        meanwhile: the answer is cut short then, which the receiver sees by its length."""
        with open_built(self.package.client) as descriptor:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            position = self.end if self.head else self.start
            while position < self.end:
                data = await read_part(self.package, descriptor, position, self.end)
                position += len(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def etag(package: Package) -> str:
    """The entity tag: two packages of one start are two files."""
    return f'"{package.sha256}"'
