"""`python -m clients.customer`, and the built client's entry."""

from __future__ import annotations

import argparse
import enum
import os
import socket
import sys
import threading
import traceback
from pathlib import Path

from appliance.wire.start_file import StartInfo
from appliance.words import LANGUAGES, Words, words
from clients.customer.starting import NoStart, find_start
from clients.customer.talk import Ended, Text, packed, talk_pair
from clients.platform import Platform, this_platform


class Exit(enum.IntEnum):
    """What the program ends with."""

    OK = 0
    BUG = 1
    USAGE = 2
    NO_START = 3
    NO_DISPLAY = 4
    NO_SESSION = 5


def main(argv: list[str] | None = None) -> int:
    """Run the client to its end; an Exit."""
    platform = this_platform()
    # Without a start only the machine can say which language its person speaks.
    catalogue = words(_language(platform, None))
    arguments = _arguments(catalogue, argv)
    display = platform.display()
    if not display.window:
        print(catalogue(display.problem), file=sys.stderr)
        return Exit.NO_DISPLAY
    try:
        start = find_start(arguments.start_file)
    except NoStart as error:
        return _say_only(platform, catalogue, Text(id=error.code, args=dict(error.args_)))
    language = _language(platform, start.language)
    engine_socket, window_socket = talk_pair()
    engine = EngineThread(start, engine_socket, platform, language)
    # The window first: what the engine imports would take the processor from it just when somebody waits to see it.
    from clients.customer.window import run_window

    run_window(window_socket, words(language), dark=platform.prefers_dark(), shown=engine.start)
    engine.join()
    if engine.bug:
        return Exit.BUG
    return Exit.NO_SESSION if engine.ended is None or engine.ended.failed else Exit.OK


class EngineThread(threading.Thread):
    """The one thread beside the window's; it owns the session and everything of it."""

    def __init__(self, start: StartInfo, sock: socket.socket, platform: Platform, language: str) -> None:
        super().__init__(name="engine")
        self._start_info = start
        self._sock = sock
        self._platform = platform
        self._language = language
        self.ended: Ended | None = None
        self.bug = False

    def run(self) -> None:
        """Run the engine; a bug is a traceback on stderr and a word in the window."""
        import trio

        try:
            self.ended = trio.run(self._engine)
        except BaseException:
            self.bug = True
            traceback.print_exc()
            _last_word(self._sock)

    async def _engine(self) -> Ended:
        from clients.customer.engine import Engine
        from clients.customer.engine_end import EngineEnd
        from clients.customer.net.route import Route
        from clients.desktop import open_desktop

        # A copy of the descriptor: if this ends with a bug, the window is still told so.
        window = EngineEnd(self._sock.dup())
        engine = Engine(
            self._start_info, window, self._platform, Route(self._start_info), open_desktop, language=self._language
        )
        ended = await engine.run()
        self._sock.close()
        return ended


def _last_word(sock: socket.socket) -> None:
    try:
        sock.setblocking(True)
        sock.sendall(packed(Ended(text=Text(id="client.ended.bug"), failed=True)))
        sock.close()
    except OSError:
        pass


def _say_only(platform: Platform, catalogue: Words, text: Text) -> int:
    """No engine: the window says why, and so does stderr."""
    print(catalogue(text.id, **text.args), file=sys.stderr)
    if sys.stderr is None or not sys.stderr.isatty():
        from clients.customer.window import run_window

        ours, windows = talk_pair()
        ours.sendall(packed(Ended(text=text, failed=True)))
        with ours:
            run_window(windows, catalogue, dark=platform.prefers_dark())
    return Exit.NO_START


def _language(platform: Platform, start: str | None) -> str:
    return next((choice for choice in (platform.language(), start) if choice in LANGUAGES), "en") or "en"


def _arguments(catalogue: Words, argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="beistand-client", description=catalogue("client.usage.what"))
    parser.add_argument("--start-file", type=Path, metavar="FILE", help=catalogue("client.usage.start_file"))
    return parser.parse_args(argv)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The interpreter's own way out takes 60 ms to take apart what the system frees anyway.
    os._exit(code)
