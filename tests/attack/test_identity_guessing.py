"""Guessing at credentials: no path without a count, no answer or cost that tells what exists."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio

from appliance import identity as identity_package
from appliance.identity import CodeNeeded, Credential, Enrolment, Entered, Identity, SecondFactor, SignedIn
from appliance.wire.messages import Refusal
from tests.support.house import ANNAS, BOBS, House, site

ATTACKER = "203.0.113.66"
GOOD = "five orange radishes"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with site(tmp_path / "data") as made:
        yield made


async def with_second_factor(house: House) -> None:
    import pyotp

    enrolment = await house.identity.second_factor.begin(house.bob)
    assert isinstance(enrolment, Enrolment)
    await house.identity.second_factor.confirm(house.bob, pyotp.TOTP(enrolment.secret).at(int(house.clock.at)))
    house.clock.at += 300


async def ticket(house: House) -> str:
    needed = await house.identity.sign_in("bob", BOBS, address="192.0.2.2")
    assert isinstance(needed, CodeNeeded)
    return needed.ticket


def at(who: SignedIn) -> SignedIn:
    return SignedIn(who.user, who.session_id, who.csrf, ATTACKER)


PATHS: dict[str, Callable[[House], Awaitable[object]]] = {
    "sign_in": lambda house: house.identity.sign_in("bob", "wrong", address=ATTACKER),
    "sign_in of nobody": lambda house: house.identity.sign_in("nobody", "wrong", address=ATTACKER),
    "sign_in with a wrong code": lambda house: house.identity.sign_in("bob", BOBS, "000000", address=ATTACKER),
    "change_password": lambda house: house.identity.change_password(at(house.bob), "wrong", GOOD),
    "user_of_link": lambda house: house.identity.user_of_link("x" * 43, ATTACKER),
    "use_link": lambda house: house.identity.use_link("x" * 43, GOOD, ATTACKER),
    "second_factor.turn_off": lambda house: house.identity.second_factor.turn_off(at(house.bob), "000000"),
    "second_factor.confirm": lambda house: house.identity.second_factor.confirm(at(house.bob), "000000"),
    "second_factor.new_recovery_codes": lambda house: house.identity.second_factor.new_recovery_codes(
        at(house.bob), "AAAAA-AAAAA"
    ),
}


async def sign_in_with_code(house: House) -> object:
    return await house.identity.sign_in_with_code(await ticket(house), "000000", ATTACKER)


PATHS["sign_in_with_code"] = sign_in_with_code


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_that_takes_a_credential_closes_after_wrong_tries_from_an_address(
    house: House, path: str
) -> None:
    await with_second_factor(house)
    for _ in range(31):
        answer = await PATHS[path](house)
        assert isinstance(answer, Refusal)
        if answer.reason == "identity.wait":
            break
    assert answer.reason == "identity.wait"
    assert isinstance(answer.args["n"], int)
    assert answer.args["n"] > 0
    hashes = house.passwords.hashes
    assert isinstance(await PATHS[path](house), Refusal)
    if (
        path != "sign_in_with_code" and "code" not in path
    ):  # getting a ticket, or as far as the code, is a right password
        assert house.passwords.hashes == hashes, "refused before hashing"


def test_no_path_was_forgotten() -> None:
    """Whoever adds a method that takes a credential finds it here, and adds it to PATHS."""
    credentials = {"password", "code", "old", "token", "ticket"}
    found = set()
    for kind, prefix in ((Identity, ""), (SecondFactor, "second_factor.")):
        for name, method in inspect.getmembers(kind, inspect.iscoroutinefunction):
            if not name.startswith("_") and credentials & inspect.signature(method).parameters.keys():
                found.add(prefix + name)
    found -= {"set_up"}  # makes one, and has the set-up code before it
    assert found <= PATHS.keys()
    assert set(Credential) == {
        Credential.SIGN_IN,
        Credential.SECOND_FACTOR,
        Credential.SIGN_IN_LINK,
        Credential.SET_UP_CODE,
        Credential.SESSION_KEY,
        Credential.START_TOKEN,
    }


async def test_the_owner_signs_in_from_elsewhere_while_they_are_being_guessed_at(house: House) -> None:
    for number in range(100):
        await house.identity.sign_in("anna", "wrong", address=f"203.0.113.{number}")
    assert isinstance(await house.identity.sign_in("anna", ANNAS, address="192.0.2.1"), Entered)


async def test_names_cannot_be_told_by_answer_or_by_what_they_cost(house: House) -> None:
    """Hashes are counted rather than time measured: they are what the time is made of."""
    await house.identity.accounts.create("invited", by=house.anna)
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    seen = set()
    for number, name in enumerate(("anna", "nobody", "invited", "bob", "", "a" * 5000, "anna\0", "ан\u200bна")):
        house.passwords.hashes = 0
        rows = len(await house.audit.page(limit=1000))
        answer = await house.identity.sign_in(name, "wrong password", address=f"198.51.100.{number}")
        seen.add((repr(answer), house.passwords.hashes, len(await house.audit.page(limit=1000)) - rows))
    assert len(seen) == 1


async def test_what_was_typed_as_an_unknown_name_is_written_nowhere(house: House) -> None:
    await house.identity.sign_in("MyPassw0rd!InTheWrongField", "", address=ATTACKER)
    assert await house.audit.page(text="MyPassw0rd") == []


async def test_a_hundred_tries_at_once_are_no_more_than_ten(house: House) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(house.identity.sign_in, "bob", "wrong", "", ATTACKER)
    assert house.passwords.hashes == 10


async def test_a_flood_of_tries_from_everywhere_is_refused_past_a_bounded_queue_for_the_hash(house: House) -> None:
    answers: list[object] = []

    async def attempt(number: int) -> None:
        answers.append(
            await house.identity.sign_in(f"user {number}", "wrong", "", f"203.0.{number // 250}.{number % 250}")
        )

    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(attempt, number)
    assert len(answers) == 300
    assert set(map(repr, answers)) <= {
        repr(Refusal(reason="identity.sign_in.wrong")),
        repr(Refusal(reason="identity.sign_in.overrun", retry=True)),
    }
    assert isinstance(await house.identity.sign_in("anna", ANNAS, address="192.0.2.1"), Entered)


async def test_a_try_that_is_cancelled_counts(house: House) -> None:
    for _ in range(20):
        with trio.CancelScope() as scope:
            scope.cancel()
            await house.identity.sign_in("bob", "wrong", "", ATTACKER)
    answer = await house.identity.sign_in("bob", BOBS, "", ATTACKER)
    assert isinstance(answer, Refusal)
    assert answer.reason == "identity.wait"


async def test_one_link_used_twice_at_the_same_time_sets_one_password(house: House) -> None:
    link = await house.identity.accounts.link(house.bob.user.id, by=house.anna)
    assert not isinstance(link, Refusal)
    answers: list[object] = []

    async def use(password: str) -> None:
        answers.append(await house.identity.use_link(link.token, password, "192.0.2.9"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, "six silver spoons")
        nursery.start_soon(use, "seven brass bells")
    assert sum(isinstance(answer, Entered) for answer in answers) == 1


async def test_one_recovery_code_used_twice_at_the_same_time_signs_in_once(house: House) -> None:
    import pyotp

    enrolment = await house.identity.second_factor.begin(house.bob)
    assert isinstance(enrolment, Enrolment)
    codes = await house.identity.second_factor.confirm(house.bob, pyotp.TOTP(enrolment.secret).at(int(house.clock.at)))
    assert not isinstance(codes, Refusal)
    tickets = [await ticket(house) for _ in range(4)]
    answers: list[object] = []

    async def use(held: str) -> None:
        answers.append(await house.identity.sign_in_with_code(held, codes[0], "192.0.2.2"))

    async with trio.open_nursery() as nursery:
        for held in tickets:
            nursery.start_soon(use, held)
    assert sum(isinstance(answer, Entered) for answer in answers) == 1


def test_the_package_exports_no_way_to_sign_in_without_the_throttle() -> None:
    assert "users" not in identity_package.__all__
    assert "credentials" not in identity_package.__all__
