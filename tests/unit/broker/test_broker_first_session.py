"""The thinnest thread: a key, a customer, a console that accepts, sees, types and chats."""

from __future__ import annotations

from trio.testing import MockClock

from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.frames import Flag
from appliance.wire.input import Key, pack_input, read_input
from tests.support.broker import BrokerSite


async def test_a_technician_sees_controls_and_chats_with_the_customer_of_their_key(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.waiting(anna)
    queue = await anna.sees("queue", len)
    assert (queue[0]["host"], queue[0]["called"], queue[0]["position"]) == ("laptop", True, 1)
    view = await customer.next(m.SessionView)
    assert (view.state, view.position) == ("offered", 1)

    await anna.call("session.accept", session=customer.session)
    state = await anna.sees(f"session/{customer.session}")
    assert state["state"] == "active"
    assert await anna.sees("queue", lambda queue: not queue) == []
    view = await customer.next(m.SessionView, state="active")
    assert [one.name for one in view.technicians] == ["Anna"]
    await customer.next(m.SessionView, recording=True)

    screen = await anna.open(ChannelName.SCREEN, customer.session)
    asked = await customer.agrees()
    assert asked.tools == [m.Tool.SCREEN]
    await anna.until(lambda: screen in anna.accepted)
    await customer.until(lambda: ChannelName.SCREEN in customer.opened)
    await customer.send(customer.opened[ChannelName.SCREEN], b"picture", Flag.FIN | Flag.RESTART)
    assert await anna.message(screen, 0) == b"picture"
    assert hall.recorders[0].frames == [(b"picture", Flag.FIN | Flag.RESTART)]

    assert (await anna.call("control.request", session=customer.session))["granted"] is False
    asked = await customer.agrees()
    assert asked.tools == [m.Tool.CLIPBOARD, m.Tool.CONTROL]
    await anna.sees(f"session/{customer.session}", lambda state: state["controller"] == "user-anna")
    keys = await anna.opens(ChannelName.INPUT, customer.session)
    await anna.send(keys, pack_input([Key(0x61, True)], at=5))
    await customer.until(lambda: ChannelName.INPUT in customer.opened)
    typed = read_input(await customer.message(customer.opened[ChannelName.INPUT], 0))
    assert typed.events == (Key(0x61, True),)
    assert typed.epoch > 0

    chat = await anna.opens(ChannelName.CHAT, customer.session)
    theirs = await customer.opens(ChannelName.CHAT, customer.session)
    await customer.send(theirs, m.encode(m.ChatSend(id="message-1", text="Hilfe")))
    assert m.decode(await customer.message(theirs, 0), m.ChatStored).seq == 1
    got = m.decode(await anna.message(chat, 0), m.ChatMessage)
    assert (got.sender, got.name, got.text) == ("customer", "karin", "Hilfe")
    await anna.sees(f"session/{customer.session}", lambda state: state["unread"] == 1)

    await anna.call("session.end", session=customer.session, reason="solved")
    ended = await customer.next(m.SessionEnded)
    assert ended.reason == "session.ended.solved"
    await customer.end()
    await anna.sees(f"session/{customer.session}", lambda state: state["ended"])
    await hall.quiet()
    assert hall.recorders[0].closed == "session.ended.solved"
    assert hall.serving == 1
