from __future__ import annotations

import pytest
import trio
import trio.testing

from appliance.identity import Credential, Throttle
from appliance.identity.throttle import LIMITS, REMEMBERED, SLOWED_SECONDS
from tests.support.house import Clock, House

HERE, THERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock=clock)


async def tries(throttle: Throttle, credential: Credential, account: str, address: str, at_most: int = 10_000) -> int:
    """How many wrong tries are let through until one is refused."""
    for count in range(at_most):
        if await throttle.check(credential, account, address) is not None:
            return count
        await throttle.failed(credential, account, address)
    return at_most


@pytest.mark.parametrize("credential", list(Credential))
async def test_every_path_closes_for_an_address_and_opens_again_with_time(
    throttle: Throttle, clock: Clock, credential: Credential
) -> None:
    allowed = await tries(throttle, credential, "anna", HERE)
    assert 0 < allowed <= (600 if credential is Credential.START_TOKEN else 30)
    wait = await throttle.check(credential, "anna", HERE)
    assert wait is not None
    assert await throttle.check(credential, "anna", THERE) is None
    clock.at += wait - 0.01
    assert await throttle.check(credential, "anna", HERE) is not None
    clock.at += 0.02
    assert await throttle.check(credential, "anna", HERE) is None


async def test_twenty_session_keys_can_be_tried_from_an_address_in_any_minute(throttle: Throttle, clock: Clock) -> None:
    let_through: list[float] = []
    while clock.at < 600:
        if await throttle.check(Credential.SESSION_KEY, "", HERE) is None:
            let_through.append(clock.at)
        clock.at += 0.5
    most = max(sum(begin <= at < begin + 60 for at in let_through) for begin in let_through)
    assert most <= 20
    assert len(let_through) == pytest.approx(10 * 10 + 10, abs=2)


async def test_wrong_tries_from_elsewhere_lock_nobody_out(
    throttle: Throttle, autojump_clock: trio.testing.MockClock
) -> None:
    for number in range(200):
        await tries(throttle, Credential.SIGN_IN, "anna", f"203.0.{number}.1", at_most=15)
        if number % 20 == 0:
            assert await throttle.check(Credential.SIGN_IN, "anna", HERE) is None
            throttle.succeeded(Credential.SIGN_IN, "anna", HERE)


async def test_one_account_closed_for_an_address_leaves_the_others_open_there(throttle: Throttle) -> None:
    assert await tries(throttle, Credential.SIGN_IN, "anna", HERE) == 10
    assert await throttle.check(Credential.SIGN_IN, "bob", HERE) is None


async def test_an_address_that_tries_many_accounts_is_closed_too(throttle: Throttle) -> None:
    for number in range(60):
        assert await throttle.check(Credential.SIGN_IN, f"user {number}", HERE) is None
    assert await throttle.check(Credential.SIGN_IN, "one more", HERE) is not None


async def test_spellings_of_a_name_are_one_account_and_of_a_network_one_address(throttle: Throttle) -> None:
    addresses = [f"2001:db8:1:2::{number:x}" for number in range(1, 10)]
    for number, address in enumerate(addresses):
        assert await throttle.check(Credential.SIGN_IN, "aNnA" if number % 2 else " anna", address) is None
    assert await throttle.check(Credential.SIGN_IN, "anna", "2001:db8:1:2:ffff::1%eth0") is None
    assert await throttle.check(Credential.SIGN_IN, "ANNA", "2001:db8:1:2::99") is not None
    assert await throttle.check(Credential.SIGN_IN, "anna", "2001:db8:1:3::1") is None
    assert await tries(throttle, Credential.SIGN_IN, "bob", "::ffff:192.0.2.9") == 10
    assert await throttle.check(Credential.SIGN_IN, "bob", "192.0.2.9") is not None


async def test_a_right_try_is_given_back_and_forgets_the_wrong_ones_before_it(throttle: Throttle) -> None:
    for _ in range(500):
        assert await throttle.check(Credential.SIGN_IN, "anna", HERE) is None
        throttle.succeeded(Credential.SIGN_IN, "anna", HERE)
    for _ in range(9):
        await throttle.check(Credential.SIGN_IN, "anna", HERE)
    throttle.succeeded(Credential.SIGN_IN, "anna", HERE)
    assert await tries(throttle, Credential.SIGN_IN, "anna", HERE) == 10


async def test_right_tries_at_one_account_do_not_pay_for_wrong_ones_at_others(throttle: Throttle) -> None:
    wrong = 0
    for number in range(100):
        if await throttle.check(Credential.SIGN_IN, f"victim {number}", HERE) is None:
            wrong += 1
        if await throttle.check(Credential.SIGN_IN, "mallory", HERE) is None:
            throttle.succeeded(Credential.SIGN_IN, "mallory", HERE)
    assert wrong == LIMITS[Credential.SIGN_IN].address.tries


async def test_a_try_whose_caller_was_cut_off_counts(throttle: Throttle) -> None:
    for _ in range(10):
        assert await throttle.check(Credential.SIGN_IN, "anna", HERE) is None  # and no word of how it ended
    assert await throttle.check(Credential.SIGN_IN, "anna", HERE) is not None


async def test_tries_at_once_count_like_tries_one_after_the_other(throttle: Throttle) -> None:
    waits: list[float | None] = []

    async def attempt() -> None:
        waits.append(await throttle.check(Credential.SIGN_IN, "anna", HERE))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(attempt)
    assert waits.count(None) == 10


async def test_a_site_that_is_guessed_at_from_everywhere_slows_and_raises_one_alarm_and_stays_open(
    house: House, autojump_clock: trio.testing.MockClock
) -> None:
    throttle = Throttle(house.audit, Clock(0.0))
    waited: list[float] = []
    for number in range(400):
        began = trio.current_time()
        assert await throttle.check(Credential.SESSION_KEY, "", f"203.0.{number % 250}.{number // 250}") is None
        waited.append(trio.current_time() - began)
    assert waited[:300] == [0] * 300
    assert waited[300:] == pytest.approx([SLOWED_SECONDS] * 100)
    alarms = await house.audit.page(kind="identity.guessing")
    assert [alarm.details["credential"] for alarm in alarms] == ["session_key"]


async def test_one_portal_that_is_guessed_at_slows_alone(
    throttle: Throttle, autojump_clock: trio.testing.MockClock
) -> None:
    for number in range(100):
        await throttle.check(Credential.SESSION_KEY, "", f"203.0.113.{number}", portal="shop.example")
    began = trio.current_time()
    await throttle.check(Credential.SESSION_KEY, "", HERE, portal="help.example")
    assert trio.current_time() == began
    await throttle.check(Credential.SESSION_KEY, "", HERE, portal="shop.example")
    assert trio.current_time() - began == pytest.approx(SLOWED_SECONDS)


async def test_guesses_at_a_second_factor_are_counted_for_the_account_too(throttle: Throttle) -> None:
    let_through = 0
    for number in range(400):
        if await throttle.check(Credential.SECOND_FACTOR, "anna", f"203.{number}.113.1") is None:
            let_through += 1
    assert let_through <= 100


async def test_memory_is_bounded_and_the_latest_are_remembered(
    throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REMEMBERED <= 100_000
    monkeypatch.setattr("appliance.identity.throttle.REMEMBERED", 100)
    monkeypatch.setattr("appliance.identity.throttle.SLOWED_SECONDS", 0)
    for number in range(1000):
        await throttle.check(Credential.SIGN_IN, f"user {number}", f"203.0.{number % 250}.{number // 250}")
    assert len(throttle._buckets) <= 101
    assert await tries(throttle, Credential.SIGN_IN, "anna", HERE) == 10


@pytest.mark.parametrize("address", ["", "nonsense", "999.1.1.1", "x" * 10_000, "\0"])
async def test_an_address_that_is_none_is_counted_too(throttle: Throttle, address: str) -> None:
    assert await tries(throttle, Credential.SIGN_IN, "anna", address) == 10


async def test_a_clock_that_goes_back_gives_no_tries(throttle: Throttle, clock: Clock) -> None:
    await tries(throttle, Credential.SIGN_IN, "anna", HERE)
    clock.at -= 10_000
    assert await throttle.check(Credential.SIGN_IN, "anna", HERE) is not None
