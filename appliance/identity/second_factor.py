"""TOTP (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes for when the phone is gone.

A code is taken from the step before to the step after now, and no step twice: a code that was looked at over a
shoulder is used up. Recovery codes are 10 characters of the key alphabet, each good once.
"""

from __future__ import annotations

import hmac
import io
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import pyotp
from sqlite_utils import Database

from appliance.domain.keys import ALPHABET
from appliance.identity.envelope import Envelope, EnvelopeError
from appliance.identity.refused import Refused, attempt
from appliance.identity.sessions import SignedIn
from appliance.identity.throttle import Credential, Throttle, refused_for
from appliance.store import AuditEvent, Settings, Store, audit, credentials, users
from appliance.store.users import Secrets
from appliance.wire.messages import Refusal

RECOVERY_CODES = 10
_STEP_SECONDS = 30
_LONGEST_TYPED = 32

T = TypeVar("T")

log = logging.getLogger("beistand.identity")


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs: `svg` is the QR code of `uri`, `secret` the same to be typed (base32)."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    svg: str = field(repr=False)


class SecondFactor:
    """Turning it on and off, and checking a code."""

    def __init__(
        self, store: Store, settings: Settings, throttle: Throttle, now: Callable[[], float], key_file: Path
    ) -> None:
        self._store = store
        self._settings = settings
        self._throttle = throttle
        self._now = now
        self._envelope = Envelope(key_file)

    async def begin(self, who: SignedIn) -> Enrolment | Refusal:
        """A new secret for `who`, not in force before `confirm`. Raises StoreError."""
        secret = pyotp.random_base32()
        sealed = self._envelope.seal(secret.encode(), _row(who.user.id))

        def write(db: Database) -> None:
            if _secrets(db, who.user.id).totp_secret is not None:
                raise Refused("totp.is_on")
            credentials.set_totp_pending(db, who.user.id, sealed)

        refusal = await attempt(self._store, write)
        return refusal if refusal is not None else self._enrolment(secret, who.user.name)

    async def pending(self, who: SignedIn) -> Enrolment | None:
        """The one that was begun and not confirmed, so that the page can be shown again. Raises StoreError."""
        kept = await self._store.read(lambda db: users.secrets_of(db, who.user.id))
        secret = self._opened(who.user.id, kept.totp_pending) if kept else None
        return self._enrolment(secret, who.user.name) if secret else None

    async def confirm(self, who: SignedIn, code: str) -> tuple[str, ...] | Refusal:
        """Puts the pending secret in force once `code` shows that the app has it. The recovery codes, shown once."""
        codes = self._new_codes()

        def write(db: Database) -> tuple[str, ...]:
            kept = _secrets(db, who.user.id)
            secret = self._opened(kept.user.id, kept.totp_pending)
            step = self._step(secret, code) if secret else None
            if step is None or kept.totp_pending is None:
                raise Refused("totp.not_confirmed")
            credentials.set_totp(db, kept.user.id, kept.totp_pending, step, self._macs(kept.user.id, codes))
            audit.append(db, self._event("totp_on", who))
            return codes

        return await self._tried(who, write)

    async def turn_off(self, who: SignedIn, code: str) -> Refusal | None:
        """Takes the second factor away; `code` is one more of it, so that an unlocked browser is not enough."""

        def write(db: Database) -> None:
            if not self.use(db, _secrets(db, who.user.id), code):
                raise Refused("sign_in.code_wrong")
            credentials.remove_totp(db, who.user.id)
            audit.append(db, self._event("totp_off", who))

        return await self._tried(who, write)

    async def new_recovery_codes(self, who: SignedIn, code: str) -> tuple[str, ...] | Refusal:
        """Ten new recovery codes, shown once; the old ones are void. `code` as for `turn_off`."""
        codes = self._new_codes()

        def write(db: Database) -> tuple[str, ...]:
            if not self.use(db, _secrets(db, who.user.id), code):
                raise Refused("sign_in.code_wrong")
            credentials.put_recovery_codes(db, who.user.id, self._macs(who.user.id, codes))
            audit.append(db, self._event("recovery_codes_made", who))
            return codes

        return await self._tried(who, write)

    async def recovery_codes_left(self, who: SignedIn) -> int:
        """How many recovery codes are not used. Raises StoreError."""
        return await self._store.read(lambda db: credentials.recovery_codes_left(db, who.user.id))

    def use(self, db: Database, kept: Secrets, typed: str) -> Literal["app", "recovery_code"] | None:
        """Uses up the code that was `typed`, inside a write; what it was, or None for a wrong or used one."""
        code = "".join(typed[:_LONGEST_TYPED].replace("-", " ").split()).upper()
        if len(code) == 6 and code.isascii() and code.isdigit():
            secret = self._opened(kept.user.id, kept.totp_secret)
            step = self._step(secret, code) if secret else None
            return "app" if step is not None and credentials.use_totp_step(db, kept.user.id, step) else None
        mac = self._envelope.mac(code, _codes_row(kept.user.id))
        return "recovery_code" if credentials.use_recovery_code(db, kept.user.id, mac) else None

    async def _tried(self, who: SignedIn, write: Callable[[Database], T]) -> T | Refusal:
        account = users.name_key(who.user.name)
        if wait := await self._throttle.check(Credential.SECOND_FACTOR, account, who.address):
            return refused_for(wait)
        result = await attempt(self._store, write)
        if isinstance(result, Refusal):
            await self._throttle.failed(Credential.SECOND_FACTOR, account, who.address)
        else:
            self._throttle.succeeded(Credential.SECOND_FACTOR, account, who.address)
        return result

    def _step(self, secret: str, typed: str) -> int | None:
        code = "".join(typed[:_LONGEST_TYPED].split()).encode("utf-8", "replace")
        totp, current = pyotp.TOTP(secret), int(self._now()) // _STEP_SECONDS
        fitting = [
            step
            for step in (current - 1, current, current + 1)
            if hmac.compare_digest(totp.generate_otp(step).encode(), code)
        ]
        return max(fitting, default=None)

    def _opened(self, user_id: str, sealed: bytes | None) -> str | None:
        if sealed is None:
            return None
        try:
            return self._envelope.open(sealed, _row(user_id)).decode()
        except EnvelopeError as error:
            log.error("second factor: %s", error)  # the key file was lost or exchanged; `beistand user reset` helps
            return None

    def _enrolment(self, secret: str, name: str) -> Enrolment:
        import segno  # for this page only

        issuer = self._settings.current.site_name.replace(":", " ")
        uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)
        picture = io.BytesIO()
        # Dark on light in either colour scheme, with its quiet zone: many scanners read nothing else.
        segno.make(uri, error="m").save(
            picture, kind="svg", xmldecl=False, omitsize=True, border=4, dark="#000", light="#fff", nl=False
        )
        return Enrolment(secret, uri, picture.getvalue().decode())

    def _new_codes(self) -> tuple[str, ...]:
        codes = ("".join(secrets.choice(ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES))
        return tuple(f"{code[:5]}-{code[5:]}" for code in codes)

    def _macs(self, user_id: str, codes: tuple[str, ...]) -> list[bytes]:
        return [self._envelope.mac(code.replace("-", ""), _codes_row(user_id)) for code in codes]

    def _event(self, what: str, who: SignedIn) -> AuditEvent:
        return AuditEvent(
            at=self._now(), kind=f"identity.{what}", actor=who.user.name, subject=who.user.name, address=who.address
        )


def _row(user_id: str) -> str:
    return f"users.totp_secret:{user_id}"


def _codes_row(user_id: str) -> str:
    return f"recovery_codes:{user_id}"


def _secrets(db: Database, user_id: str) -> Secrets:
    kept = users.secrets_of(db, user_id)
    if kept is None:
        raise Refused("user.gone")
    return kept
