"""A short trial before a study trains: which arithmetic, layout and threads are fastest here.

It runs in a process of its own, which ends with it: a request as JSON on standard input, the answer
as the last line on standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from imil.compute.pool import program_environment
from imil.core.arms import ArmInputs, control
from imil.core.records import Plan, Precision
from imil.core.training import initial_state, steps_without_end
from imil.store.codec import plan_from_json

# Images a step of the trial: the fewest that normalisation learns from, so that a large net's trial
# takes seconds. Our choice.
BATCH = 4
# Timed steps a candidate, each in turn with the one it is held against; the least counts.
STEPS = 2
# How much faster than what is usual another setting must be. Our choice: steps vary by less.
MARGIN = 1.1
# A training shorter than this, s, is over before a trial could pay.
WORTH = 30.0
# A trial that takes longer than this, s, has failed.
PATIENCE = 300.0
# Seconds between two looks whether it is to stop.
LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be trained, as far as its speed depends on it.

    Attributes:
        plan: whose arithmetic is to be chosen; its threads are the most to use.
        classes: number of classes.
        channels: 1 or 3.
        images: training images.
    """

    plan: Plan
    classes: int
    channels: int
    images: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What came of a trial.

    Attributes:
        plan: with the arithmetic, layout and threads that it trains in.
        steps: seconds of a step of `BATCH` images in each setting that was tried, by its name.
        told: a sentence for people.
    """

    plan: Plan
    steps: dict[str, float]
    told: str


class TrialStopped(Exception):  # noqa: N818  # no failure: somebody asked for it
    """A trial was told to stop, and its process has ended."""


def settled(subject: Subject, *, should_stop: Callable[[], bool] = lambda: False) -> Choice:
    """Return a plan's arithmetic as it is; where it is `auto`, what a trial finds.

    A trial that fails leaves float32, and says so.

    Args:
        subject: what is to be trained.
        should_stop: asked several times a second while the trial runs.

    Raises:
        TrialStopped: `should_stop` was True.
    """
    plan = subject.plan
    if plan.precision is not Precision.AUTO:
        return Choice(plan, {}, "")
    if plan.device != "cpu":
        # There is no slower one on a GPU, which may be lent by the second.
        return Choice(replace(plan, precision=Precision.BF16), {}, "")
    asked = json.dumps(asdict(subject))
    try:
        written = _answered(asked, should_stop)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"The trial of arithmetic failed: {error}\n{error.stderr!s}\n")
        told = "The trial of the fastest arithmetic failed, so training is in float32 (fp32)."
        return Choice(_usual(plan), {}, told)
    answer = json.loads(written.splitlines()[-1])
    return Choice(plan_from_json(answer["plan"]), answer["steps"], answer["told"])


def _answered(asked: str, should_stop: Callable[[], bool]) -> str:
    """Return what the process of a trial writes, which is killed when it is told to stop."""
    pipe, ends = subprocess.PIPE, time.monotonic() + PATIENCE
    with subprocess.Popen(  # our own module, no shell
        [sys.executable, "-m", "imil.compute.trial"],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=program_environment(),
    ) as process:
        request: str | None = asked
        try:
            while True:
                if should_stop():
                    raise TrialStopped
                try:
                    written, failed = process.communicate(request, timeout=LOOK_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    request = None  # it is sent once
                    if time.monotonic() > ends:
                        raise
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, written, failed)
    return written


def try_out(subject: Subject, *, time_step: Callable[[Plan], float]) -> Choice:
    """Hold settings against each other: float32 or bfloat16, then the layout, then fewer threads.

    Args:
        subject: what is to be trained.
        time_step: seconds of one more step in a setting.
    """
    usual = _usual(subject.plan)
    steps: dict[str, float] = {}

    def least(setting: Plan) -> float:
        name = name_of(setting)
        steps[name] = min(steps.get(name, np.inf), time_step(setting))
        return steps[name]

    time_step(usual)  # the first step of a setting makes what the others use again
    epochs = subject.plan.epochs + subject.plan.epochs_after
    if least(usual) / BATCH * subject.images * epochs < WORTH:
        told = f"Training is in {name_of(usual)}: too short for a trial of others to pay."
        return Choice(usual, steps, told)
    best = usual
    for change in ({"precision": Precision.BF16}, {"channels_last": False}, {"threads": 0}):
        other = replace(best, **change)
        if not other.threads:
            other = replace(best, threads=best.threads // 2)
            if not other.threads:
                continue
        time_step(other)
        for _ in range(STEPS):
            least(best)
            least(other)
        if steps[name_of(other)] * MARGIN < steps[name_of(best)]:
            best = other
    gain = steps[name_of(usual)] / steps[name_of(best)]
    told = f"Training is in {name_of(best)}: chosen by a short trial"
    if best != usual:
        told += f", in which it was {gain:.1f} times as fast as {name_of(usual)}"
    return Choice(best, steps, f"{told}. The same for every arm.")


def name_of(plan: Plan) -> str:
    """Return what people call a plan's arithmetic, layout and threads."""
    layout = "channels last" if plan.channels_last else "channels first"
    threads = "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
    return f"{plan.precision}, {layout}, {threads}"


def _usual(plan: Plan) -> Plan:
    return replace(plan, precision=Precision.FP32, channels_last=True)


class _Steps:
    """Trains on noise in several settings, each going on where it was."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._running: dict[str, Iterator[None]] = {}
        # One thread's own time: what else the machine does is not counted. Threads wait for each
        # other, which only the wall clock shows.
        self._clock = time.process_time if subject.plan.threads == 1 else time.perf_counter

    def time_step(self, plan: Plan) -> float:
        """Return the seconds of one more step."""
        torch.set_num_threads(plan.threads)
        steps = self._running.setdefault(name_of(plan), self._begun(plan))
        began = self._clock()
        next(steps)
        return self._clock() - began

    def _begun(self, plan: Plan) -> Iterator[None]:
        rng = np.random.default_rng(0)
        size = (BATCH, self._subject.channels, plan.size, plan.size)
        small = replace(plan, batch_size=BATCH)
        inputs = ArmInputs(
            plan=small,
            images=rng.integers(0, 256, size, np.uint8),
            labels=np.arange(BATCH) % self._subject.classes,
            classes=self._subject.classes,
            train=np.arange(BATCH),
            validation=np.arange(0),
            mirrored=False,
        )
        classes, channels = self._subject.classes, self._subject.channels
        state = initial_state(small, classes=classes, channels=channels)
        return steps_without_end(small, state, control(inputs))


def main() -> None:
    """Answer the request on standard input."""
    asked = json.loads(sys.stdin.read())
    subject = Subject(**(asked | {"plan": plan_from_json(asked["plan"])}))
    found = try_out(subject, time_step=_Steps(subject).time_step)
    sys.stdout.write(f"\n{json.dumps(asdict(found))}\n")


if __name__ == "__main__":
    main()
