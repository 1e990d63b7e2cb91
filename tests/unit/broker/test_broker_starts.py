"""Keys and starts: single use, in the right hands, without a difference between the wrong ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from appliance.broker import Start
from appliance.domain.permissions import Permission
from appliance.domain.start import StartState
from appliance.wire import messages as m
from tests.support.broker import BrokerSite, ConsoleEnd

ADDRESS = "192.0.2.7"


async def redeemed(hall: BrokerSite, console: ConsoleEnd, cookie: str = "cookie") -> Start:
    made = await console.call("key.create")
    start = await hall.broker.redeem_key(made["key"], cookie, ADDRESS)
    assert isinstance(start, Start)
    return start


async def minted(hall: BrokerSite, start: Start) -> str:
    token = await hall.broker.mint_token(start)
    assert isinstance(token, str)
    return token


async def test_a_key_opens_in_any_spelling_and_says_whose_it_is(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    made = await anna.call("key.create", minutes=30)
    assert made["link"] == f"/k/{made['key']}"
    assert made["expires_at"] == pytest.approx(hall.now() + 1800, abs=1)
    start = await hall.broker.redeem_key(f" {made['display'].lower()} ", "cookie", ADDRESS)
    assert isinstance(start, Start)
    assert (start.technician.name, start.state, start.fallback) == ("Anna", StartState.OPENED, False)
    assert await hall.broker.start_of("cookie") == start
    assert await hall.broker.start_of("another") is None
    keys = await anna.sees("keys", lambda keys: keys[0]["state"] == "opened")
    assert keys[0]["display"] == made["display"]


async def test_the_same_browser_may_type_its_key_again_and_no_other_may(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    made = await anna.call("key.create")
    first = await hall.broker.redeem_key(made["key"], "cookie", ADDRESS)
    assert isinstance(first, Start)
    assert await hall.broker.redeem_key(made["key"], "cookie", ADDRESS) == first
    other = await hall.broker.redeem_key(made["key"], "other", ADDRESS)
    assert isinstance(other, m.Refusal)
    assert other.reason == "session.key.wrong"


async def test_wrong_expired_used_and_revoked_keys_get_the_same_refusal_in_the_same_time(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    used, expired, revoked = [await anna.call("key.create", minutes=minutes) for minutes in (60, 1, 60)]
    await hall.broker.redeem_key(used["key"], "cookie", ADDRESS)
    await anna.call("key.revoke", id=revoked["id"])
    await hall.advance(61)
    answers, times = [], []
    for text in ("ABC-DEFG", used["key"], expired["key"], revoked["key"]):
        began = trio.current_time()
        answers.append(await hall.broker.redeem_key(text, "stranger", ADDRESS))
        times.append(trio.current_time() - began)
    assert answers == [m.Refusal(reason="session.key.wrong")] * 4
    assert min(times) >= 0.3, times


async def test_a_look_alike_is_explained_and_not_counted(hall: BrokerSite, mock_clock: MockClock) -> None:
    for _ in range(30):
        answer = await hall.broker.redeem_key("ABC-DEF0", "cookie", ADDRESS)
        assert answer == m.Refusal(reason="session.key.look_alikes", args={"characters": "0"})
        assert await hall.broker.redeem_key("key?", "cookie", ADDRESS) == m.Refusal(reason="session.key.no_key")
    anna = await hall.console(await hall.person("Anna"))
    assert await redeemed(hall, anna)


async def test_guessing_is_slowed_for_its_own_address_only(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    made = await anna.call("key.create")
    for _ in range(10):
        wrong = await hall.broker.redeem_key("ABC-DEFG", "cookie", "198.51.100.9")
        assert isinstance(wrong, m.Refusal)
        assert wrong.reason == "session.key.wrong"
    closed = await hall.broker.redeem_key(made["key"], "cookie", "198.51.100.9")
    assert isinstance(closed, m.Refusal)
    assert (closed.reason, closed.retry) == ("session.key.throttled", True)
    assert isinstance(await hall.broker.redeem_key(made["key"], "cookie", ADDRESS), Start)


async def test_opening_and_downloading_use_nothing_up(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    start = await redeemed(hall, anna)
    tokens = [await minted(hall, start) for _ in range(20)]
    assert len(set(tokens)) == 20
    assert all(len(token) >= 22 for token in tokens)
    await hall.broker.downloaded(start.id)
    await anna.sees("keys", lambda keys: keys[0]["state"] == "downloaded")
    customer = await hall.customer()
    assert isinstance(await customer.enter(token=tokens[7]), m.Welcome)
    progress = await hall.broker.start_state(start.id)
    assert progress is not None
    assert progress.start.state is StartState.CONNECTED


async def test_a_second_client_is_refused_and_shown_to_the_technician(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    start = await redeemed(hall, anna)
    mine, scanners = await minted(hall, start), await minted(hall, start)
    customer = await hall.customer()
    assert isinstance(await customer.enter(token=mine), m.Welcome)

    other = await hall.customer(address="198.51.100.9")
    assert await other.enter(token=scanners) == m.Refusal(reason="session.start.used")
    await other.end()
    thief = await hall.customer(address="198.51.100.9")
    assert await thief.enter(token=mine) == m.Refusal(reason="session.start.other_key")
    keys = await anna.sees("keys", lambda keys: keys[0]["note"])
    assert keys[0]["note"] == {"id": "session.start.note_second", "args": {"address": "198.51.100.9"}}
    assert not customer.over
    await hall.quiet()
    assert [row.kind for row in await hall.audit.page()].count("session.client_refused") == 2


async def test_the_bound_client_whose_welcome_was_lost_comes_in_again(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    token = await minted(hall, await redeemed(hall, anna))
    key = Ed25519PrivateKey.generate()
    first = await hall.customer(key)
    one = await first.enter(token=token)
    assert isinstance(one, m.Welcome)
    await first.leave()
    await hall.quiet()
    second = await hall.customer(key)
    two = await second.enter(token=token)
    assert isinstance(two, m.Welcome)
    assert (two.session, two.secret) == (one.session, one.secret)
    assert two.resume != one.resume
    assert len(hall.broker.sessions) == 1


async def expire(hall: BrokerSite, console: ConsoleEnd) -> None:
    await hall.advance(3601, step=60)


async def withdraw(hall: BrokerSite, console: ConsoleEnd) -> None:
    await console.call("key.revoke", id=console.state["keys"][0]["id"])


@pytest.mark.parametrize(("spoil", "reason"), [(expire, "expired"), (withdraw, "withdrawn")])
async def test_a_start_that_is_over_says_why(
    hall: BrokerSite, mock_clock: MockClock, spoil: Callable[[BrokerSite, ConsoleEnd], Awaitable[None]], reason: str
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    start = await redeemed(hall, anna)
    token = await minted(hall, start)
    await spoil(hall, anna)
    customer = await hall.customer()
    assert await customer.enter(token=token) == m.Refusal(reason=f"session.start.{reason}")
    assert await hall.broker.mint_token(start) == m.Refusal(reason="session.start.over")
    assert not hall.broker.sessions


async def test_a_token_that_never_was_is_refused_like_an_expired_one(hall: BrokerSite, mock_clock: MockClock) -> None:
    customer = await hall.customer()
    began = trio.current_time()
    assert await customer.enter(token="never-minted") == m.Refusal(reason="session.start.expired")
    assert trio.current_time() - began >= 0.3


async def test_expiry_bounds_starting_and_never_a_running_session(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await hall.advance(3580, step=9)
    assert (await anna.sees(f"session/{customer.session}"))["state"] == "active"
    assert not customer.over


async def test_keys_and_starts_survive_a_restart_and_the_key_itself_is_not_on_the_disk(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    made = await anna.call("key.create")
    token = await minted(hall, await redeemed(hall, anna))
    await hall.stop()
    await hall.start()
    assert made["key"].encode() not in (hall.store.folder / "beistand.db").read_bytes()
    anna = await hall.console(who)
    keys = await anna.sees("keys", lambda keys: len(keys) == 2)
    assert {key["display"] for key in keys} == {""}
    assert isinstance(await hall.broker.redeem_key(made["key"], "new cookie", ADDRESS), Start)
    customer = await hall.customer()
    assert isinstance(await customer.enter(token=token), m.Welcome)


async def test_the_page_learns_of_each_step(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    start = await redeemed(hall, anna)
    seen: list[tuple[StartState, bool]] = []

    async def watch() -> None:
        version = -1
        while not seen or seen[-1][0] is not StartState.ENDED:
            progress = await hall.broker.wait_change(start.id, version)
            assert progress is not None
            version = progress.version
            seen.append((progress.start.state, progress.somebody))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        token = await minted(hall, start)
        await hall.broker.downloaded(start.id)
        await hall.quiet()
        customer = await hall.customer()
        await customer.enter(token=token)
        await hall.quiet()
        await customer.tell(m.EndNow())
    steps = list(dict.fromkeys(seen))
    assert [state for state, _ in steps] == [
        StartState.OPENED,
        StartState.DOWNLOADED,
        StartState.CONNECTED,
        StartState.ENDED,
    ]
    assert all(somebody for _, somebody in steps)


async def test_the_technician_sees_which_system_has_no_client(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    start = await redeemed(hall, anna)
    await hall.broker.report_unsupported(start.id, "Windows")
    keys = await anna.sees("keys", lambda keys: keys[0]["unsupported"])
    assert keys[0]["unsupported"] == "Windows"


async def test_keys_are_their_makers_alone(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob"))
    cleo = await hall.console(await hall.person("Cleo", but=Permission.SESSION_KEYS))
    made = await anna.call("key.create")
    assert (await bob.refusal("key.revoke", id=made["id"])).reason == "session.key.unknown"
    assert (await cleo.refusal("key.create")).reason == "policy.permission.session_keys"
    await hall.quiet()
    assert bob.state["keys"] == []
    assert (await anna.call("key.create", long=True))["display"].count("-") == 2


async def test_expired_keys_are_shown_for_a_while_and_then_forgotten(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    await anna.call("key.create", minutes=1)
    await hall.advance(61)
    await anna.sees("keys", lambda keys: keys[0]["state"] == "expired")
    await anna.leave()
    await hall.advance(90_000, step=3600)
    assert hall.broker.starts.views("user-anna") == []
    kept = await hall.store.read(lambda db: db.execute("SELECT count(*) FROM session_keys").fetchone())
    assert kept == (0,)
