"""The customer's client: what a person who needs help runs, once, and what leaves nothing behind.

    __main__.py   finds the start; the window in the main thread, the engine in its own; says why if it cannot
    starting.py   where the start comes from: a given file, this file's own trailer, its name
    talk.py       the typed channel between the two parties
    engine_end.py the engine's end of it
    engine.py     the session: connects, comes back, asks for consent, ends
    link.py       one connection to the appliance: handshake, reading, sending, pings
    consent.py    what the customer has allowed
    chat.py       the outbox and what was said
    tools.py      the desktop that the appliance's channels reach once the customer has allowed them
    net/          the way to the appliance
    window/       what the customer sees (Tk)

**Two parties.** The engine (trio) and the window (Tk) know each other only by `talk.py`, whose messages are bytes on a
socket pair. They are one process now; when elevation makes the engine a service, the socket leads to another one and
neither side changes. Tk has to be in the main thread on macOS; so the engine has a thread of its own, named `engine`,
which `__main__` starts and joins. trio's guest mode, the other way, would stop the session whenever Tk does not come
back to its loop: on Windows that is as long as somebody drags the window.
"""

VERSION = "0.1.0"
