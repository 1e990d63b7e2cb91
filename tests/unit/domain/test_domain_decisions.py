"""The pure decisions: keys, states, policy, routing, starts, resume tokens, words."""

from __future__ import annotations

import random
import secrets
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain import keys
from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.domain.policy import Asker, Decision, Role, Situation, decide, to_ask
from appliance.domain.resume import Tokens, rotated, token_hash
from appliance.domain.routing import Queue, route
from appliance.domain.session import TABLE, EndReason, Event, ImpossibleEvent, State, after
from appliance.domain.start import Claim, Hearing, hear
from appliance.domain.verification import NOUNS, verification_words
from appliance.wire.messages import Consent, Tool
from appliance.words import LANGUAGES, words

# -- keys -------------------------------------------------------------------------------------------------------


def test_the_alphabet_has_31_characters_and_none_that_looks_like_another() -> None:
    assert len(set(keys.ALPHABET)) == 31
    assert not set(keys.ALPHABET) & set(keys.LOOK_ALIKES)


@given(st.integers(keys.MIN_LENGTH, keys.MAX_LENGTH), st.randoms(use_true_random=False))
def test_a_key_is_read_however_it_is_spelled(length: int, rng: random.Random) -> None:
    key = keys.make_key(length, rng.choice)
    spelled = "".join(rng.choice([one, one.lower()]) + rng.choice(["", " ", "-", "\u2013", "\u00a0"]) for one in key)
    assert keys.read_key(f" {spelled}\n") == keys.TypedKey(key)
    assert keys.read_key(keys.display(key)) == keys.TypedKey(key)
    groups = keys.display(key).split("-")
    assert "".join(groups) == key
    assert all(3 <= len(group) <= 4 for group in groups)


@pytest.mark.parametrize(("text", "characters"), [("abc-def0", "0"), ("OIL-0123", "OIL01"), ("ABCDEFGl", "L")])
def test_look_alikes_are_told_apart_from_wrong_keys(text: str, characters: str) -> None:
    assert keys.read_key(text) == keys.LookAlikes(characters)


@given(st.text(max_size=200))
def test_any_other_text_is_no_key_and_never_an_error(text: str) -> None:
    read = keys.read_key(text)
    assert isinstance(read, keys.TypedKey | keys.LookAlikes | keys.NoKey)
    if isinstance(read, keys.TypedKey):
        assert set(read.key) <= set(keys.ALPHABET)


@pytest.mark.parametrize("text", ["", "ABC", "ABCDEFGHJKMNPQ", "ÄBCDEFG", "ABC$EFG", "A" * 65, "ſBCDEFG", "ⅧABCDEF"])
def test_what_cannot_be_a_key_is_not_tried(text: str) -> None:
    assert keys.read_key(text) == keys.NoKey()


def test_a_key_has_a_length_that_was_agreed() -> None:
    with pytest.raises(ValueError, match="6"):
        keys.make_key(6, secrets.choice)


# -- states -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_an_event_that_the_table_does_not_have_is_an_error(state: State, event: Event) -> None:
    if event in TABLE[state]:
        assert after(state, event) is TABLE[state][event]
    else:
        with pytest.raises(ImpossibleEvent):
            after(state, event)


def test_every_state_but_the_last_can_end_and_the_last_is_final() -> None:
    assert TABLE[State.ENDED] == {}
    assert all(TABLE[state][Event.END] is State.ENDED for state in State if state is not State.ENDED)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_end_has_words(language: str) -> None:
    assert all(words(language)(reason.message_id) for reason in EndReason)


# -- policy -----------------------------------------------------------------------------------------------------

OWNER = Asker(Role.OWNER, TECHNICIAN)
LOOKER = Asker(Role.OBSERVER, frozenset({Permission.OBSERVE}))
ACTIVE = Situation(State.ACTIVE)


def shared(**answers: Consent) -> Situation:
    return Situation(State.ACTIVE, {Tool(name): answer for name, answer in answers.items()})


@pytest.mark.parametrize(
    ("tool", "asker", "situation", "decision", "rule"),
    [
        (Tool.SCREEN, OWNER, ACTIVE, Decision.ASK, "policy.consent.needed"),
        (Tool.SCREEN, OWNER, shared(screen=Consent.GRANTED), Decision.ALLOW, "policy.consent.granted"),
        (Tool.SCREEN, OWNER, shared(screen=Consent.DENIED), Decision.ASK, "policy.consent.after_denied"),
        (Tool.SCREEN, OWNER, shared(screen=Consent.LOCKED), Decision.ASK, "policy.consent.after_locked"),
        (Tool.CONTROL, OWNER, shared(screen=Consent.GRANTED), Decision.ASK, "policy.consent.needed"),
        (Tool.SCREEN, Asker(None, TECHNICIAN), ACTIVE, Decision.DENY, "policy.member.none"),
        (Tool.CHAT, Asker(None, TECHNICIAN), ACTIVE, Decision.DENY, "policy.member.none"),
        (Tool.SCREEN, Asker(Role.OWNER), ACTIVE, Decision.DENY, "policy.permission.screen"),
        (Tool.FILES, OWNER, ACTIVE, Decision.DENY, "policy.tool.not_offered"),
        (Tool.SCREEN, OWNER, Situation(State.LOST), Decision.DENY, "policy.session.not_active"),
        (Tool.CHAT, OWNER, Situation(State.LOST), Decision.ALLOW, "policy.chat.members"),
        (Tool.CHAT, OWNER, Situation(State.ENDED), Decision.DENY, "policy.session.ended"),
        (Tool.SCREEN, Asker(Role.CUSTOMER), ACTIVE, Decision.DENY, "policy.customer.shares"),
        (Tool.CHAT, Asker(Role.CUSTOMER), Situation(State.WAITING), Decision.ALLOW, "policy.chat.members"),
        (Tool.SCREEN, LOOKER, ACTIVE, Decision.DENY, "policy.observer.not_shared"),
        (Tool.SCREEN, LOOKER, shared(screen=Consent.GRANTED), Decision.ALLOW, "policy.consent.granted"),
        (Tool.CLIPBOARD, LOOKER, shared(clipboard=Consent.GRANTED), Decision.DENY, "policy.observer.view_only"),
        (Tool.CONTROL, LOOKER, shared(control=Consent.GRANTED), Decision.DENY, "policy.permission.control"),
        (Tool.SCREEN, Asker(Role.OBSERVER, TECHNICIAN), ACTIVE, Decision.DENY, "policy.permission.observe"),
    ],
)
def test_each_decision_names_its_rule(
    tool: Tool, asker: Asker, situation: Situation, decision: Decision, rule: str
) -> None:
    ruling = decide(tool, asker, situation)
    assert (ruling.decision, ruling.rule) == (decision, rule)
    assert all(words(language)(ruling.rule, **ruling.args) for language in LANGUAGES)


_ASKERS = st.builds(Asker, st.sampled_from([None, *Role]), st.frozensets(st.sampled_from(Permission)))
_SITUATIONS = st.builds(
    Situation, st.sampled_from(State), st.dictionaries(st.sampled_from(Tool), st.sampled_from(Consent))
)


@given(st.sampled_from(Tool), _ASKERS, _SITUATIONS)
def test_nothing_but_chat_is_allowed_without_the_customers_yes(tool: Tool, asker: Asker, situation: Situation) -> None:
    ruling = decide(tool, asker, situation)
    if ruling.decision is Decision.ALLOW and tool is not Tool.CHAT:
        assert situation.answers.get(tool) is Consent.GRANTED
        assert situation.state is State.ACTIVE
    assert all(words(language)(ruling.rule, **ruling.args) for language in LANGUAGES)


@given(st.frozensets(st.sampled_from(Tool)), _ASKERS, _SITUATIONS, st.booleans())
def test_the_customer_is_asked_only_for_what_has_to_be_asked(
    tools: frozenset[Tool], asker: Asker, situation: Situation, once: bool
) -> None:
    for tool in to_ask(tools, asker, situation, consent_once=once):
        assert decide(tool, asker, situation).decision is Decision.ASK


def test_control_is_asked_for_together_with_the_screen_it_needs() -> None:
    wanted = frozenset({Tool.CONTROL})
    assert to_ask(wanted, OWNER, ACTIVE, consent_once=False) == {Tool.CONTROL, Tool.SCREEN}
    assert to_ask(wanted, OWNER, shared(screen=Consent.GRANTED), consent_once=False) == {Tool.CONTROL}


def test_where_the_site_asks_once_the_first_question_is_about_everything() -> None:
    everything = {Tool.SCREEN, Tool.CONTROL, Tool.CLIPBOARD}
    assert to_ask(frozenset({Tool.SCREEN}), OWNER, ACTIVE, consent_once=True) == everything
    after_stop = shared(screen=Consent.GRANTED, control=Consent.DENIED, clipboard=Consent.DENIED)
    assert to_ask(frozenset({Tool.CONTROL}), OWNER, after_stop, consent_once=True) == {Tool.CONTROL}


# -- routing ----------------------------------------------------------------------------------------------------


def test_a_key_leads_to_its_issuer_while_they_are_signed_in() -> None:
    found = route("anna", signed_in={"anna", "bob"}, fallback_team="night", fallback_members={"bob"})
    assert (found.queue, found.owner, found.present, found.rule) == (
        Queue.PERSONAL,
        "anna",
        True,
        "policy.route.issuer",
    )


def test_then_to_the_fallback_queue_and_it_is_said_when_nobody_is_there() -> None:
    found = route("anna", signed_in={"bob"}, fallback_team="night", fallback_members={"bob"})
    assert (found.queue, found.owner, found.present) == (Queue.FALLBACK, "night", True)
    found = route("anna", signed_in={"cleo"}, fallback_team="night", fallback_members={"bob"})
    assert (found.queue, found.present, found.rule) == (Queue.FALLBACK, False, "policy.route.nobody")
    found = route("anna", signed_in={"bob"}, fallback_team=None, fallback_members=())
    assert (found.queue, found.owner, found.present) == (Queue.PERSONAL, "anna", False)


# -- starts -----------------------------------------------------------------------------------------------------

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.mark.parametrize(
    ("claim", "key", "now", "hearing"),
    [
        (Claim(100.0, False, False, None, False), KEY, 99.9, Hearing.BIND),
        (Claim(100.0, False, False, None, False), KEY, 100.0, Hearing.EXPIRED),
        (Claim(100.0, True, False, None, False), KEY, 50.0, Hearing.WITHDRAWN),
        (Claim(100.0, True, False, KEY, True), KEY, 50.0, Hearing.AGAIN),
        (Claim(100.0, False, False, KEY, True), KEY, 500.0, Hearing.AGAIN),
        (Claim(100.0, False, False, KEY, True), OTHER, 50.0, Hearing.OTHER_KEY),
        (Claim(100.0, False, False, KEY, False), OTHER, 50.0, Hearing.USED),
        (Claim(100.0, False, False, KEY, False), KEY, 50.0, Hearing.USED),
        (Claim(100.0, False, True, KEY, True), KEY, 50.0, Hearing.ENDED),
    ],
)
def test_the_first_client_is_bound_and_no_other_comes_in(
    claim: Claim, key: bytes, now: float, hearing: Hearing
) -> None:
    assert hear(claim, key, now) is hearing


# -- resume -----------------------------------------------------------------------------------------------------


def test_the_token_before_is_good_until_the_new_one_was_used() -> None:
    first = Tokens(token_hash("one"))
    second = rotated(first, "one", "two")
    assert second is not None
    lost = rotated(second, "one", "three")  # the welcome with "two" never arrived
    assert lost is not None
    assert rotated(lost, "two", "x") is None  # nobody ever had it
    third = rotated(lost, "three", "four")
    assert third is not None
    assert rotated(third, "one", "x") is None
    assert rotated(third, "three", "x") is not None


@given(st.lists(st.text(min_size=1, max_size=5), max_size=4))
def test_no_other_token_is_ever_good(guesses: list[str]) -> None:
    tokens = Tokens(token_hash("current-token"), token_hash("previous-token"))
    assert all(rotated(tokens, guess, "new") is None for guess in guesses)


# -- verification words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", sorted(NOUNS))
def test_there_are_256_different_words(language: str) -> None:
    nouns = NOUNS[language]
    assert len({noun.casefold() for noun in nouns}) == len(nouns) == 256
    assert all(3 <= len(noun) <= 9 and noun.isalpha() for noun in nouns)


def test_the_words_are_the_secrets_and_change_with_it() -> None:
    secret = bytes(range(16))
    assert verification_words(secret, "de") == verification_words(secret, "de")
    assert len(verification_words(secret, "en")) == 4
    assert verification_words(secret, "en") != verification_words(bytes(16), "en")
    assert verification_words(secret, "fr") == verification_words(secret, "en")
