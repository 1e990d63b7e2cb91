"""The channels' names, with the priority, window and message bound of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


class ChannelName(enum.StrEnum):
    """What a channel is for."""

    INPUT = "input"
    CHAT = "chat"
    CLIPBOARD = "clipboard"
    SCREEN = "screen"
    SHELL = "shell"
    TUNNEL = "tunnel"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class ChannelTraits:
    """`priority`: lower goes first. `window`: bytes of credit in each direction when the channel opens.
    `max_message`: bytes of one message, all its frames together."""

    priority: int
    window: int
    max_message: int


CONTROL_PRIORITY = 1
"""Frames of the connection itself (control, credit, ping): after input, before all else."""

TRAITS: dict[ChannelName, ChannelTraits] = {
    ChannelName.INPUT: ChannelTraits(0, 64 * KIB, 4 * KIB),
    ChannelName.CHAT: ChannelTraits(2, 64 * KIB, 32 * KIB),
    ChannelName.CLIPBOARD: ChannelTraits(3, 256 * KIB, 1 * MIB),
    ChannelName.SCREEN: ChannelTraits(3, 4 * MIB, 64 * MIB),
    ChannelName.SHELL: ChannelTraits(4, 256 * KIB, 64 * KIB),
    ChannelName.TUNNEL: ChannelTraits(5, 1 * MIB, 64 * KIB),
    ChannelName.FILES: ChannelTraits(6, 1 * MIB, 64 * KIB),
}
