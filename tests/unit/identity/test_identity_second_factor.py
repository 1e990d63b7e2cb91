from __future__ import annotations

from pathlib import Path

import pyotp
import pytest

from appliance.identity import CodeNeeded, Enrolment, Entered
from appliance.identity.envelope import Envelope, EnvelopeError
from appliance.wire.messages import Refusal
from tests.support.house import BOBS, House

WRONG = Refusal(reason="identity.sign_in.code_wrong")


class Phone:
    """Bob's authenticator app."""

    def __init__(self, house: House, secret: str) -> None:
        self.house = house
        self.totp = pyotp.TOTP(secret)

    def code(self, seconds: float = 0) -> str:
        return self.totp.at(int(self.house.clock.at + seconds))


@pytest.fixture
async def phone(house: House) -> Phone:
    enrolment = await house.identity.second_factor.begin(house.bob)
    assert isinstance(enrolment, Enrolment)
    return Phone(house, enrolment.secret)


@pytest.fixture
async def codes(house: House, phone: Phone) -> tuple[str, ...]:
    codes = await house.identity.second_factor.confirm(house.bob, phone.code())
    assert not isinstance(codes, Refusal)
    house.clock.at += 300
    return codes


async def ticket(house: House) -> str:
    needed = await house.identity.sign_in("bob", BOBS)
    assert isinstance(needed, CodeNeeded)
    return needed.ticket


async def test_it_is_not_in_force_before_the_app_has_shown_a_code(house: House, phone: Phone) -> None:
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)
    pending = await house.identity.second_factor.pending(house.bob)
    assert pending is not None
    assert pending.secret == phone.totp.secret
    assert await house.identity.second_factor.confirm(house.bob, "000000") == Refusal(
        reason="identity.totp.not_confirmed"
    )
    assert isinstance(await house.identity.second_factor.confirm(house.bob, phone.code()), tuple)
    assert isinstance(await house.identity.sign_in("bob", BOBS), CodeNeeded)
    assert await house.identity.second_factor.begin(house.bob) == Refusal(reason="identity.totp.is_on")
    assert await house.identity.second_factor.pending(house.bob) is None


async def test_the_qr_code_is_a_picture_without_styles_and_scripts(house: House, phone: Phone) -> None:
    pending = await house.identity.second_factor.pending(house.bob)
    assert pending is not None
    assert pending.svg.startswith("<svg")
    assert "style" not in pending.svg
    assert pending.uri.startswith("otpauth://totp/Hilfe:bob?")


async def test_password_and_code_in_two_steps_or_in_one(house: House, phone: Phone, codes: tuple[str, ...]) -> None:
    assert isinstance(await house.identity.sign_in_with_code(await ticket(house), phone.code()), Entered)
    house.clock.at += 30
    code = phone.code()
    assert isinstance(await house.identity.sign_in("bob", BOBS, f"{code[:3]} {code[3:]}"), Entered)
    assert await house.identity.sign_in("bob", BOBS, "000000") == WRONG


@pytest.mark.parametrize(("seconds", "fits"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
async def test_a_clock_may_be_one_step_off(
    house: House, phone: Phone, codes: tuple[str, ...], seconds: int, fits: bool
) -> None:
    answer = await house.identity.sign_in_with_code(await ticket(house), phone.code(seconds))
    assert isinstance(answer, Entered) == fits


async def test_no_step_counts_twice_nor_one_before_it(house: House, phone: Phone, codes: tuple[str, ...]) -> None:
    code, before = phone.code(), phone.code(-30)
    assert isinstance(await house.identity.sign_in_with_code(await ticket(house), code), Entered)
    assert await house.identity.sign_in_with_code(await ticket(house), code) == WRONG
    assert await house.identity.sign_in_with_code(await ticket(house), before) == WRONG


async def test_the_code_that_turned_it_on_does_not_sign_in(house: House, phone: Phone) -> None:
    code = phone.code()
    await house.identity.second_factor.confirm(house.bob, code)
    assert await house.identity.sign_in_with_code(await ticket(house), code) == WRONG


async def test_each_recovery_code_counts_once_as_it_is_typed(house: House, codes: tuple[str, ...]) -> None:
    assert len(set(codes)) == 10
    typed = codes[3].lower().replace("-", " ")
    assert isinstance(await house.identity.sign_in_with_code(await ticket(house), typed), Entered)
    assert (await house.audit.page(limit=1))[0].details == {"second_factor": "recovery_code"}
    assert await house.identity.sign_in_with_code(await ticket(house), typed) == WRONG
    assert await house.identity.second_factor.recovery_codes_left(house.bob) == 9


async def test_new_recovery_codes_make_the_old_ones_void(house: House, phone: Phone, codes: tuple[str, ...]) -> None:
    assert await house.identity.second_factor.new_recovery_codes(house.bob, "000000") == WRONG
    fresh = await house.identity.second_factor.new_recovery_codes(house.bob, phone.code())
    assert isinstance(fresh, tuple)
    assert await house.identity.sign_in_with_code(await ticket(house), codes[0]) == WRONG
    assert isinstance(await house.identity.sign_in_with_code(await ticket(house), fresh[0]), Entered)


async def test_turning_it_off_wants_a_code(house: House, phone: Phone, codes: tuple[str, ...]) -> None:
    assert await house.identity.second_factor.turn_off(house.bob, "000000") == WRONG
    assert await house.identity.second_factor.turn_off(house.bob, codes[0]) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)
    assert await house.identity.second_factor.recovery_codes_left(house.bob) == 0


async def test_an_admin_takes_it_away_from_who_lost_it_and_ends_their_sessions(
    house: House, codes: tuple[str, ...]
) -> None:
    assert await house.identity.accounts.remove_second_factor(house.bob.user.id, by=house.anna) is None
    assert await house.identity.authenticate(house.bobs_cookie) is None
    assert isinstance(await house.identity.sign_in("bob", BOBS), Entered)


async def test_a_ticket_lasts_five_minutes_and_five_tries_and_signs_in_once(
    house: House, phone: Phone, codes: tuple[str, ...]
) -> None:
    again = Refusal(reason="identity.sign_in.again")
    held = await ticket(house)
    assert isinstance(await house.identity.sign_in_with_code(held, codes[0]), Entered)
    assert await house.identity.sign_in_with_code(held, codes[1]) == again
    held = await ticket(house)
    house.clock.at += 301
    assert await house.identity.sign_in_with_code(held, codes[1]) == again
    held = await ticket(house)
    for number in range(5):
        assert await house.identity.sign_in_with_code(held, "000000", f"203.0.113.{number}") == WRONG
    assert await house.identity.sign_in_with_code(held, codes[1]) == again
    assert await house.identity.sign_in_with_code("no such", codes[1]) == again


async def test_a_ticket_of_a_user_who_was_disabled_meanwhile_is_void(house: House, codes: tuple[str, ...]) -> None:
    held = await ticket(house)
    await house.identity.accounts.change(house.bob.user.id, disabled=True, by=house.anna)
    assert await house.identity.sign_in_with_code(held, codes[0]) == Refusal(reason="identity.sign_in.again")


async def test_without_its_key_file_the_secret_opens_for_nobody_and_a_reset_helps(
    house: House, phone: Phone, codes: tuple[str, ...]
) -> None:
    (house.store.folder / "envelope.key").write_bytes(bytes(32))
    house.identity.second_factor._envelope = Envelope(house.store.folder / "envelope.key")
    assert await house.identity.sign_in_with_code(await ticket(house), phone.code()) == WRONG
    assert not isinstance(await house.identity.accounts.reset("bob"), Refusal)


def test_a_sealed_value_opens_in_its_row_only_and_unchanged_only(tmp_path: Path) -> None:
    envelope = Envelope(tmp_path / "other.key")
    sealed = envelope.seal(b"secret", "users.totp_secret:1")
    assert b"secret" not in sealed
    assert envelope.open(sealed, "users.totp_secret:1") == b"secret"
    assert Envelope(tmp_path / "other.key").open(sealed, "users.totp_secret:1") == b"secret"
    with pytest.raises(EnvelopeError):
        envelope.open(sealed, "users.totp_secret:2")
    with pytest.raises(EnvelopeError):
        Envelope(tmp_path / "third.key").open(sealed, "users.totp_secret:1")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(EnvelopeError):
            envelope.open(bytes(changed), "users.totp_secret:1")
    for length in range(len(sealed)):
        with pytest.raises(EnvelopeError):
            envelope.open(sealed[:length], "users.totp_secret:1")


async def test_the_database_has_no_secret_and_no_recovery_code(
    house: House, phone: Phone, codes: tuple[str, ...]
) -> None:
    dump = await house.store.read(lambda db: "\n".join(db.conn.iterdump()))
    for secret in (phone.totp.secret, *codes, *(code.replace("-", "") for code in codes)):
        assert secret not in dump
        assert secret.encode().hex().upper() not in dump
