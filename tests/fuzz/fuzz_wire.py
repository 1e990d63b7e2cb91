"""A fuzzing target for the session protocol: `pip install atheris`, then `python -m tests.fuzz.fuzz_wire`.

The input's first byte chooses the side, the rest is what the peer sends, in pieces. The seeds are in `corpus/wire`;
what was found is put there, where the tests run it again.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from appliance.wire.channels import ChannelName
from appliance.wire.connection import Connection, Control, Data, Handshake, Opened, Side
from appliance.wire.frames import FrameReader, FrameType, ProtocolError, pack
from appliance.wire.messages import (
    ChatFromMember,
    CustomerMessage,
    Greeting,
    Hello,
    Open,
    PeerKind,
    Refusal,
    Resume,
    System,
    ToCustomer,
    Welcome,
    decode,
    encode,
)

CORPUS = Path(__file__).parent / "corpus" / "wire"
SESSION = "session-1"
HANDSHAKES = {
    FrameType.GREETING: Greeting,
    FrameType.HELLO: Hello,
    FrameType.WELCOME: Welcome,
    FrameType.REFUSED: Refusal,
}


def target(data: bytes) -> None:
    """A peer says `data`: that ends well or in a ProtocolError, and what is sent back are whole frames."""
    side = Side.PEER if data[:1] == b"P" else Side.APPLIANCE
    connection = Connection(side)
    own = connection.open(Open(name=ChannelName.FILES, session=SESSION))
    connection.send(own, bytes(70_000))
    piece = data[1] + 1 if len(data) > 1 else 1
    sent = bytearray()
    try:
        for start in range(2, len(data), piece):
            for event in connection.receive(data[start : start + piece]):
                match event:
                    case Opened(number, request):
                        if request.name is ChannelName.SHELL:
                            connection.deny(number, b"{}")
                        else:
                            connection.accept(number)
                            connection.send(number, b"hello")
                    case Data(number, payload):
                        _parse_untrusted(bytes(payload), ChatFromMember)
                        connection.consumed(number, len(payload))
                    case Control(payload):
                        _parse_untrusted(payload, CustomerMessage if side is Side.APPLIANCE else ToCustomer)
                    case Handshake(kind, payload):
                        _parse_untrusted(payload, HANDSHAKES[kind])
            sent += b"".join(connection.data_to_send())
    except ProtocolError:
        pass
    reader = FrameReader()
    for frame in reader.feed(sent):
        FrameType(frame.type)
    assert reader.buffered == 0


def _parse_untrusted(payload: bytes, kind: object) -> None:
    with contextlib.suppress(ProtocolError):
        decode(payload, kind)  # type: ignore[call-overload]


def seeds() -> dict[str, bytes]:
    """Conversations to begin with, by name."""
    chat = encode(Open(name=ChannelName.CHAT, session=SESSION, after=3))
    hello = Hello(
        version=1,
        kind=PeerKind.CUSTOMER,
        key=bytes(32),
        signature=bytes(64),
        token="token",
        resume=Resume(session=SESSION, token="token"),
        system=System(os="Linux"),
    )
    used = [
        pack(FrameType.OPEN, 1, chat),
        pack(FrameType.DATA, 1, b'{"t":"chat.send","id":"message-1","text":"hello"}', 1),
        pack(FrameType.CREDIT, 1, (20_000).to_bytes(4, "big")),
        pack(FrameType.CLOSE, 1),
    ]
    return {
        "hello": b"A\xff" + pack(FrameType.HELLO, 0, encode(hello)),
        "greeting": b"P\xff" + pack(FrameType.GREETING, 0, encode(Greeting(versions=[1], nonce=bytes(32), time=0.0))),
        "welcome": b"P\xff" + pack(FrameType.WELCOME, 0, encode(Welcome(version=1, session=SESSION, resume="token"))),
        "refused": b"P\xff" + pack(FrameType.REFUSED, 0, encode(Refusal(reason="session.key.expired"))),
        "channel": b"A\xff" + b"".join(used),
        "pieces": b"A\x02" + b"".join(used),
        "accepted": b"P\xff" + pack(FrameType.ACCEPT, 1) + pack(FrameType.CREDIT, 1, (70_000).to_bytes(4, "big")),
        "denied": b"P\xff" + pack(FrameType.DENY, 1, b"{}"),
        "ping": b"A\xff" + pack(FrameType.PING, 0, b"now") + pack(FrameType.PONG, 0, b"then"),
        "consent": b"A\xff"
        + pack(FrameType.CONTROL, 0, b'{"t":"consent.answer","id":"question-1","outcome":"granted"}'),
        "refused_shell": b"A\xff" + pack(FrameType.OPEN, 1, encode(Open(name=ChannelName.SHELL, session=SESSION))),
    }


def write_seeds() -> None:
    """Write the seeds into the corpus."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    import atheris  # type: ignore[import-not-found]

    write_seeds()
    atheris.instrument_all()
    atheris.Setup([*sys.argv, str(CORPUS)], target)
    atheris.Fuzz()
