"""What the edge is told by whoever starts it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.domain.certificate_files import CertificateFiles

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class EdgeError(Exception):
    """The edge can't start. `code` is a message id under `edge.`, `args` (a dict) its arguments."""

    def __init__(self, code: str, **details: str | int) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one peer may take. Times in seconds, sizes in bytes."""

    connections: int = 8000
    """In all."""
    connections_an_address: int = 128
    """From one IPv4 address or IPv6 /64, until a connection is authenticated."""
    requests_a_second: float = 50.0
    """HTTP requests an address, on average …"""
    requests_at_once: int = 400
    """… and in a burst."""
    proxy_seconds: float = 5.0
    handshake_seconds: float = 10.0
    head_seconds: float = 10.0
    """From a request's first byte to the end of its headers."""
    body_seconds: float = 30.0
    """From there to the end of its body."""
    idle_seconds: float = 60.0
    """Between requests on one connection."""
    head_size: int = 16 * 1024
    body_size: int = 1024 * 1024
    socket_message_size: int = 1024 * 1024 + 64 * 1024
    """One WebSocket message."""
    ping_seconds: float = 10.0
    """A WebSocket peer that was silent so long is asked for a sign of life."""
    silence_seconds: float = 30.0
    """A WebSocket peer that was silent so long is gone."""
    stall_seconds: float = 15.0
    """A peer that takes nothing of what is sent for so long is cut."""
    left_seconds: float = 5.0
    """How long a handler may outlive its client."""


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """Where to listen, who we are, whom to trust."""

    listen: tuple[tuple[str, int], ...] = ()
    """Host and port; an empty host is every address, port 0 any free one."""
    descriptors: tuple[int, ...] = ()
    """Listening sockets inherited from the service manager."""
    web: CertificateFiles
    """The certificate browsers see."""
    wire: CertificateFiles
    """The device CA's certificate for `wire_name`."""
    wire_name: str = "wire.beistand.internal"
    wire_alpn: str = "beistand/1"
    host_names: Callable[[], frozenset[str]]
    """The names under which browsers may ask, asked for at every request."""
    proxies: tuple[Network, ...] = ()
    """Networks whose connections begin with PROXY protocol v2; from nowhere else is it believed."""
    limits: Limits = field(default_factory=Limits)
