"""Puts the looks of all states together: one page to scroll through, and the same as pictures."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.screenshots.album import LOOKS

LANGUAGES = ("en", "de")
AT_ONCE = 4
"""States on one picture."""
_STYLE = """
body { font: 14px sans-serif; margin: 16px; background: #888; color: #000; width: 3200px }
section { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; padding: 12px 0 }
h2 { width: 100%; margin: 0 } figure { margin: 0 } figcaption { padding: 2px 0 }
figure.wide img { width: 620px } figure.narrow img { width: 150px }
"""


def make_sheet(folder: Path) -> Path:
    """`folder`/LANGUAGE/STATE.LOOK.png → `folder`/index.html, and sheet-N.png of a few states each; the page."""
    states = list(dict.fromkeys(file.name.split(".")[0] for file in _by_age(folder / LANGUAGES[0])))
    page = folder / "index.html"
    groups = [states[start : start + AT_ONCE] for start in range(0, len(states), AT_ONCE)]
    body = "".join(f"<div>{''.join(map(_section, group))}</div>" for group in groups)
    page.write_text(f"<!doctype html><meta charset=utf-8><title>Every page</title><style>{_STYLE}</style>{body}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 3232, "height": 1200})
        window.goto(page.as_uri())
        for number, group in enumerate(window.locator("body > div").all(), 1):
            group.screenshot(path=folder / f"sheet-{number:02d}.png")
        browser.close()
    return page


def _by_age(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"), key=lambda file: file.stat().st_mtime_ns)


def _section(state: str) -> str:
    figures = []
    for language in LANGUAGES:
        for look in LOOKS:
            kind = "wide" if look.width > 1000 else "narrow"
            figures.append(
                f'<figure class={kind}><img src="{language}/{state}.{look.name}.png">'
                f"<figcaption>{language} {look.name}</figcaption></figure>"
            )
    return f"<section><h2>{state}</h2>{''.join(figures)}</section>"
