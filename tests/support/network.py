"""A customer's network of its own: a network namespace with a cable to the appliance's that can be pulled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class CustomerNetwork:
    """A namespace; `appliance_host` is the appliance's address as seen from it, `customer_host` its own."""

    name: str
    cable: str
    appliance_host: str
    customer_host: str

    def argv(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command, run in this network."""
        return ["ip", "netns", "exec", self.name, *command]

    def pull(self) -> None:
        """Pull the cable: what is sent from now on arrives nowhere, and neither side is told."""
        _ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        """Put it back."""
        _ip("link", "set", self.cable, "up")

    def mute(self, side: str) -> None:
        """Swallow what "customer" or "appliance" sends from now on; the other direction works."""
        _ip(*self._swallows(side, "add"))

    def unmute(self, side: str) -> None:
        """Let it through again."""
        _ip(*self._swallows(side, "del"))

    def _swallows(self, side: str, verb: str) -> list[str]:
        if side == "customer":
            return ["-n", self.name, "route", verb, "blackhole", f"{self.appliance_host}/32"]
        return ["route", verb, "blackhole", f"{self.customer_host}/32"]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def customer_network() -> Iterator[CustomerNetwork]:
    """A new network; skips the test where namespaces can't be made."""
    number = os.getpid() % 200 + 20
    name, here, there = f"beistand-{number}", f"bst{number}a", f"bst{number}b"
    host, guest = f"10.77.{number}.1", f"10.77.{number}.2"
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces can't be made here: {getattr(error, 'stderr', error)!r}")
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("addr", "add", f"{host}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "addr", "add", f"{guest}/30", "dev", there)
        _ip("-n", name, "link", "set", there, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield CustomerNetwork(name, here, host, guest)
    finally:
        # The cable goes with the namespace, once the last process in it has ended.
        subprocess.run(["ip", "link", "del", here], check=False, capture_output=True)
        _ip("netns", "del", name)
