"""A browser without scripts: cookies, forms, downloads; it trusts the demo's own device authority and no other.

Its calls block; run them in a thread.
"""

from __future__ import annotations

import http.cookiejar
import shutil
import ssl
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path


class Browser:
    """One person's browser at `origin` ("https://localhost:8443"); `authority` is the PEM file of the one to trust."""

    def __init__(self, origin: str, authority: Path, language: str) -> None:
        self.origin = origin
        self.tls = ssl.create_default_context(cafile=str(authority))
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.tls), urllib.request.HTTPCookieProcessor(self._jar)
        )
        self._opener.addheaders = [("User-Agent", "Demo (X11; Linux x86_64)"), ("Accept-Language", language)]

    @property
    def cookies(self) -> str:
        """What a Cookie header says."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._jar)

    def get(self, path: str) -> str:
        """The page at `path`. Raises urllib.error.URLError."""
        with self._opener.open(self.origin + path, timeout=20) as answer:
            return str(answer.read().decode())

    def submit(self, page: str, action: str, **values: str) -> str:
        """Send the form that posts to `action` on the page at `page` with `values`; the path that it leads to.

        Raises urllib.error.HTTPError when the server refuses it.
        """
        fields = _hidden_fields(self.get(page), action) | values
        request = urllib.request.Request(  # noqa: S310 - always our own https origin
            self.origin + action, urllib.parse.urlencode(fields).encode(), {"Origin": self.origin}
        )
        with self._opener.open(request, timeout=20) as answer:
            return str(urllib.parse.urlsplit(answer.url).path)

    def download(self, path: str, folder: Path) -> Path:
        """Save what is at `path` in `folder` under the name that the server gives; the file."""
        with self._opener.open(self.origin + path, timeout=60) as answer:
            file = folder / (Path(answer.headers.get_filename() or "download").name)
            with file.open("wb") as out:
                shutil.copyfileobj(answer, out)
        return file


class _Form(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action = action
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = values.get("action", self._action) == self._action
        elif tag == "input" and self._inside and values.get("type") == "hidden":
            self.fields[values["name"]] = values.get("value", "")


def _hidden_fields(page: str, action: str) -> dict[str, str]:
    form = _Form(action)
    form.feed(page)
    return form.fields
