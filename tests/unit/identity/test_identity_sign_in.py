from __future__ import annotations

import pytest

from appliance.identity import CodeNeeded, Entered
from appliance.wire.messages import Refusal
from tests.support.house import ANNAS, BOBS, House


async def test_name_in_any_case_and_password_sign_in(house: House) -> None:
    entered = await house.identity.sign_in("ANNA", ANNAS, address="198.51.100.7", browser="Firefox")
    assert isinstance(entered, Entered)
    who = await house.identity.authenticate(entered.cookie)
    assert who is not None
    assert who.user.name == "anna"
    assert who.address == "198.51.100.7"
    assert who.csrf == entered.who.csrf
    assert (await house.kinds())[0] == "identity.signed_in"


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "three purple onion"), ("anna", ""), ("nobody", ANNAS), ("", ""), ("anna" * 100, ANNAS), ("bob", ANNAS)],
)
async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer_for_one_hash(
    house: House, name: str, password: str
) -> None:
    answer = await house.identity.sign_in(name, password, address="198.51.100.7")
    assert answer == Refusal(reason="identity.sign_in.wrong")
    assert house.passwords.hashes == 1


async def test_a_disabled_user_and_one_without_a_password_get_that_answer_too(house: House) -> None:
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    await house.identity.accounts.create("carl", by=house.anna)
    wrong = Refusal(reason="identity.sign_in.wrong")
    assert await house.identity.sign_in("bob", BOBS) == wrong
    assert await house.identity.sign_in("carl", "") == wrong
    assert house.passwords.hashes == 2


async def test_each_sign_in_has_a_cookie_and_an_id_of_its_own(house: House) -> None:
    first = await house.identity.sign_in("bob", BOBS)
    second = await house.identity.sign_in("bob", BOBS)
    assert isinstance(first, Entered)
    assert isinstance(second, Entered)
    assert first.cookie != second.cookie
    assert first.who.session_id != second.who.session_id
    assert first.who.csrf != second.who.csrf


async def test_signing_out_ends_this_session_only_and_tells_of_it(house: House) -> None:
    told: list[tuple[str, str]] = []
    house.identity.on_signed_out.append(lambda user_id, session_id: told.append((user_id, session_id)))
    other = await house.identity.sign_in("bob", BOBS)
    assert isinstance(other, Entered)
    await house.identity.sign_out(house.bob)
    assert await house.identity.authenticate(house.bobs_cookie) is None
    assert await house.identity.authenticate(other.cookie) is not None
    assert told == [(house.bob.user.id, house.bob.session_id)]
    await house.identity.sign_out(house.bob)
    assert len(told) == 1


async def test_a_new_password_ends_the_other_sessions_and_the_old_password(house: House) -> None:
    other = await house.identity.sign_in("bob", BOBS)
    assert isinstance(other, Entered)
    assert await house.identity.change_password(house.bob, BOBS, "five orange radishes") is None
    assert await house.identity.authenticate(house.bobs_cookie) is not None
    assert await house.identity.authenticate(other.cookie) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS), Refusal)
    assert isinstance(await house.identity.sign_in("bob", "five orange radishes"), Entered)


async def test_a_new_password_wants_the_old_one_and_strength(house: House) -> None:
    wrong = await house.identity.change_password(house.bob, "wrong", "five orange radishes")
    assert wrong == Refusal(reason="identity.password.old_wrong")
    weak = await house.identity.change_password(house.bob, BOBS, "bob1234567")
    assert isinstance(weak, Refusal)
    assert weak.reason.startswith("identity.password.")
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)


async def test_a_password_kept_with_other_costs_is_kept_anew_when_its_owner_signs_in(house: House) -> None:
    light = house.passwords._hasher
    house.passwords._hasher = type(light)(time_cost=2, memory_cost=16, parallelism=1)
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)
    kept = await house.store.read(
        lambda db: db.execute("SELECT password_hash FROM users WHERE name = 'bob'").fetchone()[0]
    )
    assert "m=16,t=2" in kept
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)


async def test_set_up_happens_once(house: House) -> None:
    again = await house.identity.set_up("eve", "Eve", "six silver spoons", site_name="Mine")
    assert again == Refusal(reason="identity.set_up.done")
    assert house.settings.current.site_name == "Hilfe"
    house.settings.is_set_up = False  # a second request that came before the first was through
    again = await house.identity.set_up("eve", "Eve", "six silver spoons", site_name="Mine")
    assert again == Refusal(reason="identity.set_up.done")
    assert [user.name for user in await house.identity.accounts.users()] == ["anna", "bob"]


# -- sign-in links --------------------------------------------------------------------------------------------------


async def test_a_link_can_be_opened_often_and_used_once(house: House) -> None:
    link = await house.identity.accounts.create("carl", by=house.anna)
    assert not isinstance(link, Refusal)
    for _ in range(3):
        user = await house.identity.user_of_link(link.token)
        assert not isinstance(user, Refusal)
        assert user.name == "carl"
    weak = await house.identity.use_link(link.token, "12345678901")
    assert isinstance(weak, Refusal)
    assert isinstance(await house.identity.use_link(link.token, "six silver spoons"), Entered)
    over = Refusal(reason="identity.link.over")
    assert await house.identity.use_link(link.token, "seven brass bells") == over
    assert await house.identity.user_of_link(link.token) == over
    assert isinstance(await house.identity.sign_in("carl", "six silver spoons"), Entered)


async def test_a_link_is_over_after_a_day_or_with_the_next_one_or_when_the_user_is_disabled(house: House) -> None:
    over = Refusal(reason="identity.link.over")
    first = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    second = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    assert not isinstance(first, Refusal)
    assert not isinstance(second, Refusal)
    assert await house.identity.user_of_link(first.token) == over
    assert await house.identity.accounts.invited() == {house.bob.user.id}
    house.clock.at += 24 * 3600
    assert await house.identity.user_of_link(second.token) == over
    assert await house.identity.accounts.invited() == set()
    third = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    assert not isinstance(third, Refusal)
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    await house.identity.accounts.change(house.bob.user.id, disabled=False, by=house.anna)
    assert await house.identity.user_of_link(third.token) == over


async def test_a_used_link_ends_the_users_sessions(house: House) -> None:
    link = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    assert not isinstance(link, Refusal)
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)  # the old password holds until then
    await house.identity.use_link(link.token, "five orange radishes")
    assert await house.identity.authenticate(house.bobs_cookie) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS), Refusal)


async def test_a_link_does_not_go_around_the_second_factor(house: House) -> None:
    import pyotp

    enrolment = await house.identity.second_factor.begin(house.bob)
    assert not isinstance(enrolment, Refusal)
    totp = pyotp.TOTP(enrolment.secret)
    await house.identity.second_factor.confirm(house.bob, totp.at(house.clock.at))
    link = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    assert not isinstance(link, Refusal)
    needed = await house.identity.use_link(link.token, "five orange radishes")
    assert isinstance(needed, CodeNeeded)
    house.clock.at += 30
    assert isinstance(await house.identity.sign_in_with_code(needed.ticket, totp.at(house.clock.at)), Entered)
