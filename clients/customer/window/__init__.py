"""What the customer sees.

theme.py      colours, fonts and ttk styles: LOOK.md's tokens in Tk's terms
main.py       the window: who, what is shared, words, chat, End now
chat.py       what is written
question.py   one question, Allow and Refuse
banner.py     the strip on top of everything while anything is shared
"""

from __future__ import annotations

import os
import signal
import socket
import tkinter
from collections.abc import Callable

from appliance.words import Words
from clients.customer.talk import WindowEnd
from clients.customer.window.main import MainWindow

POLL_MS = 30


def run_window(sock: socket.socket, words: Words, *, dark: bool, shown: Callable[[], None] = lambda: None) -> None:
    """Show the window until it is closed, over the channel's window end. In the main thread.

    `shown` is called once, when the window can be seen.
    """
    end = WindowEnd(sock)
    root = tkinter.Tk(className="Beistand")
    window = MainWindow(root, end, words, dark=dark)

    def hear(*_event: object) -> None:
        end.flush()
        messages, there = end.heard()
        for message in messages:
            window.heard(message)
        if not there:
            if os.name != "nt":
                root.deletefilehandler(sock)
            window.engine_gone()

    if os.name == "nt":  # Tk watches no sockets there

        def poll() -> None:
            hear()
            root.after(POLL_MS, poll)

        poll()
    else:
        root.createfilehandler(sock, tkinter.READABLE, hear)
        _leave_on_signals(root, window)
    root.update()
    shown()
    try:
        root.mainloop()
    finally:
        sock.close()


def _leave_on_signals(root: tkinter.Tk, window: MainWindow) -> None:
    """Being asked to go (log-out, Ctrl-C, a closed terminal) ends the session as End now does, and the window with it.

    Tk's loop does not return to Python for a signal; a byte on a socket that it watches makes it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    root.createfilehandler(woken, tkinter.READABLE, lambda *_event: woken.recv(64))
    for number in numbers:
        signal.signal(number, lambda *_: root.after_idle(window.leave))

    def undo(event: tkinter.Event[tkinter.Misc]) -> None:
        if event.widget is root:
            for number in numbers:
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            woken.close()
            waker.close()

    root.bind("<Destroy>", undo, add=True)
