"""What the fuzzers begin with, and what they have found, run on every day."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.fuzz_wire import CORPUS, seeds, target


@pytest.mark.parametrize("name", sorted(file.name for file in CORPUS.iterdir()))
def test_the_session_protocol_takes_what_fuzzers_found(name: str) -> None:
    target((CORPUS / name).read_bytes())


def test_the_seeds_are_those_of_this_version() -> None:
    assert {name: (CORPUS / name).read_bytes() for name in seeds()} == seeds()


def test_the_session_protocol_takes_seeds_with_single_bytes_changed() -> None:
    chance = random.Random(1)
    for data in seeds().values():
        for position in range(len(data)):
            target(data[:position] + bytes([chance.randrange(256)]) + data[position + 1 :])
            target(data[:position])
