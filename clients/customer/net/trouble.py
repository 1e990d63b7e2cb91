"""Why a connection did not come about."""

from __future__ import annotations

from collections.abc import Mapping


class Trouble(Exception):
    """The appliance was not reached. `code` is a message id under `client.trouble.`; the caller may try again later.

    `inspected`: something on the way answered with TLS of its own, which the way through `/wire` may get past.
    """

    def __init__(self, code: str, *, inspected: bool = False, **args: str | int) -> None:
        super().__init__(code)
        self.code = f"client.trouble.{code}"
        self.args_for_words: Mapping[str, str | int] = args
        self.inspected = inspected
