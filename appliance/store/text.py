"""Strangers' text, made storable."""

from __future__ import annotations


def storable(text: str, longest: int) -> str:
    """The first `longest` characters of `text`, with "?" for what SQLite cannot keep (half a surrogate pair)."""
    return text[:longest].encode("utf-8", "replace").decode()
