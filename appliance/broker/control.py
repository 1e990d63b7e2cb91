"""Who has the customer's keyboard and mouse: one technician at a time, or nobody.

Control is asked for, taken by the session's owner, given back to whoever has asked first. It is lost with a
technician's last tab, and theirs again when they are back in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.broker.views import Asked, refused
from appliance.domain.policy import Decision, Role
from appliance.relay.control import InputGate
from appliance.wire.channels import ChannelName
from appliance.wire.messages import Notice, Refusal, Tool

if TYPE_CHECKING:
    from appliance.broker.console import ConsoleSocket
    from appliance.broker.sharing import Sharing


class Control:
    """One session's control. `had`: who had it when the appliance was stopped."""

    def __init__(self, sharing: Sharing, had: str | None) -> None:
        self._sharing = sharing
        self._session = sharing.session
        self._had = had  # theirs again with their next tab
        self.controller: str | None = None
        self.wanting: list[str] = []
        ctx = self._session.ctx
        # From the clock, so that the epochs go on growing over a restart, at less than one a second.
        self.gate = InputGate(
            lambda: sharing.ask_client(ChannelName.INPUT), int(ctx.now()), self._session.touched_by_person
        )

    @property
    def to_keep(self) -> str | None:
        """Who controls, or will again when they are back."""
        return self.controller or self._had

    def want(self, socket: ConsoleSocket) -> Asked | Refusal:
        """`control.request`: granted at once, after the customer's answer, or by whoever has control."""
        ruling = self._sharing.ruling(Tool.CONTROL, socket)
        if ruling.decision is Decision.DENY:
            return Refusal(reason=ruling.rule, args=dict(ruling.args))
        if ruling.decision is Decision.ASK:
            tools = {Tool.CONTROL}
            if self._sharing.ruling(Tool.CLIPBOARD, socket).decision is Decision.ASK:
                tools.add(Tool.CLIPBOARD)
            return self._sharing.ask(socket, frozenset(tools), control_for=socket.user_id)
        if self.controller in (None, socket.user_id):
            self.give(socket.user_id)
            return Asked(granted=True, asking=[])
        if socket.user_id not in self.wanting:
            self.wanting.append(socket.user_id)
            for other in self._session.sockets_of(self.controller):
                other.link.tell(Notice(id="session.control.wanted", args={"name": socket.person.name}))
            self._session.changed()
        return Asked(granted=False, asking=[])

    def take(self, socket: ConsoleSocket) -> Asked | Refusal:
        """`control.take`: the session's owner takes it from whoever has it."""
        ruling = self._sharing.ruling(Tool.CONTROL, socket)
        if ruling.decision is not Decision.ALLOW or self.controller is None:
            return self.want(socket)
        if self._session.role_of(socket.user_id) is not Role.OWNER:
            return refused("policy.control.owner_takes")
        self.give(socket.user_id)
        return Asked(granted=True, asking=[])

    def give_back(self, socket: ConsoleSocket) -> Refusal | None:
        """`control.give_back`: to whoever has asked first, else to nobody."""
        if self.controller != socket.user_id:
            return refused("policy.control.not_controller")
        self._had = None
        self.give(self.wanting[0] if self.wanting else None)
        return None

    def granted(self, user_id: str) -> None:
        """The customer has said yes to this technician's question."""
        if self.controller is None and self._session.sockets_of(user_id):
            self.give(user_id)

    def stop(self) -> None:
        """Nobody controls, and nobody gets it back by themselves."""
        self._had = None
        self.wanting.clear()
        self.give(None)

    def give(self, user_id: str | None) -> None:
        """From now on this technician controls; None: nobody."""
        if user_id == self.controller:
            return
        session, before = self._session, self.controller
        self.controller = user_id
        if user_id in self.wanting:
            self.wanting.remove(user_id)
        self._sharing.close_inputs(but=None, refusal=refused("session.control.ended"))
        if user_id is None:
            self.gate.stop()
        name = session.name_of(user_id) if user_id else ""
        actor = next((socket.user_name for socket in session.sockets_of(user_id or before)), "")
        session.ctx.keeper.audit("session.control", actor=actor, subject=session.id, given=user_id is not None)
        session.record_event("control.taken" if user_id else "control.given_back", name=name)
        session.changed()

    def restore(self) -> None:
        """A technician's tab or the customer is back, in either order; with both here, who had control has it again."""
        if self.controller is not None or self._had is None:
            return
        for socket in self._session.sockets_of(self._had):
            if self._sharing.ruling(Tool.CONTROL, socket).decision is Decision.ALLOW:
                self.give(socket.user_id)
                return

    def technician_lost(self, user_id: str) -> None:
        """A technician's last tab is gone."""
        if user_id in self.wanting:
            self.wanting.remove(user_id)
        if self.controller == user_id:
            self._had = user_id
            self.give(None)

    def technician_left(self, user_id: str) -> None:
        """A technician has left for good."""
        self.technician_lost(user_id)
        if self._had == user_id:
            self._had = None
