from __future__ import annotations

import pytest

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import Entered, Link
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES, words
from tests.support.house import BOBS, House


def reason(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    for language in LANGUAGES:
        assert words(language)(answer.reason, **answer.args)
    return answer.reason


async def test_a_new_user_has_a_technicians_permissions_and_a_link_and_no_password(house: House) -> None:
    link = await house.identity.accounts.create("Carl", "Carl Clärchen", by=house.anna)
    assert isinstance(link, Link)
    assert link.user.permissions == TECHNICIAN
    assert not link.user.has_password
    assert link.expires_at == house.clock.at + 24 * 3600
    assert await house.identity.accounts.invited() == {link.user.id}
    assert (await house.kinds())[0] == "identity.user_created"


@pytest.mark.parametrize("name", ["ANNA", "Anna ", "ａnna"])
async def test_names_that_look_the_same_are_the_same(house: House, name: str) -> None:
    assert reason(await house.identity.accounts.create(name, by=house.anna)) == "identity.user.name_taken"
    assert reason(await house.identity.accounts.change(house.bob.user.id, name=name, by=house.anna)) == (
        "identity.user.name_taken"
    )


async def test_a_user_can_be_renamed_to_another_spelling_of_their_name(house: House) -> None:
    user = await house.identity.accounts.change(house.bob.user.id, name="Bob", display_name="Bob B.", by=house.anna)
    assert not isinstance(user, Refusal)
    assert (user.name, user.display_name) == ("Bob", "Bob B.")
    assert isinstance(await house.identity.sign_in("bOB", BOBS), Entered)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"display_name": "turn\u202eed"}, "identity.user.display_name"),
        ({"display_name": "x" * 81}, "identity.user.display_name"),
        ({"display_name": "  "}, "identity.user.display_name"),
        ({"language": "xx"}, "identity.user.language"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_reason(house: House, fields: dict[str, str], why: str) -> None:
    answer = await house.identity.accounts.change(house.bob.user.id, **fields, by=house.anna)  # type: ignore[arg-type]
    assert reason(answer) == why


async def test_taking_a_permission_away_ends_the_users_sessions_and_giving_one_does_not(house: House) -> None:
    accounts = house.identity.accounts
    more = await accounts.change(house.bob.user.id, permissions=TECHNICIAN | {Permission.OBSERVE}, by=house.anna)
    assert not isinstance(more, Refusal)
    who = await house.identity.authenticate(house.bobs_cookie)
    assert who is not None
    assert who.user.may(Permission.OBSERVE)
    await accounts.change(house.bob.user.id, permissions=TECHNICIAN - {Permission.CONTROL}, by=house.anna)
    assert await house.identity.authenticate(house.bobs_cookie) is None
    row = (await house.audit.page(kind="identity.user_changed"))[0]
    assert (row.actor, row.subject, row.details["taken"]) == ("anna", "bob", "control observe")


async def test_disabling_a_user_ends_their_sessions_and_enabling_lets_them_in_again(house: House) -> None:
    told: list[str] = []
    house.identity.on_signed_out.append(lambda user_id, session_id: told.append(session_id))
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    assert told == [house.bob.session_id]
    assert await house.identity.authenticate(house.bobs_cookie) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS), Refusal)
    await house.identity.accounts.change(house.bob.user.id, disabled=False, by=house.anna)
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)


async def test_the_last_site_admin_cannot_be_removed_disabled_or_demoted(house: House) -> None:
    accounts, annas = house.identity.accounts, house.anna.user.id
    # Carl is one on paper, but has no password yet; Dora is disabled.
    await accounts.create("carl", permissions=[Permission.SITE_ADMIN], by=house.anna)
    dora = await accounts.create("dora", permissions=[Permission.SITE_ADMIN], by=house.anna)
    assert isinstance(dora, Link)
    await house.identity.use_link(dora.token, "six silver spoons")
    await accounts.change(dora.user.id, disabled=True, by=house.anna)
    last = "identity.user.last_admin"
    assert reason(await accounts.remove(annas, by=house.anna)) == last
    assert reason(await accounts.change(annas, disabled=True, by=house.anna)) == last
    assert reason(await accounts.change(annas, permissions=TECHNICIAN, by=house.anna)) == last
    assert await house.identity.authenticate(house.annas_cookie) is not None
    await accounts.change(dora.user.id, disabled=False, by=house.anna)
    assert not isinstance(await accounts.change(annas, permissions=TECHNICIAN, by=house.anna), Refusal)


async def test_removing_a_user_takes_all_that_signs_them_in(house: House) -> None:
    assert await house.identity.accounts.remove(house.bob.user.id, by=house.anna) is None
    assert await house.identity.authenticate(house.bobs_cookie) is None
    assert [user.name for user in await house.identity.accounts.users()] == ["anna"]
    assert reason(await house.identity.accounts.remove(house.bob.user.id, by=house.anna)) == "identity.user.gone"
    again = await house.identity.accounts.create("bob", by=house.anna)
    assert isinstance(again, Link)
    assert again.user.id != house.bob.user.id


async def test_an_admin_lifts_a_lock_out(house: House) -> None:
    for _ in range(10):
        await house.identity.sign_in("bob", "wrong", address="203.0.113.5")
    assert reason(await house.identity.sign_in("bob", BOBS, address="203.0.113.5")) == "identity.wait"
    (locked,) = house.throttle.locked()
    assert (locked.account, locked.address) == ("bob", "203.0.113.5")
    assert await house.identity.accounts.unlock(house.bob.user.id, by=house.anna) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS, address="203.0.113.5"), Entered)
    assert {"identity.locked", "identity.unlocked"} <= set(await house.kinds())


async def test_a_reset_brings_back_who_lost_everything(house: House) -> None:
    enrolment = await house.identity.second_factor.begin(house.bob)
    assert not isinstance(enrolment, Refusal)
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    link = await house.identity.accounts.reset("BOB")
    assert isinstance(link, Link)
    assert isinstance(await house.identity.use_link(link.token, "five orange radishes"), Entered)
    assert reason(await house.identity.accounts.reset("nobody")) == "identity.user.unknown"


# -- teams ----------------------------------------------------------------------------------------------------------


async def test_teams_have_members_who_know_their_teams(house: House) -> None:
    accounts = house.identity.accounts
    team = await accounts.put_team(" Second  line ", [house.bob.user.id, house.anna.user.id], by=house.anna)
    assert not isinstance(team, Refusal)
    assert team.name == "Second line"
    assert [user.teams for user in await accounts.users()] == [(team.id,), (team.id,)]
    changed = await accounts.put_team("Third line", [house.bob.user.id], team_id=team.id, by=house.anna)
    assert await accounts.teams() == [changed]
    await accounts.remove(house.bob.user.id, by=house.anna)
    assert (await accounts.teams())[0].members == ()
    assert await accounts.remove_team(team.id, by=house.anna) is None
    assert await accounts.teams() == []


async def test_a_team_that_cannot_be_is_refused(house: House) -> None:
    accounts = house.identity.accounts
    team = await accounts.put_team("Käse", [], by=house.anna)
    assert not isinstance(team, Refusal)
    assert reason(await accounts.put_team("KÄSE", [], by=house.anna)) == "identity.team.name_taken"
    assert reason(await accounts.put_team(" ", [], by=house.anna)) == "identity.team.name"
    assert reason(await accounts.put_team("x", ["no such"], by=house.anna)) == "identity.user.gone"
    assert reason(await accounts.put_team("x", [], team_id="no such", by=house.anna)) == "identity.team.gone"
    assert reason(await accounts.remove_team("no such", by=house.anna)) == "identity.team.gone"
    await house.settings.change(fallback_team_id=team.id)
    assert reason(await accounts.remove_team(team.id, by=house.anna)) == "identity.team.is_fallback"
    assert await accounts.teams() == [team]


def test_every_permission_has_its_words() -> None:
    for language in LANGUAGES:
        for permission in Permission:
            assert words(language)(f"identity.permission.{permission}")
