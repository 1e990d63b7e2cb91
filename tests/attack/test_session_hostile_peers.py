"""Customers and technicians who do not keep to it: what they get, and that nobody else notices."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from appliance.broker import Start
from appliance.domain.permissions import Permission
from appliance.identity.throttle import LIMITS, Credential, Limits, Rate
from appliance.wire import messages as m
from appliance.wire.channels import ChannelName
from appliance.wire.frames import FrameType, pack
from tests.support.broker import FINGERPRINT, BrokerSite, CustomerEnd, broker_site

NASTY = ["$(id)", "`id`", ";reboot", "a\nb", "-rf", "a[$(id)]", "../../etc/passwd", "%00", "<script>", "'; DROP TABLE"]


@pytest.fixture
async def hall(tmp_path: Path, mock_clock: MockClock) -> AsyncIterator[BrokerSite]:
    async with broker_site(tmp_path / "data", mock_clock) as site:
        yield site


async def say(customer: CustomerEnd, hello: m.Hello) -> m.Message:
    customer.connection.handshake(FrameType.HELLO, m.encode(hello))
    await customer.flush()
    return await customer.next(m.Refusal)


@pytest.mark.parametrize("text", NASTY)
async def test_whatever_is_typed_as_a_key_is_an_answer_and_no_more(
    hall: BrokerSite, mock_clock: MockClock, text: str
) -> None:
    answer = await hall.broker.redeem_key(text, text, "192.0.2.7")
    assert isinstance(answer, m.Refusal)
    assert await hall.broker.start_of(text) is None


async def test_a_signature_for_another_connection_appliance_or_session_is_worth_nothing(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    token = await hall.token(anna)
    first = await hall.customer()
    nonce = (await first.next(m.Greeting)).nonce
    replayed = first.hello(nonce, token=token, resume=None, fingerprint=FINGERPRINT)

    second = await hall.customer(first.key)
    await second.next(m.Greeting)
    assert await say(second, replayed) == m.Refusal(reason="session.hello.signature")

    third = await hall.customer(first.key)
    assert await third.enter(token=token, fingerprint=b"\x08" * 32) == m.Refusal(reason="session.hello.signature")

    fourth = await hall.customer(first.key)
    nonce = (await fourth.next(m.Greeting)).nonce
    for_start = fourth.hello(nonce, token=None, resume=None, fingerprint=FINGERPRINT)
    stolen = m.Hello(
        version=1,
        kind=m.PeerKind.CUSTOMER,
        key=for_start.key,
        signature=for_start.signature,
        resume=m.Resume(session="another-session", token="x"),
        system=for_start.system,
    )
    assert await say(fourth, stolen) == m.Refusal(reason="session.hello.signature")
    assert not hall.broker.sessions
    welcome = await (await hall.customer(first.key)).enter(token=token)
    assert isinstance(welcome, m.Welcome), "none of it has used the token up"


ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize(
    "key", [bytes(32), b"\x01" + bytes(31), ORDER_8, b"\xec" + b"\xff" * 30 + b"\x7f", b"\xff" * 32]
)
async def test_a_key_for_which_anybody_can_sign_identifies_nobody(
    hall: BrokerSite, mock_clock: MockClock, key: bytes, sign: int
) -> None:
    """A signature of zeros is good for the point of order 4 in one of four tries: it was accepted once."""
    key = key[:31] + bytes([key[31] ^ sign])
    customer = await hall.customer()
    await customer.next(m.Greeting)
    system = m.System(os="x")
    hello = m.Hello(
        version=1, kind=m.PeerKind.CUSTOMER, key=key, signature=bytes(64), token="token-token", system=system
    )
    assert await say(customer, hello) == m.Refusal(reason="session.hello.signature")


async def test_tokens_are_not_guessed_faster_than_the_throttle_allows(
    hall: BrokerSite, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, reasons = 6, []
    monkeypatch.setitem(LIMITS, Credential.START_TOKEN, Limits(address=Rate(tries, 60), all=Rate(6000, 60)))
    hall.throttle._clock = lambda: 0.0  # so that no try comes back meanwhile
    for number in range(tries + 5):
        customer = await hall.customer(address="198.51.100.66")
        answer = await customer.enter(token=f"guess-{number:040d}")
        assert isinstance(answer, m.Refusal)
        reasons.append(answer.reason)
        await customer.leave()
    assert reasons[:tries] == ["session.start.expired"] * tries
    assert reasons[-1] == "session.hello.throttled"
    anna = await hall.console(await hall.person("Anna"))
    assert await hall.waiting(anna), "others are not held up"


async def test_two_clients_race_for_one_start_and_one_wins(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    made = await anna.call("key.create")
    start = await hall.broker.redeem_key(made["key"], "cookie", "192.0.2.7")
    assert isinstance(start, Start)
    tokens = [await hall.broker.mint_token(start) for _ in range(6)]
    answers: list[m.Message] = []

    async def race(token: str) -> None:
        customer = await hall.customer()
        answers.append(await customer.enter(token=token))

    async with trio.open_nursery() as nursery:
        for token in tokens:
            assert isinstance(token, str)
            nursery.start_soon(race, token)
    assert sum(isinstance(one, m.Welcome) for one in answers) == 1
    assert [one for one in answers if isinstance(one, m.Refusal)] == [m.Refusal(reason="session.start.used")] * 5
    assert len(hall.broker.sessions) == 1


async def test_two_browsers_race_for_one_key_and_one_wins(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    made = await anna.call("key.create")
    answers: list[object] = []

    async def race(number: int) -> None:
        answers.append(await hall.broker.redeem_key(made["key"], f"cookie-{number}", f"192.0.2.{number}"))

    async with trio.open_nursery() as nursery:
        for number in range(1, 7):
            nursery.start_soon(race, number)
    assert sum(isinstance(one, Start) for one in answers) == 1


async def test_two_resumes_with_one_token_leave_one_connection(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    await customer.leave()
    ends = [await hall.customer(customer.key) for _ in range(4)]
    resume = m.Resume(session=customer.session, token=customer.resume)

    async def come_back(end: CustomerEnd) -> None:
        with suppress(AssertionError):  # one that another has thrown out before its welcome
            await end.enter(resume=resume)

    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(come_back, end)
    await hall.quiet()
    assert sum(not end.over for end in ends) == 1
    await anna.sees(f"session/{customer.session}", lambda state: state["state"] == "active")


async def test_a_technician_reaches_nothing_of_anothers_session(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    bob = await hall.console(await hall.person("Bob"))
    customer = await hall.in_session(anna)
    for name in (ChannelName.SCREEN, ChannelName.INPUT, ChannelName.CHAT, ChannelName.CLIPBOARD):
        channel = await bob.open(name, customer.session)
        assert (await bob.refused(channel)).reason == "policy.member.none"
    calls = {
        "session.end": {"reason": "solved"},
        "session.leave": {},
        "session.request": {"tools": ["screen"]},
        "control.request": {},
        "control.take": {},
        "control.give_back": {},
        "notes.save": {"text": "mine now"},
    }
    for name, params in calls.items():
        refusal = await bob.refusal(name, session=customer.session, **params)
        assert refusal.reason == "policy.member.none", name
    assert (await bob.refusal("session.observe", session=customer.session)).reason == "policy.permission.observe"
    await hall.quiet()
    assert not any(topic.startswith("session/") for topic in bob.state)
    assert not [one for one in customer.heard if isinstance(one, m.ConsentAsk)]


async def test_channels_that_no_policy_knows_stay_shut(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna", *Permission))
    customer = await hall.in_session(anna)
    for name in (ChannelName.SHELL, ChannelName.TUNNEL, ChannelName.FILES):
        channel = await anna.open(name, customer.session)
        assert (await anna.refused(channel)).reason == "policy.tool.not_offered"


async def test_a_customer_cannot_grant_what_was_not_asked_or_answer_twice(
    hall: BrokerSite, mock_clock: MockClock
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    channel = await anna.open(ChannelName.SCREEN, customer.session)
    asked = await customer.agrees(m.Consent.DENIED)
    assert (await anna.refused(channel)).reason == "session.consent.denied"
    await customer.tell(m.ConsentAnswer(id=asked.id, outcome=m.Consent.GRANTED))
    await hall.quiet()
    assert anna.state[f"session/{customer.session}"]["granted"] == []


@pytest.mark.parametrize(
    "data",
    [
        pack(FrameType.CONTROL, 0, b"\xff\xfe"),
        pack(FrameType.CONTROL, 0, b'{"t":"call","id":1,"name":"session.end"}'),
        pack(FrameType.CONTROL, 0, b"[" * 60_000),
        pack(FrameType.CONTROL, 0, b'{"t":"stop","tools":["everything"]}'),
        pack(FrameType.HELLO, 0, b"{}"),
        pack(FrameType.DATA, 99, b"x"),
        pack(FrameType.CREDIT, 3, b"\xff\xff\xff\xff"),
    ],
)
async def test_nonsense_cuts_its_sender_and_the_session_waits_for_them(
    hall: BrokerSite, mock_clock: MockClock, data: bytes
) -> None:
    anna = await hall.console(await hall.person("Anna"))
    customer, other = await hall.in_session(anna), await hall.in_session(anna)
    await customer.stream.send_all(data)
    await customer.end()
    await anna.sees(f"session/{customer.session}", lambda state: state["state"] == "lost")
    assert not other.over
    assert not anna.over
    await hall.back(customer)


async def test_calls_before_hello_are_cut(hall: BrokerSite, mock_clock: MockClock) -> None:
    customer = await hall.customer()
    await customer.next(m.Greeting)
    await customer.tell(m.EndNow())
    await customer.end()
    await hall.quiet()
    assert hall.serving == 0


async def test_noise_from_strangers_leaves_nothing_behind(hall: BrokerSite, mock_clock: MockClock) -> None:
    noise = random.Random(4)  # the same in every run
    for _ in range(60):
        customer = await hall.customer(Ed25519PrivateKey.generate())
        await customer.next(m.Greeting)
        size = noise.randrange(1, 3000)
        kind = noise.choice([FrameType.HELLO, FrameType.CONTROL, FrameType.OPEN, FrameType.DATA])
        data = noise.randbytes(size)
        await customer.stream.send_all(pack(kind, noise.randrange(4), data) if noise.random() < 0.7 else data)
        await hall.quiet()
        await customer.leave()
    await hall.advance(31)
    assert hall.serving == 0
    assert not hall.broker.sessions


async def test_a_chat_flood_is_held_by_its_credit_and_the_disk_has_a_bound(
    hall: BrokerSite, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.chat.MAX_MESSAGES", 50)
    anna = await hall.console(await hall.person("Anna"))
    customer = await hall.in_session(anna)
    channel = await customer.opens(ChannelName.CHAT, customer.session)
    for number in range(60):
        customer.connection.send(channel, m.encode(m.ChatSend(id=f"flood-{number:04d}", text="x" * 7000)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(customer.flush)
        assert (await customer.next(m.Notice)).id == "session.chat.full"
        assert (await anna.call("client.state")) is None, "the technician is served meanwhile"
    count = await hall.store.read(lambda db: db.execute("SELECT count(*) FROM chat").fetchone())
    assert count == (50,)


async def test_hostile_texts_are_carried_as_they_are(hall: BrokerSite, mock_clock: MockClock) -> None:
    anna = await hall.console(await hall.person("Anna"))
    token = await hall.token(anna)
    customer = await hall.customer()
    nonce = (await customer.next(m.Greeting)).nonce
    honest = customer.hello(nonce, token=token, resume=None, fingerprint=FINGERPRINT)
    text = "<img src=x onerror=alert(1)>\u202e\x00\x1b[31m"
    system = m.System(os=text, host=text, user=text, display=text[:20], client=text[:20], language="xx-not-one")
    hello = m.Hello(version=1, kind=honest.kind, key=honest.key, signature=honest.signature, token=token, system=system)
    customer.connection.handshake(FrameType.HELLO, m.encode(hello))
    await customer.flush()
    welcome = await customer.next(m.Welcome)
    queue = await anna.sees("queue", len)
    assert queue[0]["host"] == text
    await anna.call("session.accept", session=welcome.session)
    state = await anna.sees(f"session/{welcome.session}")
    assert len(state["words"]) == 4
