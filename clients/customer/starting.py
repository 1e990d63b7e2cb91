"""Where the start comes from: a file that was named, this program's own trailer, or its name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from appliance.wire.start_file import StartFileDamaged, StartInfo, parse_file_name, read_trailer

OWN_FILE = "BEISTAND_FILE"
"""Environment: the path of the file that was downloaded and started; set by the built client's head."""


class NoStart(Exception):
    """There is no start to be found. `code`: a message id."""

    def __init__(self, code: str, **args: str) -> None:
        super().__init__(code)
        self.code = code
        self.args_ = args


def own_file() -> Path | None:
    """The downloaded file that this process came from, None when it runs from source."""
    if named := os.environ.get(OWN_FILE):
        return Path(named)
    return Path(sys.executable) if getattr(sys, "frozen", False) else None


def find_start(named: Path | None) -> StartInfo:
    """The start of the file `named`, or of this program's own file. Raises NoStart."""
    file = named or own_file()
    if file is None:
        raise NoStart("client.start.none")
    try:
        start = read_trailer(file) or parse_file_name(file.name)
    except StartFileDamaged as error:
        raise NoStart("client.start.damaged", file=str(file)) from error
    except OSError as error:
        raise NoStart("client.start.unreadable", file=str(file), error=error.strerror or "") from error
    if start is None:
        raise NoStart("client.start.none")
    return start
