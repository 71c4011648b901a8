"""The process that trains: jobs come in on standard input, events go out on standard output.

Each line is one JSON value. In: `{"job": id, "task": {...}}` or `{"stop": id}`. Out: `{"job": id,
"event": "progress" | "epoch" | "done" | "stopped" | "failed", ...}`. The process ends when its
input closes, so it never outlives the app; the last finished epoch is on disk.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import traceback
from dataclasses import asdict
from functools import partial
from operator import contains
from typing import Any, TextIO

from imil.core.records import Progress
from imil.errors import ImilError

# Added to the number of its priority, so that whoever opens an image is served first; more than
# that would starve trainings beside other programs. Our choice.
NICE = 5
# What the first optimiser, the first augmentation and the first explanation of a process would load
# by themselves: 3 s of a round of the demo's 30.
_LATER = ("torch._dynamo", "torchvision.transforms.v2", "captum.attr")


def _main() -> None:
    """Serve jobs until standard input closes."""
    os.nice(NICE)
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever a library prints must not end up among the events.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stopped: set[str] = set()
    threading.Thread(target=_listen, args=(jobs, stopped), daemon=True).start()
    # Loaded once, before the first job asks for it.
    from imil.jobs.training.task import run_task, task_from_json  # noqa: PLC0415  # torch takes seconds

    for module in _LATER:
        importlib.import_module(module)

    _send(events, None, "ready")
    while (job := jobs.get()) is not None:
        job_id = job["job"]
        try:
            for report in run_task(
                task_from_json(job["task"]),
                should_stop=partial(contains, stopped, job_id),
            ):
                kind = "progress" if isinstance(report, Progress) else "epoch"
                _send(events, job_id, kind, report=asdict(report))
        except ImilError as error:
            parts = {"what": error.what, "why": error.why, "fix": error.fix}
            _send(events, job_id, "failed", error=parts)
        except Exception:  # noqa: BLE001  # a crash is told to the app, and the next job goes on
            _send(events, job_id, "crashed", traceback=traceback.format_exc())
        else:
            _send(events, job_id, "stopped" if job_id in stopped else "done")


def _listen(jobs: queue.Queue[dict[str, Any] | None], stopped: set[str]) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "stop" in message:
            stopped.add(message["stop"])
        else:
            stopped.discard(message["job"])
            jobs.put(message)
    os._exit(0)  # the app is gone: nothing unsaved is worth finishing


def _send(events: TextIO, job: str | None, event: str, **more: Any) -> None:
    events.write(json.dumps({"job": job, "event": event, **more}) + "\n")


if __name__ == "__main__":
    _main()
