"""Who may use what in a session: one pure function, which names the rule that decided.

Every channel that is opened and every tool that is asked for goes through `decide`, on the appliance.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.domain.permissions import Permission
from appliance.domain.session import State
from appliance.wire.channels import ChannelName
from appliance.wire.messages import Consent, Tool


class Decision(enum.StrEnum):
    """ASK: allowed once the customer says yes."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Role(enum.StrEnum):
    """What somebody is in a session. OWNER: the technician who has accepted it."""

    CUSTOMER = "customer"
    OWNER = "owner"
    OBSERVER = "observer"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision and the rule that made it: a message id under `policy.` and its arguments."""

    decision: Decision
    rule: str
    args: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `role`: None for somebody who is no member."""

    role: Role | None
    permissions: frozenset[Permission] = frozenset()


OFFERED = frozenset({Tool.SCREEN, Tool.CONTROL, Tool.CLIPBOARD, Tool.CHAT})
"""The tools of a support session."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The session at that moment. `answers`: the customer's last word on each tool that was asked for."""

    state: State
    answers: Mapping[Tool, Consent] = field(default_factory=dict)
    offered: frozenset[Tool] = OFFERED


NEEDS: dict[Tool, Permission] = {
    Tool.SCREEN: Permission.SCREEN,
    Tool.CONTROL: Permission.CONTROL,
    Tool.CLIPBOARD: Permission.CLIPBOARD,
}
"""The permission that an owner needs for a tool; an observer needs OBSERVE for all that an observer has."""

OBSERVER_TOOLS = frozenset({Tool.SCREEN, Tool.CHAT, Tool.CONTROL})
"""What an observer may have; control only by the hand of whoever has it."""

TOOL_OF_CHANNEL: dict[ChannelName, Tool] = {
    ChannelName.SCREEN: Tool.SCREEN,
    ChannelName.INPUT: Tool.CONTROL,
    ChannelName.CLIPBOARD: Tool.CLIPBOARD,
    ChannelName.CHAT: Tool.CHAT,
    ChannelName.FILES: Tool.FILES,
}
"""The tool that a channel belongs to; a channel without one is opened by nobody."""


def decide(tool: Tool, asker: Asker, situation: Situation) -> Ruling:
    """Whether `asker` may use `tool` now, and by which rule. The first rule that applies decides."""
    if tool not in situation.offered:
        return Ruling(Decision.DENY, "policy.tool.not_offered")
    if situation.state is State.ENDED:
        return Ruling(Decision.DENY, "policy.session.ended")
    match asker.role:
        case None:
            return Ruling(Decision.DENY, "policy.member.none")
        case Role.CUSTOMER:
            if tool is Tool.CHAT:
                return Ruling(Decision.ALLOW, "policy.chat.members")
            return Ruling(Decision.DENY, "policy.customer.shares")
        case Role.OBSERVER:
            if Permission.OBSERVE not in asker.permissions:
                return _lacking(Permission.OBSERVE)
            if tool not in OBSERVER_TOOLS:
                return Ruling(Decision.DENY, "policy.observer.view_only")
            if tool is Tool.CONTROL and Permission.CONTROL not in asker.permissions:
                return _lacking(Permission.CONTROL)
        case Role.OWNER:
            needed = NEEDS.get(tool)
            if needed is not None and needed not in asker.permissions:
                return _lacking(needed)
    if tool is Tool.CHAT:
        return Ruling(Decision.ALLOW, "policy.chat.members")
    if situation.state is not State.ACTIVE:
        return Ruling(Decision.DENY, "policy.session.not_active")
    answer = situation.answers.get(tool)
    if answer is Consent.GRANTED:
        return Ruling(Decision.ALLOW, "policy.consent.granted")
    if asker.role is Role.OBSERVER:
        # An observer looks on at what was granted to the owner, and never troubles the customer.
        return Ruling(Decision.DENY, "policy.observer.not_shared")
    if answer is not None:
        return Ruling(Decision.ASK, f"policy.consent.after_{answer.value}")
    return Ruling(Decision.ASK, "policy.consent.needed")


def _lacking(permission: Permission) -> Ruling:
    return Ruling(Decision.DENY, f"policy.permission.{permission.value}")


def to_ask(tools: frozenset[Tool], asker: Asker, situation: Situation, *, consent_once: bool) -> frozenset[Tool]:
    """The tools that one question to the customer is about, when `tools` are wanted.

    Only what `decide` says ASK to; control comes with the screen it needs. With `consent_once` the first question is
    about all that this technician may use, so that there is no second.
    """
    wanted = set(tools)
    if wanted & {Tool.CONTROL, Tool.CLIPBOARD}:
        wanted.add(Tool.SCREEN)
    if consent_once and Consent.GRANTED not in situation.answers.values():
        wanted |= {Tool.SCREEN, Tool.CONTROL, Tool.CLIPBOARD}
    return frozenset(tool for tool in wanted if decide(tool, asker, situation).decision is Decision.ASK)
