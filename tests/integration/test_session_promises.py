"""The promises P1, P2, P3, P5 and P6, with a real store and both sides of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from appliance.domain.permissions import Permission
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag
from appliance.wire.input import Key, ReleaseAll, pack_input, read_input
from tests.support.broker import BrokerSite, ConsoleEnd, CustomerEnd, broker_site

BEGIN = Flag.FIN | Flag.RESTART


@pytest.fixture
async def hall(tmp_path: Path, mock_clock: MockClock) -> AsyncIterator[BrokerSite]:
    async with broker_site(tmp_path / "data", mock_clock) as site:
        yield site


async def watch(console: ConsoleEnd, customer: CustomerEnd, *, ask: bool = True) -> int:
    channel = await console.open(ChannelName.SCREEN, customer.session)
    if ask:
        await customer.agrees()
    await console.until(lambda: channel in console.accepted)
    await customer.until(lambda: ChannelName.SCREEN in customer.opened)
    return channel


async def control(console: ConsoleEnd, customer: CustomerEnd, *, ask: bool = True) -> int:
    if ask:
        await console.call("control.request", session=customer.session)
        await customer.agrees()
    topic, me = f"session/{customer.session}", console.who.user.id
    await console.sees(topic, lambda state: state["controller"] == me)
    channel = await console.opens(ChannelName.INPUT, customer.session)
    await customer.until(lambda: ChannelName.INPUT in customer.opened)
    return channel


def key_down(letter: str) -> bytes:
    return pack_input([Key(ord(letter), True)], at=0)


def events(customer: CustomerEnd) -> list[object]:
    channel = customer.opened.get(ChannelName.INPUT, -1)
    return [event for one in customer.messages(channel) for event in read_input(one).events]


# -- P1 ---------------------------------------------------------------------------------------------------------


async def test_P1_a_customer_who_is_gone_without_a_word_is_noticed_within_30_seconds(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    topic = f"session/{customer.session}"
    await anna.sees(topic, lambda state: state["state"] == "active")
    customer.stream.frozen = True
    await hall.advance(29)
    assert anna.state[topic]["state"] == "active"
    await hall.advance(3)
    state = await anna.sees(topic, lambda state: state["state"] == "lost")
    assert state["customer"]["connected"] is False
    assert state["resume_until"] == pytest.approx(hall.now() + 300, abs=3)
    assert hall.serving == 1


async def test_P1_a_quiet_customer_who_answers_pings_is_not_lost(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await hall.advance(120, step=5)
    assert anna.state[f"session/{customer.session}"]["state"] == "active"
    assert not customer.over


# -- P2 ---------------------------------------------------------------------------------------------------------


async def test_P2_the_customer_comes_back_within_five_minutes_and_is_not_asked_again(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    screen = await watch(anna, customer)
    await control(anna, customer)
    secret = next(one for one in customer.heard if isinstance(one, m.Welcome)).secret
    words = anna.state[f"session/{customer.session}"]["words"]
    await customer.leave()
    away = await anna.refused(screen)
    assert (away.reason, away.retry) == ("session.customer_away", True)
    await hall.advance(290, step=5)

    back = await hall.back(customer)
    state = await anna.sees(f"session/{customer.session}", lambda state: state["state"] == "active")
    assert state["words"] == words
    assert next(one for one in back.heard if isinstance(one, m.Welcome)).secret == secret
    again = await watch(anna, back, ask=False)
    await back.send(back.opened[ChannelName.SCREEN], b"picture", BEGIN)
    assert await anna.message(again, 0) == b"picture"
    await control(anna, back, ask=False)
    assert not [one for one in back.heard if isinstance(one, m.ConsentAsk)]


async def test_P2_after_five_minutes_the_session_has_ended(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await customer.leave()
    await hall.advance(302, step=5)
    state = await anna.sees(f"session/{customer.session}", lambda state: state["ended"])
    assert state["ended"]["id"] == "session.ended.customer_lost"
    late = await hall.customer(customer.key)
    resume = m.Resume(session=customer.session, token=customer.resume)
    assert await late.enter(resume=resume) == m.Refusal(reason="session.ended.customer_lost")


async def test_P2_only_the_same_key_with_the_newest_token_comes_back(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    first = customer.resume
    thief = await hall.customer(Ed25519PrivateKey.generate())
    resume = m.Resume(session=customer.session, token=first)
    assert await thief.enter(resume=resume) == m.Refusal(reason="session.resume.refused")
    assert not customer.over, "a thief with the token but another key throws nobody out"

    second = await hall.back(customer)
    await customer.end()
    third = await hall.back(second)
    assert len({first, second.resume, third.resume}) == 3
    old = await hall.customer(customer.key)
    assert await old.enter(resume=resume) == m.Refusal(reason="session.resume.refused")
    assert not third.over
    # The welcome with the newest token may have been lost: the one before is still good.
    lost = await hall.back(second)
    assert lost.session == customer.session


async def test_P2_a_reloaded_tab_has_its_sessions_and_its_control_back(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    await control(anna, customer)
    await anna.leave()
    view = await customer.next(m.SessionView, state="lost")
    assert (view.technicians, view.controller, view.shared) == ([], None, [])
    await hall.advance(30)
    again = await hall.console(who)
    state = await again.sees(f"session/{customer.session}", lambda state: state["state"] == "active")
    assert state["controller"] == "user-anna"
    await watch(again, customer, ask=False)
    await control(again, customer, ask=False)
    await customer.next(m.SessionView, state="active", shared=[m.Tool.SCREEN, m.Tool.CONTROL])


async def test_P2_both_sides_come_back_after_a_restart_of_the_appliance(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    chat = await customer.opens(ChannelName.CHAT, customer.session)
    await customer.send(chat, m.encode(m.ChatSend(id="message-1", text="one")))
    await customer.message(chat, 0)
    await anna.call("notes.save", session=customer.session, text="so far")
    before = anna.state[f"session/{customer.session}"]
    await hall.stop()
    await customer.leave()
    await anna.leave()
    assert hall.recorders[0].closed == "", "a restart ends no recording"
    await hall.start()

    back = await hall.back(customer)
    view = await back.next(m.SessionView)
    assert view.state == "lost"
    anna = await hall.console(who)
    state = await anna.sees(f"session/{customer.session}", lambda state: state["state"] == "active")
    same = ("words", "granted", "notes", "since", "key_id")
    assert {key: state[key] for key in same} == {key: before[key] for key in same}
    await watch(anna, back, ask=False)
    replayed = await back.opens(ChannelName.CHAT, customer.session)
    assert m.decode(await back.message(replayed, 0), m.ChatMessage).text == "one"


async def test_P2_a_technician_who_stays_away_falls_back_and_consent_goes_with_them(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob", teams=("night",)))
    await hall.settings.change(fallback_team_id="night")
    await hall.advance(61, step=5)
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    await anna.leave()
    await hall.advance(303, step=5)
    view = await customer.next(m.SessionView, state="waiting")
    assert view.fallback
    queue = await bob.sees("queue", len)
    assert (queue[0]["queue"], queue[0]["issuer"], queue[0]["reason"]["id"]) == (
        "fallback",
        "Anna",
        "policy.route.fallback",
    )
    await bob.call("session.accept", session=customer.session)
    state = await bob.sees(f"session/{customer.session}", lambda state: state["state"] == "active")
    assert state["granted"] == []
    await watch(bob, customer)


async def test_P2_without_anybody_to_fall_back_to_the_session_ends(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await anna.leave()
    await hall.advance(303, step=5)
    assert (await customer.next(m.SessionEnded)).reason == "session.ended.technician_lost"


# -- P3 ---------------------------------------------------------------------------------------------------------


async def test_P3_a_key_that_could_not_be_delivered_is_never_delivered(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    keys = await control(anna, customer)
    await anna.send(keys, key_down("a"))
    await customer.until(lambda: events(customer) == [Key(ord("a"), True)])
    before = read_input(customer.messages(customer.opened[ChannelName.INPUT])[0]).epoch
    await customer.leave()
    await anna.until(lambda: keys in anna.closed)
    await anna.call("client.state")
    back = await hall.back(customer)
    again = await control(anna, back, ask=False)
    await anna.send(again, key_down("c"))
    await back.until(lambda: bool(events(back)))
    await hall.quiet()
    assert events(back) == [Key(ord("c"), True)]
    after = read_input(back.messages(back.opened[ChannelName.INPUT])[0]).epoch
    assert after > before, "the client knows that a new stretch begins, and lets go of what it holds"


async def test_P3_modifiers_are_released_when_the_technicians_tab_is_lost(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    keys = await control(anna, customer)
    await anna.send(keys, pack_input([Key(0xFFE1, True)], at=0))
    target = customer.opened[ChannelName.INPUT]
    await customer.message(target, 0)
    await anna.leave()
    # The channel is closed, with which the client lets go of everything; or it is told to.
    await customer.until(lambda: target in customer.closed or ReleaseAll() in events(customer))


async def test_P3_chat_arrives_exactly_once_over_losses_on_both_sides(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.in_session(anna)
    theirs = await customer.opens(ChannelName.CHAT, customer.session)
    for number in range(3):
        await customer.send(theirs, m.encode(m.ChatSend(id=f"message-{number}", text=str(number))))
    await customer.message(theirs, 2)
    await customer.leave()
    back = await hall.back(customer)
    # Its acknowledgements may have been lost: it says the last two again, and goes on.
    chat = await back.opens(ChannelName.CHAT, back.session, after=3)
    for number in (1, 2, 3):
        await back.send(chat, m.encode(m.ChatSend(id=f"message-{number}", text=str(number))))
    acknowledged = [m.decode(await back.message(chat, number), m.ChatStored).seq for number in range(3)]
    assert acknowledged == [2, 3, 4]
    mine = await anna.opens(ChannelName.CHAT, customer.session)
    texts = [m.decode(await anna.message(mine, number), m.ChatMessage).text for number in range(4)]
    await hall.quiet()
    assert texts == ["0", "1", "2", "3"]
    assert len(anna.messages(mine)) == 4
    await anna.leave()
    anna = await hall.console(who)
    rest = await anna.opens(ChannelName.CHAT, customer.session, after=3)
    assert m.decode(await anna.message(rest, 0), m.ChatMessage).text == "3"


# -- P5 ---------------------------------------------------------------------------------------------------------


async def test_P5_an_observer_who_takes_nothing_slows_neither_controller_nor_recorder(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna, capacity=2**24)
    screen = await watch(anna, customer)
    lea = await hall.console(await hall.person("Lea", Permission.OBSERVE))
    await lea.call("session.observe", session=customer.session)
    view = await lea.opens(ChannelName.SCREEN, customer.session)
    source = customer.opened[ChannelName.SCREEN]
    await customer.send(source, b"begin", BEGIN)
    await lea.message(view, 0)
    lea.stream.frozen = True
    piece = b"x" * 60_000
    for _ in range(200):  # 12 MB, three windows
        await customer.send(source, piece)
    await anna.until(lambda: len(anna.messages(screen)) == 201)
    assert len(hall.recorders[0].frames) >= 201
    held = hall.broker.sessions[customer.session].sharing
    queued = [port.queued for port in held._ports(ChannelName.SCREEN)]
    assert max(queued) < 4 * 1024 * 1024, "what a reader that stalls makes us hold is bounded"
    await hall.advance(16)
    assert lea.stream.other.closed, "cut after 15 seconds"
    await customer.send(source, b"after", BEGIN)
    assert await anna.message(screen, 201) == b"after"


async def test_P5_a_slow_observer_is_left_out_and_comes_in_again_at_a_restart_point(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    lea = await hall.console(await hall.person("Lea", Permission.OBSERVE))
    await lea.call("session.observe", session=customer.session)
    lea.takes = False
    view = await lea.opens(ChannelName.SCREEN, customer.session)
    source = customer.opened[ChannelName.SCREEN]
    await customer.send(source, b"begin", BEGIN)
    for number in range(150):
        await customer.send(source, bytes([number]) * 60_000)
    await hall.quiet()
    got = len(lea.messages(view))
    assert 60 < got < 110
    lea.takes = True
    lea.connection.consumed(view, sum(len(data) for data, _ in lea.frames[view]))
    await lea.flush()
    await customer.until(lambda: sum(isinstance(one, m.ScreenRestart) for one in customer.heard) == 1)
    await customer.send(source, b"whole picture", BEGIN)
    await lea.until(lambda: lea.messages(view)[-1] == b"whole picture")
    whole = lea.messages(view)
    numbers = [one[0] for one in whole[1:-1]]
    assert numbers == sorted(numbers), "no part of the stream in between was left out"
    assert numbers == list(range(len(numbers)))


async def test_P5_a_client_that_floods_is_held_at_its_window(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    anna.takes = False
    source = customer.opened[ChannelName.SCREEN]
    customer.connection.send(source, b"x" * 40_000_000, BEGIN)
    with trio.move_on_after(1):
        await customer.flush()
    await hall.quiet()
    assert customer.connection.queued(source) > 20_000_000, "the rest stays with whoever sends too much"


async def test_P5_a_pacing_tab_that_hangs_loses_its_picture_and_not_the_others_theirs(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    who = await hall.person("Anna")
    hung, good = await hall.console(who), await hall.console(who)
    customer = await hall.in_session(hung)
    first = await watch(hung, customer)
    second = await watch(good, customer, ask=False)
    source = customer.opened[ChannelName.SCREEN]
    hung.takes = False
    await customer.send(source, b"begin", BEGIN)
    customer.connection.send(source, b"x" * 9_000_000)
    await customer.flush()
    await hall.advance(18)
    assert (await hung.refused(first)).reason == "session.screen.stalled"
    await good.until(lambda: len(good.messages(second)) == 2)


# -- P6 ---------------------------------------------------------------------------------------------------------


async def test_P6_with_no_technician_left_control_stops_and_nothing_is_shared(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    who = await hall.person("Anna")
    anna = await hall.console(who)
    customer = await hall.in_session(anna)
    await watch(anna, customer)
    await control(anna, customer)
    await customer.next(m.SessionView, shared=[m.Tool.SCREEN, m.Tool.CONTROL])
    hall.broker.on_signed_out(who.user.id, who.session_id)
    await anna.end()
    view = await customer.next(m.SessionView, state="lost", controller=None)
    assert (view.viewers, view.shared, view.technicians) == ([], [], [])
    await customer.until(lambda: not customer.opened)


async def test_P6_a_technician_who_leaves_hands_the_customer_back_to_the_queue(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    await hall.settings.change(fallback_team_id="night")
    bob = await hall.console(await hall.person("Bob", teams=("night",)))
    await hall.advance(61, step=5)
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    screen = await watch(anna, customer)
    await anna.call("session.leave", session=customer.session)
    assert (await anna.refused(screen)).reason == "policy.member.none"
    await anna.until(lambda: f"session/{customer.session}" not in anna.state)
    await anna.sees("queue", len)  # her own key's customer is called for her again
    await customer.next(m.SessionView, state="offered")
    assert not bob.state["queue"]
    await anna.leave()
    await hall.advance(21)
    await bob.sees("queue", len)
    assert (await customer.next(m.SessionView, state="waiting", fallback=True)).position == 1
