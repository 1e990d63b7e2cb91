"""The site's settings as one form; changed all together or not at all, each change in the audit log."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from appliance.store import SettingsError, SiteSettings
from appliance.web.shared.forms import Form
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import address_of, host_of, who_of
from appliance.web.shared.site import site_of
from appliance.web.shared.times import time_zones
from appliance.web.site_admin.users import language_options
from appliance.words import LANGUAGES

_NUMBERS = {
    "key_length": (7, 9),
    "key_minutes": (1, 24 * 60),
    "resume_seconds": (5, 3600),
    "session_idle_minutes": (5, 24 * 60),
    "session_hours": (1, 7 * 24),
    "idle_minutes": (5, 24 * 60),
    "absolute_hours": (1, 7 * 24),
}
"""The numbers with the least and the most that the form takes."""


async def show(request: Request) -> Response:
    """The settings as they are."""
    current = site_of(request).settings.current
    form = Form.filled(
        site_name=current.site_name,
        host_names="\n".join(current.host_names),
        time_zone=current.time_zone,
        language=current.language,
        fallback_team_id=current.fallback_team_id or "",
        consent_once="on" if current.consent_once else "",
        record_sessions="on" if current.record_sessions else "",
        **{name: str(int(getattr(current, name))) for name in _NUMBERS},
    )
    return await _page(request, form)


async def _page(request: Request, form: Form) -> Response:
    w = request.state.words
    teams = await site_of(request).identity.accounts.teams()
    zone = site_of(request).settings.current.time_zone
    zones = time_zones() if zone in time_zones() else (zone, *time_zones())
    return render(
        request,
        "site_admin/settings.html",
        status=200 if form.ok else 422,
        form=form,
        limits=_NUMBERS,
        zones=[(name, name.replace("_", " ")) for name in zones],
        language_options=language_options(w),
        team_options=[("", w("admin.settings.fallback_none")), *((team.id, team.name) for team in teams)],
    )


async def save(request: Request) -> Response:
    """Check everything, then change everything."""
    site, form = site_of(request), await Form.posted(request)
    before = site.settings.current
    teams = {team.id: team.name for team in await site.identity.accounts.teams()}
    host_names = tuple(form.lines("host_names", maximum=4000))
    wanted = {
        "site_name": form.text("site_name", maximum=80),
        "host_names": host_names,
        "time_zone": form.choice("time_zone", {*time_zones(), before.time_zone}),
        "language": form.choice("language", LANGUAGES),
        "fallback_team_id": form.choice("fallback_team_id", {"", *teams}) or None,
        "consent_once": form.has("consent_once"),
        "record_sessions": form.has("record_sessions"),
        **{name: form.number(name, low, high) for name, (low, high) in _NUMBERS.items()},
    }
    here = host_of(request)
    if here in before.host_names and here not in host_names:
        form.wrong("host_names", "admin.settings.own_host", name=here)  # nobody locks themselves out
    if form.ok:
        try:
            after = await site.settings.change(**wanted)
        except SettingsError as error:
            form.wrong(error.field, error.reason, **error.message_args)
        else:
            if changed := _changed(before, after, teams):
                await site.audit.record(
                    "admin.settings_changed",
                    actor=who_of(request).user.name,
                    subject=after.site_name,
                    address=address_of(request),
                    **changed,
                )
            return redirect("/login/settings", notice="admin.notice.saved")
    return await _page(request, form)


def _changed(before: SiteSettings, after: SiteSettings, teams: Mapping[str, str]) -> dict[str, str]:
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)

    def text(value: object) -> str:
        return ", ".join(value) if isinstance(value, tuple) else teams.get(str(value), str(value or "–"))

    return {name: f"{text(old[name])} → {text(new[name])}" for name in new if old[name] != new[name]}
