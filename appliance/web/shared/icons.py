"""The one set of icons: outlines on a 24 × 24 grid, drawn inline so that they take the text's colour."""

# ruff: noqa: E501 (a drawing is one line)

from __future__ import annotations

from markupsafe import Markup

SHAPES = {
    "alert": '<path d="M12 3 2.5 20h19z"/><path d="M12 10v4M12 17.2v.1"/>',
    "arrow-left": '<path d="M20 12H4m6-6-6 6 6 6"/>',
    "arrow-right": '<path d="M4 12h16m-6-6 6 6-6 6"/>',
    "bell": '<path d="M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9zM10 20a2.2 2.2 0 0 0 4 0"/>',
    "chat": '<path d="M4 5h16v11H10l-4.5 4v-4H4z"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "chevron-down": '<path d="m6 9 6 6 6-6"/>',
    "chevron-right": '<path d="m9 6 6 6-6 6"/>',
    "clipboard": '<rect x="5" y="4" width="14" height="17" rx="2"/><path d="M9 4V3h6v3H9z"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5.2l3.4 2"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "copy": '<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V4H4v12h4"/>',
    "download": '<path d="M12 3v12m-5-5 5 5 5-5M4 20h16"/>',
    "end": '<circle cx="12" cy="12" r="9"/><rect x="9" y="9" width="6" height="6"/>',
    "eye": '<path d="M2 12s3.6-7 10-7 10 7 10 7-3.6 7-10 7S2 12 2 12z"/><circle cx="12" cy="12" r="3"/>',
    "file": '<path d="M6 3h8l4.5 4.5V21H6zM14 3v5h4.5"/>',
    "fit": '<rect x="3" y="5" width="18" height="14" rx="2"/><path d="M7 12h10m-3-3 3 3-3 3m-4-6-3 3 3 3"/>',
    "fullscreen": '<path d="M4 9V4h5m6 0h5v5m0 6v5h-5m-6 0H4v-5"/>',
    "gauge": '<path d="M4.5 18a9 9 0 1 1 15 0"/><path d="m12 13 4-4"/>',
    "help": '<circle cx="12" cy="12" r="9"/><path d="M9.3 9.5a2.7 2.7 0 1 1 4 2.4c-.9.5-1.3 1-1.3 2M12 17v.1"/>',
    "home": '<path d="m3 11 9-7 9 7M5.5 9.5V20h13V9.5"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 7.8v.1"/>',
    "key": '<circle cx="8" cy="15" r="4.5"/><path d="m11.2 11.8 8.3-8.3M16 7l3 3"/>',
    "keyboard": '<rect x="2.5" y="6" width="19" height="12" rx="2"/><path d="M6 10h.1M10 10h.1M14 10h.1M18 10h.1M8 14h8"/>',
    "link": '<path d="M10 14a4.5 4.5 0 0 0 6.6.4l3-3a4.5 4.5 0 0 0-6.4-6.4l-1.3 1.3M14 10a4.5 4.5 0 0 0-6.6-.4l-3 3a4.5 4.5 0 0 0 6.4 6.4l1.3-1.3"/>',
    "lock": '<rect x="5" y="11" width="14" height="10" rx="2"/><path d="M8 11V7.5a4 4 0 0 1 8 0V11"/>',
    "log": '<path d="M5 3h14v18H5zM8.5 8h7M8.5 12h7M8.5 16h4"/>',
    "menu": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "monitor": '<rect x="3" y="4" width="18" height="12.5" rx="2"/><path d="M8.5 20.5h7M12 16.5v4"/>',
    "moon": '<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>',
    "more": '<path d="M5 12h.1M12 12h.1M19 12h.1"/>',
    "note": '<path d="M5 4h14v10l-5 6H5zM14 20v-6h5M8.5 9h7"/>',
    "pause": '<path d="M8 5v14M16 5v14"/>',
    "phone": '<rect x="7" y="2.5" width="10" height="19" rx="2"/><path d="M11 18.5h2"/>',
    "play": '<path d="M7 4.5v15l12.5-7.5z"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "pointer": '<path d="m5 3 14 8-6 2-2.5 6.5z"/>',
    "record": '<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="4" fill="currentColor"/>',
    "refresh": '<path d="M20 5v5h-5M4 19v-5h5"/><path d="M19 10a7.5 7.5 0 0 0-13.5-2.5M5 14a7.5 7.5 0 0 0 13.5 2.5"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="m16 16 5 5"/>',
    "send": '<path d="m3 11 18-8-6 18-3.5-7.5z"/>',
    "settings": '<path d="M4 7h9m5 0h2M4 17h2m5 0h9"/><circle cx="15.5" cy="7" r="2.5"/><circle cx="8.5" cy="17" r="2.5"/>',
    "shield": '<path d="M12 3 4.5 6v6c0 5 3.5 7.8 7.5 9 4-1.2 7.5-4 7.5-9V6z"/>',
    "sign-out": '<path d="M14 4H5v16h9M10 12h11m-4-4 4 4-4 4"/>',
    "sound": '<path d="M4 9.5v5h3.5L12 19V5L7.5 9.5zM16 9a4.5 4.5 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11"/>',
    "stop": '<rect x="6" y="6" width="12" height="12" rx="1"/>',
    "sun": '<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2.5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3l1.8 1.8M16.9 16.9l1.8 1.8M18.7 5.3l-1.8 1.8M7.1 16.9l-1.8 1.8"/>',
    "team": '<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 20c.4-4 3-6 6.5-6s6.1 2 6.5 6M16 5.3a3.5 3.5 0 0 1 0 6.4M18 14.5c2 .8 3.2 2.6 3.5 5.5"/>',
    "trash": '<path d="M4 6.5h16M9 6.5V4h6v2.5M6.5 6.5 7.5 21h9l1-14.5M10.5 10.5v6.5M13.5 10.5v6.5"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4 21c.6-4.5 3.7-7 8-7s7.4 2.5 8 7"/>',
    "wait": '<path d="M7 3h10M7 21h10M8 3c0 5 8 5 8 9s-8 4-8 9M16 3c0 5-8 5-8 9s8 4 8 9"/>',
    "wifi-off": '<path d="M3 3l18 18M5 12.5a10 10 0 0 1 4-2.3M8.5 16a5 5 0 0 1 6-.5M2 9a15 15 0 0 1 4-2.6M12 5.5c3.8 0 7.3 1.3 10 3.5M12 20v.1"/>',
}

_ATTRIBUTES = Markup(
    'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" '
    'stroke-linejoin="round"'
)


def icon(name: str, label: str = "") -> Markup:
    """An icon inline. Without `label` it is decoration beside a text; with one it is read out.

    Raises KeyError for a name that is not in the set.
    """
    shape = Markup(SHAPES[name])  # noqa: S704 from the table above
    if label:
        return Markup('<svg class="icon" role="img" aria-label="{}" {}>{}</svg>').format(label, _ATTRIBUTES, shape)
    return Markup('<svg class="icon" aria-hidden="true" {}>{}</svg>').format(_ATTRIBUTES, shape)


def icon_sprite() -> Markup:
    """All icons as symbols `#icon-NAME`, for a page whose scripts draw with `<svg class="icon"><use href="…">`."""
    symbols = "".join(f'<symbol id="icon-{name}" {_ATTRIBUTES}>{shape}</symbol>' for name, shape in SHAPES.items())
    return Markup('<svg hidden aria-hidden="true">{}</svg>').format(Markup(symbols))  # noqa: S704 from the table above
