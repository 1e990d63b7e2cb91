"""A key press from the technician's end to the customer's, idle and while the same session sends files at full rate.

Edge, relay, TLS, frames, credit and the clients' link are the product's; the appliance and both ends have processes of
their own. A key is pressed by a fourth one, so that whatever is too busy to notice it is part of the delay.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import time
from typing import Any

import trio

from appliance.wire.channels import ChannelName
from appliance.wire.connection import Accepted, Data, Event
from appliance.wire.messages import ALPN, WIRE_SERVER_NAME, Open
from clients.customer.link import Link
from clients.customer.net.dial import dial
from clients.customer.net.tls import TlsStream
from tests.bench.figures import Figure, percentile
from tests.bench.relay_cpu import PIECE, SESSION, permissive_relay, running

METRIC = "key press, technician to customer"
SUBJECT = "Beistand"
ROUNDS = 4
SECONDS = 8.0
KEYS_PER_SECOND = 60
SETTLE_SECONDS = 1.0
AHEAD = 16 * PIECE
"""Bytes of files that wait for their turn."""
STAMP = struct.Struct("d")


class End:
    """One end of the session, with the channels of keys and of files."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.keys = link.connection.open(Open(name=ChannelName.INPUT, session=SESSION))
        self.files = link.connection.open(Open(name=ChannelName.FILES, session=SESSION))
        link.flush()

    @classmethod
    async def connect(cls, pem: str, port: int) -> End:
        """Come in where the relay is."""
        context = ssl.create_default_context(cafile=pem)
        context.set_alpn_protocols([ALPN])
        sock = await dial("127.0.0.1", port, None)
        return cls(Link(await TlsStream.connect(sock, context, WIRE_SERVER_NAME)))

    async def accepted(self) -> None:
        """Wait until both channels are open."""
        missing = {self.keys, self.files}
        while missing:
            event = await self.link.event()
            if isinstance(event, Accepted):
                missing.discard(event.channel)


class Technician:
    """Sends a key when the keyboard says so and files when it is told to."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._busy = False

    async def run(self, pipe: Any) -> None:
        """`pipe` gets the keyboard's address, and says whether files are sent."""
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keyboard:
            await keyboard.bind(("127.0.0.1", 0))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end.link.run_sending)
                await self._end.accepted()
                pipe.send(keyboard.getsockname())
                nursery.start_soon(self._receive)
                nursery.start_soon(self._press, keyboard)
                while True:
                    self._busy = await trio.to_thread.run_sync(pipe.recv)
                    self._fill()

    async def _receive(self) -> None:
        while True:
            await self._end.link.event()
            self._fill()  # it was credit

    def _fill(self) -> None:
        connection, channel = self._end.link.connection, self._end.files
        while self._busy and connection.queued(channel) < AHEAD:
            connection.send(channel, DATA)
        self._end.link.flush()

    async def _press(self, keyboard: trio.socket.SocketType) -> None:
        while True:
            self._end.link.send(self._end.keys, await keyboard.recv(STAMP.size))


class Customer:
    """Counts what arrives."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._delays: list[float] = []
        self._bytes = 0

    async def run(self, pipe: Any) -> None:
        """Says through `pipe` when it is there, then whenever it is asked (the delays in ms, the files' bytes)."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end.link.run_sending)
            await self._end.accepted()
            pipe.send(None)
            nursery.start_soon(self._receive)
            while True:
                await trio.to_thread.run_sync(pipe.recv)
                pipe.send((self._delays, self._bytes))
                self._delays, self._bytes = [], 0

    async def _receive(self) -> None:
        while True:
            event: Event = await self._end.link.event()
            if isinstance(event, Data):
                if event.channel == self._end.keys:
                    self._delays.append((time.perf_counter() - STAMP.unpack(event.payload)[0]) * 1000)
                else:
                    self._bytes += len(event.payload)
                self._end.link.connection.consumed(event.channel, len(event.payload))


DATA = os.urandom(PIECE)


async def _technician(pipe: Any, pem: str, port: int) -> None:
    await Technician(await End.connect(pem, port)).run(pipe)


async def _customer(pipe: Any, pem: str, port: int) -> None:
    await Customer(await End.connect(pem, port)).run(pipe)


def technician(pipe: Any, pem: str, port: int) -> None:
    """A process."""
    trio.run(_technician, pipe, pem, port)


def customer(pipe: Any, pem: str, port: int) -> None:
    """A process."""
    trio.run(_customer, pipe, pem, port)


def keyboard(_pipe: Any, address: tuple[str, int]) -> None:
    """A process: keys at no regular time, each with the time at which it was pressed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while True:
            time.sleep(random.uniform(0.5, 1.5) / KEYS_PER_SECOND)
            sock.sendto(STAMP.pack(time.perf_counter()), address)


async def measure() -> tuple[list[float], list[float], float]:
    """Delays in ms, idle and busy, and the files' bytes per second."""
    idle: list[float] = []
    busy: list[float] = []
    total = 0
    receive = trio.to_thread.run_sync
    async with permissive_relay() as (pem, port):
        with running(customer, pem, port) as far, running(technician, pem, port) as near:
            address = await receive(near.recv)
            await receive(far.recv)
            with running(keyboard, address):
                for _ in range(ROUNDS):
                    for files, delays in ((False, idle), (True, busy)):
                        near.send(files)
                        await trio.sleep(SETTLE_SECONDS)
                        far.send(None)
                        await receive(far.recv)
                        await trio.sleep(SECONDS)
                        far.send(None)
                        found, size = await receive(far.recv)
                        delays += found
                        total += size if files else 0
    return idle, busy, total / ROUNDS / SECONDS


def main() -> None:
    """Measure and print."""
    idle, busy, rate = trio.run(measure)
    for name, delays in (("idle", idle), ("files at full rate", busy)):
        note = f"{len(delays)} keys" + (f" beside {rate / 1e6:.0f} MB/s" if delays is busy else "")
        for percent in (50, 99):
            value = round(percentile(delays, percent), 2)
            Figure(f"{METRIC}, {name}, p{percent}", SUBJECT, value, "ms", note=note).print()
    ratio = percentile(busy, 99) / percentile(idle, 99)
    Figure(f"{METRIC}, p99, files to idle", SUBJECT, round(ratio, 2), "times").print()


if __name__ == "__main__":
    main()
