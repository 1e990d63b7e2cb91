"""The strip on top of everything while anything is shared: who, what, and End now."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from tkinter import ttk

from appliance.wire.messages import Tool
from appliance.words import Words
from clients.customer.talk import View
from clients.customer.window.theme import Theme

LIFT_MS = 1500


class Banner(tkinter.Toplevel):
    """Without a frame of the window manager's, so that nothing hides it; it can be pushed aside with the mouse."""

    def __init__(self, root: tkinter.Tk, theme: Theme, words: Words, end: Callable[[], None]) -> None:
        super().__init__(root, class_="Beistand")
        self._theme = theme
        self._words = words
        self._where: tuple[int, int, int, int] | None = None
        self._moved = False
        self._grip = (0, 0)
        px = theme.px
        self.withdraw()
        self.overrideredirect(True)
        self.attributes("-topmost", True)
        self._edge = tkinter.Frame(self, padx=px(2), pady=px(2))
        self._edge.pack()
        self._body = tkinter.Frame(self._edge, padx=px(12), pady=px(6))
        self._body.pack()
        self._dot = tkinter.Canvas(self._body, width=px(12), height=px(12), highlightthickness=0)
        self._dot.pack(side="left", padx=(0, px(8)))
        self._label = tkinter.Label(self._body, font="BeistandStrong", foreground=theme.colours.text)
        self._label.pack(side="left", padx=(0, px(14)))
        ttk.Button(
            self._body, text=words("client.window.end"), style="Danger.TButton", command=end, takefocus=False
        ).pack(side="left")
        for widget in (self._body, self._label, self._dot):
            widget.bind("<ButtonPress-1>", self._take)
            widget.bind("<B1-Motion>", self._move)
            widget.configure(cursor="fleur")
        self.bind("<Visibility>", self._covered)

    def show(self, view: View) -> None:
        """Say what `view` shares; hide when that is nothing."""
        if not view.shared:
            if self.state() != "withdrawn":
                self.withdraw()
            return
        c = self._theme.colours
        controlled = Tool.CONTROL in view.shared
        strong, soft = (c.controlling, c.controlling_soft) if controlled else (c.watching, c.watching_soft)
        self._edge.configure(background=strong)
        for widget in (self._body, self._label, self._dot):
            widget.configure(background=soft)
        self._dot.delete("all")
        size = self._theme.px(12)
        self._dot.create_oval(1, 1, size - 1, size - 1, fill=strong, outline=strong)
        self._label.configure(text=self._says(view))
        if view.monitor != self._where and not self._moved:
            self._where = view.monitor
        self.update_idletasks()
        if not self._moved:
            x, y, width, _height = self._where or (0, 0, self.winfo_screenwidth(), self.winfo_screenheight())
            self.geometry(f"+{x + (width - self.winfo_reqwidth()) // 2}+{y}")
        if self.state() == "withdrawn":
            self.deiconify()
            self.lift()

    def _says(self, view: View) -> str:
        if Tool.CONTROL in view.shared and view.controller:
            return self._words("client.banner.controls", name=view.controller)
        if Tool.SCREEN in view.shared:
            if view.watching:
                return self._words("client.banner.sees", n=len(view.watching), names=", ".join(view.watching))
            return self._words("client.banner.shared")
        return self._words("client.banner.clipboard")

    def _covered(self, event: tkinter.Event[tkinter.Misc]) -> None:
        # Whatever else claims to be on top: this comes back, but not in a race with it.
        if str(event.state) != "VisibilityUnobscured":
            self.after(LIFT_MS, self.lift)

    def _take(self, event: tkinter.Event[tkinter.Misc]) -> None:
        self._grip = (event.x_root - self.winfo_x(), event.y_root - self.winfo_y())

    def _move(self, event: tkinter.Event[tkinter.Misc]) -> None:
        self._moved = True
        x = max(0, min(event.x_root - self._grip[0], self.winfo_screenwidth() - self.winfo_width()))
        y = max(0, min(event.y_root - self._grip[1], self.winfo_screenheight() - self.winfo_height()))
        self.geometry(f"+{x}+{y}")
