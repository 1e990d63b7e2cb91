"""What a customer shares, and with whom: consent, channels, control."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from appliance.domain.permissions import Permission
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag
from appliance.wire.input import Key, ReleaseAll, pack_input, read_input
from tests.support.broker import BrokerSite, ConsoleEnd, CustomerEnd

BEGIN = Flag.FIN | Flag.RESTART


async def watching(console: ConsoleEnd, customer: CustomerEnd) -> int:
    """The console's screen channel, agreed to by the customer."""
    channel = await console.open(ChannelName.SCREEN, customer.session)
    await customer.agrees()
    await console.until(lambda: channel in console.accepted)
    await customer.until(lambda: ChannelName.SCREEN in customer.opened)
    return channel


async def controlling(console: ConsoleEnd, customer: CustomerEnd) -> int:
    """The console's input channel, agreed to by the customer."""
    await console.call("control.request", session=customer.session)
    await customer.agrees()
    topic = f"session/{customer.session}"
    await console.sees(topic, lambda state: state["controller"] == console.who.user.id)
    channel = await console.opens(ChannelName.INPUT, customer.session)
    await customer.until(lambda: ChannelName.INPUT in customer.opened)
    return channel


def typed(customer: CustomerEnd) -> list[object]:
    """All input that reached the client, over all channels, in order."""
    out: list[object] = []
    for channel in customer.frames:
        if channel == customer.opened.get(ChannelName.INPUT):
            out += [event for message in customer.messages(channel) for event in read_input(message).events]
    return out


@pytest.mark.parametrize("outcome", [m.Consent.DENIED, m.Consent.TIMEOUT, m.Consent.NOBODY, m.Consent.LOCKED])
async def test_what_the_customer_does_not_grant_is_neither_opened_nor_recorded(
    hall: BrokerSite, mock_clock: MockClock, outcome: m.Consent
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    channel = await anna.open(ChannelName.SCREEN, customer.session)
    await customer.agrees(outcome)
    assert (await anna.refused(channel)).reason == f"session.consent.{outcome.value}"
    state = await anna.sees(f"session/{customer.session}", lambda state: state["denied"])
    assert state["denied"] == {"screen": outcome.value}
    assert state["tools"]["screen"]["rule"]["id"] == f"policy.consent.after_{outcome.value}"
    await hall.quiet()
    assert not customer.opened
    assert hall.recorders[0].frames == []
    kinds = [(row.kind, row.details.get("outcome")) for row in await hall.audit.page()]
    assert ("session.consent", outcome.value) in kinds


async def test_a_question_without_an_answer_times_out(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    channel = await anna.open(ChannelName.SCREEN, customer.session)
    asked = await customer.next(m.ConsentAsk)
    assert (asked.seconds, asked.technician.name) == (pytest.approx(60, abs=1), "Anna")
    await hall.advance(64, step=5)
    assert (await anna.refused(channel)).reason == "session.consent.timeout"
    assert (await customer.next(m.ConsentCancelled)).id == asked.id
    await customer.tell(m.ConsentAnswer(id=asked.id, outcome=m.Consent.GRANTED))
    await hall.quiet()
    assert not customer.opened, "an answer that comes too late grants nothing"


async def test_the_customer_is_asked_once_where_the_site_says_so(hall: BrokerSite, mock_clock: MockClock) -> None:
    await hall.settings.change(consent_once=True)
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    assert next(one for one in customer.heard if isinstance(one, m.Welcome)).consent_once
    channel = await anna.open(ChannelName.SCREEN, customer.session)
    assert (await customer.agrees()).tools == [m.Tool.CLIPBOARD, m.Tool.CONTROL, m.Tool.SCREEN]
    await anna.until(lambda: channel in anna.accepted)
    assert (await anna.call("control.request", session=customer.session))["granted"]


async def test_a_tool_that_the_technician_may_not_use_is_never_asked_for(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna", but=Permission.CONTROL))
    customer = await hall.in_session(anna)
    assert (await anna.refusal("control.request", session=customer.session)).reason == "policy.permission.control"
    asking = await anna.refusal("session.request", session=customer.session, tools=["screen", "control"])
    assert asking.reason == "policy.permission.control"
    channel = await anna.open(ChannelName.INPUT, customer.session)
    assert (await anna.refused(channel)).reason == "policy.permission.control"
    await hall.quiet()
    assert not [one for one in customer.heard if isinstance(one, m.ConsentAsk)]


async def test_the_customer_stops_sharing_at_once(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    screen = await watching(anna, customer)
    keys = await controlling(anna, customer)
    view = await customer.next(m.SessionView, shared=[m.Tool.SCREEN, m.Tool.CONTROL])
    assert (view.controller, view.viewers) == ("user-anna", ["user-anna"])
    await customer.tell(m.StopSharing(tools=[m.Tool.SCREEN]))
    assert (await anna.refused(screen)).reason == "session.stopped_sharing"
    await anna.until(lambda: keys in anna.closed)
    await customer.next(m.SessionView, shared=[])
    await customer.until(lambda: not customer.opened)
    state = await anna.sees(f"session/{customer.session}", lambda state: state["controller"] is None)
    assert state["denied"] == {"screen": "denied", "clipboard": "denied", "control": "denied"}
    told = [event for event in hall.recorders[0].events if event[0].startswith("consent.")]
    assert told[-1] == ("consent.stopped", {"tools": "clipboard control screen"})
    again = await anna.open(ChannelName.SCREEN, customer.session)
    await customer.next(m.ConsentAsk)
    assert again not in anna.accepted


async def test_end_now_ends_at_once_for_both(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    screen = await watching(anna, customer)
    await customer.tell(m.EndNow())
    assert (await customer.next(m.SessionEnded)).reason == "session.ended.customer"
    await customer.end()
    assert (await anna.refused(screen)).reason == "policy.session.ended"
    state = await anna.sees(f"session/{customer.session}", lambda state: state["ended"])
    assert (state["state"], state["ended"]["id"]) == ("ended", "session.ended.customer")
    await anna.call("notes.save", session=customer.session, text="Router neu gestartet")
    await anna.call("session.leave", session=customer.session)
    await hall.advance(2)
    assert f"session/{customer.session}" not in anna.state
    assert not hall.broker.sessions
    past = (await anna.call("recordings.list"))["sessions"][0]
    assert (past["host"], past["reason"]["id"], past["recording"]) == ("laptop", "session.ended.customer", True)
    assert past["notes"] == "Router neu gestartet"


async def test_an_observer_sees_from_the_next_restart_point_and_touches_nothing(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    lead = await hall.console(await hall.person("Lea", Permission.OBSERVE))
    customer = await hall.in_session(anna)
    screen = await watching(anna, customer)
    source = customer.opened[ChannelName.SCREEN]
    await customer.send(source, b"full picture", BEGIN)
    running = await lead.call("sessions.list")
    assert [one["technician"] for one in running] == ["Anna"]

    early = await lead.open(ChannelName.SCREEN, customer.session)
    assert (await lead.refused(early)).reason == "policy.member.none"
    await lead.call("session.observe", session=customer.session)
    assert [one.name for one in (await customer.next(m.SessionView, viewers=["user-anna"])).technicians]
    view = await lead.opens(ChannelName.SCREEN, customer.session)
    await customer.next(m.ScreenRestart)
    names = {one.name for one in (await customer.next(m.SessionView, viewers=["user-anna", "user-lea"])).technicians}
    assert names == {"Anna", "Lea"}, "the customer sees who looks on"
    await customer.send(source, b"change")
    await customer.send(source, b"new picture", BEGIN)
    assert await lead.message(view, 0) == b"new picture"
    assert await anna.message(screen, 2) == b"new picture"

    keys = await lead.open(ChannelName.INPUT, customer.session)
    assert (await lead.refused(keys)).reason == "policy.observer.not_shared"
    assert (await lead.refusal("session.end", session=customer.session)).reason == "policy.owner.only"
    asking = await lead.refusal("session.request", session=customer.session, tools=["screen"])
    assert asking.reason == "policy.owner.only"
    chat = await lead.opens(ChannelName.CHAT, customer.session)
    await lead.send(chat, m.encode(m.ChatSend(id="from-lea-1", text="hello")))
    await hall.quiet()
    count = await hall.store.read(lambda db: db.execute("SELECT count(*) FROM chat").fetchone())
    assert count == (0,), "an observer only reads"


async def test_only_the_controller_types(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    anna, tab = await hall.console(who), await hall.console(who)
    lead = await hall.console(await hall.person("Lea", Permission.OBSERVE))
    customer = await hall.in_session(anna)
    early = await anna.open(ChannelName.INPUT, customer.session)
    await customer.agrees()
    assert (await anna.refused(early)).reason == "policy.control.not_controller"
    keys = await controlling_granted(anna, customer)
    await anna.send(keys, pack_input([Key(0x61, True)], at=0))

    await lead.call("session.observe", session=customer.session)
    asked = await lead.call("control.request", session=customer.session)
    assert asked == {"granted": False, "asking": []}
    assert (await anna.next(m.Notice)).args == {"name": "Lea"}
    assert (await lead.refusal("control.take", session=customer.session)).reason == "policy.control.owner_takes"
    denied = await lead.open(ChannelName.INPUT, customer.session)
    assert (await lead.refused(denied)).reason == "policy.control.not_controller"

    await anna.call("control.give_back", session=customer.session)
    assert (await anna.refused(keys)).reason == "session.control.ended"
    await lead.sees(f"session/{customer.session}", lambda state: state["controller"] == "user-lea")
    leads = await lead.opens(ChannelName.INPUT, customer.session)
    await lead.send(leads, pack_input([Key(0x62, True)], at=0))
    await customer.until(lambda: Key(0x62, True) in typed(customer))
    events = typed(customer)
    assert events == [Key(0x61, True), ReleaseAll(), Key(0x62, True)]
    assert not tab.over

    assert (await anna.call("control.take", session=customer.session))["granted"]
    assert (await lead.refused(leads)).reason == "session.control.ended"


async def controlling_granted(console: ConsoleEnd, customer: CustomerEnd) -> int:
    """The input channel where the customer has agreed already."""
    assert (await console.call("control.request", session=customer.session))["granted"]
    channel = await console.opens(ChannelName.INPUT, customer.session)
    await customer.until(lambda: ChannelName.INPUT in customer.opened)
    return channel


async def test_another_tab_takes_the_keyboard_over(hall: BrokerSite, mock_clock: MockClock) -> None:
    who = await hall.person("Anna")
    one, two = await hall.console(who), await hall.console(who)
    customer = await hall.in_session(one)
    keys = await controlling(one, customer)
    await two.opens(ChannelName.INPUT, customer.session)
    assert (await one.refused(keys)).reason == "session.control.elsewhere"


async def test_epochs_grow_so_that_nothing_of_another_controller_is_applied(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    keys = await controlling(anna, customer)
    await anna.send(keys, pack_input([Key(0x61, True)], at=0))
    await customer.until(lambda: Key(0x61, True) in typed(customer))
    await anna.call("control.give_back", session=customer.session)
    again = await controlling_granted(anna, customer)
    await anna.send(again, pack_input([Key(0x62, True)], at=0))
    target = customer.opened[ChannelName.INPUT]
    await customer.until(lambda: target in customer.frames)
    every = list(customer.frames)
    await customer.until(lambda: Key(0x62, True) in typed(customer))
    epochs = [read_input(one).epoch for channel in every for one in customer.messages(channel)]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) >= 2


async def test_clipboard_text_goes_both_ways_and_only_the_newest_counts(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    channel = await anna.open(ChannelName.CLIPBOARD, customer.session)
    assert m.Tool.CLIPBOARD in (await customer.agrees()).tools
    await anna.until(lambda: channel in anna.accepted)
    await customer.until(lambda: ChannelName.CLIPBOARD in customer.opened)
    theirs = customer.opened[ChannelName.CLIPBOARD]
    await anna.send(channel, m.encode(m.ClipboardText(text="grüße 🧅")))
    assert m.decode(await customer.message(theirs, 0), m.ClipboardText).text == "grüße 🧅"
    big = "x" * 600_000
    customer.takes = False
    for number in range(5):
        await anna.send(channel, m.encode(m.ClipboardText(text=f"{number}{big}")))
        await hall.quiet()
    customer.takes = True
    size = sum(len(data) for data, _ in customer.frames[theirs])
    customer.connection.consumed(theirs, size)
    await customer.flush()
    await customer.until(lambda: len(customer.messages(theirs)) >= 3)
    await hall.quiet()
    texts = [m.decode(one, m.ClipboardText).text[:1] for one in customer.messages(theirs)]
    assert texts == ["g", "0", "4"]


async def test_delay_reaches_the_viewers_with_the_uplink_and_our_own_share(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await watching(anna, customer)
    await customer.send(customer.opened[ChannelName.SCREEN], b"picture", BEGIN)
    await hall.quiet()
    await customer.tell(m.ClientDelay(capture=2.0, encode=1.5, rtt=40.0))
    delay = await anna.next(m.SessionDelay)
    assert (delay.capture, delay.encode, delay.uplink) == (2.0, 1.5, 20.0)
    assert 0 <= delay.appliance < 1000


async def test_a_client_without_a_picture_says_why(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    customer.accepts = False
    await customer.tell(m.ScreenUnavailable(reason="screen.wayland"))
    channel = await anna.open(ChannelName.SCREEN, customer.session)
    await customer.agrees()
    assert (await anna.refused(channel)).reason == "session.screen.gone"
    state = await anna.sees(f"session/{customer.session}", lambda state: state["screen"])
    assert state["screen"]["id"] == "screen.wayland"
