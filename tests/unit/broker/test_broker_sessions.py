"""Queues, presence, limits, and what happens when the disk is full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
import trio
from sqlite_utils import Database
from trio.testing import MockClock

from appliance.broker.calls import CALLS
from appliance.domain.permissions import Permission
from appliance.identity import SignedIn
from appliance.store import StoreError
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.frames import FrameType
from tests.support.broker import BrokerSite, ConsoleEnd, CustomerEnd

T = TypeVar("T")


# -- queues -----------------------------------------------------------------------------------------------------


async def test_whose_key_it_was_is_called_and_nobody_else_sees_it(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob"))
    customer = await hall.waiting(anna)
    await anna.sees("queue", len)
    await hall.quiet()
    assert bob.state["queue"] == []
    assert (await bob.refusal("session.accept", session=customer.session)).reason == "session.accept.gone"
    assert (await bob.refusal("session.end", session=customer.session)).reason == "policy.member.none"


async def fallback(hall: BrokerSite) -> ConsoleEnd:
    await hall.settings.change(fallback_team_id="night")
    bob = await hall.console(await hall.person("Bob", teams=("night",)))
    await hall.advance(61, step=5)
    return bob


async def test_with_the_issuer_signed_out_the_fallback_queue_has_the_customer_and_they_are_told(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    bob = await fallback(hall)
    who = await hall.person("Anna")
    anna = await hall.console(who)
    token = await hall.token(anna, "cookie")
    await anna.leave()
    hall.broker.on_signed_out(who.user.id, who.session_id)
    start = await hall.broker.start_of("cookie")
    assert start is not None
    assert start.fallback
    customer = await hall.customer()
    await customer.enter(token=token)
    view = await customer.next(m.SessionView, state="waiting", fallback=True)
    assert view.position == 1
    await bob.sees("queue", len)
    await bob.call("session.accept", session=customer.session)
    await customer.next(m.SessionView, state="active", fallback=False)


async def test_reloading_the_only_tab_gives_no_customer_away(hall: BrokerSite, mock_clock: MockClock) -> None:
    bob = await fallback(hall)
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.waiting(anna)
    await anna.leave()
    await hall.advance(10)
    assert bob.state["queue"] == []
    anna = await hall.console(who)
    await anna.sees("queue", len)
    await anna.call("session.accept", session=customer.session)


async def test_where_nobody_is_there_it_is_said_plainly(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.waiting(anna)
    await anna.leave()
    await hall.advance(22)
    assert (await customer.next(m.Notice)).id == "session.waiting.nobody"
    await customer.next(m.SessionView, state="waiting")
    anna = await hall.console(who)
    await customer.next(m.SessionView, state="offered")
    await anna.sees("queue", len)


async def test_positions_count_within_a_queue_and_move_up(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    first, second = await hall.waiting(anna), await hall.waiting(anna)
    await second.next(m.SessionView, position=2)
    queue = await anna.sees("queue", lambda queue: len(queue) == 2)
    assert [item["session"] for item in queue] == [first.session, second.session]
    await first.tell(m.EndNow())
    await second.next(m.SessionView, position=1)


async def test_a_waiting_customer_who_is_lost_and_back_waits_on(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.waiting(anna)
    await customer.leave()
    await anna.sees("queue", lambda queue: not queue)
    back = await hall.back(customer)
    await back.next(m.SessionView, state="offered", position=1)


async def test_of_two_who_accept_one_gets_it(hall: BrokerSite, mock_clock: MockClock) -> None:
    bob = await fallback(hall)
    cleo = await hall.console(await hall.person("Cleo", teams=("night",)))
    await hall.advance(61, step=5)
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.waiting(anna)
    await anna.leave()
    await hall.advance(21)
    replies: list[m.Reply] = []

    async def accept(console: ConsoleEnd) -> None:
        replies.append(await console.reply("session.accept", session=customer.session))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, bob)
        nursery.start_soon(accept, cleo)
    assert sorted(reply.refusal.reason if reply.refusal else "" for reply in replies) == ["", "session.accept.gone"]


async def test_presence_is_seen_by_all_and_ends_with_the_last_tab(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob"))
    await anna.call("presence.set", presence="busy")
    people = await bob.sees(
        "technicians", lambda people: {"id": "user-anna", "name": "Anna", "presence": "busy"} in people
    )
    assert [person["name"] for person in people] == ["Anna", "Bob"]
    await anna.sees("me", lambda me: me["presence"] == "busy")
    await anna.leave()
    await bob.sees("technicians", lambda people: [person["name"] for person in people] == ["Bob"])


async def test_one_console_holds_several_sessions(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customers = [await hall.in_session(anna) for _ in range(3)]
    for customer in customers:
        channel = await anna.open(ChannelName.SCREEN, customer.session)
        await customer.agrees()
        await anna.until(lambda channel=channel: channel in anna.accepted)
    assert sum(topic.startswith("session/") for topic in anna.state) == 3


async def test_state_comes_by_itself_and_whole_when_asked_for(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    await anna.sees("queue")
    before = len([one for one in anna.heard if isinstance(one, m.Update)])
    await hall.advance(60, step=5)
    assert len([one for one in anna.heard if isinstance(one, m.Update)]) == before, "nothing new, nothing sent"
    await anna.call("client.state")
    await hall.quiet()
    again = [one.topic for one in anna.heard if isinstance(one, m.Update)][before:]
    assert sorted(again) == ["keys", "me", "queue", "technicians"]


# -- limits -----------------------------------------------------------------------------------------------------


async def test_a_session_in_which_nothing_happens_ends(hall: BrokerSite, mock_clock: MockClock) -> None:
    await hall.settings.change(session_idle_minutes=5)
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await hall.advance(200, step=5)
    await anna.call("notes.save", session=customer.session, text="still here")
    await hall.advance(200, step=5)
    assert anna.state[f"session/{customer.session}"]["state"] == "active"
    await hall.advance(105, step=5)
    assert (await customer.next(m.SessionEnded)).reason == "session.ended.idle"


async def test_no_session_lasts_for_ever(hall: BrokerSite, mock_clock: MockClock) -> None:
    await hall.settings.change(session_hours=1, session_idle_minutes=600)
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await hall.advance(3602, step=9)
    assert (await customer.next(m.SessionEnded)).reason == "session.ended.too_long"


async def test_the_wall_clock_may_jump(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    for offset in (-3600.0, 31_536_000.0, -31_536_000.0):
        hall.wall_offset = offset
        await hall.advance(10)
        assert anna.state[f"session/{customer.session}"]["state"] == "active"
    await customer.leave()
    await hall.back(customer)


async def test_nothing_is_left_running_after_the_end(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    before = tasks()
    for _ in range(3):
        customer = await hall.in_session(anna)
        channel = await anna.open(ChannelName.SCREEN, customer.session)
        await customer.agrees()
        await anna.until(lambda channel=channel: channel in anna.accepted)
        await anna.call("session.end", session=customer.session, reason="unsolved")
        await customer.end()
        await anna.call("session.leave", session=customer.session)
    await hall.advance(5)
    assert tasks() == before
    assert not hall.broker.sessions


def tasks() -> int:
    """All tasks that live."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    todo, count = [root], 0
    while todo:
        task = todo.pop()
        count += 1
        for nursery in task.child_nurseries:
            todo += nursery.child_tasks
    return count


# -- who may ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_every_call_is_refused_without_its_permission(hall: BrokerSite, mock_clock: MockClock, name: str) -> None:
    nobody = await hall.person("Nobody")
    admin = msgspec.structs.replace(nobody.user, permissions=frozenset({Permission.SITE_ADMIN}))
    console = await hall.console(SignedIn(admin, nobody.session_id, nobody.csrf, nobody.address))
    assert (await console.refusal(name)).reason.startswith("policy.permission.")


async def test_calls_of_another_shape_are_refused_and_change_nothing(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    assert (await anna.refusal("no.such")).reason == "session.call.unknown"
    assert (await anna.refusal("session.accept")).reason == "session.call.params"
    assert (await anna.refusal("session.accept", session="../../etc")).reason == "session.call.params"
    assert (await anna.refusal("key.create", minutes=10**9)).reason == "session.call.params"
    customer = await hall.in_session(anna)
    assert (await anna.refusal("session.end", session=customer.session, reason="idle")).reason == "session.call.params"
    assert (await anna.refusal("notes.save", session=customer.session, text="x" * 30_000)).reason == (
        "session.call.params"
    )
    assert not customer.over


async def test_a_signed_out_technicians_tabs_are_cut_and_others_stay(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    bob = await hall.console(await hall.person("Bob"))
    hall.broker.on_signed_out(who.user.id, "another session")
    await hall.quiet()
    assert not anna.over
    hall.broker.on_signed_out(who.user.id, who.session_id)
    await anna.end()
    assert not bob.over


async def test_past_sessions_are_ones_own_or_with_the_permission_everybodys(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob"))
    boss = await hall.console(await hall.person("Boss", Permission.RECORDINGS_ALL))
    customer = await hall.in_session(anna)
    await anna.call("session.end", session=customer.session, reason="solved")
    counts = [len((await one.call("recordings.list"))["sessions"]) for one in (anna, bob, boss)]
    assert counts == [1, 0, 1]


# -- the disk ---------------------------------------------------------------------------------------------------


async def test_with_the_disk_full_sessions_go_on_and_new_ones_are_refused_with_the_reason(
    hall: BrokerSite, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    token = await hall.token(anna)
    made = await anna.call("key.create")
    real = type(hall.store).write

    async def full(self: object, fn: Callable[[Database], T]) -> T:
        raise StoreError("store.disk_full", path="beistand.db")

    monkeypatch.setattr(type(hall.store), "write", full)
    screen = await anna.open(ChannelName.SCREEN, customer.session)
    await customer.agrees()
    await anna.until(lambda: screen in anna.accepted)
    chat = await anna.opens(ChannelName.CHAT, customer.session)
    await anna.send(chat, m.encode(m.ChatSend(id="message-1", text="hello")))
    assert (await anna.next(m.Notice)).id == "session.chat.not_stored"

    refusal = await anna.refusal("key.create")
    assert (refusal.reason, refusal.retry) == ("session.not_stored.disk_full", True)
    typed = await hall.broker.redeem_key(made["key"], "cookie", "192.0.2.7")
    assert isinstance(typed, m.Refusal)
    assert (typed.reason, typed.retry) == ("session.not_stored.disk_full", True)
    newcomer = await hall.customer()
    assert (await newcomer.enter(token=token)).reason == "session.not_stored.disk_full"  # type: ignore[union-attr]

    await customer.leave()
    back = await hall.back(customer)
    assert back.resume == customer.resume, "a token that could not be kept is not given out"
    await anna.sees(f"session/{customer.session}", lambda state: state["state"] == "active")

    monkeypatch.setattr(type(hall.store), "write", real)
    await hall.advance(6)
    stored = m.decode(await anna.message(chat, 0), m.ChatStored)
    assert stored.id == "message-1", "what could not be stored is stored by itself once there is room"
    assert await anna.call("key.create")
    again = await hall.back(back)
    assert again.resume != back.resume
    await hall.quiet()
    kinds = [row.kind for row in await hall.audit.page()]
    assert kinds.count("session.consent") == 1, "what happened meanwhile was written down later"


# -- peers that do not keep to it -------------------------------------------------------------------------------


async def test_a_peer_that_says_nothing_is_cut(hall: BrokerSite, mock_clock: MockClock) -> None:
    customer = await hall.customer()
    await hall.advance(16)
    assert customer.over
    assert hall.serving == 0


async def test_a_foreign_version_is_told_which_one_we_speak(hall: BrokerSite, mock_clock: MockClock) -> None:
    customer = await hall.customer()
    await customer.next(m.Greeting)
    customer.connection.handshake(FrameType.HELLO, m.encode(m.Hello(version=9, kind=m.PeerKind.CUSTOMER)))
    await customer.flush()
    assert (await customer.next(m.Refusal)) == m.Refusal(reason="session.hello.version", args={"ours": 1, "theirs": 9})
    await customer.end()


async def test_a_customer_cannot_open_anothers_channels(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    one, other = await hall.in_session(anna), await hall.in_session(anna)
    for name, session in ((ChannelName.CHAT, other.session), (ChannelName.SCREEN, one.session)):
        channel = await one.open(name, session)
        assert (await one.refused(channel)).reason == "policy.customer.shares"


async def test_what_a_customer_says_about_itself_is_only_shown(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer: CustomerEnd = await hall.in_session(anna)
    await customer.tell(m.ConsentAnswer(id="never-asked", outcome=m.Consent.GRANTED))
    await customer.tell(m.StopSharing(tools=[m.Tool.FILES]))
    await hall.quiet()
    assert anna.state[f"session/{customer.session}"]["granted"] == []
    assert not customer.over
