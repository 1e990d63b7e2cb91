"""What a benchmark prints: one JSON object a line."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `subject`: who was measured; `spread`: (minimum, maximum) of several measurements."""

    metric: str
    subject: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    note: str = ""

    def print(self) -> None:
        """Print it for the runner."""
        print(json.dumps({key: value for key, value in asdict(self).items() if value not in (None, "")}), flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(len(ordered) * percent / 100))]


def print_delays(metric: str, subject: str, milliseconds: Sequence[float], note: str = "") -> None:
    """Print median and 95th percentile of a series of delays."""
    spread = (round(min(milliseconds), 2), round(max(milliseconds), 2))
    note = f"{note}{'; ' if note else ''}{len(milliseconds)} samples"
    Figure(f"{metric}, p50", subject, round(statistics.median(milliseconds), 2), "ms", spread, note).print()
    Figure(f"{metric}, p95", subject, round(percentile(milliseconds, 95), 2), "ms", spread, note).print()
