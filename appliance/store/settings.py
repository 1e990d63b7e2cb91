"""The site's settings: typed, changed as a copy, validated whole."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from sqlite_utils import Database

from appliance.domain.keys import MAX_LENGTH, MIN_LENGTH
from appliance.store.database import Store
from appliance.words import LANGUAGES

Listener = Callable[["SiteSettings"], None]


class SettingsError(ValueError):
    """A value that cannot be: in `field`, for `reason`, a message id (`store.settings.…`) with `message_args`."""

    def __init__(self, field: str, reason: str, **args: str | int) -> None:
        super().__init__(field, reason, args)
        self.field = field
        self.reason = reason
        self.message_args = args


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an admin can set for the whole site. Each field has its default here and its meaning beside it."""

    site_name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] = "Beistand"
    host_names: tuple[str, ...] = ("localhost",)  # under which the site answers; lower case
    time_zone: str = "UTC"  # IANA name, in which times are shown
    language: str = "en"  # where the browser asks for none that we have
    key_length: Annotated[int, msgspec.Meta(ge=MIN_LENGTH, le=MAX_LENGTH)] = 7
    key_minutes: Annotated[int, msgspec.Meta(ge=1, le=24 * 60)] = 10  # until a session key must be used
    consent_once: bool = False  # one prompt grants screen and control together
    record_sessions: bool = True
    resume_seconds: Annotated[float, msgspec.Meta(ge=5, le=3600)] = 300.0  # to come back into a session
    session_idle_minutes: Annotated[int, msgspec.Meta(ge=5, le=24 * 60)] = 60  # ended when nobody does anything
    session_hours: Annotated[int, msgspec.Meta(ge=1, le=7 * 24)] = 12  # ended in any case
    idle_minutes: Annotated[int, msgspec.Meta(ge=5, le=24 * 60)] = 60  # signed out after so long without a request
    absolute_hours: Annotated[int, msgspec.Meta(ge=1, le=7 * 24)] = 12  # signed out in any case
    fallback_team_id: str | None = None  # whose queue gets customers whose technician has signed out


class Settings:
    """The settings as they are now (`current`), and their change. Make it with `await Settings.load(store)`."""

    def __init__(self, store: Store, current: SiteSettings, *, is_set_up: bool) -> None:
        self._store = store
        self.current = current
        self.is_set_up = is_set_up  # the site has had its set-up; its page is gone for good
        self.on_change: list[Listener] = []  # called with the new settings, after they are on the disk

    @classmethod
    async def load(cls, store: Store) -> Settings:
        """The settings in `store`, or the defaults where there are none. Raises StoreError."""
        current, set_up_at = await store.read(stored)
        return cls(store, current, is_set_up=set_up_at is not None)

    async def change(self, **fields: Any) -> SiteSettings:
        """Changes `fields` (of SiteSettings), all or none. Raises SettingsError, StoreError, TypeError."""

        def write(db: Database) -> SiteSettings:
            wanted = checked(msgspec.structs.replace(stored(db)[0], **fields))
            keep(db, wanted)
            return wanted

        self.took_effect(await self._store.write(write))
        return self.current

    def took_effect(self, current: SiteSettings, *, set_up: bool = False) -> None:
        """Makes `current`, which is on the disk already, the settings in force."""
        self.current = current
        self.is_set_up = self.is_set_up or set_up
        for listener in self.on_change:
            listener(current)


def stored(db: Database) -> tuple[SiteSettings, float | None]:
    """The settings in `db` (or the defaults), and when the site was set up."""
    row = db.execute("SELECT value, set_up_at FROM settings WHERE id = 1").fetchone()
    return (msgspec.json.decode(row[0], type=SiteSettings), row[1]) if row else (SiteSettings(), None)


def keep(db: Database, settings: SiteSettings, *, set_up_at: float | None = None) -> None:
    """Writes `settings`; with `set_up_at`, marks the site as set up."""
    db.execute(
        "INSERT INTO settings (id, value, set_up_at) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET value = excluded.value, set_up_at = coalesce(set_up_at, excluded.set_up_at)",
        [msgspec.json.encode(settings).decode(), set_up_at],
    )


_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def host_name(text: str) -> str:
    """`text` as a host name: lower case, international names in their ASCII form, an IP address as it is.

    Raises SettingsError. A port, a scheme or a path makes it one.
    """
    name = text.strip().rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    try:
        name = name.encode("idna").decode("ascii")
    except UnicodeError:
        raise SettingsError("host_names", "store.settings.host_name", name=text[:80]) from None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise SettingsError("host_names", "store.settings.host_name", name=text[:80])
    return name


def checked(settings: SiteSettings) -> SiteSettings:
    """`settings` with every value checked and host names normalised. Raises SettingsError."""
    settings = msgspec.structs.replace(
        settings,
        site_name=settings.site_name.strip(),
        host_names=tuple(dict.fromkeys(host_name(name) for name in settings.host_names)),
    )
    try:
        settings = msgspec.convert(msgspec.to_builtins(settings), SiteSettings)
    except msgspec.ValidationError as error:
        field = re.search(r"\$\.(\w+)", str(error))
        raise SettingsError(field[1] if field else "", "store.settings.value") from error
    if not settings.site_name.isprintable() or not settings.site_name:
        raise SettingsError("site_name", "store.settings.site_name")
    if not settings.host_names:
        raise SettingsError("host_names", "store.settings.no_host_name")
    if settings.time_zone not in zoneinfo.available_timezones():
        raise SettingsError("time_zone", "store.settings.time_zone", name=settings.time_zone[:80])
    if settings.language not in LANGUAGES:
        raise SettingsError("language", "store.settings.language", name=settings.language[:80])
    return settings
