"""Teams: whose queue customers can stand in."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.identity import Team
from appliance.store.users import name_key
from appliance.web.shared.forms import Form
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import who_of
from appliance.web.shared.site import site_of
from appliance.wire.messages import Refusal

TEAMS = "/login/teams"


async def show_all(request: Request) -> Response:
    """All teams, and a form for a new one."""
    return await _list_page(request, Form())


async def _list_page(request: Request, form: Form) -> Response:
    site = site_of(request)
    accounts = site.identity.accounts
    teams, people = await accounts.teams(), await accounts.users()
    return render(
        request,
        "site_admin/teams.html",
        status=200 if form.ok else 422,
        form=form,
        teams=teams,
        members_of={
            team.id: ", ".join(user.display_name for user in people if user.id in team.members) for team in teams
        },
        settings=site.settings.current,
    )


async def create(request: Request) -> Response:
    """A new team; its members are chosen on its own page."""
    form = await Form.posted(request)
    name = form.text("name", maximum=80)
    if form.ok:
        team = await site_of(request).identity.accounts.put_team(name, (), by=who_of(request))
        if isinstance(team, Team):
            return redirect(f"{TEAMS}/{team.id}", notice="admin.notice.team_created")
        form.refused(team, "name")
    return await _list_page(request, form)


async def _team(request: Request) -> Team:
    for team in await site_of(request).identity.accounts.teams():
        if team.id == request.path_params["team_id"]:
            return team
    raise HTTPException(404)


async def show(request: Request) -> Response:
    """One team."""
    team = await _team(request)
    return await _page(request, team, Form.filled(name=team.name, member=team.members))


async def _page(request: Request, team: Team, form: Form) -> Response:
    return render(
        request,
        "site_admin/team.html",
        status=200 if form.ok else 422,
        form=form,
        team=team,
        people=await site_of(request).identity.accounts.users(),
    )


async def save(request: Request) -> Response:
    """Name and members."""
    accounts, team, form = site_of(request).identity.accounts, await _team(request), await Form.posted(request)
    name = form.text("name", maximum=80)
    if form.ok:
        result = await accounts.put_team(name, form.values("member"), team_id=team.id, by=who_of(request))
        if not isinstance(result, Refusal):
            return redirect(f"{TEAMS}/{team.id}", notice="admin.notice.saved")
        form.refused(result, "name")
    return await _page(request, team, form)


async def show_delete(request: Request) -> Response:
    """Names what goes, and wants the name typed."""
    return _delete_page(request, await _team(request), Form())


def _delete_page(request: Request, team: Team, form: Form) -> Response:
    return render(
        request,
        "site_admin/delete.html",
        status=200 if form.ok else 422,
        form=form,
        kind="teams",
        name=team.name,
        typed_name=team.name,
        back=f"{TEAMS}/{team.id}",
    )


async def delete(request: Request) -> Response:
    """Only with the team's name typed."""
    team, form = await _team(request), await Form.posted(request)
    if name_key(form.text("typed", maximum=80)) != name_key(team.name):
        form.wrong("typed", "admin.teams.delete.mistyped", name=team.name)
    if form.ok:
        refusal = await site_of(request).identity.accounts.remove_team(team.id, by=who_of(request))
        if refusal is None:
            return redirect(TEAMS, notice="admin.notice.team_deleted")
        form.refused(refusal, "typed")
    return _delete_page(request, team, form)
