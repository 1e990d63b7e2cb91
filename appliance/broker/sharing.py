"""What a customer shares in a session: the questions to them, the channels, and who has control.

Every channel that a console opens, and every tool that it asks for, is decided by `domain.policy.decide`. All channels
but chat live as long as the customer's connection: when that is lost they are closed, and the console opens them again
once the session is active, without a new question to the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import trio

from appliance.broker.control import Control
from appliance.broker.views import Asked, Text, refused
from appliance.domain.policy import TOOL_OF_CHANNEL, Asker, Decision, Role, Ruling, Situation, decide, to_ask
from appliance.relay.clipboard import ClipboardRelay
from appliance.relay.link import Port
from appliance.relay.pipe import Pipe
from appliance.relay.screen import ScreenFan
from appliance.wire.channels import ChannelName
from appliance.wire.messages import (
    ClientDelay,
    Consent,
    ConsentAsk,
    ConsentCancelled,
    Open,
    Person,
    Refusal,
    ScreenRestart,
    SessionDelay,
    Tool,
)

if TYPE_CHECKING:
    from appliance.broker.console import ConsoleSocket
    from appliance.broker.session import Session

QUESTION_SECONDS = 60.0
GRACE_SECONDS = 2.0
"""The client counts QUESTION_SECONDS down by itself; the appliance waits this much longer for its answer."""
RAW = frozenset({ChannelName.FILES, ChannelName.TUNNEL})


@dataclass(frozen=True)
class _Question:
    id: str
    tools: frozenset[Tool]
    asker: Person
    until: float  # of trio's clock
    control_for: str | None  # who gets control when it is granted


@dataclass(frozen=True)
class _Waiting:
    """A channel whose OPEN waits for the customer's answer."""

    socket: ConsoleSocket
    channel: int
    request: Open
    tool: Tool


class Sharing:
    """One session's tools. Only `Session` makes one."""

    def __init__(self, session: Session, answers: Mapping[Tool, Consent], had_control: str | None) -> None:
        self.session = session
        self._ctx = session.ctx
        self.answers: dict[Tool, Consent] = dict(answers)
        self.screen_problem: Text | None = None
        self._question: _Question | None = None
        self._waiting: list[_Waiting] = []
        self._open: dict[tuple[ConsoleSocket, ChannelName], Port] = {}
        self._fan: ScreenFan | None = None
        self._clipboard: ClipboardRelay | None = None
        self.control = Control(self, had_control)

    # -- what the policy says -----------------------------------------------------------------------------------

    def ruling(self, tool: Tool, socket: ConsoleSocket) -> Ruling:
        """What the policy says to `tool` for this technician now."""
        return decide(tool, self._asker(socket), self._situation)

    @property
    def asking(self) -> frozenset[Tool]:
        """What the customer is being asked for."""
        return self._question.tools if self._question else frozenset()

    @property
    def shared(self) -> list[Tool]:
        """What is in use."""
        used = {
            Tool.SCREEN: bool(self._ports(ChannelName.SCREEN)),
            Tool.CONTROL: self.control.controller is not None,
            Tool.CLIPBOARD: bool(self._ports(ChannelName.CLIPBOARD)),
        }
        return [tool for tool, is_used in used.items() if is_used]

    @property
    def viewers(self) -> list[str]:
        """The ids of the technicians who have the screen open."""
        sockets = [socket for socket, name in self._open if name is ChannelName.SCREEN]
        return list(dict.fromkeys(socket.user_id for socket in sockets))

    def _asker(self, socket: ConsoleSocket) -> Asker:
        return Asker(self.session.role_of(socket.user_id), socket.permissions)

    @property
    def _situation(self) -> Situation:
        return Situation(self.session.state, self.answers, self._ctx.offered)

    # -- questions to the customer ------------------------------------------------------------------------------

    def request(self, socket: ConsoleSocket, tools: frozenset[Tool]) -> Asked | Refusal:
        """Ask the customer for `tools`, as far as they have to be asked."""
        for tool in tools:
            ruling = self.ruling(tool, socket)
            if ruling.decision is Decision.DENY:
                return Refusal(reason=ruling.rule, args=dict(ruling.args))
        return self.ask(socket, tools)

    def ask(self, socket: ConsoleSocket, tools: frozenset[Tool], control_for: str | None = None) -> Asked | Refusal:
        """Put `tools` to the customer, as far as they have to be asked; with a yes, `control_for` gets control."""
        ctx, session = self._ctx, self.session
        once = ctx.settings.current.consent_once
        needed = to_ask(tools, self._asker(socket), self._situation, consent_once=once)
        if not needed:
            return Asked(granted=True, asking=[])
        if self._question is not None:
            if needed <= self._question.tools:
                self._question = replace(self._question, control_for=self._question.control_for or control_for)
                return Asked(granted=False, asking=sorted(self._question.tools))
            return refused("session.consent.one_at_a_time", retry=True)
        self._question = _Question(
            ctx.make_token(), needed, socket.person, trio.current_time() + QUESTION_SECONDS, control_for
        )
        self._put()
        ctx.keeper.audit(
            "session.consent_asked", actor=socket.user_name, subject=session.id, tools=" ".join(sorted(needed))
        )
        session.changed()
        return Asked(granted=False, asking=sorted(needed))

    def _put(self) -> None:
        question, customer = self._question, self.session.customer
        if question is not None and customer is not None:
            seconds = max(0.0, question.until - trio.current_time())
            customer.link.tell(
                ConsentAsk(id=question.id, tools=sorted(question.tools), technician=question.asker, seconds=seconds)
            )

    def answered(self, question_id: str, outcome: Consent) -> None:
        """The customer's answer; one to a question that is no longer open means nothing."""
        question = self._question
        if question is None or question.id != question_id:
            return
        self._question = None
        for tool in question.tools:
            self.answers[tool] = outcome
        self._ctx.keeper.audit(
            "session.consent",
            actor="customer",
            subject=self.session.id,
            tools=" ".join(sorted(question.tools)),
            outcome=outcome.value,
            technician=question.asker.name,
        )
        kind = "consent.granted" if outcome is Consent.GRANTED else "consent.denied"
        self.session.record_event(kind, tools=" ".join(sorted(question.tools)), outcome=outcome.value)
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            if item.tool in question.tools and outcome is not Consent.GRANTED:
                item.socket.link.deny(item.channel, refused(f"session.consent.{outcome.value}"))
            else:
                self.opened(item.socket, item.channel, item.request)
        if outcome is Consent.GRANTED and question.control_for is not None:
            self.control.granted(question.control_for)
        self.session.changed()

    def stopped(self, tools: frozenset[Tool]) -> None:
        """The customer takes `tools` back. Without the screen there is neither control nor clipboard."""
        if Tool.SCREEN in tools:
            tools |= {Tool.CONTROL, Tool.CLIPBOARD}
        for tool in tools & self.answers.keys():
            self.answers[tool] = Consent.DENIED
        if Tool.CONTROL in tools:
            self.control.stop()
        for tool in tools:
            self._close_tool(tool, refused("session.stopped_sharing"))
        names = " ".join(sorted(tools))
        self._ctx.keeper.audit("session.stopped_sharing", actor="customer", subject=self.session.id, tools=names)
        self.session.record_event("consent.stopped", tools=names)
        self.session.changed()

    def forget_answers(self) -> None:
        """Another technician begins anew: what was granted to the one before is not granted to them."""
        self._cancel_question()
        self.answers.clear()
        self.control.stop()
        self._close_all(refused("session.handed_back"))

    def _cancel_question(self) -> None:
        question, self._question = self._question, None
        if question is not None and self.session.customer is not None:
            self.session.customer.link.tell(ConsentCancelled(id=question.id))

    # -- channels -----------------------------------------------------------------------------------------------

    def opened(self, socket: ConsoleSocket, channel: int, request: Open) -> None:
        """A console asks for a channel: accepted, refused with the rule, or put to the customer."""
        refusal = self._try_open(socket, channel, request)
        if refusal is not None:
            socket.link.deny(channel, refusal)

    def _try_open(self, socket: ConsoleSocket, channel: int, request: Open) -> Refusal | None:
        tool = TOOL_OF_CHANNEL.get(request.name)
        if tool is None and request.name in RAW:
            tool = Tool.FILES  # raw channels go together, where a site has them
        if tool is None:
            return refused("policy.tool.not_offered")
        if (socket, request.name) in self._open:
            return refused("session.channel.twice")
        ruling = self.ruling(tool, socket)
        if ruling.decision is Decision.DENY:
            return Refusal(reason=ruling.rule, args=dict(ruling.args))
        if ruling.decision is Decision.ASK:
            answer = self.ask(socket, frozenset({tool}))
            if isinstance(answer, Refusal):
                return answer
            self._waiting.append(_Waiting(socket, channel, request, tool))
            return None
        if request.name is ChannelName.INPUT and self.control.controller != socket.user_id:
            return refused("policy.control.not_controller")
        port = socket.link.accept(channel)
        if port is not None:
            self._open[socket, request.name] = port
            port.on_closed = lambda _refusal: self._closed(socket, request.name, port)
            self._connect(socket, port, request)
            self.session.changed()
        return None

    def _connect(self, socket: ConsoleSocket, port: Port, request: Open) -> None:
        match request.name:
            case ChannelName.CHAT:
                self.session.chat.attach(
                    socket.link,
                    port,
                    sender=socket.user_id,
                    name=socket.person.name,
                    after=request.after,
                    writes=self.session.role_of(socket.user_id) is Role.OWNER,
                )
            case ChannelName.SCREEN:
                if self._fan is None:
                    self._begin_screen()
                if self._fan is not None:
                    self._fan.attach(port)
                    self._prefer_controller()
            case ChannelName.INPUT:
                self.close_inputs(but=socket, refusal=refused("session.control.elsewhere"))
                self.control.gate.give(port)
                self._prefer_controller()
            case ChannelName.CLIPBOARD:
                if self._clipboard is None:
                    self._clipboard = self._begin_clipboard()
                if self._clipboard is not None:
                    self._clipboard.attach(port)
            case _:
                client = self.ask_client(request.name)
                if client is not None:
                    Pipe(port, client)

    def _closed(self, socket: ConsoleSocket, name: ChannelName, port: Port) -> None:
        if self._open.get((socket, name)) is not port:
            return
        del self._open[socket, name]
        match name:
            case ChannelName.CHAT:
                self.session.chat.detach(port)
            case ChannelName.SCREEN:
                if self._fan is not None:
                    self._fan.detach(port)
                    if not self._fan.viewers:
                        self._end_screen()
            case ChannelName.INPUT:
                if self.control.gate.source is port:
                    self.control.gate.give(None)
                    self._prefer_controller()
            case ChannelName.CLIPBOARD:
                if self._clipboard is not None:
                    self._clipboard.detach(port)
                    if not self._clipboard.ports:
                        self._end_clipboard()
            case _:
                pass
        self.session.changed()

    def _drop(self, socket: ConsoleSocket, name: ChannelName, port: Port, refusal: Refusal) -> None:
        port.close(refusal)
        self._closed(socket, name, port)

    def _close_tool(self, tool: Tool, refusal: Refusal) -> None:
        for (socket, name), port in list(self._open.items()):
            if TOOL_OF_CHANNEL.get(name, Tool.FILES) is tool:
                self._drop(socket, name, port, refusal)
        for item in [item for item in self._waiting if item.tool is tool]:
            self._waiting.remove(item)
            item.socket.link.deny(item.channel, refusal)

    def close_inputs(self, *, but: ConsoleSocket | None, refusal: Refusal) -> None:
        """Close all input channels but that of one tab."""
        for (socket, name), port in list(self._open.items()):
            if name is ChannelName.INPUT and socket is not but:
                self._drop(socket, name, port, refusal)

    def _close_all(self, refusal: Refusal) -> None:
        for tool in set(Tool) - {Tool.CHAT}:
            self._close_tool(tool, refusal)

    def _ports(self, name: ChannelName) -> list[Port]:
        return [port for (_socket, its), port in self._open.items() if its is name]

    # -- the client's ends --------------------------------------------------------------------------------------

    def ask_client(self, name: ChannelName) -> Port | None:
        """Open a channel to the client; None while it is away."""
        customer = self.session.customer
        return customer.link.open(Open(name=name, session=self.session.id)) if customer is not None else None

    def _begin_screen(self) -> None:
        source = self.ask_client(ChannelName.SCREEN)
        customer = self.session.customer
        if source is None or customer is None:
            return
        source.on_accepted = self._screen_begins
        self._fan = ScreenFan(
            source,
            ask_restart=partial(customer.link.tell, ScreenRestart()),
            later=self._ctx.later,
            tap=self.session.tap,
        )
        source.on_closed = lambda _refusal: self._screen_gone(source)

    def _screen_begins(self) -> None:
        if self.screen_problem is not None:
            self.screen_problem = None
            self.session.changed()

    def _end_screen(self) -> None:
        fan, self._fan = self._fan, None
        if fan is not None:
            fan.source.close()

    def _screen_gone(self, source: Port) -> None:
        if self._fan is not None and self._fan.source is source:
            self._fan = None
            self._close_tool(Tool.SCREEN, self._gone("session.screen.gone"))

    def _gone(self, reason: str) -> Refusal:
        """Why the client's end closed: its connection is lost, which passes, or it cannot."""
        customer = self.session.customer
        if customer is None or customer.link.end is not None:
            return refused("session.customer_away", retry=True)
        return refused(reason)

    def _begin_clipboard(self) -> ClipboardRelay | None:
        client = self.ask_client(ChannelName.CLIPBOARD)
        if client is None:
            return None
        client.on_closed = lambda _refusal: self._clipboard_gone(client)
        return ClipboardRelay(client)

    def _end_clipboard(self) -> None:
        relay, self._clipboard = self._clipboard, None
        if relay is not None:
            relay.client.close()

    def _clipboard_gone(self, client: Port) -> None:
        if self._clipboard is not None and self._clipboard.client is client:
            self._clipboard = None
            self._close_tool(Tool.CLIPBOARD, self._gone("session.clipboard.gone"))

    def _prefer_controller(self) -> None:
        if self._fan is None:
            return
        controlling = [socket for socket, name in self._open if name is ChannelName.INPUT]
        screen = self._open.get((controlling[0], ChannelName.SCREEN)) if controlling else None
        self._fan.prefer(screen)

    # -- who comes and goes -------------------------------------------------------------------------------------

    def customer_lost(self) -> None:
        """The customer's connection is gone: nothing that was under way arrives any more."""
        self.control.gate.lost()
        self._fan = self._clipboard = None
        self._close_all(refused("session.customer_away", retry=True))

    def customer_back(self) -> None:
        """The customer is connected again; a question that is still open is put again."""
        self.control.gate.back()
        self.control.restore()
        self._put()

    def socket_lost(self, socket: ConsoleSocket, *, last: bool) -> None:
        """A tab is gone, with all that it had open; `last`: it was this technician's last one."""
        for (other, name), port in list(self._open.items()):
            if other is socket:
                self._drop(socket, name, port, refused("policy.member.none"))
        for item in [item for item in self._waiting if item.socket is socket]:
            self._waiting.remove(item)
            socket.link.deny(item.channel, refused("policy.member.none"))
        if last:
            self.control.technician_lost(socket.user_id)

    def left(self, socket: ConsoleSocket) -> None:
        """A technician leaves the session, with all that they have open."""
        self.socket_lost(socket, last=True)
        self.control.technician_left(socket.user_id)

    def end(self) -> None:
        """The session is over."""
        self._cancel_question()
        self.control.stop()
        for (socket, name), port in list(self._open.items()):
            self._drop(socket, name, port, refused("policy.session.ended"))
        for item in self._waiting:
            item.socket.link.deny(item.channel, refused("policy.session.ended"))
        self._waiting.clear()

    # -- the clock ----------------------------------------------------------------------------------------------

    def delay(self, client: ClientDelay) -> None:
        """The client's share of the delay, about once a second; the viewers get it with ours."""
        here = self._fan.spent() if self._fan is not None else None
        delay = SessionDelay(
            session=self.session.id,
            capture=client.capture,
            encode=client.encode,
            uplink=client.rtt / 2,
            appliance=here or 0.0,
        )
        for socket, name in self._open:
            if name is ChannelName.SCREEN:
                socket.link.tell(delay)

    def tick(self) -> None:
        """Called about once a second."""
        question = self._question
        if question is not None and trio.current_time() > question.until + GRACE_SECONDS:
            customer = self.session.customer
            if customer is not None:
                customer.link.tell(ConsentCancelled(id=question.id))
            self.answered(question.id, Consent.TIMEOUT)
        if self._fan is not None:
            self._fan.tick()

    def no_screen(self, problem: Text) -> None:
        """The client has no picture to send, and says why."""
        self.screen_problem = problem
        self.session.changed()
