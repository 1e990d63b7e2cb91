"""Who somebody is.

    identity.py       Identity: set-up, signing in, sign-in links; holds the parts below
    sessions.py       Sessions: browsers that are signed in, their cookies and CSRF tokens
    accounts.py       Accounts: users, permissions and teams, as an admin changes them
    second_factor.py  SecondFactor: TOTP and recovery codes
    passwords.py      Passwords: Argon2id, and strength
    throttle.py       Throttle: one for every path that takes a credential
    envelope.py       Envelope: secrets at rest
    reset.py          what `beistand user reset` does
    device_ca.py      the appliance's own certificate authority

What cannot be done is answered with a `wire.messages.Refusal`: a message id (`identity.…`) and its arguments.
"""

from __future__ import annotations

from appliance.identity.accounts import Accounts, Link
from appliance.identity.identity import CodeNeeded, Identity
from appliance.identity.passwords import Passwords
from appliance.identity.second_factor import Enrolment, SecondFactor
from appliance.identity.sessions import Entered, Sessions, SignedIn, csrf_fits, csrf_token
from appliance.identity.throttle import Credential, Locked, Throttle, refused_for
from appliance.store.users import Team, User
from appliance.store.web_sessions import WebSession

__all__ = [
    "Accounts",
    "CodeNeeded",
    "Credential",
    "Enrolment",
    "Entered",
    "Identity",
    "Link",
    "Locked",
    "Passwords",
    "SecondFactor",
    "Sessions",
    "SignedIn",
    "Team",
    "Throttle",
    "User",
    "WebSession",
    "csrf_fits",
    "csrf_token",
    "refused_for",
]
