"""Batches follow the link."""

from __future__ import annotations

from appliance.wire.pace import LARGEST, SMALLEST, Pace


def paced(*batches: tuple[int, float], times: int = 30) -> int:
    """The size after such batches, again and again."""
    pace = Pace()
    for _ in range(times):
        for size, seconds in batches:
            pace.took(size, seconds)
    return pace.size


def test_a_quick_link_gets_large_batches_and_a_narrow_one_small_ones() -> None:
    assert paced((65536, 0.0005)) == LARGEST
    assert paced((16384, 0.1)) == SMALLEST
    assert 40_000 < paced((65536, 0.0065)) < 60_000  # 10 MB/s


def test_room_in_the_kernel_is_not_taken_for_speed() -> None:
    assert paced((16384, 0.0), (16384, 0.0), (16384, 0.1)) == SMALLEST


def test_one_hiccup_does_not_change_much() -> None:
    assert paced(*[(131072, 0.0005)] * 20, (131072, 0.02), times=3) > LARGEST // 2


def test_small_messages_promise_nothing_for_large_ones() -> None:
    assert paced((30, 0.00002)) == SMALLEST
