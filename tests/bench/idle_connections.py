"""What an idle connection of the session protocol costs the appliance: KiB of its memory each, at 5 000 of them.

Everything that the appliance keeps for a connection is there: its TLS, its link with the two tasks, the frames' state.
The clients are in a process of their own.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import socket
import ssl
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import trio

from appliance.edge import EdgeConfig, Limits, serve_edge
from appliance.identity.device_ca import DeviceCa
from appliance.relay.link import Link
from appliance.relay.pool import BufferPool
from appliance.wire.frames import FrameType
from appliance.wire.messages import ALPN, WIRE_SERVER_NAME, Greeting, encode
from tests.bench.figures import Figure
from tests.bench.relay_cpu import running

CONNECTIONS = 5000
WARM = 200
"""Connections before the first look, so that what is made once is not counted."""


def memory_kib() -> int:
    """This process's proportional share of memory."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise LookupError("Pss")


def allow_descriptors(number: int) -> None:
    """Raise the soft limit of open files, and the hard one where that is allowed."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, max(hard, number)))


def clients(pipe: Any, pem: str, port: int) -> None:
    """Open as many connections as is said, say when they are open, and keep them by answering pings."""
    allow_descriptors(CONNECTIONS + WARM + 200)
    context = ssl.create_default_context(cafile=pem)
    context.set_alpn_protocols([ALPN])
    kept: dict[int, ssl.SSLSocket] = {}
    poll = select.epoll()
    poll.register(pipe.fileno(), select.EPOLLIN)
    wanted = 0
    while True:
        if len(kept) < wanted:
            tls = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=WIRE_SERVER_NAME)
            kept[tls.fileno()] = tls
            poll.register(tls.fileno(), select.EPOLLIN)
            if len(kept) == wanted:
                pipe.send(wanted)
        for descriptor, _event in poll.poll(0 if len(kept) < wanted else None):
            if descriptor == pipe.fileno():
                wanted += pipe.recv()
                continue
            frame = kept[descriptor].recv(4096)
            if frame[:1] == bytes([FrameType.PING]):
                kept[descriptor].sendall(bytes([FrameType.PONG]) + frame[1:])


async def measure() -> tuple[float, float]:
    """KiB a connection, and MiB before."""
    pool = BufferPool()

    async def wire(stream: Any) -> None:
        link = Link(stream, pool)
        stream.authenticated()
        greeting = Greeting(versions=[1], nonce=bytes(32), time=time.time())
        link.connection.handshake(FrameType.GREETING, encode(greeting))
        await link.run(None)  # type: ignore[arg-type]  # nothing is ever said

    async def nothing(*_args: object) -> None:
        raise AssertionError

    with tempfile.TemporaryDirectory(prefix="beistand-idle-") as name:
        ca = DeviceCa.open(Path(name), time.time)
        pem = str(ca.wire_certificate().chain)
        config = EdgeConfig(
            listen=(("127.0.0.1", 0),),
            web=ca.web_certificate(()),
            wire=ca.wire_certificate(),
            host_names=lambda: frozenset({"localhost"}),
            limits=Limits(connections=CONNECTIONS + WARM + 10),
        )
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve_edge, config, web=nothing, wire=wire))
            with running(clients, pem, bound[0][1]) as pipe:

                async def more(number: int) -> int:
                    pipe.send(number)
                    await trio.to_thread.run_sync(pipe.recv)
                    await trio.sleep(0.5)
                    gc.collect()
                    return memory_kib()

                before = await more(WARM)
                after = await more(CONNECTIONS)
                if len(os.listdir("/proc/self/fd")) < CONNECTIONS + WARM:
                    raise RuntimeError("connections were lost")
            nursery.cancel_scope.cancel()
    return (after - before) / CONNECTIONS, before / 1024


def main() -> None:
    """Measure and print."""
    allow_descriptors(CONNECTIONS + WARM + 200)
    each, before = trio.run(measure)
    note = f"at {CONNECTIONS} connections; {before:.0f} MiB before them"
    Figure("memory of an idle wire connection", "Beistand", round(each, 1), "KiB", note=note).print()


if __name__ == "__main__":
    main()
