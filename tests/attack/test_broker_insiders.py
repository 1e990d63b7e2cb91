"""Technicians who are no longer, and members who would hurt each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from appliance.relay.screen import MAX_ACKNOWLEDGED
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.connection import MAX_CONTROL_QUEUE
from appliance.wire.frames import FrameType, pack
from tests.support.broker import BrokerSite, ConsoleEnd, CustomerEnd, MemoryStream, broker_site
from tests.support.web_site import Browser, web_site


@pytest.fixture
async def hall(tmp_path: Path, mock_clock: MockClock) -> AsyncIterator[BrokerSite]:
    async with broker_site(tmp_path / "data", mock_clock) as site:
        yield site


async def test_a_console_that_holds_its_hello_back_is_cut_with_its_sign_in(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    who = await hall.person("Anna")
    near, far = MemoryStream.pair()
    anna = ConsoleEnd(far, who)
    hall.nursery.start_soon(hall.broker.serve_console, near, who)
    hall.nursery.start_soon(anna.run, m.ToConsole)
    await anna.next(m.Greeting)
    hall.broker.on_signed_out(who.user.id, who.session_id)
    with trio.move_on_after(1):
        await anna.end()
    assert anna.over, "its sign-in is over, and nothing would tell it so later"


async def test_a_customer_who_reads_nothing_costs_the_technician_no_console(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna, capacity=1024)
    await hall.quiet()
    link = hall.broker.sessions[customer.session].customer.link  # type: ignore[union-attr]
    customer.stream.frozen = True
    await customer.stream.send_all(pack(FrameType.PING, 0, b"x" * 64))
    await hall.quiet()
    # As full as its PINGs may make it; the next thing to be said to it is too much.
    room = MAX_CONTROL_QUEUE - link.connection._control_size - 8
    while room > 60:
        size = min(room, 60_000)
        link.connection.control(b"x" * size)
        room = MAX_CONTROL_QUEUE - link.connection._control_size - 8
    await anna.open(ChannelName.CHAT, customer.session)
    await anna.call("session.request", session=customer.session, tools=["screen"])
    await hall.quiet()
    assert hall.broker.sessions[customer.session].sharing.ask_client(ChannelName.SCREEN) is None
    assert not anna.over
    assert (await anna.call("client.state")) is None


async def test_typing_without_end_closes_nobodys_chat(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    hers = await anna.opens(ChannelName.CHAT, customer.session)
    theirs = await customer.opens(ChannelName.CHAT, customer.session)
    anna.takes = False  # a browser that is behind
    typing = m.encode(m.ChatTyping())
    for _ in range(400):
        for _ in range(100):
            customer.connection.send(theirs, typing)
        await customer.flush()
    await hall.quiet()
    anna.takes = True
    assert hers not in anna.closed
    assert not anna.over


async def test_a_viewer_who_acknowledges_without_end_fills_no_memory(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    customer.takes = False
    asking = await anna.open(ChannelName.SCREEN, customer.session)
    await customer.agrees()
    await anna.until(lambda: asking in anna.accepted)
    await customer.until(lambda: ChannelName.SCREEN in customer.opened)
    fan = hall.broker.sessions[customer.session].sharing._fan
    assert fan is not None
    with trio.move_on_after(5):
        for _ in range(400):
            anna.connection.send(asking, b"x" * 32_768)
            await anna.flush()
            assert fan.source.queued <= MAX_ACKNOWLEDGED + 32_768
            if asking in anna.closed:
                break
    assert asking in anna.closed
    assert not anna.over
    assert not customer.over


async def test_only_a_customer_who_was_let_in_is_no_stranger_to_the_edge(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    told: list[CustomerEnd] = []

    async def comes(token: str) -> CustomerEnd:
        near, far = MemoryStream.pair()
        customer = CustomerEnd(far, Ed25519PrivateKey.generate())
        hall.nursery.start_soon(hall.broker.serve_customer, near, lambda: told.append(customer))
        hall.nursery.start_soon(customer.run, m.ToCustomer)
        await customer.enter(token=token)
        return customer

    await comes("a-token-that-never-was")
    assert told == []
    customer = await comes(await hall.token(anna))
    assert told == [customer]


async def test_only_a_browser_that_is_signed_in_is_no_stranger_to_the_edge(tmp_path: Path) -> None:
    async with web_site(tmp_path) as running:
        told: list[str] = []

        async def edge(scope: Any, receive: Any, send: Any) -> None:
            await running.app({**scope, "state": {"authenticated": lambda: told.append(scope["path"])}}, receive, send)

        browser = Browser(edge)  # type: ignore[arg-type]
        await browser.get("/")
        await browser.sign_in("anna", "wrong")
        assert told == []
        await browser.sign_in("anna")
        await browser.get("/login/account")
        assert told == ["/login/account"]
