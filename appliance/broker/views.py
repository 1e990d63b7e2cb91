"""What the console sees and says: the values of Update topics, the parameters and results of Calls.

Topics and their values, each sent whole when it changes; `null` means gone:

    me              MeView
    technicians     list[TechnicianView], everybody with an open console, by name
    keys            list[KeyView], this technician's, newest first
    queue           list[QueueItem], what this technician may accept, longest waiting first
    session/ID      SessionState, every session that this technician is a member of

Calls (`Call.name`: parameters → result), see `broker.calls`; a refusal names the rule that made it:

    presence.set        PresenceSet → null          control.request     SessionRef → Asked
    key.create          KeyCreate → KeyCreated      control.take        SessionRef → Asked
    key.revoke          KeyRef → null               control.give_back   SessionRef → null
    session.accept      SessionRef → null           notes.save          NotesSave → null
    session.observe     SessionRef → null           recordings.list     RecordingsList → PastSessions
    session.leave       SessionRef → null           client.state        null → null; then all topics come again
    session.end         SessionEnd → null
    session.request     SessionRequest → Asked
    sessions.list       null → list[OpenSession], what may be observed

Binary channels are opened by the console, OPEN {name, session}, one of each a session and socket; a refusal
(DENY or CLOSE) carries a Refusal. All but chat close when the customer's connection is lost, and are opened again once
the session is active:

    screen      as soon as the session is active. Not shared yet: the customer is asked, and the answer to OPEN comes
                when they have answered. The picture begins at a restart point.
    input       only the controller's (`SessionState.controller`), after control.request was granted
    clipboard   likewise by consent; text both ways
    chat        at any time as a member; `after` is the last message number that the console has
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from appliance.domain.permissions import Permission
from appliance.domain.policy import Decision, Role
from appliance.domain.routing import Queue
from appliance.domain.session import EndReason, State
from appliance.wire.messages import Args, Consent, Id, Presence, Refusal, Tool

Notes = Annotated[str, msgspec.Meta(max_length=20_000)]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values: immutable; times are seconds since 1970."""


class Text(View, frozen=True):
    """A message of the catalogue, put into words where it is read."""

    id: str
    args: Args = {}


# -- topics -----------------------------------------------------------------------------------------------------


class MeView(View, frozen=True):
    """The technician of this socket."""

    id: str
    name: str
    presence: Presence
    permissions: list[Permission]  # in the order of their names
    language: str
    key_minutes: int  # a new key's validity
    time: float  # the appliance's clock, for counting down


class TechnicianView(View, frozen=True):
    """A technician with an open console."""

    id: str
    name: str
    presence: Presence


class KeyState(enum.StrEnum):
    """How far a session key has come."""

    OPEN = "open"  # not typed yet
    OPENED = "opened"  # typed; the customer is on the page
    DOWNLOADED = "downloaded"  # the client was fetched
    CONNECTED = "connected"  # in a session
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyView(View, frozen=True):
    """A session key. `key`, `display` and `link` are "" when the appliance was restarted since: only a hash is kept.
    `link` is a path of the portal, to be completed with the console's own origin. `unsupported`: the system that the
    customer has and that there is no client for. `note`: something that the technician should know, such as a second
    client that was refused."""

    id: str
    key: str
    display: str
    link: str
    created_at: float
    expires_at: float
    state: KeyState
    session: str | None = None
    unsupported: str = ""
    note: Text | None = None


class QueueItem(View, frozen=True):
    """A customer who waits. `position` counts from 1 within its queue; `called`: it is this technician's own customer.
    `reason`: the rule that put it into this queue; `issuer`: who made the key."""

    session: str
    since: float
    position: int
    queue: Queue
    called: bool
    reason: Text
    issuer: str
    system: str
    host: str
    user: str
    key_id: str


class MemberView(View, frozen=True):
    """A technician in a session. `viewing`: a screen is open in one of their tabs."""

    id: str
    name: str
    role: Role
    connected: bool
    viewing: bool


class CustomerView(View, frozen=True):
    """The customer's machine, as it describes itself; and who tried the wrong thing."""

    connected: bool
    host: str
    user: str
    os: str
    display: str
    language: str
    client: str
    address: str


class ToolView(View, frozen=True):
    """What the policy says to a tool for this technician, and by which rule. `outcome`: the customer's last answer;
    `asking`: they are being asked right now."""

    decision: Decision
    rule: Text
    outcome: Consent | None = None
    asking: bool = False


class SessionState(View, frozen=True):
    """A session as one of its technicians sees it. `words`: the four verification words, in the customer's language.
    `controller`: the id of the member who has control; `wanting`: the ids of those who asked for it, first first.
    `granted` and `denied` are the customer's last answers. `unread`: chat messages that this technician has not seen.
    `screen`: why there is no picture, said by the client. `resume_until`: while LOST, when waiting for the missing
    side ends. `ended`: the reason, once over; the session stays in sight until `session.leave`."""

    id: str
    state: State
    since: float
    role: Role
    customer: CustomerView
    words: list[str]
    members: list[MemberView]
    controller: str | None
    wanting: list[str]
    granted: list[Tool]
    denied: dict[Tool, Consent]
    tools: dict[Tool, ToolView]
    recording: bool
    notes: str
    unread: int
    key_id: str
    screen: Text | None = None
    resume_until: float | None = None
    ended: Text | None = None


# -- calls ------------------------------------------------------------------------------------------------------


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parameters; unknown fields are ignored."""


class NoParams(Params, frozen=True):
    """A call without parameters."""


class PresenceSet(Params, frozen=True):
    """`presence.set`"""

    presence: Presence


class KeyCreate(Params, frozen=True):
    """`key.create`; the site's own validity without `minutes`."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=24 * 60)] | None = None
    long: bool = False  # nine characters instead of the site's number


class KeyRef(Params, frozen=True):
    """`key.revoke`"""

    id: Id


class SessionRef(Params, frozen=True):
    """Calls about one session."""

    session: Id


class SessionEnd(Params, frozen=True):
    """`session.end`; one of domain.session.TECHNICIAN_REASONS."""

    session: Id
    reason: EndReason = EndReason.SOLVED


class SessionRequest(Params, frozen=True):
    """`session.request`: ask the customer for these tools, as far as they have to be asked."""

    session: Id
    tools: Annotated[list[Tool], msgspec.Meta(min_length=1, max_length=8)]


class NotesSave(Params, frozen=True):
    """`notes.save`: replaces the session's notes."""

    session: Id
    text: Notes


class RecordingsList(Params, frozen=True):
    """`recordings.list`: sessions that began before `before` (seconds since 1970)."""

    before: float | None = None


class KeyCreated(View, frozen=True):
    """A new key; it is shown here and in the topic `keys`, and nowhere else."""

    id: str
    key: str
    display: str
    link: str
    expires_at: float


class Asked(View, frozen=True):
    """What became of asking for tools: all granted already, or the customer or the controller is being asked."""

    granted: bool
    asking: list[Tool]


class OpenSession(View, frozen=True):
    """A running session that may be observed."""

    id: str
    since: float
    technician: str
    host: str
    user: str


class PastSession(View, frozen=True):
    """A session that is over, for the list of past sessions. `recording`: it can be played back."""

    id: str
    began_at: float
    ended_at: float
    technician: str
    host: str
    user: str
    os: str
    reason: Text
    notes: str
    recording: bool


class PastSessions(View, frozen=True):
    """A page of past sessions, newest first; `more`: ask again with `before` = the last one's `began_at`."""

    sessions: list[PastSession]
    more: bool


def refused(reason: str, /, *, retry: bool = False, **args: str | int) -> Refusal:
    """A Refusal by message id and arguments."""
    return Refusal(reason=reason, args=args, retry=retry)
