"""A posted form: what was typed, what is wrong with it. What a person typed is never lost over an error."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping

from starlette.requests import Request

from appliance.web.shared.routing import fields_of
from appliance.wire.messages import Refusal

MAX_SECRET = 1024


class Form:
    """The values and the errors of a form.

    A reader (`text`, `number`, …) notes an error and returns something harmless; a handler reads all fields, then asks
    `ok`. Errors are message ids with arguments, put into words by the template.
    """

    def __init__(self, values: Mapping[str, list[str]] | None = None) -> None:
        self._values = {name: list(given) for name, given in (values or {}).items()}
        self.errors: dict[str, tuple[str, dict[str, object]]] = {}

    @classmethod
    async def posted(cls, request: Request) -> Form:
        """The form that was posted."""
        return cls(await fields_of(request))

    @classmethod
    def filled(cls, **values: str | Collection[str]) -> Form:
        """A form to be shown with these values."""
        return cls({name: [value] if isinstance(value, str) else list(value) for name, value in values.items()})

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.errors

    def value(self, name: str) -> str:
        """What was typed, as it was typed."""
        return self._values.get(name, [""])[0]

    def values(self, name: str) -> list[str]:
        """All values of a field that can have several."""
        return self._values.get(name, [])

    def has(self, name: str, value: str = "on") -> bool:
        """Whether a box was ticked."""
        return value in self._values.get(name, [])

    def wrong(self, field: str, message_id: str, /, **args: object) -> None:
        """Note an error; the first one of a field stays."""
        self.errors.setdefault(field, (message_id, args))

    def refused(self, refusal: Refusal, default: str, /, **fields: str) -> None:
        """Note a refusal at the field it is about: `fields` maps the last or last but one part of its reason
        (`identity.password.common`: "common", "password") to a field's name; else it is about `default`."""
        parts = refusal.reason.split(".")[::-1]
        name = next((fields[part] for part in parts if part in fields), default)
        self.wrong(name, refusal.reason, **refusal.args)

    def text(self, name: str, *, maximum: int, required: bool = True) -> str:
        """One line without control characters, trimmed, at most `maximum` characters."""
        text = unicodedata.normalize("NFC", self.value(name)).strip()
        if len(text) > maximum:
            self.wrong(name, "common.form.too_long", n=maximum)
        elif any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for character in text):
            self.wrong(name, "common.form.characters")
        elif required and not text:
            self.wrong(name, "common.form.required")
        else:
            return text
        return ""

    def lines(self, name: str, *, maximum: int) -> list[str]:
        """The words of a box, divided by spaces, commas and new lines; at most `maximum` characters in all."""
        text = self.value(name)
        if len(text) > maximum:
            self.wrong(name, "common.form.too_long", n=maximum)
            return []
        return text.replace(",", " ").split()

    def secret(self, name: str, *, required: bool = True) -> str:
        """A password or code as it was typed; it is not shown again."""
        text = self._values.pop(name, [""])[0]
        if len(text) > MAX_SECRET:
            self.wrong(name, "common.form.too_long", n=MAX_SECRET)
            return ""
        if required and not text:
            self.wrong(name, "common.form.required")
        return text

    def number(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`; `low` on error."""
        text = self.value(name).strip()
        if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        self.wrong(name, "common.form.number", low=low, high=high)
        return low

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """One of `allowed`; "" on error."""
        value = self.value(name)
        if value in allowed:
            return value
        self.wrong(name, "common.form.choice")
        return ""
