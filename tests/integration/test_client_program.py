"""The customer's program as a person meets it: from source, in a real X display, pressed with real keys and clicks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from appliance.wire.channels import ChannelName
from appliance.wire.connection import Accepted, Closed
from appliance.wire.input import Key, Pointer, pack_input
from appliance.wire.messages import (
    ChatMessage,
    ChatSend,
    ChatStored,
    Consent,
    ConsentAnswer,
    ConsentAsk,
    EndNow,
    Person,
    SessionEnded,
    SessionView,
    StopSharing,
    Tool,
    decode,
    encode,
)
from appliance.wire.screen import Kind, read_header
from appliance.wire.start_file import pack_trailer
from tests.support.client_window import banner, banner_button, settled
from tests.support.customer_appliance import (
    SESSION,
    Certificates,
    Peer,
    Serve,
    SmallAppliance,
    make_certificates,
    small_appliance,
)
from tests.support.desktop import VirtualDesktop, eventually, virtual_desktop
from tests.support.processes import Program, running

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
ANNA = Person(id="user-anna", name="Anna Berger")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop() as desktop:
        yield desktop


def environment(desktop: VirtualDesktop, **more: str) -> dict[str, str]:
    return {**desktop.env, "LANG": "de_DE.UTF-8", "LC_ALL": "", "PYTHONPATH": str(ROOT), "no_proxy": "*", **more}


def start_file(folder: Path, appliance: SmallAppliance) -> Path:
    file = folder / "start"
    file.write_bytes(pack_trailer(appliance.start()))
    return file


def program(folder: Path, appliance: SmallAppliance, desktop: VirtualDesktop, **more: str):  # type: ignore[no-untyped-def]
    argv = [sys.executable, "-W", "error", "-m", "clients.customer", "--start-file", start_file(folder, appliance)]
    return running(argv, env=environment(desktop, **more))


async def soon(look: Callable[[], T]) -> T:
    """`eventually`, beside the appliance's own tasks."""
    return await trio.to_thread.run_sync(eventually, look, 15.0)


def press(desktop: VirtualDesktop, title: str, *keys: str) -> None:
    window = desktop.window(title)
    desktop.run("xdotool", "windowfocus", "--sync", window)
    desktop.run("xdotool", "key", "--delay", "30", *keys)


def ask(*tools: Tool) -> ConsentAsk:
    return ConsentAsk(id=f"question-{'-'.join(tools)}", tools=list(tools), technician=ANNA, seconds=60)


def active(**fields: object) -> SessionView:
    return SessionView(session=SESSION, state="active", technicians=[ANNA], **fields)  # type: ignore[arg-type]


async def allowed(peer: Peer, desktop: VirtualDesktop, *tools: Tool) -> Consent:
    """Ask, press Allow with the keyboard, and return the answer."""
    await peer.say(ask(*tools))
    await soon(lambda: desktop.window("Eine Frage an Sie"))
    await trio.sleep(0.7)  # the question is deaf at first, so that nobody allows what they have not read
    await trio.to_thread.run_sync(press, desktop, "Eine Frage an Sie", "Tab", "Return")
    answer = await peer.heard(ConsentAnswer)
    assert isinstance(answer, ConsentAnswer)
    return answer.outcome


class Scene:
    """A program, its window's display, and what the appliance does with it."""

    def __init__(self) -> None:
        self.done = trio.Event()

    def serve(self, act: Serve) -> Serve:
        async def serve(peer: Peer) -> None:
            await act(peer)
            await peer.say(SessionEnded(session=SESSION, reason="session.ended.solved"))
            self.done.set()
            await trio.sleep_forever()

        return serve


async def play(
    act: Serve,
    certificates: Certificates,
    desktop: VirtualDesktop,
    folder: Path,
    after: Callable[[Program], None] = lambda _program: None,
) -> Program:
    """Run the program against `act`, which ends the scene; then the program has to end by itself."""
    scene = Scene()
    with trio.fail_after(60):
        async with small_appliance(certificates, scene.serve(act)) as appliance:
            with program(folder, appliance, desktop) as client:
                await scene.done.wait()
                await trio.to_thread.run_sync(after, client)
                return client


async def test_allowed_by_keyboard_the_screen_arrives_and_the_banner_says_so(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    async def act(peer: Peer) -> None:
        await peer.welcome(site="Muster GmbH")
        await peer.say(active())
        assert await allowed(peer, desktop, Tool.SCREEN) is Consent.GRANTED
        began = time.monotonic()
        screen = await peer.open(ChannelName.SCREEN)
        await peer.until(Accepted)
        first = await peer.message(screen)
        assert time.monotonic() - began < 3
        assert read_header(first).kind == Kind.RESTART
        await peer.say(active(viewers=[ANNA.id], shared=[Tool.SCREEN]))
        await soon(lambda: settled(desktop))
        await trio.to_thread.run_sync(desktop.run, "xdotool", "mousemove", *banner_button(desktop), "click", "1")
        await peer.heard(EndNow)
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.customer"))
        await soon(lambda: not banner(desktop))

    client = await play(act, certificates, desktop, tmp_path)
    assert "Traceback" not in client.output


async def test_return_alone_refuses(certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path) -> None:
    async def act(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(active(), ask(Tool.CONTROL))
        await soon(lambda: desktop.window("Eine Frage an Sie"))
        await trio.sleep(0.7)
        await trio.to_thread.run_sync(press, desktop, "Eine Frage an Sie", "Return")
        answer = await peer.heard(ConsentAnswer)
        assert isinstance(answer, ConsentAnswer)
        assert answer.outcome is Consent.DENIED

    await play(act, certificates, desktop, tmp_path)


async def test_keys_meant_for_another_window_do_not_answer(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    """Somebody is typing when the question comes up and takes the keyboard."""

    async def act(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(active(), ask(Tool.CONTROL))
        await soon(lambda: desktop.window("Eine Frage an Sie"))
        await trio.to_thread.run_sync(desktop.run, "xdotool", "key", "Return", "space")
        await trio.sleep(0.7)
        assert await trio.to_thread.run_sync(desktop.window, "Eine Frage an Sie")
        await trio.to_thread.run_sync(press, desktop, "Eine Frage an Sie", "Escape")
        await peer.heard(ConsentAnswer)

    await play(act, certificates, desktop, tmp_path)


async def test_held_keys_are_released_when_the_connection_is_lost(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    """Shift held at the moment of the loss would turn everything the customer types next into capitals."""
    held = trio.Event()

    async def act(peer: Peer) -> None:
        assert peer.hello is not None
        await peer.welcome()
        if peer.hello.resume is not None:
            await soon(lambda: not modifiers(desktop))
            return
        await peer.say(active())
        assert await allowed(peer, desktop, Tool.SCREEN, Tool.CONTROL) is Consent.GRANTED
        channel = await peer.open(ChannelName.INPUT)
        await peer.until(Accepted)
        message = pack_input([Pointer(300, 300), Key(0xFFE1, True, 42)], at=1000, epoch=1)
        peer.connection.send(channel, message)
        await peer.send()
        await soon(lambda: modifiers(desktop))
        held.set()
        raise trio.EndOfChannel

    await play(act, certificates, desktop, tmp_path)
    assert held.is_set()


async def test_whoever_has_control_cannot_answer_the_next_question(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    """A technician with control would only have to press Allow to be given the clipboard, too."""

    async def act(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(active())
        assert await allowed(peer, desktop, Tool.SCREEN, Tool.CONTROL) is Consent.GRANTED
        channel = await peer.open(ChannelName.INPUT)
        await peer.until(Accepted)
        await peer.say(ask(Tool.CLIPBOARD))
        await soon(lambda: desktop.window("Eine Frage an Sie"))
        await trio.sleep(0.7)
        for at, keysym in enumerate((0xFF09, 0xFF0D)):  # Tab, Return
            message = pack_input([Key(keysym, True), Key(keysym, False)], at=1000 + at, epoch=1)
            peer.connection.send(channel, message)
        await peer.send()
        await trio.sleep(0.5)
        assert await trio.to_thread.run_sync(desktop.window, "Eine Frage an Sie")
        await trio.to_thread.run_sync(press, desktop, "Eine Frage an Sie", "Escape")
        answer = await peer.heard(ConsentAnswer)
        assert isinstance(answer, ConsentAnswer)
        assert answer.outcome is Consent.DENIED

    await play(act, certificates, desktop, tmp_path)


def modifiers(desktop: VirtualDesktop) -> int:
    """The mask of modifiers that the X server holds down."""
    from Xlib.display import Display

    display = Display(desktop.display)
    try:
        return int(display.screen().root.query_pointer().mask)
    finally:
        display.close()


async def test_chat_is_written_with_the_keyboard(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    async def act(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(active())
        channel = await peer.chat()
        hello = ChatMessage(seq=1, id="message-1", sender=ANNA.id, name=ANNA.name, text="Hallo \U0001f642", at=1.0)
        peer.connection.send(channel, encode(hello))
        await peer.send()
        await soon(lambda: desktop.window("Fernhilfe"))
        await trio.to_thread.run_sync(press, desktop, "Fernhilfe", "h", "i", "Return")
        while True:
            message = await peer.message(channel)
            if b"chat.send" in message:
                line = decode(message, ChatSend)
                break
        assert line.text == "hi"
        peer.connection.send(channel, encode(ChatStored(id=line.id, seq=2)))
        await peer.send()

    client = await play(act, certificates, desktop, tmp_path)
    assert "Traceback" not in client.output


async def test_stop_sharing_closes_what_was_open(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    async def act(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(active())
        assert await allowed(peer, desktop, Tool.SCREEN) is Consent.GRANTED
        await peer.open(ChannelName.SCREEN)
        await peer.until(Accepted)
        await peer.say(active(viewers=[ANNA.id], shared=[Tool.SCREEN]))
        await soon(lambda: banner(desktop))
        # Shift+Tab from the field: chat lines, then the button.
        await trio.to_thread.run_sync(press, desktop, "Fernhilfe", "shift+Tab", "shift+Tab", "space")
        await peer.until(Closed)
        await peer.heard(StopSharing)
        await soon(lambda: not banner(desktop))

    await play(act, certificates, desktop, tmp_path)


async def test_asked_to_go_by_a_signal_it_says_goodbye(
    certificates: Certificates, desktop: VirtualDesktop, tmp_path: Path
) -> None:
    ended: list[object] = []
    ready = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.welcome(site="Muster GmbH")
        await peer.say(active())
        ready.set()
        ended.append(await peer.heard(EndNow))
        await peer.say(SessionEnded(session=SESSION, reason="session.ended.customer"))
        await trio.sleep_forever()

    with trio.fail_after(30):
        async with small_appliance(certificates, serve) as appliance:
            with program(tmp_path, appliance, desktop) as client:
                await ready.wait()
                await soon(lambda: desktop.window("Muster GmbH"))
                client.process.terminate()
                code = await trio.to_thread.run_sync(client.process.wait, 10)
    assert (code, ended) == (0, [EndNow()])
    assert client.output == ""


def test_without_a_display_it_says_so(tmp_path: Path) -> None:
    for env, says in (
        ({"DISPLAY": ""}, "DISPLAY ist nicht gesetzt"),
        ({"DISPLAY": ":987"}, "die, die DISPLAY nennt, antwortet nicht"),
        ({"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-0"}, "Wayland"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "clients.customer"],
            env={**os.environ, "LANG": "de_DE.UTF-8", "WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "", **env},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 4
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_without_a_start_it_says_where_to_get_one(desktop: VirtualDesktop, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"x\0BEISTND\0\0\0\x10cut")
    for argv, says in (
        ([], "weiß noch nicht, wen es anrufen soll"),
        (["--start-file", str(broken)], "nicht vollständig"),
    ):
        with running([sys.executable, "-m", "clients.customer", *argv], env=environment(desktop)) as client:
            window = desktop.window("Fernhilfe")
            desktop.run("xdotool", "windowfocus", "--sync", window, "key", "Return")
            assert client.process.wait(10) == 3
        assert says in client.output
