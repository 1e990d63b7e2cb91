from __future__ import annotations

import threading
import unicodedata

import pytest
import trio
from zxcvbn import feedback

from appliance.identity import Passwords
from appliance.identity.passwords import _WARNINGS
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES, words


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8, passes=1)


async def test_hashes_are_argon2id_with_the_agreed_costs() -> None:
    kept = await Passwords().hash("three purple onions")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")


async def test_only_the_right_password_fits_and_composed_letters_do_not_matter(passwords: Passwords) -> None:
    kept = await passwords.hash("drei grüne Möhren")
    assert await passwords.verify(kept, unicodedata.normalize("NFD", "drei grüne Möhren"))
    assert not await passwords.verify(kept, "drei grune Mohren")
    assert not await passwords.verify(None, "drei grüne Möhren")
    assert not await passwords.verify("no hash", "drei grüne Möhren")
    assert not await passwords.verify(kept, "\ud800" * 1_000_000)


async def test_at_most_two_hashes_are_made_at_a_time(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, running, most = threading.Lock(), 0, 0
    real = type(passwords._hasher).hash

    def counted(self: object, password: bytes) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return real(passwords._hasher, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(type(passwords._hasher), "hash", counted)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(passwords.hash, "three purple onions")
    assert 1 <= most <= 2


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "too_short"),
        ("x" * 129, "too_long"),
        ("password123", "common"),
        ("qwertyuiop", "common"),
        ("aaaaaaaaaaaaaaa", "repeats"),
        ("annabeistandanna", "names"),
        ("AnnaAmsel1", "names"),
        ("Hilfe-Hilfe-Hilfe", "names"),
        ("14.07.1989 11", None),
    ],
)
async def test_a_weak_password_is_refused_with_the_reason(passwords: Passwords, password: str, why: str | None) -> None:
    refusal = await passwords.weakness(password, ["anna", "Anna Amsel", "Hilfe"])
    assert isinstance(refusal, Refusal)
    if why is not None:
        assert refusal.reason == f"identity.password.{why}"
    for language in LANGUAGES:
        assert words(language)(refusal.reason, **refusal.args)


@pytest.mark.parametrize(
    "password", ["three purple onions", "Fahrrad-Gießkanne-7", "x9$Kq2!vTz8#", "ä" * 3 + "kqzvwxjyptbn"]
)
async def test_a_strong_password_will_do(passwords: Passwords, password: str) -> None:
    assert await passwords.weakness(password, ["anna"]) is None


def test_every_warning_that_is_explained_is_one_that_the_check_gives() -> None:
    with open(feedback.__file__, encoding="utf-8") as file:
        source = " ".join(file.read().replace("' \\\n", "").replace("\\\n", "").split())
    for warning in _WARNINGS:
        start = warning[:30]
        assert start in source, warning
