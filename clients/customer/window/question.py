"""One question to the customer: what is asked for, what it means, Refuse and Allow, and the time that is left."""

from __future__ import annotations

import time
import tkinter
from collections.abc import Callable
from tkinter import ttk

from appliance.words import Words
from clients.customer.talk import Question
from clients.customer.window.theme import Theme, wrap_to_width

DEAF_SECONDS = 0.6
"""Keys that come sooner were meant for whatever had the keyboard before the question came up."""
TICK_MS = 200


class QuestionWindow(tkinter.Toplevel):
    """A question on top of everything. Closing it, Escape and Return refuse: allowing takes a decision."""

    def __init__(
        self, root: tkinter.Tk, theme: Theme, words: Words, question: Question, answer: Callable[[bool], None]
    ) -> None:
        super().__init__(root, background=theme.colours.surface, class_="Beistand")
        self._words = words
        self._answer = answer
        self._until = time.monotonic() + question.seconds
        self._deaf_until = time.monotonic() + DEAF_SECONDS
        self._seconds = question.seconds
        px = theme.px
        self.withdraw()
        self.title(words("client.question.title"))
        self.resizable(False, False)
        self.transient(root)
        body = ttk.Frame(self, padding=px(24))
        body.pack(fill="both", expand=True)
        width = px(400)
        ttk.Label(body, text=_headline(words, question), style="Title.TLabel", wraplength=width).pack(anchor="w")
        if len(question.tools) > 1:
            for tool in question.tools:
                text = "•  " + words(f"client.question.several_{tool.value}")
                ttk.Label(body, text=text, wraplength=width).pack(anchor="w", pady=(px(8), 0))
        for tool in question.tools:
            note = f"client.question.note_{tool.value}"
            if note in words:
                label = ttk.Label(body, text=words(note), style="Muted.TLabel", wraplength=width)
                label.pack(anchor="w", fill="x", pady=(px(10), 0))
                wrap_to_width(label)
        self._bar = ttk.Progressbar(body, style="Time.Horizontal.TProgressbar", maximum=1.0, value=1.0)
        self._bar.pack(fill="x", pady=(px(20), px(6)))
        self._left = ttk.Label(body, style="Small.TLabel")
        self._left.pack(anchor="w")
        buttons = ttk.Frame(body)
        buttons.pack(fill="x", pady=(px(20), 0))
        allow = ttk.Button(
            buttons, text=words("client.question.allow"), style="Accent.TButton", command=lambda: self._decide(True)
        )
        refuse = ttk.Button(buttons, text=words("client.question.refuse"), command=lambda: self._decide(False))
        buttons.columnconfigure((0, 1), weight=1, uniform="answer")
        refuse.grid(row=0, column=0, sticky="ew", padx=(0, px(6)))
        allow.grid(row=0, column=1, sticky="ew", padx=(px(6), 0))
        for button, granted in ((allow, True), (refuse, False)):
            button.bind("<Return>", lambda _event, granted=granted: self._key(granted))  # type: ignore[misc]
            button.bind("<space>", lambda _event, granted=granted: self._key(granted))  # type: ignore[misc]
            button.bind("<KeyRelease-space>", lambda _event: "break")
        self.bind("<Escape>", lambda _event: self._key(False))
        self.protocol("WM_DELETE_WINDOW", lambda: self._decide(False))
        self._tick()
        self.update_idletasks()
        self.geometry(f"+{_place(root, self, px(16))}")
        self.attributes("-topmost", True)
        self.deiconify()
        self.lift()
        refuse.focus_force()
        self.bell()

    def _key(self, granted: bool) -> str:
        if time.monotonic() >= self._deaf_until:
            self._decide(granted)
        return "break"

    def _decide(self, granted: bool) -> None:
        self._answer(granted)
        self.destroy()

    def _tick(self) -> None:
        left = max(0.0, self._until - time.monotonic())
        self._bar.configure(value=left / self._seconds if self._seconds else 0)
        self._left.configure(text=self._words("client.question.seconds", n=max(1, round(left))))
        self.after(TICK_MS, self._tick)


def _headline(words: Words, question: Question) -> str:
    if len(question.tools) == 1:
        return words(f"client.question.{question.tools[0].value}", name=question.technician)
    return words("client.question.several", name=question.technician)


def _place(root: tkinter.Tk, window: tkinter.Toplevel, gap: int) -> str:
    """Left of the main window, whose verification words are to be compared before an answer; without room there over
    its middle. It is on the monitor that the customer looks at."""
    beside = root.winfo_rootx() - window.winfo_reqwidth() - gap
    if beside >= gap:
        return f"{beside}+{root.winfo_y()}"
    x = root.winfo_rootx() + (root.winfo_width() - window.winfo_reqwidth()) // 2
    y = root.winfo_rooty() + (root.winfo_height() - window.winfo_reqheight()) // 3
    x = max(0, min(x, root.winfo_screenwidth() - window.winfo_reqwidth()))
    y = max(0, min(y, root.winfo_screenheight() - window.winfo_reqheight()))
    return f"{x}+{y}"
