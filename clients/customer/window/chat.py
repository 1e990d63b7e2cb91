"""What is written: the lines, who is writing, and the field for one's own."""

from __future__ import annotations

import re
import time
import tkinter
from collections.abc import Callable
from tkinter import ttk

from appliance.words import Words
from clients.customer.talk import Line
from clients.customer.window.theme import Theme

TYPING_EVERY = 3.0
TYPING_MS = 5000
MAX_TEXT = 8000
MAX_LINES = 5000
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class ChatPane(ttk.Frame):
    """The chat. `say` and `typing` are called with what the customer does."""

    def __init__(
        self,
        parent: tkinter.Misc,
        theme: Theme,
        words: Words,
        say: Callable[[str], None],
        typing: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._words = words
        self._say = say
        self._typing = typing
        self._typed_at = float("-inf")
        self._typing_over: str | None = None
        self._empty = True
        c, px = theme.colours, theme.px
        self.columnconfigure(0, weight=1)
        self.rowconfigure(0, weight=1)
        frame = tkinter.Frame(self, background=c.raised, highlightthickness=1, highlightbackground=c.line)
        frame.grid(row=0, column=0, columnspan=2, sticky="nsew")
        frame.columnconfigure(0, weight=1)
        frame.rowconfigure(0, weight=1)
        self._lines = _text(frame, theme, height=6, padx=px(10), pady=px(8), takefocus=True, cursor="arrow")
        self._lines.grid(row=0, column=0, sticky="nsew")
        scroll = ttk.Scrollbar(frame, command=self._lines.yview)
        scroll.grid(row=0, column=1, sticky="ns")
        self._lines.configure(yscrollcommand=scroll.set, state="disabled")
        # What is shared takes room from the chat; what was written last stays in sight.
        self._lines.bind("<Configure>", lambda _event: self._lines.see("end"))
        self._lines.tag_configure("name", font="BeistandStrong", spacing1=px(6))
        self._lines.tag_configure("mine", foreground=c.accent)
        self._lines.tag_configure("time", font="BeistandSmall", foreground=c.muted)
        self._lines.tag_configure("told", foreground=c.muted, spacing1=px(6))
        self._lines.tag_configure("unsent", font="BeistandSmall", foreground=c.warn)
        self._writing = ttk.Label(self, text=words("client.chat.write"), style="Small.TLabel")
        self._writing.grid(row=1, column=0, columnspan=2, sticky="w", pady=(px(8), px(3)))
        edge = tkinter.Frame(self, background=c.raised, highlightthickness=1, highlightbackground=c.line_strong)
        edge.grid(row=2, column=0, sticky="nsew")
        edge.configure(highlightcolor=c.accent)
        self._entry = _text(edge, theme, height=2, padx=px(8), pady=px(6), takefocus=True, cursor="xterm", undo=True)
        self._entry.pack(fill="both", expand=True)
        self._entry.bind("<Return>", self._enter)
        self._entry.bind("<Shift-Return>", lambda _event: None)
        self._entry.bind("<Tab>", self._tab)
        self._entry.bind("<Shift-Tab>", self._back_tab)
        self._entry.bind("<KeyRelease>", self._typed)
        self._entry.bind("<FocusIn>", lambda _event: edge.configure(highlightbackground=c.accent))
        self._entry.bind("<FocusOut>", lambda _event: edge.configure(highlightbackground=c.line_strong))
        self._send = ttk.Button(self, width=0, text=words("client.chat.send"), command=self._submit)
        self._send.grid(row=2, column=1, sticky="nsew", padx=(px(8), 0))
        self._insert((words("client.chat.empty"), "told"))

    def focus_entry(self) -> None:
        """Put the cursor into the field."""
        self._entry.focus_set()

    def line(self, line: Line) -> None:
        """Show a line, or that an earlier one has been stored."""
        self._clear_empty()
        pending = f"unsent {line.id}"
        ranges = self._lines.tag_ranges(pending)
        if line.stored and ranges:
            self._lines.configure(state="normal")
            self._lines.delete(*ranges)
            self._lines.tag_delete(pending)
            self._lines.configure(state="disabled")
            return
        name = self._words("client.chat.you") if line.mine else line.name
        clock = time.strftime("%H:%M", time.localtime(line.at)) if 0 <= line.at < 2**40 else ""
        self._insert(
            (_plain(name), "name", *(["mine"] if line.mine else [])),
            (f"  {clock}", "time"),
            ("\n" + _plain(line.text), ""),
        )
        if not line.stored:
            self._insert((f"  {self._words('client.chat.unsent')}", "unsent", pending), newline=False)
        if not line.mine:
            self._nobody_writes()

    def told(self, text: str) -> None:
        """Show something that the program says."""
        self._clear_empty()
        self._insert((text, "told"))

    def writing(self, name: str) -> None:
        """Show that somebody writes, for five seconds."""
        if self._typing_over is not None:
            self.after_cancel(self._typing_over)
        self._writing.configure(text=self._words("client.chat.typing", name=_plain(name)))
        self._typing_over = self.after(TYPING_MS, self._nobody_writes)

    def close(self) -> None:
        """No more writing: the session has ended."""
        self._entry.configure(state="disabled")
        self._send.state(["disabled"])
        self._nobody_writes()
        self._writing.configure(text="")

    # -- inside -------------------------------------------------------------------------------------------------

    def _nobody_writes(self) -> None:
        if self._typing_over is not None:
            self.after_cancel(self._typing_over)
            self._typing_over = None
        self._writing.configure(text=self._words("client.chat.write"))

    def _clear_empty(self) -> None:
        if self._empty:
            self._empty = False
            self._lines.configure(state="normal")
            self._lines.delete("1.0", "end")
            self._lines.configure(state="disabled")

    def _insert(self, *parts: tuple[str, ...], newline: bool = True) -> None:
        at_end = "mine" in parts[0][1:] or self._lines.dlineinfo("end-1c") is not None
        self._lines.configure(state="normal")
        if newline and self._lines.compare("end-1c", "!=", "1.0"):
            self._lines.insert("end", "\n")
        for text, *tags in parts:
            self._lines.insert("end", text, tuple(tags))
        # A window that was left open for days stays as quick as a new one.
        if int(self._lines.index("end").split(".")[0]) > MAX_LINES:
            self._lines.delete("1.0", f"{MAX_LINES // 10}.0")
        self._lines.configure(state="disabled")
        if at_end:
            self._lines.see("end")

    def _submit(self) -> None:
        text = self._entry.get("1.0", "end-1c").strip()
        if text:
            self._say(text[:MAX_TEXT])
            self._entry.delete("1.0", "end")
            self._typed_at = float("-inf")
        self.focus_entry()

    def _enter(self, _event: object) -> str:
        self._submit()
        return "break"

    def _tab(self, _event: object) -> str:
        self._send.focus_set()
        return "break"

    def _back_tab(self, _event: object) -> str:
        self._lines.focus_set()
        return "break"

    def _typed(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if event.char and event.char.isprintable() and time.monotonic() - self._typed_at > TYPING_EVERY:
            self._typed_at = time.monotonic()
            self._typing()


def _text(
    parent: tkinter.Misc,
    theme: Theme,
    *,
    height: int,
    padx: int,
    pady: int,
    takefocus: bool,
    cursor: str,
    undo: bool = False,
) -> tkinter.Text:
    c = theme.colours
    return tkinter.Text(
        parent,
        height=height,
        width=20,
        wrap="word",
        padx=padx,
        pady=pady,
        takefocus=takefocus,
        cursor=cursor,
        undo=undo,
        background=c.raised,
        foreground=c.text,
        insertbackground=c.text,
        insertofftime=0,  # a caret that blinks would be a change of the shared screen, twice a second
        selectbackground=c.accent,
        selectforeground=c.on_accent,
        highlightthickness=0,
        borderwidth=0,
        relief="flat",
        font="BeistandText",
    )


def _plain(text: str) -> str:
    """Without what is not to be seen: control characters, and those that turn the direction of writing."""
    return _UNSEEN.sub("", text)
