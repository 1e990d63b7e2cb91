"""The appliance by itself: `beistand serve` → first page, and its memory when idle."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx

from tests.bench.figures import Figure
from tests.support.appliance import Appliance, seed

RUNS = 7
SUBJECT = "Beistand"


def pss_mib(pid: int) -> float:
    """Proportional set size of one process, in MiB (smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch) / "data"
        seed(folder)
        delays = []
        for run in range(RUNS + 1):
            started = time.perf_counter()
            appliance = Appliance(folder)
            try:
                httpx.get(appliance.address, verify=False).raise_for_status()
                delays.append((time.perf_counter() - started) * 1000)
                if run == RUNS:
                    time.sleep(2)
                    memory = round(pss_mib(appliance.program.pid), 1)
                    Figure("server, idle memory", SUBJECT, memory, "MiB PSS").print()
            finally:
                appliance.stop()
        delays = sorted(delays[1:])  # the first one warms the disk cache
        spread = (round(delays[0]), round(delays[-1]))
        Figure("start → first page", SUBJECT, round(delays[len(delays) // 2]), "ms", spread).print()


if __name__ == "__main__":
    main()
