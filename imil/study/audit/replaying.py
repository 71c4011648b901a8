"""A saved study made again from its plan, images, masks and seeds; its figures are compared."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imil.core.evaluation.rounds import Round
from imil.core.records import Plan
from imil.errors import ComputeError, StoreError
from imil.jobs.device import pick_device
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import trained_on
from imil.storage.base import Store
from imil.storage.codec import plan_from_json
from imil.storage.local import LocalStore
from imil.storage.records.acts import Act, What
from imil.storage.records.studies import Comparison, StudyRecord, load_round, save_study
from imil.storage.values import to_json
from imil.study.audit.acts import ActLog
from imil.study.audit.logged import audited
from imil.study.library.studies import Studies
from imil.study.library.studyzip import open_zip, put_state, put_work
from imil.study.status import TrainingStatus
from imil.study.study import Study
from imil.study.tools import Tools

# Seconds between two looks at a training.
POLL = 0.2
FIRST = "first training"
_TEST = re.compile(r"(?P<key>\w+)-test-(?P<opening>\d+)\Z")
# What the bits of a training depend on; other entries are of no account.
DECISIVE = ("cpu", "vector_unit", "device", "gpu", "threads", "torch", "torchvision", "numpy")

Tell = Callable[[str, float, float | None], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a study that was made again.

    Attributes:
        name: for people, such as "round 1, validation".
        figures: how many figures were compared.
        differing: names of those that are not equal.
    """

    name: str
    figures: int
    differing: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether every figure is the same, to the last digit."""
        return not self.differing


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay.

    Attributes:
        steps: what was made again and compared.
        machines: from what the bits depend on to how it was then and how it is now, where these
            differ; nothing for the same kind of machine.
        known: whether it is known where the study was trained.
        acts: how many acts its log has.
    """

    steps: tuple[Step, ...]
    machines: Mapping[str, tuple[str, str]]
    known: bool
    acts: int

    @property
    def equal(self) -> bool:
        """Whether every figure is the same, to the last digit."""
        return all(step.equal for step in self.steps)


def replay(
    archive: Path, work: Path, *, fetch_weights: Callable[[str], bytes], on_progress: Tell
) -> Replay:
    """Make a saved study again and compare its figures; nothing of its models is used.

    Args:
        archive: a `study.zip`.
        work: an empty folder to work in.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        on_progress: told (step, share 0-1, seconds left or None) a few times a second.

    Raises:
        DataError: it is no zip that may be unpacked.
        StoreError: it holds no study, or the study or its log was changed after it was saved.
        ComputeError: a training failed.
    """
    into = work / "zip"
    packed = open_zip(archive, into)
    saved, record = packed.state, packed.record
    acts = _intact(saved, record)
    if not packed.manifest.images:
        raise _no_images()
    if not record.started:
        raise _nothing_trained()
    if record.plan.device == "cuda" and pick_device("auto") != "cuda":
        raise _no_gpu()
    recorded = _scores_of(acts) or _scores_inside(into, record.plan)
    put_work(packed, work / "work" / "studies" / record.study_id, ("images", "weights"))
    store = LocalStore(work / "store")
    put_state(packed, store, record.study_id, rounds=False)
    pool = WorkerPool(work / "jobs")
    try:
        maker = _Maker(store, pool, work / "work", record, fetch_weights, on_progress)
        first = maker.first()
        steps = [_first_step(recorded, first)] if recorded else []
        for asked in _asked(record):
            for key, again in maker.rounds(asked, saved):
                kept = load_round(saved, record.study_id, key=key)
                if kept is not None:
                    seeds = "" if len(again.seeds) == 1 else f", {len(again.seeds)} seeds"
                    name = f"round {asked.number}, {again.split}{seeds}"
                    steps.append(_compared(name, kept, again))
    finally:
        pool.close()
    then, now = _machine_of(acts), trained_on(device=first.device, threads=first.threads)
    machines = {
        name: (then.get(name, "unknown"), now.get(name, "unknown"))
        for name in DECISIVE
        if then and then.get(name) != now.get(name)
    }
    return Replay(tuple(steps), machines, bool(then), len(acts))


def differs(found: Replay) -> ComputeError:
    """Return the error of a replay whose figures are not those of the study."""
    wrong = [step for step in found.steps if not step.equal]
    count = sum(len(step.differing) for step in wrong)
    every = sum(step.figures for step in found.steps)
    named = "; ".join(f"{step.name}: {', '.join(step.differing[:5])}" for step in wrong)
    if found.machines:
        why = "It was made on another kind of machine: " + ", ".join(
            f"{name} {then} then, {now} now" for name, (then, now) in found.machines.items()
        )
        fix = "Replay it where these are the same; elsewhere rounding alone makes figures differ."
    elif found.known:
        why = "Processor, versions and threads are the same, so something else is not"
        fix = "Check that images, masks and plan are those of the study: the zip may be forged."
    else:
        why = "Where it was trained was not written down"
        fix = "Replay it on the machine that trained it, with the same versions, if you know them."
    return ComputeError(
        f"{count} of {every} figures differ from the study's ({named}).", why=f"{why}.", fix=fix
    )


@dataclass(frozen=True, slots=True)
class _First:
    scores: str
    device: str
    threads: int


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """Makes one study again: each step opens it as it was then, and it goes on by itself."""

    store: Store
    pool: WorkerPool
    work: Path
    record: StudyRecord
    fetch_weights: Callable[[str], bytes]
    on_progress: Tell
    # Keys of the figures that were made.
    told: set[str] = field(default_factory=set)

    def first(self) -> _First:
        """Train the first round, and the folds where there were any."""
        study = self._opened(comparison=None, earlier=(), folds=False, test_openings=0)
        self._finish(study.training_status, FIRST)
        if self.record.folds:
            study.start_out_of_fold()
            self._finish(study.out_of_fold_status, "folds")
        study.settle()
        task = study.first_task
        digest = hashlib.sha256(task.logits.read_bytes()).hexdigest()
        return _First(digest, task.plan.device, task.plan.threads)

    def rounds(self, asked: Comparison, saved: Store) -> Iterator[tuple[str, Round]]:
        """Yield a comparison's figures: all seeds, then fewer, each on test as often as it was."""
        study = self._opened_for(asked)
        self._finish(study.comparison_status, f"round {asked.number}")
        study.settle()
        for seeds in range(len(asked.seeds), 0, -1):
            of_seeds = replace(asked, seeds=asked.seeds[:seeds])
            study = self._opened_for(of_seeds)
            found, key = study.results(), study.results_key()
            study.settle()
            if found is None or key is None or key in self.told:
                continue
            self.told.add(key)
            yield key, found
            for name in self._keys(saved):
                opened = _TEST.match(name)
                if opened is not None and opened["key"] == key.partition("-")[0]:
                    openings = int(opened["opening"]) - 1
                    yield name, self._opened_for(of_seeds, openings).final_comparison()

    def _opened_for(self, asked: Comparison, openings: int = 0) -> Study:
        return self._opened(comparison=asked, earlier=(), test_openings=openings)

    def _opened(self, **changes: Any) -> Study:
        # Its log is not gone on with: what is done here is no act of the study.
        save_study(self.store, replace(self.record, **changes))
        tools = Tools(self.store, self.pool, self.fetch_weights)
        return Studies(self.work, tools).open(self.record.study_id)

    def _keys(self, store: Store) -> list[str]:
        folder = f"studies/{self.record.study_id}/rounds/"
        names = (name.removeprefix(folder) for name in store.names(folder))
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def _finish(self, status: Callable[[], TrainingStatus], step: str) -> None:
        while (found := status()).active:
            self.on_progress(step, found.share, found.seconds_left)
            time.sleep(POLL)
        if found.error is not None:
            raise found.error


def _intact(saved: Store, record: StudyRecord) -> tuple[Act, ...]:
    """Return the log of an unpacked study; StoreError if it, or what it tells of, was changed."""
    heads = (record.head,) if record.head else ()
    found = audited(saved, ActLog(saved, record.study_id).read(heads))
    if found.broken is not None:
        raise StoreError(
            f"The log of this study is broken: {found.broken.told}",
            why="Each act carries a digest of the one before, so that a later change shows.",
            fix="Replay an untouched copy of the study; figures of this one prove nothing.",
        )
    began = {What.TRAINING_STARTED, What.ARITHMETIC_CHOSEN}
    started = [act for act in found.acts if act.what in began]
    # A plan of an older version lacks what was the same in every plan then.
    if started and plan_from_json(started[-1].details["plan"]) != record.plan:
        raise StoreError(
            "The plan of this study was changed after its training began.",
            why=f"Act {started[-1].seq} tells of another plan than the study's file.",
            fix="Replay an untouched copy of the study; figures of this one prove nothing.",
        )
    return found.acts


def _asked(record: StudyRecord) -> tuple[Comparison, ...]:
    return tuple(each for each in (*record.earlier, record.comparison) if each is not None)


def _scores_of(acts: Sequence[Act]) -> str:
    finished = [act for act in acts if act.what is What.TRAINING_FINISHED]
    return str(finished[-1].details["scores"]) if finished else ""


def _scores_inside(into: Path, plan: Plan) -> str:
    """Return the digest of the scores that the zip has of a first training that was shipped."""
    path = into / "work" / "segments" / f"seed-{plan.seed}" / "first" / "logits.npy"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _machine_of(acts: Sequence[Act]) -> Mapping[str, str]:
    told = [act for act in acts if act.details.get("machines")]
    machine: Mapping[str, str] = told[-1].details["machines"][-1] if told else {}
    return machine


def _first_step(recorded: str, first: _First) -> Step:
    same = recorded == first.scores
    return Step(FIRST, 1, () if same else ("the scores of the images",))


def _compared(name: str, then: Round, again: Round) -> Step:
    """Compare every figure of every arm, seed by seed, and every paired difference."""
    one, other = dict(_figures(then)), dict(_figures(again))
    names = list(dict.fromkeys((*one, *other)))
    return Step(name, len(names), tuple(n for n in names if one.get(n) != other.get(n)))


def _figures(found: Round) -> Iterator[tuple[str, Any]]:
    for arm in found.arms:
        for metric, values in (*arm.values.items(), *arm.swapped_values.items()):
            yield f"{arm.arm} {metric}", to_json(values)
    for paired in found.paired:
        yield f"{paired.arm} verdict", str(paired.verdict)
        for metric, difference in paired.differences.items():
            yield f"{paired.arm} {metric} against control", to_json(difference)


def _no_images() -> StoreError:
    return StoreError(
        "This study can't be made again from this zip.",
        why="It was exported without its images.",
        fix="Export it with images, then replay that zip.",
    )


def _nothing_trained() -> StoreError:
    return StoreError(
        "There is nothing to replay.",
        why="The study was exported before anything was trained.",
        fix="Train and compare first, then export the study again.",
    )


def _no_gpu() -> ComputeError:
    return ComputeError(
        "This study can't be made again here.",
        why="It was trained on a GPU, and this machine has none.",
        fix="Replay it on a machine with a GPU of the same kind.",
    )
