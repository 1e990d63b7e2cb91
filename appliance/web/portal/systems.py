"""Which system a browser runs on, guessed from what it says of itself.

The guess only chooses what the page shows first; the page always offers the other way. A header of a stranger is
matched against fixed words and never kept, so nothing of it can reach a page or a technician.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class System(enum.StrEnum):
    """A customer's system, as far as a page has to tell them apart."""

    LINUX_X86_64 = "linux-x86_64"
    LINUX_OTHER = "linux-other"  # a processor that the client is not built for
    WINDOWS = "windows"
    MACOS = "macos"
    ANDROID = "android"
    IOS = "ios"
    CHROMEOS = "chromeos"
    UNKNOWN = "unknown"


CLIENT_HINTS = "Sec-CH-UA-Arch, Sec-CH-UA-Bitness"
"""What the portal's pages ask of the browser (`Accept-CH`): Chromium no longer tells the processor in User-Agent."""

_BY_HINT = {
    "linux": System.LINUX_X86_64,
    "windows": System.WINDOWS,
    "macos": System.MACOS,
    "android": System.ANDROID,
    "ios": System.IOS,
    "chrome os": System.CHROMEOS,
    "chromium os": System.CHROMEOS,
}

# The order matters: Android and ChromeOS call themselves Linux too, an iPhone "like Mac OS X".
_BY_AGENT = (
    ("android", System.ANDROID),
    ("iphone", System.IOS),
    ("ipad", System.IOS),
    ("cros ", System.CHROMEOS),
    ("windows", System.WINDOWS),
    ("mac os x", System.MACOS),
    ("macintosh", System.MACOS),
    ("linux", System.LINUX_X86_64),
)
_OTHER_PROCESSORS = ("aarch64", "arm", "i686", "i386", "i586", "riscv", "ppc64", "mips", "s390")


def guess_system(headers: Mapping[str, str]) -> System:
    """The system named by client hints (`Sec-CH-UA-*`) or, without them, by User-Agent. `headers`: lower-case names."""
    agent = headers.get("user-agent", "")[:512].lower()
    hint = headers.get("sec-ch-ua-platform", "").strip('" ').lower()
    system = _BY_HINT.get(hint)
    if system is None:
        system = next((found for word, found in _BY_AGENT if word in agent), System.UNKNOWN)
    if system is not System.LINUX_X86_64:
        return system
    processor = headers.get("sec-ch-ua-arch", "").strip('" ').lower()
    if processor:
        is_64_bit = headers.get("sec-ch-ua-bitness", "").strip('" ') in ("", "64")
        return system if processor == "x86" and is_64_bit else System.LINUX_OTHER
    words = agent.replace(";", " ").replace(")", " ").split()
    return System.LINUX_OTHER if any(word.startswith(_OTHER_PROCESSORS) for word in words) else system
