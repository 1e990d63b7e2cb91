"""The client's pure state: consents, chat outbox, the typed channel, where the start comes from, the words."""

from __future__ import annotations

import ast
import re
import socket
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire.messages import ChatMessage, ChatStored, Consent, ConsentAsk, Person, Tool
from appliance.wire.start_file import StartInfo, file_name, pack_trailer
from appliance.words import LANGUAGES, words
from clients.customer import starting
from clients.customer.chat import MAX_OUTBOX, Chat, OutboxFull
from clients.customer.consent import Consents, unanswered
from clients.customer.engine_end import EngineEnd
from clients.customer.starting import NoStart, find_start
from clients.customer.talk import Cutter, End, Line, Phase, Say, View, WindowEnd, packed, talk_pair

ANNA = Person(id="user-anna", name="Anna")
INFO = StartInfo(server="help.example.com:443", pins=(bytes(32),), token="start-token")


def ask(*tools: Tool, id: str = "question-1") -> ConsentAsk:
    return ConsentAsk(id=id, tools=list(tools), technician=ANNA, seconds=60)


# -- consent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(Consent))
def test_only_yes_allows(outcome: Consent) -> None:
    consents = Consents()
    consents.asked(ask(Tool.SCREEN))
    assert consents.answered("question-1", outcome)
    assert (Tool.SCREEN in consents.granted) is (outcome is Consent.GRANTED)
    assert not consents.any_open


def test_an_answer_counts_once_and_only_to_a_question_that_is_open() -> None:
    consents = Consents()
    assert not consents.answered("question-1", Consent.GRANTED)
    consents.asked(ask(Tool.SCREEN))
    assert consents.withdrawn("question-1")
    assert not consents.answered("question-1", Consent.GRANTED)
    assert consents.granted == {Tool.CHAT}


def test_taking_the_screen_back_takes_control_back() -> None:
    consents = Consents()
    consents.asked(ask(Tool.SCREEN, Tool.CONTROL, Tool.CLIPBOARD))
    consents.answered("question-1", Consent.GRANTED)
    assert consents.stopped(frozenset({Tool.SCREEN})) == {Tool.SCREEN, Tool.CONTROL}
    assert consents.granted == {Tool.CHAT, Tool.CLIPBOARD}
    assert consents.stopped(frozenset({Tool.SCREEN, Tool.CHAT})) == set()


def test_when_nobody_owns_the_session_nothing_is_allowed() -> None:
    consents = Consents()
    consents.asked(ask(Tool.SCREEN))
    consents.answered("question-1", Consent.GRANTED)
    consents.forget()
    assert consents.granted == {Tool.CHAT}


def test_somebody_who_used_the_computer_meanwhile_is_present() -> None:
    assert unanswered(10, 60) is Consent.TIMEOUT
    assert unanswered(None, 60) is Consent.TIMEOUT
    assert unanswered(3600, 60) is Consent.NOBODY


# -- chat -------------------------------------------------------------------------------------------------------


def message(seq: int, id: str, text: str = "x") -> ChatMessage:
    return ChatMessage(seq=seq, id=id, sender=ANNA.id, name="Anna", text=text, at=1.0)


def test_a_line_is_kept_until_it_is_stored_and_reported_once() -> None:
    chat = Chat()
    first, second = chat.write("one"), chat.write("two")
    assert chat.unsent == [first, second]
    assert chat.stored(ChatStored(id=first.id, seq=1)) == first
    assert chat.stored(ChatStored(id=first.id, seq=1)) is None
    assert chat.unsent == [second]


def test_ones_own_line_that_comes_back_is_the_proof_that_it_is_stored() -> None:
    chat = Chat()
    line = chat.write("one")
    assert not chat.received(message(1, line.id))
    assert chat.unsent == []


def test_a_message_that_comes_twice_is_shown_once() -> None:
    chat = Chat()
    assert chat.received(message(4, "message-4"))
    assert not chat.received(message(4, "message-4"))
    assert chat.last_seen == 4


def test_the_outbox_has_an_end() -> None:
    chat = Chat()
    for _ in range(MAX_OUTBOX):
        chat.write("x")
    with pytest.raises(OutboxFull):
        chat.write("x")


# -- the typed channel ------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=50), max_size=8), st.integers(1, 40))
def test_messages_arrive_whole_however_the_bytes_are_cut(texts: list[str], size: int) -> None:
    stream = b"".join(packed(Say(text=text)) for text in texts)
    cutter = Cutter()
    payloads = [payload for at in range(0, len(stream), size) for payload in cutter.feed(stream[at : at + size])]
    assert b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads) == stream


def test_the_window_never_waits_for_an_engine_that_does_not_listen() -> None:
    ours, windows = talk_pair()
    windows.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    end = WindowEnd(windows)
    with ours, windows:
        for _ in range(200):
            end.tell(Say(text="x" * 2000))
        ours.setblocking(False)
        received, cutter = 0, Cutter()
        while received < 200:
            try:
                received += len(list(cutter.feed(ours.recv(65536))))
            except BlockingIOError:
                end.flush()


async def test_the_engine_never_waits_for_a_window_that_does_not_look() -> None:
    """Of the views that pile up meanwhile only the newest is sent; no line of the chat is lost."""
    ours, windows = talk_pair()
    engine = EngineEnd(ours)
    window = WindowEnd(windows)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.run)
        for number in range(3000):
            engine.tell(View(phase=Phase.WAITING, position=number))
            engine.tell(Line(id=f"line-{number}", mine=False, name="Anna", text="x" * 100, at=0))
            if number % 100 == 0:
                await trio.lowlevel.checkpoint()
        lines: list[str] = []
        position = 0
        with trio.fail_after(10):
            while len(lines) < 3000:
                await trio.lowlevel.wait_readable(windows)
                for heard in window.heard()[0]:
                    if isinstance(heard, Line):
                        lines.append(heard.id)
                    elif isinstance(heard, View):
                        position = heard.position
        nursery.cancel_scope.cancel()
    assert lines == [f"line-{number}" for number in range(3000)]
    assert position == 2999
    await engine.aclose()
    windows.close()


async def test_each_side_sees_that_the_other_is_gone() -> None:
    ours, windows = talk_pair()
    engine, window = EngineEnd(ours), WindowEnd(windows)
    window.tell(End())
    assert await engine.heard() == [End()]
    windows.close()
    assert await engine.heard() is None
    await engine.aclose()
    ours, windows = talk_pair()
    ours.close()
    assert WindowEnd(windows).heard() == ([], False)
    windows.close()


# -- the start --------------------------------------------------------------------------------------------------


def test_a_named_file_comes_before_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, named = tmp_path / "own", tmp_path / "named"
    own.write_bytes(b"program" + pack_trailer(StartInfo(server="own:1", pins=(bytes(32),), token="own-token")))
    named.write_bytes(pack_trailer(INFO))
    monkeypatch.setenv(starting.OWN_FILE, str(own))
    assert find_start(named) == INFO
    assert find_start(None).server == "own:1"


def test_without_a_trailer_the_files_name_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / f"{file_name(INFO)} (1)"
    file.write_bytes(b"program")
    monkeypatch.setenv(starting.OWN_FILE, str(file))
    assert find_start(None).token == INFO.token


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"program", "client.start.none"),
        (b"program\0BEISTND\0\0\0\x10cut", "client.start.damaged"),
        (None, "client.start.unreadable"),
    ],
)
def test_a_file_without_a_good_start_says_which_case_it_is(content: bytes | None, code: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NoStart) as raised:
        find_start(file)
    assert raised.value.code == code
    for language in LANGUAGES:
        assert words(language)(code, **raised.value.args_)


# -- the words --------------------------------------------------------------------------------------------------


def test_every_message_that_the_client_names_is_in_the_catalogue() -> None:
    root = Path(starting.__file__).parents[1]
    named: set[str] = set()
    for file in [*(root / "customer").rglob("*.py"), *(root / "platform").rglob("*.py")]:
        text = file.read_text()
        tree = ast.parse(text)
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        named |= {text for text in texts if re.fullmatch(r"(client|screen)(\.[a-z_]*[a-z])+", text)}
        named |= {f"client.trouble.{code}" for code in re.findall(r'Trouble\(\s*"([a-z_]+)"', text)}
    assert len(named) > 40
    for language in LANGUAGES:
        catalogue = words(language)
        assert [name for name in sorted(named) if name not in catalogue] == []


@pytest.mark.parametrize("tool", list(Tool))
def test_every_tool_can_be_asked_for(tool: Tool) -> None:
    for language in LANGUAGES:
        catalogue = words(language)
        assert catalogue(f"client.question.{tool.value}", name="Anna")
        assert catalogue(f"client.question.several_{tool.value}")
