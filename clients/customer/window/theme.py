"""Colours, fonts and ttk styles: the tokens of the web pages (`tokens.css`) in Tk's terms, on the clam theme."""

from __future__ import annotations

import tkinter
from dataclasses import dataclass
from tkinter import font, ttk


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role."""

    surface: str
    raised: str
    text: str
    muted: str
    line: str
    line_strong: str
    accent: str
    accent_hover: str
    accent_soft: str
    on_accent: str
    danger: str
    danger_hover: str
    on_danger: str
    warn: str
    warn_soft: str
    ok: str
    watching: str
    watching_soft: str
    controlling: str
    controlling_soft: str


LIGHT = Palette(
    surface="#f5f6f7",
    raised="#ffffff",
    text="#14191d",
    muted="#4f5962",
    line="#d8dde1",
    line_strong="#7a858e",
    accent="#0b6075",
    accent_hover="#084a5a",
    accent_soft="#dff0f4",
    on_accent="#ffffff",
    danger="#ad2118",
    danger_hover="#8a1911",
    on_danger="#ffffff",
    warn="#7f4b00",
    warn_soft="#fcf0d9",
    ok="#176a38",
    watching="#0b6075",
    watching_soft="#dff0f4",
    controlling="#8a3f00",
    controlling_soft="#fdeadb",
)
DARK = Palette(
    surface="#101315",
    raised="#181c1f",
    text="#e7eaec",
    muted="#a2acb4",
    line="#2b3237",
    line_strong="#707c85",
    accent="#62c3d8",
    accent_hover="#8bd6e6",
    accent_soft="#10313a",
    on_accent="#04232b",
    danger="#ff8f86",
    danger_hover="#ffb0a9",
    on_danger="#3a0703",
    warn="#efb95c",
    warn_soft="#35270b",
    ok="#71d08e",
    watching="#62c3d8",
    watching_soft="#10313a",
    controlling="#f4a365",
    controlling_soft="#38210f",
)


class Theme:
    """Styles, once made for a root window. Sizes in pixels scale with the display's resolution."""

    def __init__(self, root: tkinter.Tk, *, dark: bool) -> None:
        self.colours = DARK if dark else LIGHT
        self._scale = max(1.0, float(root.tk.call("tk", "scaling")) / 1.34)
        family = font.nametofont("TkDefaultFont").actual("family")
        for name, size, weight in (
            ("BeistandText", 10, "normal"),
            ("BeistandSmall", 9, "normal"),
            ("BeistandStrong", 10, "bold"),
            ("BeistandTitle", 14, "bold"),
        ):
            # The reference goes with the root, not with this object: Tk forgets a font whose Python object is gone.
            setattr(root, f"_font_{name}", font.Font(root, name=name, family=family, size=size, weight=weight))  # type: ignore[arg-type]
        root.configure(background=self.colours.surface)
        self._styles(root)
        # ttk's buttons know the space bar only.
        root.bind_class("TButton", "<Return>", _press)

    def px(self, pixels: int) -> int:
        """`pixels` of a screen of usual resolution, in pixels of this one."""
        return round(pixels * self._scale)

    def _styles(self, root: tkinter.Tk) -> None:
        c, style = self.colours, ttk.Style(root)
        style.theme_use("clam")
        style.configure(
            ".", background=c.surface, foreground=c.text, font="BeistandText", bordercolor=c.line, focuscolor=c.accent
        )
        style.configure("Raised.TFrame", background=c.raised)
        style.configure("TLabel", background=c.surface, foreground=c.text)
        style.configure("Title.TLabel", font="BeistandTitle")
        style.configure("Strong.TLabel", font="BeistandStrong")
        style.configure("Muted.TLabel", foreground=c.muted)
        style.configure("Small.TLabel", foreground=c.muted, font="BeistandSmall")
        style.configure("Warn.TLabel", background=c.warn_soft, foreground=c.text, padding=self.px(10))
        style.configure("Word.TLabel", background=c.accent_soft, foreground=c.text, font="BeistandStrong")
        style.configure("Word.TLabel", padding=(self.px(4), self.px(7)), anchor="center")
        for name, back in (("Watching", c.watching_soft), ("Controlling", c.controlling_soft), ("Quiet", c.surface)):
            style.configure(f"{name}.TFrame", background=back)
            style.configure(f"{name}.TLabel", background=back, foreground=c.text)
        for name, back, hover, fore in (
            ("TButton", c.raised, c.accent_soft, c.text),
            ("Accent.TButton", c.accent, c.accent_hover, c.on_accent),
            ("Danger.TButton", c.danger, c.danger_hover, c.on_danger),
        ):
            edge = c.line_strong if name == "TButton" else back
            style.configure(
                name,
                background=back,
                foreground=fore,
                bordercolor=edge,
                lightcolor=back,
                darkcolor=back,
                focuscolor=fore,
                padding=(self.px(14), self.px(7)),
                relief="raised",
                anchor="center",
            )
            style.map(
                name,
                background=[("disabled", c.surface), ("pressed", hover), ("active", hover)],
                lightcolor=[("disabled", c.surface), ("pressed", hover), ("active", hover)],
                darkcolor=[("disabled", c.surface), ("pressed", hover), ("active", hover)],
                foreground=[("disabled", c.muted)],
                bordercolor=[("disabled", c.line), ("focus", c.text)],
            )
        style.configure(
            "Vertical.TScrollbar",
            background=c.line,
            troughcolor=c.raised,
            bordercolor=c.raised,
            lightcolor=c.line,
            darkcolor=c.line,
            arrowcolor=c.muted,
            gripcount=0,
            relief="flat",
        )
        style.map("Vertical.TScrollbar", background=[("disabled", c.raised), ("active", c.line_strong)])
        style.configure("Time.Horizontal.TProgressbar", background=c.accent, troughcolor=c.line, thickness=self.px(4))
        style.configure("Time.Horizontal.TProgressbar", bordercolor=c.surface, lightcolor=c.accent, darkcolor=c.accent)


def _press(event: tkinter.Event[tkinter.Misc]) -> None:
    if isinstance(event.widget, ttk.Button):
        event.widget.invoke()


LABEL_EDGE = 4
"""Pixels of a label's width that its text does not get."""


def wrap_to_width(label: ttk.Label, margin: int = 0) -> None:
    """Let the label's text wrap at its own width, whatever the window's is."""

    def wrap(event: tkinter.Event[tkinter.Misc]) -> None:
        width = max(80, event.width - margin - LABEL_EDGE)
        if abs(int(str(label.cget("wraplength") or 0)) - width) > 1:
            label.configure(wraplength=width)

    label.bind("<Configure>", wrap)
