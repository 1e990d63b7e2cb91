"""Times as people read them: how long ago, with the exact one in the site's zone beside it."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import format_datetime
from markupsafe import Markup

from appliance.words import Words

_STEPS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


@cache
def time_zones() -> tuple[str, ...]:
    """The names of places to choose from, sorted, with UTC first."""
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(areas)))


def zone_of(name: str) -> tzinfo:
    """The zone called `name`; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def absolute(at: float, zone: str, language: str, style: str = "medium") -> str:
    """The date and time of `at` (seconds since 1970) in `zone`, as one writes them in `language`."""
    return str(format_datetime(datetime.fromtimestamp(at, zone_of(zone)), style, locale=language))


def relative(at: float, now: float, w: Words) -> str:
    """How long ago `at` was, or how long it is until then."""
    apart = abs(now - at)
    if at > now:
        apart = round(apart / 60) * 60  # "in 24 hours" is not "in 23 hours" a moment later
    direction = "ago" if at <= now else "in"
    for seconds, unit in _STEPS:
        if apart >= seconds:
            return w(f"common.time.{direction}.{unit}", n=int(apart // seconds))
    return w("common.time.now") if at <= now else w("common.time.soon")


def when(at: float | None, now: float, zone: str, w: Words) -> Markup:
    """A `<time>` element: relative words, the absolute time in its title."""
    if at is None:
        return Markup('<span class="muted">{}</span>').format(w("common.time.never"))
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        stamp, absolute(at, zone, w.language), relative(at, now, w)
    )
