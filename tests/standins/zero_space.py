"""A Space on ZeroGPU in small: one endpoint that trains one task in leases.

Run as a process of its own, with the task as JSON in a file, and the epochs after which a lease is
killed. What is heard from leases is printed, a JSON value a line, and so are the app's address and
how each training ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

# The package asks torch for its CUDA version when it is imported, and a torch without CUDA has
# none: it has to believe that there is no torch.
sys.modules["torch"] = None  # type: ignore[assignment]
import spaces  # noqa: E402  # see above

del sys.modules["torch"]

import gradio as gr  # noqa: E402

from imil.core.records import Plan  # noqa: E402
from imil.jobs.leases import Lease  # noqa: E402
from imil.jobs.pool import WorkerPool  # noqa: E402
from imil.jobs.training.task import TrainingTask, task_from_json  # noqa: E402
from imil.jobs.zero_gpu import ZeroGpuTrainer, train_in_lease  # noqa: E402

# Seconds of each lease.
PLENTY = 600


class EverythingLent(ZeroGpuTrainer):
    """Trains on borrowed time even what says "cpu": there is no GPU here."""

    def lent(self, plan: Plan) -> bool:  # noqa: ARG002  # see above
        return True


def asked(lease: Lease, tasks: tuple[TrainingTask, ...], deadly: Sequence[int]) -> int:  # noqa: ARG001
    return lease.seconds


@spaces.GPU(duration=asked)  # type: ignore[untyped-decorator, unused-ignore]  # it has no types
def mortal(
    lease: Lease, tasks: tuple[TrainingTask, ...], deadly: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train in a lease that is killed, as one that is out of time, once after each deadly epoch."""
    for told in train_in_lease(lease, tasks):
        yield told
        if told.get("new") and told["report"]["epoch"] in deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201  # to whoever started this


def main(task_file: Path, deadly: Sequence[int]) -> None:
    task = task_from_json(json.loads(task_file.read_bytes()))

    def heard(lease: Lease, tasks: tuple[TrainingTask, ...]) -> Iterator[dict[str, Any]]:
        # A busy machine must not end one early: here they end as they are told to.
        for told in mortal(replace(lease, seconds=PLENTY), tasks, deadly):
            say(told)
            yield told

    pool = EverythingLent(
        task_file.parent / "leases", WorkerPool(task_file.parent / "jobs"), borrow=heard
    )

    def train_then_tell() -> None:
        pool.submit("job", (task,))
        pool.wait(["job"])
        status = pool.status("job")
        if status is not None:
            error = None if status.error is None else str(status.error)
            say({"ended": status.state, "error": error, "epochs": len(status.curves)})

    def train() -> None:
        # As a study does, which first prepares its images: in a thread, in the event's context.
        threading.Thread(target=copy_context().run, args=(train_then_tell,), daemon=True).start()

    with gr.Blocks() as app:
        gr.api(train, api_name="train")  # type: ignore[attr-defined]  # it is there
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    say({"serving": address})
    # Not by way of sys.stdin, whose lock a forked process would wait for.
    os.read(0, 1)
    pool.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(epoch) for epoch in sys.argv[2:]])
