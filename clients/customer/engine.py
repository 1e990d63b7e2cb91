"""The session from the customer's side: connect, come back, ask, share, end.

One `Engine` lives as long as the program. A connection (`Link`) lives as long as the network lets it; what has to
outlive it is here: the key, the resume token (in memory only), the consents and the chat's outbox.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

import trio
from nacl.signing import SigningKey

from appliance.domain.session import State
from appliance.domain.verification import verification_words
from appliance.wire.channels import ChannelName
from appliance.wire.connection import Closed, Control, Data, Denied, Opened
from appliance.wire.frames import Flag, ProtocolError
from appliance.wire.messages import (
    ChatMessage,
    ChatStored,
    ChatToMember,
    ChatTyping,
    Consent,
    ConsentAnswer,
    ConsentAsk,
    ConsentCancelled,
    EndNow,
    Notice,
    Open,
    Resume,
    ScreenRestart,
    ScreenUnavailable,
    SessionEnded,
    SessionView,
    StopSharing,
    ToCustomer,
    TokenRotated,
    Tool,
    Welcome,
    decode,
    encode,
)
from appliance.wire.start_file import StartInfo
from clients.customer import VERSION
from clients.customer.chat import Chat, OutboxFull
from clients.customer.consent import MAX_SECONDS, Consents, unanswered
from clients.customer.engine_end import EngineEnd
from clients.customer.link import Link, LinkLost, Refused
from clients.customer.net.route import Wire
from clients.customer.net.trouble import Trouble
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
    Text,
    ToEngine,
    Told,
    Typing,
    View,
    Writing,
)
from clients.customer.tools import OpenDesktop, Tools
from clients.platform.protocol import Platform

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
"""Seconds before a new attempt to connect: doubled each time, and anything from half of it to all of it."""
GRACE_SECONDS = 20.0
"""How much longer than the appliance's resume time the client goes on trying: its clock began to run later."""
GOODBYE_SECONDS = 3.0


class Connector(Protocol):
    """What leads to the appliance; `net.route.Route`."""

    async def connect(self) -> Wire:
        """A verified connection. Raises Trouble."""
        ...


class Engine:
    """One start's session. `run` returns when it is over."""

    def __init__(
        self,
        start: StartInfo,
        window: EngineEnd,
        platform: Platform,
        route: Connector,
        open_desktop: OpenDesktop,
        *,
        language: str,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._token = start.token
        self._window = window
        self._platform = platform
        self._route = route
        self._open_desktop = open_desktop
        self._language = language
        self._now = now
        self._chance = chance
        self._key = SigningKey.generate()
        self._consents = Consents()
        self._chat = Chat()
        self._chat_channel: int | None = None
        self._chat_message = bytearray()
        self._link: Link | None = None
        self._tools: Tools | None = None
        self._resume: Resume | None = None
        self._resume_seconds = 300.0
        self._session: SessionView | None = None
        self._site = ""
        self._words: tuple[str, ...] = ()
        self._problem: Text | None = None
        self._ended: Ended | None = None
        self._over = trio.Event()
        self._nursery: trio.Nursery | None = None

    async def run(self) -> Ended:
        """Until the session ends, the start is refused or the customer ends it; tells the window, and returns it."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._window.run)
                self._nursery.start_soon(self._listen)
                self._nursery.start_soon(self._stay_connected)
                self._show()
                await self._over.wait()
                self._nursery.cancel_scope.cancel()
            assert self._ended is not None
            self._show()
            self._window.tell(self._ended)
            return self._ended
        finally:
            await self._window.aclose()

    # -- connecting ---------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        wait = FIRST_WAIT
        lost_at = trio.current_time()
        while True:
            try:
                wire = await self._route.connect()
            except Trouble as trouble:
                self._problem = Text(id=trouble.code, args=dict(trouble.args_for_words))
            else:
                self._problem = Text(id="client.trouble.lost")
                try:
                    if await self._converse(wire):
                        wait, lost_at = FIRST_WAIT, trio.current_time()
                except Refused as refused:
                    refusal = refused.refusal
                    self._problem = Text(id=refusal.reason, args=dict(refusal.args))
                    if not refusal.retry:
                        self._finish(Ended(text=self._problem, failed=True))
                        return
            self._show()
            if self._resume and trio.current_time() - lost_at > self._resume_seconds + GRACE_SECONDS:
                self._finish(Ended(text=Text(id="client.ended.unreachable")))
                return
            await trio.sleep(wait * (0.5 + self._chance() / 2))
            wait = min(LONGEST_WAIT, wait * 2)

    async def _converse(self, wire: Wire) -> bool:
        """One connection, until it is lost; whether it got past the handshake. Raises Refused."""
        link = Link(wire.stream)
        resume = None
        if self._resume is not None:
            resume = Resume(session=self._resume.session, token=self._resume.token, chat=self._chat.last_seen)
        try:
            welcome = await link.shake_hands(
                key=self._key,
                ca_fingerprint=wire.ca.fingerprint,
                system=self._platform.system(VERSION, self._language),
                token=None if resume else self._token,
                resume=resume,
            )
            self._welcomed(link, welcome)
            try:
                await self._talk(link, welcome)
            except* (LinkLost, ProtocolError):
                pass
            return True
        except (LinkLost, ProtocolError):
            return False
        finally:
            self._link = self._tools = self._chat_channel = None
            self._chat_message.clear()
            for question in self._consents.link_lost():
                self._window.tell(QuestionGone(id=question))
            with trio.CancelScope(shield=True):
                await wire.stream.aclose()

    async def _talk(self, link: Link, welcome: Welcome) -> None:
        """Everything after the welcome. Raises groups of LinkLost and ProtocolError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run_sending)
            nursery.start_soon(
                link.run_pinging, _between(1, welcome.ping_interval, 60), _between(5, welcome.ping_deadline, 180)
            )
            self._tools = Tools(link, self._open_desktop, lambda: self._consents.granted, self._show)
            await nursery.start(self._tools.run)
            while True:
                self._handle(link, await link.event())

    def _welcomed(self, link: Link, welcome: Welcome) -> None:
        assert welcome.session is not None
        assert welcome.resume is not None
        self._link = link
        self._resume = Resume(session=welcome.session, token=welcome.resume)
        self._resume_seconds = _between(0, welcome.resume_seconds, 86400)
        self._site = welcome.site
        self._problem = None
        if welcome.secret:
            self._words = verification_words(welcome.secret, self._language)
        # The token is used up: the downloaded file is of no more use, and goes with this process.
        self._platform.remove_when_done()
        display = self._platform.display()
        if not display.screen:
            link.tell(ScreenUnavailable(reason=display.problem))
        self._open_chat(link)
        self._show()

    def _open_chat(self, link: Link) -> None:
        assert self._resume is not None
        self._chat_message.clear()
        request = Open(name=ChannelName.CHAT, session=self._resume.session, after=self._chat.last_seen)
        channel = self._chat_channel = link.connection.open(request)
        for message in self._chat.unsent:
            link.connection.send(channel, encode(message))
        link.flush()

    # -- what the appliance says --------------------------------------------------------------------------------

    def _handle(self, link: Link, event: object) -> None:
        tools = self._tools
        assert tools is not None
        match event:
            case Control(payload):
                self._control(link, decode(payload, ToCustomer))
            case Opened():
                tools.opened(event)
            case Data(channel, payload, flags) if channel == self._chat_channel:
                self._chat_message += payload
                link.connection.consumed(channel, len(payload))
                if flags & Flag.FIN:
                    whole, self._chat_message = bytes(self._chat_message), bytearray()
                    self._chat_said(decode(whole, ChatToMember))
            case Data(channel) if tools.handles(channel):
                tools.data(event)
            case Closed(channel) | Denied(channel) if channel == self._chat_channel:
                # The appliance gives it up when too much waits for this side; coming back says what is still missing.
                self._chat_channel = None
                self._open_chat(link)
            case Closed(channel) if tools.handles(channel):
                tools.closed(event)
            case _:
                pass

    def _control(self, link: Link, message: ToCustomer) -> None:
        match message:
            case SessionView():
                self._session = message
                if message.state in (State.WAITING, State.OFFERED):
                    # Whoever was allowed something has left; the next one asks again.
                    self._consents.forget()
                self._show()
            case ConsentAsk():
                self._asked(link, message)
            case ConsentCancelled(id=question):
                if self._consents.withdrawn(question):
                    self._window.tell(QuestionGone(id=question))
                    self._guard_questions()
            case ScreenRestart():
                assert self._tools is not None
                self._tools.restart_screen()
            case Notice():
                self._window.tell(Told(text=Text(id=message.id, args=dict(message.args))))
            case TokenRotated():
                if self._resume and message.session == self._resume.session:
                    self._resume = Resume(session=message.session, token=message.token)
            case SessionEnded():
                self._finish(Ended(text=Text(id=message.reason, args=dict(message.args))))

    def _asked(self, link: Link, ask: ConsentAsk) -> None:
        if Tool.SCREEN in ask.tools and not self._platform.display().screen:
            # The technician has been told why there is no picture; the customer is not asked for what cannot be.
            link.tell(ConsentAnswer(id=ask.id, outcome=Consent.DENIED))
            return
        if self._platform.is_locked():
            link.tell(ConsentAnswer(id=ask.id, outcome=Consent.LOCKED))
            return
        self._consents.asked(ask)
        self._guard_questions()
        seconds = _between(1, ask.seconds, MAX_SECONDS)
        self._window.tell(Question(id=ask.id, technician=ask.technician.name, tools=tuple(ask.tools), seconds=seconds))
        assert self._nursery is not None
        self._nursery.start_soon(self._give_up_asking, ask.id, seconds)

    async def _give_up_asking(self, question: str, seconds: float) -> None:
        await trio.sleep(seconds)
        if self._consents.is_open(question):
            idle = await trio.to_thread.run_sync(self._platform.idle_seconds)
            self._answer(question, unanswered(idle, seconds))

    def _chat_said(self, message: ChatStored | ChatMessage | ChatTyping | object) -> None:
        match message:
            case ChatStored():
                line = self._chat.stored(message)
                if line is not None:
                    self._window.tell(Line(id=line.id, mine=True, name="", text=line.text, at=self._now()))
            case ChatMessage():
                if self._chat.received(message):
                    self._window.tell(
                        Line(id=message.id, mine=False, name=message.name, text=message.text, at=message.at)
                    )
            case ChatTyping(name=name):
                self._window.tell(Writing(name=name))

    # -- what the customer says ---------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while (messages := await self._window.heard()) is not None:
            for message in messages:
                self._customer(message)
        # The window is gone: so is the customer.
        await self._end()

    def _customer(self, message: ToEngine) -> None:
        match message:
            case Answer(id=question, granted=granted):
                self._answer(question, Consent.GRANTED if granted else Consent.DENIED)
            case Say(text=text):
                self._say(text)
            case Typing():
                self._send_chat(encode(ChatTyping()))
            case Stop(tools=tools):
                self._stop(frozenset(tools))
            case End():
                assert self._nursery is not None
                self._nursery.start_soon(self._end)

    def _answer(self, question: str, outcome: Consent) -> None:
        if not self._consents.answered(question, outcome):
            return
        self._guard_questions()
        self._window.tell(QuestionGone(id=question))
        if self._link is not None:
            self._link.tell(ConsentAnswer(id=question, outcome=outcome))

    def _guard_questions(self) -> None:
        if self._tools is not None:
            self._tools.ignore_input(self._consents.any_open)

    def _say(self, text: str) -> None:
        if not text.strip():
            return
        try:
            message = self._chat.write(text)
        except OutboxFull:
            self._window.tell(Told(text=Text(id="client.chat.full")))
            return
        self._window.tell(Line(id=message.id, mine=True, name="", text=message.text, at=self._now(), stored=False))
        self._send_chat(encode(message))

    def _send_chat(self, payload: bytes) -> None:
        if self._link is not None and self._chat_channel is not None:
            self._link.send(self._chat_channel, payload)

    def _stop(self, tools: frozenset[Tool]) -> None:
        stopped = self._consents.stopped(tools)
        if self._tools is not None:
            self._tools.stop(stopped)
        if self._link is not None and stopped:
            self._link.tell(StopSharing(tools=sorted(stopped)))
        self._show()

    async def _end(self) -> None:
        """End now: nothing is shared from this moment on, and the appliance is told if it can be."""
        if self._tools is not None:
            self._tools.stop(frozenset(Tool))
        if self._link is not None:
            self._link.tell(EndNow())
            # The answer is SessionEnded, which finishes.
            with trio.move_on_after(GOODBYE_SECONDS):
                await self._over.wait()
        self._finish(Ended(text=Text(id="client.ended.by_you" if self._resume else "client.ended.before")))

    # -- what the window shows ----------------------------------------------------------------------------------

    def _finish(self, ended: Ended) -> None:
        if self._ended is None:
            self._ended = ended
            self._over.set()

    def _show(self) -> None:
        session = self._session
        shared = self._tools.shared if self._tools is not None else frozenset()
        names = {person.id: person.name for person in session.technicians} if session else {}
        self._window.tell(
            View(
                phase=self._phase(),
                site=self._site,
                technicians=tuple(names.values()),
                position=session.position if session else 0,
                fallback=bool(session and session.fallback),
                words=self._words,
                shared=tuple(sorted(shared)),
                watching=tuple(names[viewer] for viewer in session.viewers if viewer in names) if session else (),
                controller=names.get(session.controller or "", "") if session else "",
                recording=bool(session and session.recording),
                monitor=self._tools.monitor if self._tools is not None else None,
                problem=self._problem,
            )
        )

    def _phase(self) -> Phase:
        if self._ended is not None:
            return Phase.ENDED
        if self._link is None:
            return Phase.RECONNECTING if self._resume else Phase.CONNECTING
        match self._session.state if self._session else None:
            case State.ACTIVE:
                return Phase.CONNECTED
            case State.LOST | State.RESUMED:
                return Phase.AWAY
            case State.ENDED:
                return Phase.ENDED
            case _:
                return Phase.WAITING


def _between(low: float, value: float, high: float) -> float:
    """`value` within bounds; the lower one for what is not a number."""
    return min(high, max(low, value)) if value == value else low
