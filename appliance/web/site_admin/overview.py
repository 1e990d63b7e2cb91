"""What an admin sees first: whether everything is well, and what to do next on a new site."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from appliance.store import sessions
from appliance.web.portal.downloads import Manifest, Unavailable
from appliance.web.portal.systems import System
from appliance.web.shared.pages import render
from appliance.web.shared.site import Site, site_of
from appliance.web.site_admin.audit_log import last_check
from appliance.web.site_admin.users import states_of
from appliance.words import Words


async def show(request: Request) -> Response:
    """The overview."""
    site = site_of(request)
    people = await site.identity.accounts.users()
    states = states_of(site, people, set())
    client, problem = await _linux_client(site)
    return render(
        request,
        "site_admin/overview.html",
        origin=site.origin,
        user_count=len(people),
        locked_count=sum(state == "locked" for state in states.values()),
        session_count=len(await site.store.read(sessions.running)),
        last_check=last_check(request),
        settings=site.settings.current,
        first_steps=len(people) == 1,
        client=client,
        client_size=_size(client.size, request.state.words) if client else "",
        client_problem=problem,
    )


async def _linux_client(site: Site) -> tuple[Manifest | None, str]:
    try:
        return (await site.downloads.client_for(System.LINUX_X86_64)).manifest, ""
    except Unavailable as error:
        return None, error.code.rpartition(".")[2]


def _size(count: int, w: Words) -> str:
    text = f"{count / 1_000_000:.1f}"
    return f"{text.replace('.', ',') if w.language == 'de' else text} MB"
