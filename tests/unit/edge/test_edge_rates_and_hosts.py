"""The edge's pure decisions."""

from __future__ import annotations

import pytest

from appliance.edge.hosts import host_untrusted, is_ours
from appliance.edge.limits import REMEMBERED, ConnectionLimit, RequestRate, subscriber


def test_a_burst_is_allowed_then_requests_come_back_with_time() -> None:
    now = 0.0
    rate = RequestRate(2.0, 3, lambda: now)
    assert [rate.wait("192.0.2.1") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert rate.wait("192.0.2.2") == 0.0
    now = 0.5
    assert rate.wait("192.0.2.1") == 0.0
    assert rate.wait("192.0.2.1") > 0


def test_an_ipv6_subscriber_is_a_64() -> None:
    rate = RequestRate(1.0, 1, lambda: 0.0)
    assert rate.wait("2001:db8:1:1::1") == 0.0
    assert rate.wait("2001:db8:1:1:ffff::9") > 0
    assert rate.wait("2001:db8:1:2::1") == 0.0
    assert subscriber("2001:db8:1:1::1") == "2001:db8:1:1::/64"


def test_memory_of_requests_is_bounded() -> None:
    rate = RequestRate(1.0, 1, lambda: 0.0)
    for number in range(REMEMBERED + 10):
        rate.wait(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert rate.wait("10.0.0.0") == 0.0  # forgotten
    assert len(rate._buckets) <= REMEMBERED + 1


def test_a_place_is_left_once_however_often_that_is_said() -> None:
    limit = ConnectionLimit(2, 1)
    place = limit.enter("192.0.2.1")
    assert place is not None
    assert limit.enter("192.0.2.1") is None
    place.authenticated()
    other = limit.enter("192.0.2.1")
    assert other is not None
    assert limit.enter("192.0.2.2") is None  # full in all
    place.leave()
    place.leave()
    assert limit.enter("192.0.2.1") is None  # `other` still counts
    assert limit.enter("192.0.2.2") is not None
    assert limit.full()


@pytest.mark.parametrize(
    ("header", "host"),
    [
        (b"Example.COM:443", "example.com"),
        (b"example.com.", "example.com"),
        (b"[2001:DB8::1]:8443", "2001:db8::1"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"a b", None),
        (b"", None),
        (b":443", None),
        (b"a:b", None),
    ],
)
def test_a_host_header_is_a_name_and_perhaps_a_port(header: bytes, host: str | None) -> None:
    assert host_untrusted(header) == host


def test_an_address_is_ours_when_the_connection_arrived_there() -> None:
    assert is_ours("192.0.2.1", frozenset(), "192.0.2.1")
    assert is_ours("2001:db8:0:0::1", frozenset(), "2001:db8::1")
    assert not is_ours("192.0.2.1", frozenset(), "192.0.2.2")
    assert is_ours("192.0.2.1", frozenset({"192.0.2.1"}), "10.0.0.1")
