"""The one catalogue of words for people: portal, console, customer client, command line.

A message has an id (`portal.key.wrong`) and named arguments. `LANGUAGE/ROOM.toml` holds a room's messages; tables
nest, and their names joined by dots are the id. A message that counts is a table with `one` and `other`, chosen by
the argument `n`. A language is complete when it has every id of English with the same arguments (`make check`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from string import Formatter

LANGUAGES = ("en", "de")
DEFAULT = "en"


class Words:
    """The messages of one language; call it with an id and arguments."""

    def __init__(self, language: str, messages: Mapping[str, str]) -> None:
        self.language = language
        self._messages = messages

    def __call__(self, message_id: str, /, **args: object) -> str:
        """The message in words. Raises KeyError for an id that the catalogue does not have, or a missing argument."""
        text = self._messages.get(message_id)
        if text is None:
            text = self._messages[f"{message_id}.{'one' if args['n'] == 1 else 'other'}"]
        return Formatter().vformat(text, (), args) if "{" in text else text

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._messages or f"{message_id}.other" in self._messages

    def subset(self, *prefixes: str) -> dict[str, str]:
        """The messages whose ids begin with one of `prefixes`, for a page's scripts."""
        return {key: text for key, text in self._messages.items() if key.startswith(prefixes)}


def _flatten(table: Mapping[str, object], prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


@cache
def words(language: str) -> Words:
    """The catalogue in `language`, which must be one of LANGUAGES."""
    if language not in LANGUAGES:
        raise ValueError(language)
    messages: dict[str, str] = {}
    for file in sorted(files(__name__).joinpath(language).iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            messages.update(_flatten(tomllib.loads(file.read_text(encoding="utf-8")), f"{file.name[:-5]}."))
    return Words(language, messages)
