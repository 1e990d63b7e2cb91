"""Which Host headers are ours.

A Host header is the client's claim. Pages, cookies and links would believe it, so a name that is not configured never
reaches them. An IP address is ours only when the connection arrived at that very address.
"""

from __future__ import annotations

import ipaddress
import re

from appliance.edge.proxy import plain

_HOST = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")


def host_untrusted(header: bytes) -> str | None:
    """The host in a Host header, lower case, without port; None when it is not one."""
    match = _HOST.fullmatch(header.decode("latin-1"))
    if match is None or int(match["port"] or 0) > 65535:
        return None
    return match["name"].lower().removesuffix(".").strip("[]")


def is_ours(host: str, names: frozenset[str], local_address: str) -> bool:
    """Whether `host` is one of `names`, or the address that the connection arrived at."""
    if host in names or host in {_ascii(name) for name in names}:
        return True
    try:
        return plain(str(ipaddress.ip_address(host))) == local_address
    except ValueError:
        return False


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        return name.lower()
