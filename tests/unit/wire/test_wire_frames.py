"""Frames survive any split, and hostile bytes end in a ProtocolError or in frames, never otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire.frames import HEADER, HEADER_SIZE, MAX_PAYLOAD, Flag, FrameReader, FrameType, ProtocolError, pack

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(FrameType),
        st.integers(0, 0xFFFF),
        st.binary(max_size=300) | st.just(b"x" * MAX_PAYLOAD),
        st.integers(0, 255),
    ),
    max_size=8,
)


def read(reader: FrameReader, data: bytes) -> list[tuple[int, int, bytes, int]]:
    """The frames in `data`, copied."""
    return [(frame.type, frame.channel, bytes(frame.payload), frame.flags) for frame in reader.feed(data)]


@given(FRAMES, st.lists(st.integers(0, 70_000), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_frames(
    frames: list[tuple[FrameType, int, bytes, int]], cuts: list[int]
) -> None:
    data = b"".join(pack(kind, channel, payload, flags) for kind, channel, payload, flags in frames)
    reader = FrameReader()
    got, start = [], 0
    for cut in sorted(min(cut, len(data)) for cut in cuts):
        got += read(reader, data[start:cut])
        start = cut
    got += read(reader, data[start:])
    assert got == frames
    assert reader.buffered == 0


def test_byte_by_byte_gives_the_same_frames() -> None:
    data = pack(FrameType.PING, 0) + pack(FrameType.DATA, 7, b"hello", Flag.FIN) + pack(FrameType.CLOSE, 7)
    reader = FrameReader()
    got = [frame for byte in data for frame in read(reader, bytes([byte]))]
    assert got == [(5, 0, b"", 0), (0x13, 7, b"hello", 1), (0x15, 7, b"", 0)]


@given(st.binary(max_size=2000))
def test_hostile_bytes_give_frames_or_a_protocol_error(data: bytes) -> None:
    reader = FrameReader()
    try:
        size = sum(HEADER_SIZE + len(payload) for _, _, payload, _ in read(reader, data))
    except ProtocolError as error:
        assert error.code == "wire.frame_too_long"  # noqa: PT017 most bytes raise nothing
    else:
        assert size + reader.buffered == len(data)


@pytest.mark.parametrize("split", [1, 5, 6, 7])
def test_a_frame_longer_than_allowed_is_refused_before_its_payload_comes(split: int) -> None:
    data = HEADER.pack(FrameType.DATA, 1, 1, MAX_PAYLOAD + 1) + b"x"
    reader = FrameReader()
    with pytest.raises(ProtocolError):
        [read(reader, part) for part in (data[:split], data[split:])]


def test_a_payload_of_more_than_a_frame_can_not_be_packed() -> None:
    with pytest.raises(ValueError, match="at most"):
        pack(FrameType.DATA, 1, bytes(MAX_PAYLOAD + 1))
