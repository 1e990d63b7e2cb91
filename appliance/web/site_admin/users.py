"""Users: who there is, what each may do, how they come in."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import Accounts, Link, SignedIn, Team, User
from appliance.store.users import name_key
from appliance.web.shared.forms import Form
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import who_of
from appliance.web.shared.site import Site, site_of
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES, Words

USERS = "/login/users"


def _accounts(request: Request) -> Accounts:
    return site_of(request).identity.accounts


async def _person(request: Request) -> User:
    person = await _accounts(request).user(request.path_params["user_id"][:64])
    if person is None:
        raise HTTPException(404)
    return person


def language_options(w: Words) -> list[tuple[str, str]]:
    """The languages to choose from, in their own words."""
    return [(code, w(f"common.language.{code}")) for code in LANGUAGES]


def states_of(site: Site, people: Iterable[User], invited: set[str]) -> dict[str, str]:
    """What each user's account is: `active`, `invited`, `link_expired`, `locked` or `disabled`, by user id."""
    locked = {lock.account for lock in site.throttle.locked()}

    def state(user: User) -> str:
        if user.disabled:
            return "disabled"
        if user.name.casefold() in locked or name_key(user.name) in locked:
            return "locked"
        if not user.has_password:
            return "invited" if user.id in invited else "link_expired"
        return "active"

    return {user.id: state(user) for user in people}


async def show_all(request: Request) -> Response:
    """The list, narrowed by what was searched for."""
    accounts = _accounts(request)
    everybody = await accounts.users()
    query = request.query_params.get("q", "")[:80].strip()
    wanted = name_key(query)
    teams = await accounts.teams()
    return render(
        request,
        "site_admin/users.html",
        query=query,
        people=[user for user in everybody if wanted in name_key(user.name) or wanted in name_key(user.display_name)],
        states=states_of(site_of(request), everybody, await accounts.invited()),
        teams_of={user.id: ", ".join(team.name for team in teams if user.id in team.members) for user in everybody},
    )


# -- a new one ------------------------------------------------------------------------------------------------------


async def show_new(request: Request) -> Response:
    """An empty form with what a technician usually may."""
    form = Form.filled(language=site_of(request).settings.current.language, permission=sorted(TECHNICIAN))
    return await _new_page(request, form)


async def _new_page(request: Request, form: Form) -> Response:
    return render(
        request,
        "site_admin/user_new.html",
        status=200 if form.ok else 422,
        form=form,
        teams=await _accounts(request).teams(),
        language_options=language_options(request.state.words),
    )


def _permissions(form: Form) -> frozenset[Permission]:
    return frozenset(permission for permission in Permission if form.has("permission", permission))


async def create(request: Request) -> Response:
    """Make the user and show their link, this once."""
    accounts, who = _accounts(request), who_of(request)
    form = await Form.posted(request)
    display_name, name = form.text("display_name", maximum=80), form.text("name", maximum=64)
    language = form.choice("language", LANGUAGES)
    if form.ok:
        link = await accounts.create(name, display_name, permissions=_permissions(form), language=language, by=who)
        if not isinstance(link, Refusal):
            await _put_into_teams(accounts, link.user, form.values("team"), who)
            return _link_page(request, link, is_new=True)
        form.refused(link, "name", display_name="display_name")
    return await _new_page(request, form)


async def _put_into_teams(accounts: Accounts, user: User, chosen: list[str], who: SignedIn) -> None:
    """Change the teams whose membership of `user` is not as `chosen`."""

    def with_or_without(team: Team) -> list[str]:
        others = [member for member in team.members if member != user.id]
        return [*others, user.id] if team.id in chosen else others

    for team in await accounts.teams():
        if (team.id in chosen) != (user.id in team.members):
            await accounts.put_team(team.name, with_or_without(team), team_id=team.id, by=who)


def _link_page(request: Request, link: Link, *, is_new: bool) -> Response:
    return render(
        request,
        "site_admin/user_link.html",
        person=link.user,
        link=f"{site_of(request).origin}/login/link/{link.token}",
        expires_at=link.expires_at,
        is_new=is_new,
    )


# -- one of them ----------------------------------------------------------------------------------------------------


async def show(request: Request) -> Response:
    """One user's page."""
    person = await _person(request)
    return await _page(request, person, _as_it_is(person))


def _as_it_is(person: User) -> Form:
    return Form.filled(
        name=person.name,
        display_name=person.display_name,
        language=person.language,
        permission=sorted(person.permissions),
        team=person.teams,
    )


async def _page(request: Request, person: User, form: Form) -> Response:
    site = site_of(request)
    accounts = site.identity.accounts
    return render(
        request,
        "site_admin/user.html",
        status=200 if form.ok else 422,
        form=form,
        person=person,
        state=states_of(site, [person], await accounts.invited())[person.id],
        teams=await accounts.teams(),
        sessions=await site.identity.sessions.of_user(person.id),
        language_options=language_options(request.state.words),
    )


async def save(request: Request) -> Response:
    """Names, language, permissions and teams."""
    accounts, who, person = _accounts(request), who_of(request), await _person(request)
    form = await Form.posted(request)
    display_name, name = form.text("display_name", maximum=80), form.text("name", maximum=64)
    language = form.choice("language", LANGUAGES)
    if form.ok:
        result = await accounts.change(
            person.id, by=who, name=name, display_name=display_name, language=language, permissions=_permissions(form)
        )
        if not isinstance(result, Refusal):
            await _put_into_teams(accounts, result, form.values("team"), who)
            return redirect(f"{USERS}/{person.id}", notice="admin.notice.saved")
        form.refused(result, "name", display_name="display_name", last_admin="permission")
    return await _page(request, person, form)


async def new_link(request: Request) -> Response:
    """A new one-time link, shown this once; earlier ones are void."""
    link = await _accounts(request).link((await _person(request)).id, by=who_of(request))
    if isinstance(link, Refusal):
        raise HTTPException(400)
    return _link_page(request, link, is_new=False)


async def disable(request: Request) -> Response:
    """Undone by `enable`."""
    return await _switch(request, disabled=True, notice="admin.notice.disabled")


async def enable(request: Request) -> Response:
    """Undoes `disable`."""
    return await _switch(request, disabled=False, notice="admin.notice.enabled")


async def _switch(request: Request, *, disabled: bool, notice: str) -> Response:
    person = await _person(request)
    result = await _accounts(request).change(person.id, by=who_of(request), disabled=disabled)
    if isinstance(result, Refusal):
        form = _as_it_is(person)
        form.refused(result, "permission")
        return await _page(request, person, form)
    return redirect(f"{USERS}/{person.id}", notice=notice)


async def unlock(request: Request) -> Response:
    """Forget wrong tries, so that the user need not wait."""
    person = await _person(request)
    await _accounts(request).unlock(person.id, by=who_of(request))
    return redirect(f"{USERS}/{person.id}", notice="admin.notice.unlocked")


async def sign_out(request: Request) -> Response:
    """End all of the user's sessions, except the asking one."""
    person = await _person(request)
    await _accounts(request).end_sessions(person.id, by=who_of(request))
    return redirect(f"{USERS}/{person.id}", notice="admin.notice.all_signed_out")


async def remove_two_factor(request: Request) -> Response:
    """For somebody who has lost phone and recovery codes."""
    person = await _person(request)
    await _accounts(request).remove_second_factor(person.id, by=who_of(request))
    return redirect(f"{USERS}/{person.id}", notice="admin.notice.two_factor_removed")


async def show_delete(request: Request) -> Response:
    """Names what goes, and wants the name typed."""
    return _delete_page(request, await _person(request), Form())


def _delete_page(request: Request, person: User, form: Form) -> Response:
    return render(
        request,
        "site_admin/delete.html",
        status=200 if form.ok else 422,
        form=form,
        kind="users",
        name=person.display_name,
        typed_name=person.name,
        back=f"{USERS}/{person.id}",
    )


async def delete(request: Request) -> Response:
    """Only with the user's name typed; nobody deletes themselves."""
    person, who, form = await _person(request), who_of(request), await Form.posted(request)
    if person.id == who.user.id:
        raise HTTPException(403)
    if name_key(form.text("typed", maximum=80)) != name_key(person.name):
        form.wrong("typed", "admin.users.delete.mistyped", name=person.name)
    if form.ok:
        refusal = await _accounts(request).remove(person.id, by=who)
        if refusal is None:
            return redirect(USERS, notice="admin.notice.user_deleted")
        form.refused(refusal, "typed")
    return _delete_page(request, person, form)
