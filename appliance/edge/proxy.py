"""PROXY protocol version 2: a proxy in front tells who is really asking, before TLS begins.

    12 bytes  signature
    1         version 2 and command: 0x20 LOCAL (the proxy itself, as for a health check), 0x21 PROXY
    1         address family and transport: 0x11 TCP over IPv4, 0x21 TCP over IPv6
    2         length of what follows, big endian
    n         source address, destination address, source port, destination port; then what nobody asked for

Exactly this much is read, so that the TLS hello behind it stays in the socket.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

import trio

from appliance.edge.tls import Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LENGTH = 536
"""Bytes after the head that are read at most; the specification promises proxies this much and no more."""


class ProxyError(Exception):
    """Not a PROXY v2 head, or one that is of no use here."""


async def read_proxied(sock: socket.socket, direct: Address) -> Address:
    """The address that the proxy at `direct` speaks for. Raises ProxyError."""
    head = await _read_exactly(sock, 16)
    if head[:12] != SIGNATURE or head[12] & 0xF0 != 0x20:
        raise ProxyError("no PROXY v2 signature")
    (length,) = struct.unpack_from(">H", head, 14)
    if length > MAX_LENGTH:
        raise ProxyError("PROXY head too long")
    body = await _read_exactly(sock, length)
    return parse_untrusted(head, body, direct)


def parse_untrusted(head: bytes, body: bytes, direct: Address) -> Address:
    """What a PROXY head means. Raises ProxyError."""
    command, family = head[12] & 0x0F, head[13]
    if command == 0:
        return direct
    if command != 1:
        raise ProxyError("unknown PROXY command")
    if family == 0x11 and len(body) >= 12:
        source, destination, ports = body[:4], body[4:8], body[8:12]
    elif family == 0x21 and len(body) >= 36:
        source, destination, ports = body[:16], body[16:32], body[32:36]
    else:
        raise ProxyError("neither TCP over IPv4 nor over IPv6")
    port, local_port = struct.unpack(">HH", ports)
    return Address(plain(source), port, plain(destination), local_port)


def plain(address: str | bytes) -> str:
    """An IP address as text, without zone, an IPv4 address in IPv6 clothes as IPv4."""
    if isinstance(address, str):
        address = address.partition("%")[0]
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip)


async def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        try:
            part = sock.recv(size - len(data))
        except BlockingIOError:
            await trio.lowlevel.wait_readable(sock)
            continue
        except OSError as error:
            raise ProxyError(str(error)) from error
        if not part:
            raise ProxyError("ended within the PROXY head")
        data += part
    return bytes(data)
