"""What a relayed byte costs: CPU seconds of the appliance for each GB, from one client's file channel to another's.

Everything is real except the session: the edge's TLS streams, the relay's links and pipe, frames, channels and credit.
The two clients run in processes of their own, so that this process's CPU time is the appliance's alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio

from appliance.edge import EdgeConfig, serve_edge
from appliance.identity.device_ca import DeviceCa
from appliance.relay.link import Link, Port
from appliance.relay.pipe import Pipe
from appliance.relay.pool import BufferPool
from appliance.wire.channels import ChannelName
from appliance.wire.connection import Accepted, Connection, Data, Handshake, Side
from appliance.wire.frames import MAX_PAYLOAD
from appliance.wire.messages import ALPN, WIRE_SERVER_NAME, Open
from tests.bench.figures import Figure

METRIC = "relay CPU per GB, TLS to TLS"
RUNS = 3
SECONDS = 4.0
SETTLE_SECONDS = 1.0
PIECE = MAX_PAYLOAD
"""Bytes of one message: one frame."""
SESSION = "benchmark"


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median_figure(metric: str, subject: str, values: Sequence[float], unit: str, note: str = "") -> Figure:
    """The median of `values` with their spread."""
    spread = (round(min(values), 3), round(max(values), 3))
    return Figure(metric, subject, round(statistics.median(values), 3), unit, spread, note)


@contextlib.contextmanager
def running(work: Callable[..., None], *args: object) -> Iterator[Any]:
    """`work(pipe, *args)` in a process of its own, killed at the end; gives our end of the pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *args), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def count(receive: Callable[[], int], seconds: float) -> int:
    """The bytes that `receive` gets in `seconds`."""
    received, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        received += receive()
    return received


class Plain:
    """A sender and a receiver of bytes over TLS, for a proxy that knows no frames."""

    @staticmethod
    def sender(_pipe: Any, _pem: str, port: int) -> None:
        """Send as fast as it goes."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as tls:
            data = os.urandom(PIECE)
            while True:
                tls.sendall(data)

    @staticmethod
    def receiver(pipe: Any, pem: str) -> None:
        """Tell the port, then for each number of seconds the bytes received in that time."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            pipe.send(listener.getsockname()[1])
            while True:  # whoever only looks whether the proxy is there comes through as well
                with contextlib.suppress(OSError):
                    tls = context.wrap_socket(listener.accept()[0], server_side=True)
                    buffer = bytearray(1 << 20)
                    if tls.recv_into(buffer):
                        break
            while True:
                if pipe.poll():
                    pipe.send(count(lambda: tls.recv_into(buffer), pipe.recv()))
                else:
                    tls.recv_into(buffer)


class Framed:
    """The two clients of a session, blocking and with as little work of their own as can be."""

    def __init__(self, pem: str, port: int) -> None:
        context = ssl.create_default_context(cafile=pem)
        context.set_alpn_protocols([ALPN])
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(raw, server_hostname=WIRE_SERVER_NAME)
        self.connection = Connection(Side.PEER)
        self.channel = self.connection.open(Open(name=ChannelName.FILES, session=SESSION))
        self.buffer = memoryview(bytearray(256 * 1024))
        self.flush()
        while not any(isinstance(event, Accepted) for event in self.receive()):
            pass

    def flush(self) -> None:
        """Send what may be sent."""
        while data := self.connection.data_to_send():
            self.tls.sendall(b"".join(data))

    def receive(self) -> list[object]:
        """Wait for something and give what it means."""
        size = self.tls.recv_into(self.buffer)
        if not size:
            raise EOFError
        return list(self.connection.receive(self.buffer[:size]))

    @classmethod
    def sender(cls, _pipe: Any, pem: str, port: int) -> None:
        """Send messages as fast as credit comes."""
        client = cls(pem, port)
        data = os.urandom(PIECE)
        while True:
            while client.connection.queued(client.channel) < 16 * PIECE:
                client.connection.send(client.channel, data)
            client.flush()
            client.receive()

    @classmethod
    def receiver(cls, pipe: Any, pem: str, port: int) -> None:
        """Tell when ready, then for each number of seconds the bytes received in that time."""
        client = cls(pem, port)
        pipe.send(port)

        def receive() -> int:
            size = sum(len(event.payload) for event in client.receive() if isinstance(event, Data))
            client.connection.consumed(client.channel, size)
            client.flush()
            return size

        while True:
            if pipe.poll():
                pipe.send(count(receive, pipe.recv()))
            else:
                receive()


class Hub:
    """Joins channels of one name, the first with the second."""

    def __init__(self) -> None:
        self._waiting: dict[ChannelName, Port] = {}
        self._pool = BufferPool()

    async def serve(self, stream: Any) -> None:
        """The edge's wire handler."""
        link = Link(stream, self._pool)
        hub = self

        class Handler:
            def handshake(self, event: Handshake) -> None:
                raise AssertionError(event)

            def control(self, payload: bytes) -> None:
                raise AssertionError(payload)

            def opened(self, channel: int, request: Open) -> None:
                port = link.accept(channel)
                assert port is not None
                other = hub._waiting.pop(request.name, None)
                if other is None:
                    hub._waiting[request.name] = port
                else:
                    Pipe(other, port)

        await link.run(Handler())


@contextlib.asynccontextmanager
async def permissive_relay() -> AsyncIterator[tuple[str, int]]:
    """An edge with a relay that joins whoever comes; (file of the wire's certificate chain, port)."""
    with tempfile.TemporaryDirectory(prefix="beistand-relay-") as name:
        ca = DeviceCa.open(Path(name), time.time)
        config = EdgeConfig(
            listen=(("127.0.0.1", 0),),
            web=ca.web_certificate(()),
            wire=ca.wire_certificate(),
            host_names=lambda: frozenset({"localhost"}),
        )

        async def nothing(*_args: object) -> None:
            raise AssertionError

        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve_edge, config, web=nothing, wire=Hub().serve))
            yield str(ca.wire_certificate().chain), bound[0][1]
            nursery.cancel_scope.cancel()


async def relay() -> list[float]:
    """CPU seconds a GB, of each run."""
    costs = []
    async with permissive_relay() as (pem, port):
        with running(Framed.receiver, pem, port) as receiver:
            await trio.to_thread.run_sync(receiver.recv)
            with running(Framed.sender, pem, port):
                await trio.sleep(SETTLE_SECONDS)
                for _ in range(RUNS):
                    before = time.process_time()
                    receiver.send(SECONDS)
                    received = await trio.to_thread.run_sync(receiver.recv)
                    costs.append((time.process_time() - before) / received * 1e9)
                    print(f"{received / SECONDS / 1e6:.0f} MB/s", file=sys.stderr)
    return costs


def main() -> None:
    """Measure and print."""
    median_figure(METRIC, "Beistand", trio.run(relay), "s/GB").print()


if __name__ == "__main__":
    main()
