"""The language of a page, and its words."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection

from appliance.web.shared.site import site_of
from appliance.words import DEFAULT, LANGUAGES, words

LANGUAGE_COOKIE = "language"


def choose_language(cookie: str, accept: str, site: str) -> str:
    """The language of a page: what was chosen here before, what the browser asks for, the site's own."""
    if cookie in LANGUAGES:
        return cookie
    wanted = []
    for position, part in enumerate(accept.split(",")[:20]):
        tag, _, parameters = part.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameters)
        wanted.append((-float(match[1]) if match else -1.0, position, tag.split("-")[0].lower()))
    for weight, _, language in sorted(wanted):
        if language in LANGUAGES and weight < 0:
            return language
    return site if site in LANGUAGES else DEFAULT


def prepare(connection: HTTPConnection) -> None:
    """Put `language` and `words` into the request's state, once."""
    state = connection.state
    if not hasattr(state, "words"):
        settings = site_of(connection).settings
        site_language = settings.current.language if settings.is_set_up else DEFAULT
        state.language = choose_language(
            connection.cookies.get(LANGUAGE_COOKIE, ""), connection.headers.get("accept-language", ""), site_language
        )
        state.words = words(state.language)
