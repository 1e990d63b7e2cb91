"""`make bench`: run every benchmark, print a table with the peers beside ours, write build/bench.json.

Each benchmark is a module that prints its figures as JSON lines (`tests.bench.figures`). No figure is asserted: a
person reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

OURS = (
    ("tests.bench.startup",),
    ("tests.bench.relay_cpu",),
    ("tests.bench.idle_connections",),
    ("tests.bench.screen_bytes",),
    ("tests.bench.key_to_pixel",),
    ("tests.bench.key_under_bulk",),
    ("tests.bench.customer_client",),
)
PEERS = (
    ("tests.bench.peers.nginx_relay",),
    ("tests.bench.peers.tigervnc", "xtigervnc"),
    ("tests.bench.peers.tigervnc", "x0tigervnc"),
    ("tests.bench.peers.novnc", "xtigervnc"),
    ("tests.bench.peers.novnc", "x0tigervnc"),
)
TIME_LIMIT = 180
"""Seconds for one module, which takes less than two minutes on an idle machine."""
UNWIND_SECONDS = 20
"""Seconds that a module has to stop what it started."""


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{int(memory) // 1024 // 1024} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def run(module: Sequence[str]) -> tuple[list[dict[str, object]], str]:
    """The figures of one module, and what went wrong or an empty text."""
    argv = [sys.executable, "-m", *module]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    problem = ""
    try:
        out, errors = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        problem = f"not done within {TIME_LIMIT} s"
        # As Ctrl-C, so that it takes its programs with it.
        process.send_signal(signal.SIGINT)
        try:
            out, errors = process.communicate(timeout=UNWIND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
    figures = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if process.returncode and not problem:
        problem = last_words(errors) or f"exit code {process.returncode}"
    return figures, problem


def last_words(errors: str) -> str:
    """The last line that says something, also of a traceback of groups."""
    lines = (line.strip(" |+-") for line in reversed(errors.splitlines()))
    return next((line for line in lines if line), "")


def show(figure: dict[str, object]) -> str:
    """One figure as a line of the table."""
    low_high = figure.get("spread")
    spread = f"{low_high[0]:g}–{low_high[1]:g}" if isinstance(low_high, list) else ""
    cells = (
        figure["metric"],
        figure["subject"],
        f"{figure['value']:g} {figure['unit']}",
        spread,
        figure.get("note", ""),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="also install and run the peers")
    parser.add_argument("--only", metavar="WORD", default="", help="only modules whose name contains WORD")
    options = parser.parse_args()
    modules = [module for module in (*OURS, *(PEERS if options.peers else ())) if options.only in " ".join(module)]
    figures: list[dict[str, object]] = []
    problems: dict[str, str] = {}
    where = machine()
    for number, module in enumerate(modules, 1):
        name = " ".join(module).removeprefix("tests.bench.")
        started = time.monotonic()
        print(f"[{number}/{len(modules)}] {name} …", file=sys.stderr, end=" ", flush=True)
        found, problem = run(module)
        print(f"{time.monotonic() - started:.0f} s {problem}", file=sys.stderr, flush=True)
        figures += found
        if problem:
            problems[name] = problem
    metrics = list(dict.fromkeys(figure["metric"] for figure in figures))
    figures.sort(key=lambda figure: metrics.index(figure["metric"]))
    print("\n| what | who | median | spread | note |\n|---|---|---|---|---|")
    print("\n".join(show(figure) for figure in figures))
    for name, problem in problems.items():
        print(f"\n{name}: {problem}")
    file = Path("build/bench.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        json.dumps({"machine": where, "figures": figures, "problems": problems}, indent=1, ensure_ascii=False)
    )
    print(f"\n{where['cpu']}, {where['memory']}, Linux {where['kernel']}, Python {where['python']}. Written to {file}.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
