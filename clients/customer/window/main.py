"""The customer's window: who helps, what is shared, the words to compare, the chat, and End now."""

from __future__ import annotations

import tkinter
from tkinter import ttk

from appliance.wire.messages import Tool
from appliance.words import Words
from clients.customer.talk import (
    Answer,
    End,
    Ended,
    Line,
    Phase,
    Question,
    QuestionGone,
    Say,
    Stop,
    Text,
    Told,
    ToWindow,
    Typing,
    View,
    WindowEnd,
    Writing,
)
from clients.customer.window.banner import Banner
from clients.customer.window.chat import ChatPane
from clients.customer.window.question import QuestionWindow
from clients.customer.window.theme import Theme, wrap_to_width

CLOSES_AFTER, FAILED_CLOSES_AFTER = 15, 120
"""Seconds until the window of an ended session closes by itself; a key or a click in it stops that."""
WIDTH, HEIGHT = 420, 620
LOW_SCREEN = 700
"""A screen of fewer pixels (at 96 dpi) is too low for everything at once."""


class MainWindow:
    """The window. `heard` takes what the engine says; what the customer does goes out through `end`."""

    def __init__(self, root: tkinter.Tk, end: WindowEnd, words: Words, *, dark: bool) -> None:
        self._root = root
        self._end = end
        self._words = words
        self._view = View(phase=Phase.CONNECTING)
        self._over = False
        self._questions: dict[str, QuestionWindow] = {}
        self._closing: str | None = None
        root.withdraw()
        self._theme = theme = Theme(root, dark=dark)
        px = theme.px
        root.title(words("client.window.title"))
        root.minsize(px(340), px(460))
        width, height = px(WIDTH), min(px(HEIGHT), root.winfo_screenheight() - px(80))
        # Off to the right: in the middle it would cover what help is needed with.
        x = max(0, root.winfo_screenwidth() - width - px(40))
        root.geometry(f"{width}x{height}+{x}+{px(60)}")
        root.protocol("WM_DELETE_WINDOW", self._close)
        root.iconphoto(True, self._icon())
        body = self._body = ttk.Frame(root, padding=px(16))
        body.pack(fill="both", expand=True)
        body.columnconfigure(0, weight=1)
        body.rowconfigure(5, weight=1)
        self._state = ttk.Label(body, style="Title.TLabel")
        self._state.grid(row=0, column=0, sticky="ew")
        self._detail = ttk.Label(body, style="Muted.TLabel")
        self._detail.grid(row=1, column=0, sticky="ew", pady=(px(4), 0))
        self._problem = ttk.Label(body, style="Warn.TLabel")
        self._problem.grid(row=2, column=0, sticky="ew", pady=(px(12), 0))
        self._compare = ttk.Frame(body)
        self._compare.grid(row=3, column=0, sticky="ew", pady=(px(16), 0))
        self._share = ttk.Frame(body)
        self._share.grid(row=4, column=0, sticky="ew", pady=(px(16), 0))
        self._chat = ChatPane(body, theme, words, self._say, lambda: end.tell(Typing()))
        self._chat.grid(row=5, column=0, sticky="nsew", pady=(px(16), 0))
        self._end_button = ttk.Button(
            body, text=words("client.window.end"), style="Danger.TButton", command=self._close
        )
        self._end_button.grid(row=6, column=0, sticky="ew", pady=(px(12), 0))
        for label, margin in ((self._state, 0), (self._detail, 0), (self._problem, px(20))):
            wrap_to_width(label, margin)
        self._compare_hint, self._compare_words = self._make_compare()
        self._shared_lines, self._stop_button = self._make_share()
        self._banner = Banner(root, theme, words, self._close)
        self._show()
        root.deiconify()
        root.bind("<FocusIn>", self._focused)

    # -- from the engine ----------------------------------------------------------------------------------------

    def heard(self, message: ToWindow) -> None:
        """Show what the engine says."""
        match message:
            case View():
                self._view = message
                if not self._over:
                    self._show()
            case Question():
                self._ask(message)
            case QuestionGone(id=question):
                window = self._questions.pop(question, None)
                if window is not None:
                    window.destroy()
            case Line():
                self._chat.line(message)
                if not message.mine:
                    self._root.bell()
            case Writing(name=name):
                self._chat.writing(name)
            case Told(text=text):
                self._chat.told(self._say_text(text))
            case Ended():
                self._ended(message)

    def engine_gone(self) -> None:
        """The engine's end is closed: nothing more will come."""
        if not self._over:
            self._ended(Ended(text=Text(id="client.ended.bug"), failed=True))

    def leave(self) -> None:
        """End the session if there is one, and go at once."""
        if not self._over:
            self._end.tell(End())
        self._root.destroy()

    # -- from the customer --------------------------------------------------------------------------------------

    def _focused(self, event: tkinter.Event[tkinter.Misc]) -> None:
        # The window manager gives the keyboard to the window as a whole, where keys would mean nothing.
        if event.widget is self._root:
            self._end_button.focus_set() if self._over else self._chat.focus_entry()

    def _close(self) -> None:
        if self._over:
            self._root.destroy()
            return
        # What the customer wants is shown at once; that the appliance hears it is the engine's business.
        self._banner.withdraw()
        self._end_button.state(["disabled"])
        self._end.tell(End())

    def _say(self, text: str) -> None:
        self._end.tell(Say(text=text))

    def _ask(self, question: Question) -> None:
        def answer(granted: bool) -> None:
            self._questions.pop(question.id, None)
            self._end.tell(Answer(id=question.id, granted=granted))

        self._root.deiconify()
        self._questions[question.id] = QuestionWindow(self._root, self._theme, self._words, question, answer)

    # -- showing ------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        view, w = self._view, self._words
        title = w("client.window.title_site", site=view.site) if view.site else w("client.window.title")
        self._root.title(title)
        state, detail = self._state_in_words(view)
        self._state.configure(text=state)
        _set_or_hide(self._detail, detail)
        # That the connection was lost is what RECONNECTING says anyway.
        problem = view.problem if view.problem and view.problem.id != "client.trouble.lost" else None
        _set_or_hide(self._problem, self._say_text(problem) if problem else "")
        for label, word in zip(self._compare_words, view.words, strict=False):
            label.configure(text=word)
        _show_or_hide(self._compare, bool(view.words) and view.phase is not Phase.RECONNECTING)
        # On a low screen the chat would have no line left; what the words are for was said before the consent.
        low = self._root.winfo_screenheight() < self._theme.px(LOW_SCREEN)
        _show_or_hide(self._compare_hint, not (low and view.shared))
        self._show_shared(view)
        self._banner.show(view)

    def _state_in_words(self, view: View) -> tuple[str, str]:
        w, names = self._words, ", ".join(view.technicians)
        match view.phase:
            case Phase.CONNECTING:
                return w("client.window.connecting"), ""
            case Phase.WAITING:
                lines = []
                if view.fallback:
                    lines.append(w("client.window.fallback"))
                if view.position:
                    lines.append(w("client.window.position", n=view.position))
                waiting = w("client.window.waiting_named", names=names) if names else w("client.window.waiting")
                return waiting, "\n".join(lines)
            case Phase.CONNECTED:
                return w("client.window.connected", names=names) if names else w("client.window.nobody"), ""
            case Phase.AWAY:
                return w("client.window.away"), w("client.window.away_do")
            case Phase.RECONNECTING:
                return w("client.window.reconnecting"), w("client.window.reconnecting_do")
            case Phase.ENDED:
                return w("client.ended_window.title"), ""

    def _show_shared(self, view: View) -> None:
        w, names = self._words, ", ".join(view.watching)
        lines = []
        if Tool.SCREEN in view.shared:
            lines.append(
                w("client.window.shared_screen", n=len(view.watching), names=names)
                if names
                else w("client.window.shared_screen_nobody")
            )
        if Tool.CONTROL in view.shared:
            lines.append(
                w("client.window.shared_control", name=view.controller)
                if view.controller
                else w("client.window.shared_control_nobody")
            )
        if Tool.CLIPBOARD in view.shared:
            lines.append(w("client.window.shared_clipboard"))
        if not lines:
            lines.append(w("client.window.shared_nothing"))
        if view.recording:
            lines.append(w("client.window.recording"))
        style = "Controlling" if Tool.CONTROL in view.shared else "Watching" if view.shared else "Quiet"
        self._share.configure(style=f"{style}.TFrame", padding=self._theme.px(12) if view.shared else 0)
        self._shared_lines.configure(text="\n".join(lines), style=f"{style}.TLabel")
        _show_or_hide(self._stop_button, bool(view.shared))
        _show_or_hide(self._share, view.phase in (Phase.CONNECTED, Phase.AWAY))

    def _say_text(self, text: Text) -> str:
        """In words; what the catalogue does not have is said by its code, which a technician can look up."""
        if text.id in self._words:
            try:
                return self._words(text.id, **text.args)
            except (KeyError, IndexError, ValueError):
                pass
        return self._words("client.ended.refused", code=text.id)

    def _ended(self, ended: Ended) -> None:
        self._over = True
        for window in self._questions.values():
            window.destroy()
        self._questions.clear()
        self._banner.withdraw()
        w = self._words
        self._state.configure(text=w("client.ended_window.failed" if ended.failed else "client.ended_window.title"))
        why = self._say_text(ended.text)
        _set_or_hide(self._detail, "" if ended.failed else f"{why}\n{w('client.ended_window.removed')}")
        _set_or_hide(self._problem, why if ended.failed else "")
        _show_or_hide(self._compare, False)
        _show_or_hide(self._share, False)
        self._chat.close()
        if ended.failed:
            self._chat.grid_remove()
        self._end_button.configure(text=w("client.window.close"), style="TButton")
        self._end_button.state(["!disabled"])
        self._end_button.focus_set()
        self._root.deiconify()
        self._left = ttk.Label(self._body, style="Small.TLabel")
        self._left.grid(row=7, column=0, pady=(self._theme.px(8), 0))
        self._count_down(FAILED_CLOSES_AFTER if ended.failed else CLOSES_AFTER)
        self._root.bind("<ButtonPress>", self._stay)
        self._root.bind("<KeyPress>", self._stay)

    def _count_down(self, seconds: int) -> None:
        if seconds <= 0:
            self._root.destroy()
            return
        self._left.configure(text=self._words("client.ended_window.closes", n=seconds))
        self._closing = self._root.after(1000, self._count_down, seconds - 1)

    def _stay(self, _event: object) -> None:
        if self._closing is not None:
            self._root.after_cancel(self._closing)
            self._closing = None
            self._left.configure(text="")

    # -- building -----------------------------------------------------------------------------------------------

    def _make_compare(self) -> tuple[ttk.Label, list[ttk.Label]]:
        px = self._theme.px
        label = ttk.Label(self._compare, text=self._words("client.window.words"), style="Muted.TLabel")
        label.grid(row=0, column=0, columnspan=4, sticky="ew", pady=(0, px(8)))
        wrap_to_width(label)
        places = []
        for column in range(4):
            self._compare.columnconfigure(column, weight=1)
            word = ttk.Label(self._compare, style="Word.TLabel", anchor="center")
            word.grid(
                row=1, column=column, sticky="ew", padx=(0 if column == 0 else px(3), 0 if column == 3 else px(3))
            )
            places.append(word)
        return label, places

    def _make_share(self) -> tuple[ttk.Label, ttk.Button]:
        lines = ttk.Label(self._share)
        lines.grid(row=0, column=0, sticky="ew")
        self._share.columnconfigure(0, weight=1)
        wrap_to_width(lines)
        stop = ttk.Button(self._share, text=self._words("client.window.stop"), command=self._stop)
        stop.grid(row=1, column=0, sticky="w", pady=(self._theme.px(10), 0))
        return lines, stop

    def _stop(self) -> None:
        self._end.tell(Stop(tools=(Tool.SCREEN, Tool.CONTROL, Tool.CLIPBOARD)))

    def _icon(self) -> tkinter.PhotoImage:
        """A ring in the accent's colour, drawn here: no picture file to bring along."""
        image = tkinter.PhotoImage(master=self._root, width=32, height=32)
        colour = self._theme.colours.accent
        for y in range(32):
            row = [x for x in range(32) if 81 <= (x - 15.5) ** 2 + (y - 15.5) ** 2 <= 225]
            for x in row:
                image.put(colour, (x, y))
        return image


def _show_or_hide(widget: ttk.Widget, visible: bool) -> None:
    """Of a widget in a grid; it comes back to its place."""
    if visible:
        widget.grid()
    else:
        widget.grid_remove()


def _set_or_hide(label: ttk.Label, text: str) -> None:
    label.configure(text=text)
    _show_or_hide(label, bool(text))
