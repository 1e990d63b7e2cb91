from __future__ import annotations

import pytest
import trio

from appliance.identity import Entered, csrf_fits, csrf_token
from appliance.store import web_sessions
from tests.support.house import BOBS, House


@pytest.fixture
def told(house: House) -> list[str]:
    ended: list[str] = []
    house.identity.on_signed_out.append(lambda user_id, session_id: ended.append(session_id))
    return ended


async def test_a_session_that_is_used_lives_until_its_age_and_one_that_is_not_until_it_was_idle(house: House) -> None:
    for _ in range(11):
        house.clock.at += 59 * 60
        assert await house.identity.authenticate(house.bobs_cookie) is not None
    assert await house.identity.authenticate(house.annas_cookie) is None
    house.clock.at += 72 * 60
    assert await house.identity.authenticate(house.bobs_cookie) is None


async def test_a_session_for_which_something_is_open_is_not_idle_and_ends_at_its_age(
    house: House, told: list[str]
) -> None:
    with house.identity.sessions.in_use(house.bob):
        for _ in range(11):
            house.clock.at += 3600
            await house.identity.sessions.sweep()
    assert house.bob.session_id not in told
    house.clock.at += 59 * 60
    assert await house.identity.authenticate(house.bobs_cookie) is not None
    with house.identity.sessions.in_use(house.bob):
        house.clock.at += 120
        await house.identity.sessions.sweep()
    assert house.bob.session_id in told


async def test_what_was_open_and_is_closed_no_longer_keeps_a_session(house: House, told: list[str]) -> None:
    with house.identity.sessions.in_use(house.bob):
        house.clock.at += 3600
        await house.identity.sessions.sweep()
    house.clock.at += 3601
    await house.identity.sessions.sweep()
    assert house.bob.session_id in told


async def test_the_sweep_ends_what_has_run_out_and_tells(house: House, told: list[str]) -> None:
    house.clock.at += 61 * 60
    await house.identity.sessions.sweep()
    assert sorted(told) == sorted([house.anna.session_id, house.bob.session_id])
    await house.identity.sessions.sweep()
    assert len(told) == 2


async def test_sessions_that_another_program_ended_are_told_within_seconds(
    house: House, told: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    heard = trio.Event()
    house.identity.on_signed_out.append(lambda user_id, session_id: heard.set())
    async with trio.open_nursery() as nursery:
        await nursery.start(house.identity.run)
        await house.store.write(lambda db: web_sessions.end_of_user(db, house.bob.user.id))  # beside Identity
        assert told == []
        await heard.wait()
        assert told == [house.bob.session_id]
        nursery.cancel_scope.cancel()


async def test_a_session_that_ends_while_something_opens_for_it_is_told_of_again(house: House) -> None:
    told: list[tuple[str, str]] = []
    await house.identity.sign_out(house.bob)
    house.identity.on_signed_out.append(lambda user_id, session_id: told.append((user_id, session_id)))
    with house.identity.sessions.in_use(house.bob):
        await house.identity.sessions.sweep()
    assert told == [(house.bob.user.id, house.bob.session_id)]


async def test_a_changed_limit_holds_for_the_sessions_there_are(house: House) -> None:
    house.clock.at += 10 * 60
    await house.settings.change(idle_minutes=5)
    assert await house.identity.authenticate(house.bobs_cookie) is None


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "x" * 10_000, "ä" * 43, "' OR 1=1 --" * 4, "\0" * 43])
async def test_a_cookie_that_is_none_opens_nothing(house: House, cookie: str) -> None:
    assert await house.identity.authenticate(cookie) is None


async def test_the_list_shows_browser_address_and_last_use_of_each_session(house: House) -> None:
    house.clock.at += 60
    other = await house.identity.sign_in("bob", BOBS, address="2001:db8::1", browser="Chromium" + "x" * 1000)
    assert isinstance(other, Entered)
    house.clock.at += 60
    await house.identity.authenticate(house.bobs_cookie, "203.0.113.9")
    first, second = await house.identity.sessions.of_user(house.bob.user.id)
    assert (first.id, first.address, first.browser, first.seen_at) == (
        house.bob.session_id,
        "203.0.113.9",
        "Firefox",
        house.clock.at,
    )
    assert (second.address, second.seen_at) == ("2001:db8::1", house.clock.at - 60)
    assert len(second.browser) == 200


async def test_one_session_or_all_others_can_be_ended(house: House, told: list[str]) -> None:
    others = [await house.identity.sign_in("bob", BOBS) for _ in range(3)]
    ids = [other.who.session_id for other in others if isinstance(other, Entered)]
    await house.identity.accounts.end_session(ids[0], by=house.bob)
    await house.identity.accounts.end_session("no such", by=house.bob)
    assert told == ids[:1]
    await house.identity.accounts.end_sessions(house.bob.user.id, by=house.bob)
    assert sorted(told) == sorted(ids)
    assert [session.id for session in await house.identity.sessions.of_user(house.bob.user.id)] == [
        house.bob.session_id
    ]
    await house.identity.accounts.end_sessions(house.bob.user.id, by=house.anna)
    assert await house.identity.authenticate(house.bobs_cookie) is None


async def test_the_database_has_no_cookie(house: House) -> None:
    dump = await house.store.read(lambda db: "\n".join(db.conn.iterdump()))
    assert house.bobs_cookie not in dump
    assert house.bob.csrf not in dump


def test_a_csrf_token_fits_its_own_cookie_only() -> None:
    assert csrf_fits("a" * 43, csrf_token("a" * 43))
    assert not csrf_fits("b" * 43, csrf_token("a" * 43))
    assert not csrf_fits("a" * 43, "")
    assert not csrf_fits("a" * 43, "ä\ud800")


async def test_a_clock_that_goes_back_ends_nothing(house: House) -> None:
    house.clock.at -= 3600 * 24 * 365
    assert await house.identity.authenticate(house.bobs_cookie) is not None
    await house.identity.sessions.sweep()
    assert await house.identity.authenticate(house.bobs_cookie) is not None
