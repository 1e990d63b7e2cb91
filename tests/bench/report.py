"""`python -m tests.bench.report`: docs/performance.md and its picture from build/bench.json, the last run's figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

RUN = Path("build/bench.json")
PAGE = Path("docs/performance.md")
PICTURE = Path("docs/performance.svg")
OURS = "Beistand"

GOALS = {
    "key → painted pixel, 1080p, p50": "≤ 12 ms, ≤ 0.6 × TigerVNC + noVNC",
    "key → painted pixel, 1080p, p95": "≤ 25 ms",
    "bytes per typed character": "≤ ½ of TigerVNC's",
    "scrolling a full terminal": "≤ ¼ of TigerVNC's",
    "scrolling a full terminal, updates": "more than TigerVNC's",
    "video 640×480": "≤ 0.7 × TigerVNC's",
    "video 640×480, frames": "no fewer than TigerVNC's",
    "idle screen": "0 B/s",
    "idle screen, CPU": "≤ 1 % in the client",
    "relay CPU per GB, TLS to TLS": "≤ 1.5 × nginx stream",
    "key press, technician to customer, p99, files to idle": "≤ 2",
    "server, idle memory": "≤ 80 MiB PSS",
    "memory of an idle wire connection": "≤ 32 KiB, at 5 000 connections",
    "start → first page": "≤ 1 s",
    "customer client: file": "≤ 20 MB",
    "customer client: start → window": "≤ 0.8 s",
    "consent → first picture at the technician": "≤ 0.3 s",
}
DRAWN = (
    "key → painted pixel, 1080p, p50",
    "bytes per typed character",
    "scrolling a full terminal",
    "video 640×480",
    "relay CPU per GB, TLS to TLS",
)

HEAD = """# Performance

`make bench` measures ours, `make bench PEERS=1` installs and runs the peers beside it on the same machine; the figures
go to `build/bench.json`, and `python -m tests.bench.report` writes this page from them. No test asserts a figure: read
them as ratios of one run on one machine. Browser, appliance, customer client and X server share its cores. Key →
painted pixel is painted by the same Chromium for everybody, vsync apart.

![Ours beside the peers, each as a share of the largest](performance.svg)

"""


def rows(figures: Sequence[dict[str, Any]]) -> list[str]:
    """The table, in the order of measuring, ours before the peers."""
    lines = ["| what | who | measured | spread | goal | note |", "|---|---|---|---|---|---|"]
    for figure in figures:
        spread = f"{figure['spread'][0]:g} – {figure['spread'][1]:g}" if "spread" in figure else ""
        goal = GOALS.get(figure["metric"], "") if figure["subject"] == OURS else ""
        cells = (figure["metric"], figure["subject"], f"{figure['value']:g} {figure['unit']}", spread, goal)
        lines.append("| " + " | ".join((*cells, figure.get("note", ""))) + " |")
    return lines


def picture(figures: Sequence[dict[str, Any]]) -> str:
    """Bars for DRAWN, as SVG that follows light and dark."""
    out, y = [], 8
    for metric in DRAWN:
        measured = [figure for figure in figures if figure["metric"] == metric]
        if not measured:
            continue
        most = max(figure["value"] for figure in measured)
        y += 24
        out.append(f'<text x="8" y="{y}" class="h">{escape(metric)}</text>')
        for figure in measured:
            y += 20
            kind = "ours" if figure["subject"] == OURS else "peer"
            width = round(380 * figure["value"] / most) or 1
            out.append(f'<text x="8" y="{y}">{escape(figure["subject"])}</text>')
            out.append(f'<rect x="190" y="{y - 11}" width="{width}" height="13" rx="2" class="{kind}"/>')
            out.append(f'<text x="{196 + width}" y="{y}">{figure["value"]:g} {escape(figure["unit"])}</text>')
        y += 10
    style = (
        "text{font:12px system-ui,sans-serif;fill:#14181c}.h{font-weight:600}.ours{fill:#0b6075}.peer{fill:#9aa7b0}"
        "@media(prefers-color-scheme:dark){text{fill:#e6eaed}.ours{fill:#4fb3c9}.peer{fill:#66727b}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {y}" role="img" aria-label="Ours beside the peers">'
        f"<style>{style}</style>{''.join(out)}</svg>\n"
    )


def main() -> None:
    """Write the page and its picture."""
    run = json.loads(RUN.read_text(encoding="utf-8"))
    where = run["machine"]
    machine = f"{where['cpu']}, {where['memory']}, Linux {where['kernel']}, Python {where['python']}"
    lines = [f"Measured on: {machine}. Load before the run: {where['load']}.", "", *rows(run["figures"])]
    lines += [f"\n{name}: {problem}" for name, problem in run["problems"].items()]
    PAGE.write_text(HEAD + "\n".join(lines) + "\n" + notes(), encoding="utf-8")
    PICTURE.write_text(picture(run["figures"]), encoding="utf-8")


def notes() -> str:
    """What a person wrote below the table, kept."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    _table, mark, kept = before.partition("\n## ")
    return mark + kept


if __name__ == "__main__":
    main()
