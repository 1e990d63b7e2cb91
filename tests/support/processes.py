"""Programs that a test starts: each in a process group of its own, ended by its id."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class Program:
    """A running program whose output is kept line by line."""

    def __init__(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=f"output of {self.argv[0]}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._queue.put(self.lines[-1])
        self._queue.put(None)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def output(self) -> str:
        """Everything it has printed."""
        return "\n".join(self.lines)

    def wait_line(self, part: str, timeout: float = 30.0) -> str:
        """The first new line that contains `part`. Raises AssertionError with the output when it does not come."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
                reason = f"not printed within {timeout} s"
            else:
                reason = "the program ended"
            if line is None:
                raise AssertionError(f"{part!r}: {reason} by {' '.join(self.argv)}; it printed:\n{self.output}")
            if part in line:
                return line

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code. Raises AssertionError when it does not end in time."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.argv)} did not end within {timeout} s:\n{self.output}") from None
        self._reader.join(timeout)
        return code

    def stop(self, grace: float = 6.0) -> int:
        """End it: TERM, then KILL."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(grace)
        except AssertionError:
            return -signal.SIGKILL
        finally:
            self.kill()

    def kill(self) -> int:
        """End it and its children at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        try:
            return self.wait(5)
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Program]:
    """A program that runs as long as the block."""
    program = Program(argv, env=env, cwd=cwd)
    try:
        yield program
    finally:
        program.stop()
