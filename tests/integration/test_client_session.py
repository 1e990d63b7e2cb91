"""The customer's engine against an appliance on a real TLS socket; the window is the other end of the typed channel."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from appliance.domain.verification import verification_words
from appliance.wire.channels import ChannelName
from appliance.wire.connection import Denied
from appliance.wire.messages import (
    ChatMessage,
    ChatSend,
    ChatStored,
    Consent,
    ConsentAnswer,
    ConsentAsk,
    EndNow,
    Person,
    Refusal,
    ScreenUnavailable,
    SessionEnded,
    SessionView,
    StopSharing,
    System,
    Tool,
    decode,
    encode,
)
from clients.customer.engine import Engine
from clients.customer.engine_end import EngineEnd
from clients.customer.net.route import Route
from clients.customer.talk import (
    Answer,
    End,
    Ended,
    Line,
    Phase,
    Question,
    QuestionGone,
    Say,
    Stop,
    Talk,
    ToEngine,
    View,
    WindowEnd,
    talk_pair,
)
from clients.desktop import Desktop
from clients.platform.protocol import Display, DisplayKind
from tests.support.customer_appliance import (
    SESSION,
    Certificates,
    Peer,
    Serve,
    SmallAppliance,
    make_certificates,
    small_appliance,
)

ANNA = Person(id="user-anna", name="Anna Berger")
X11 = Display(DisplayKind.X11, True, True)


class Machine:
    """A platform that says what a test wants."""

    def __init__(self) -> None:
        self.shown = X11
        self.locked = False
        self.idle: float | None = 0.0
        self.used = False

    def display(self) -> Display:
        return self.shown

    def system(self, version: str, language: str) -> System:
        return System(os="Test", display=self.shown.kind.value, client=version, language=language)

    def language(self) -> str | None:
        return "de"

    def prefers_dark(self) -> bool:
        return False

    def is_locked(self) -> bool:
        return self.locked

    def idle_seconds(self) -> float | None:
        return self.idle

    def remove_when_done(self) -> None:
        self.used = True


class Glass:
    """The window, as far as the engine can tell."""

    def __init__(self, sock: socket.socket) -> None:
        self._end = WindowEnd(sock)
        self.seen: list[Talk] = []
        self._looked = 0

    def tell(self, message: ToEngine) -> None:
        self._end.tell(message)

    async def sees(self, kind: type[Talk], fits: Callable[[Talk], bool] = lambda _message: True) -> Talk:
        """The next message of `kind` that fits."""
        while True:
            while self._looked < len(self.seen):
                message = self.seen[self._looked]
                self._looked += 1
                if isinstance(message, kind) and fits(message):
                    return message
            await trio.lowlevel.wait_readable(self._end.socket)
            messages, there = self._end.heard()
            self.seen += messages
            assert there or messages, "the engine is gone"

    async def view(self, fits: Callable[[View], bool]) -> View:
        message = await self.sees(View, lambda message: isinstance(message, View) and fits(message))
        assert isinstance(message, View)
        return message


def no_desktop() -> Desktop:
    raise AssertionError("the desktop was opened")


class Run:
    """An engine at work."""

    def __init__(self, engine: Engine, glass: Glass, machine: Machine) -> None:
        self.engine = engine
        self.glass = glass
        self.machine = machine
        self.ended: Ended | None = None
        self.over = trio.Event()

    async def run(self) -> None:
        self.ended = await self.engine.run()
        self.over.set()


@asynccontextmanager
async def running(appliance: SmallAppliance, machine: Machine | None = None, **fields: object) -> AsyncIterator[Run]:
    start = appliance.start(**fields)
    ours, windows = talk_pair()
    machine = machine or Machine()
    route = Route(start, proxy=lambda _host: None)
    engine = Engine(start, EngineEnd(ours), machine, route, no_desktop, language="de")
    with windows, trio.fail_after(20):
        run = Run(engine, Glass(windows), machine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.run)
            yield run
            nursery.cancel_scope.cancel()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca"))


async def idle(peer: Peer) -> None:
    """Take whatever the client sends, to its end."""
    while True:
        await peer.event()


def then(*steps: Serve) -> Serve:
    """One behaviour a connection; the last one for all further ones."""
    left = list(steps)

    async def serve(peer: Peer) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(peer)

    return serve


async def welcomed(peer: Peer) -> None:
    await peer.welcome()
    await idle(peer)


async def test_a_waiting_customer_sees_their_place_and_the_words(certificates: Certificates) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome(site="Muster GmbH")
        await peer.say(SessionView(session=SESSION, state="waiting", position=2))
        await idle(peer)

    async with small_appliance(certificates, serve) as appliance, running(appliance) as run:
        view = await run.glass.view(lambda view: view.position == 2)
        assert view.phase is Phase.WAITING
        assert view.site == "Muster GmbH"
        assert view.words == verification_words(bytes(16), "de")
        assert appliance.hellos[0].token == "start-token-1"
        assert run.machine.used


async def test_the_start_token_is_used_once_and_the_way_back_needs_the_same_key(certificates: Certificates) -> None:
    async def lose(peer: Peer) -> None:
        await peer.welcome()

    async with small_appliance(certificates, then(lose, welcomed)) as appliance, running(appliance) as run:
        await run.glass.view(lambda view: view.phase is Phase.RECONNECTING)
        await run.glass.view(lambda view: view.phase is Phase.WAITING)
        first, second = appliance.hellos
        assert second.token is None
        assert second.resume is not None
        assert (second.resume.session, second.resume.token) == (SESSION, "resume-1")
        assert first.key == second.key


async def test_a_refused_start_says_why_and_is_over(certificates: Certificates) -> None:
    async def serve(peer: Peer) -> None:
        await peer.refuse(Refusal(reason="session.start.used"))

    async with small_appliance(certificates, serve) as appliance, running(appliance) as run:
        ended = await run.glass.sees(Ended)
        assert isinstance(ended, Ended)
        assert ended.failed
        assert ended.text.id == "session.start.used"
        await run.over.wait()
        assert not run.machine.used


async def test_consent_granted_opens_the_channel_and_refused_keeps_it_shut(certificates: Certificates) -> None:
    outcomes: list[object] = []
    done = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        for question in ("question-1", "question-2"):
            await peer.say(ConsentAsk(id=question, tools=[Tool.CONTROL], technician=ANNA, seconds=60))
            answer = await peer.heard(ConsentAnswer)
            assert isinstance(answer, ConsentAnswer)
            outcomes.append(answer.outcome)
            if answer.outcome is Consent.DENIED:
                await peer.open(ChannelName.INPUT)
                denied = await peer.until(Denied)
                assert isinstance(denied, Denied)
                outcomes.append(decode(denied.payload, Refusal).reason)
        done.set()
        await idle(peer)

    async with small_appliance(certificates, serve) as appliance, running(appliance) as run:
        for granted in (False, True):
            question = await run.glass.sees(Question)
            assert isinstance(question, Question)
            assert question.technician == "Anna Berger"
            run.glass.tell(Answer(id=question.id, granted=granted))
            await run.glass.sees(QuestionGone)
        await done.wait()
        assert outcomes == [Consent.DENIED, "client.denied.not_allowed", Consent.GRANTED]


@pytest.mark.parametrize(
    ("idle_seconds", "outcome"), [(5.0, Consent.TIMEOUT), (None, Consent.TIMEOUT), (600.0, Consent.NOBODY)]
)
async def test_no_answer_tells_an_absent_customer_from_a_silent_one(
    certificates: Certificates, idle_seconds: float | None, outcome: Consent
) -> None:
    answers: list[ConsentAnswer] = []

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(ConsentAsk(id="question-1", tools=[Tool.SCREEN], technician=ANNA, seconds=1))
        answer = await peer.heard(ConsentAnswer)
        assert isinstance(answer, ConsentAnswer)
        answers.append(answer)
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.cancelled"))
        await idle(peer)

    machine = Machine()
    machine.idle = idle_seconds
    async with small_appliance(certificates, serve) as appliance, running(appliance, machine) as run:
        await run.glass.sees(Ended)
        assert answers[0].outcome is outcome


async def test_a_locked_screen_is_not_asked(certificates: Certificates) -> None:
    answers: list[ConsentAnswer] = []

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(ConsentAsk(id="question-1", tools=[Tool.SCREEN], technician=ANNA, seconds=60))
        answer = await peer.heard(ConsentAnswer)
        assert isinstance(answer, ConsentAnswer)
        answers.append(answer)
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.cancelled"))
        await idle(peer)

    machine = Machine()
    machine.locked = True
    async with small_appliance(certificates, serve) as appliance, running(appliance, machine) as run:
        await run.glass.sees(Ended)
        assert answers[0].outcome is Consent.LOCKED
        assert not [message for message in run.glass.seen if isinstance(message, Question)]


async def test_wayland_is_said_and_its_black_picture_never_asked_for(certificates: Certificates) -> None:
    heard: list[object] = []

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        heard.append(await peer.heard(ScreenUnavailable))
        await peer.say(ConsentAsk(id="question-1", tools=[Tool.SCREEN], technician=ANNA, seconds=60))
        heard.append(await peer.heard(ConsentAnswer))
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.cancelled"))
        await idle(peer)

    machine = Machine()
    machine.shown = Display(DisplayKind.WAYLAND, True, False, "screen.black")
    async with small_appliance(certificates, serve) as appliance, running(appliance, machine) as run:
        await run.glass.sees(Ended)
        assert heard[0] == ScreenUnavailable(reason="screen.black")
        assert heard[1] == ConsentAnswer(id="question-1", outcome=Consent.DENIED)
        assert appliance.hellos[0].system is not None
        assert appliance.hellos[0].system.display == "wayland"


async def test_a_line_written_without_a_connection_arrives_once(certificates: Certificates) -> None:
    """The first connection takes the line and dies before it can say so: the second must get it again."""
    arrived: list[list[ChatSend]] = []

    def chat(lines: int, *, store: bool) -> Serve:
        async def serve(peer: Peer) -> None:
            await peer.welcome()
            channel = await peer.chat()
            got: list[ChatSend] = []
            arrived.append(got)
            for _ in range(lines):
                got.append(decode(await peer.message(channel), ChatSend))
            if store:
                for number, line in enumerate(got, 1):
                    peer.connection.send(channel, encode(ChatStored(id=line.id, seq=number)))
                    back = ChatMessage(seq=number, id=line.id, sender="customer", name="x", text=line.text, at=1.0)
                    peer.connection.send(channel, encode(back))
                hello = ChatMessage(seq=9, id="message-9", sender=ANNA.id, name=ANNA.name, text="Hallo", at=2.0)
                peer.connection.send(channel, encode(hello))
                peer.connection.send(channel, encode(hello))
                await peer.send()
                await idle(peer)

        return serve

    async with (
        small_appliance(certificates, then(chat(1, store=False), chat(1, store=True))) as appliance,
        running(appliance) as run,
    ):
        run.glass.tell(Say(text="Der Drucker druckt nicht"))
        line = await run.glass.sees(Line, lambda line: isinstance(line, Line) and line.mine and line.stored)
        assert isinstance(line, Line)
        assert line.text == "Der Drucker druckt nicht"
        await run.glass.sees(Line, lambda line: isinstance(line, Line) and line.text == "Hallo")
        assert [sent.id for got in arrived for sent in got] == [line.id, line.id]
        assert len([m for m in run.glass.seen if isinstance(m, Line) and m.text == "Hallo"]) == 1


async def test_end_now_tells_the_appliance_and_ends(certificates: Certificates) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.heard(EndNow)
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.customer"))
        await idle(peer)

    async with small_appliance(certificates, serve) as appliance, running(appliance) as run:
        await run.glass.view(lambda view: view.phase is Phase.WAITING)
        run.glass.tell(End())
        ended = await run.glass.sees(Ended)
        assert isinstance(ended, Ended)
        assert ended.text.id == "session.ended.customer"
        await run.over.wait()


async def test_end_now_works_without_a_connection(certificates: Certificates) -> None:
    async def lose(peer: Peer) -> None:
        await peer.welcome()

    async with small_appliance(certificates, lose) as appliance, running(appliance) as run:
        await run.glass.view(lambda view: view.phase is Phase.RECONNECTING)
        run.glass.tell(End())
        await run.over.wait()
        assert run.ended is not None
        assert run.ended.text.id == "client.ended.by_you"


async def test_stop_sharing_takes_consent_back(certificates: Certificates) -> None:
    heard: list[object] = []

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(ConsentAsk(id="question-1", tools=[Tool.SCREEN, Tool.CONTROL], technician=ANNA, seconds=60))
        await peer.heard(ConsentAnswer)
        heard.append(await peer.heard(StopSharing))
        await peer.open(ChannelName.SCREEN)
        heard.append(await peer.until(Denied))
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.solved"))
        await idle(peer)

    async with small_appliance(certificates, serve) as appliance, running(appliance) as run:
        await run.glass.sees(Question)
        run.glass.tell(Answer(id="question-1", granted=True))
        run.glass.tell(Stop(tools=(Tool.SCREEN,)))
        await run.glass.sees(Ended)
        assert heard[0] == StopSharing(tools=[Tool.CONTROL, Tool.SCREEN])
        assert isinstance(heard[1], Denied)


async def test_a_question_does_not_outlive_its_connection(certificates: Certificates) -> None:
    seen = trio.Event()

    async def ask_and_lose(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(ConsentAsk(id="question-1", tools=[Tool.SCREEN], technician=ANNA, seconds=60))
        await seen.wait()

    async with small_appliance(certificates, then(ask_and_lose, welcomed)) as appliance, running(appliance) as run:
        await run.glass.sees(Question)
        seen.set()
        await run.glass.sees(QuestionGone)
