"""A process of its own for work on strangers' files; it is spoken to in lines of JSON."""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imil.environment import child_environment


class LineProcess:
    """A running `python -m MODULE` that reads and writes one JSON object a line.

    Args:
        module: the program.
        env: its environment; what any process of the app is given if None.
        leads: whether it starts processes of its own, which then end with it.
    """

    def __init__(
        self, module: str, *, env: Mapping[str, str] | None = None, leads: bool = False
    ) -> None:
        self._leads = leads
        self._process = process = subprocess.Popen(  # noqa: S603  # a program of ours
            [sys.executable, "-m", module],
            cwd=Path(__file__).parents[3],
            env=_environment() if env is None else env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=leads,
        )
        self._lines = lines = queue.Queue[str | None]()

        def pump() -> None:
            with suppress(ValueError):  # closed while it was read
                for line in process.stdout or ():
                    lines.put(line)
            lines.put(None)

        threading.Thread(target=pump, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number by which the system knows the process."""
        return self._process.pid

    def send(self, request: Mapping[str, Any]) -> None:
        """Write a request; that the process has ended is told by `receive`."""
        pipe = self._process.stdin
        if pipe is None:
            raise ValueError("the process has no pipe")
        with suppress(BrokenPipeError):
            pipe.write(f"{json.dumps(request)}\n")
            pipe.flush()

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """Return the next message; None once the process has ended. TimeoutError if none comes."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            self._lines.put(None)
            return None
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:  # cut off in the middle, as by a kill
            return None
        return message

    def close(self) -> None:
        """End the process, and those that it started."""
        if self._leads:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _environment() -> dict[str, str]:
    return {**child_environment(os.environ), "OMP_NUM_THREADS": "1"}


def limit_self(*, memory: int, cpu_seconds: int | None = None) -> None:
    """Bound this process: bytes of its address space, and seconds of a core."""
    with suppress(ValueError, OSError):  # where the system has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, _hard(resource.RLIMIT_AS)))
    if cpu_seconds is not None:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, _hard(resource.RLIMIT_CPU)))


def _hard(kind: int) -> int:
    return resource.getrlimit(kind)[1]
