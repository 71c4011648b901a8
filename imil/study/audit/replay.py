"""A saved study made again from its plan, images, masks and seeds; its figures are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from imil.core.evaluation.metrics import Robustness
from imil.core.evaluation.rounds import Paired, Round
from imil.core.evaluation.verdict import Change
from imil.errors import StoreError
from imil.jobs.base import JobStatus
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import training_machine
from imil.storage.local import LocalStore
from imil.storage.records.acts import Act
from imil.storage.records.studies import Comparison, ExternalSet, load_round, save_study
from imil.study.audit.act_log import ActLog
from imil.study.audit.trail import audit_chain
from imil.study.audit.verification import contradiction
from imil.study.library.studies import Studies
from imil.study.library.zips.study_zip import Unpacked, open_zip, put_state, put_work
from imil.study.services import Services
from imil.study.study import Study

# Seconds between two looks at a training.
_POLL = 0.2

Values = tuple[float, ...]
_Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay; the values of a pair are those of then and of now.

    Attributes:
        acts: how many acts the study's log has.
        figures: every figure that was compared, by name.
        machine: of the machine and the versions, what differs.
    """

    acts: int
    figures: Mapping[str, tuple[Values, Values]]
    machine: Mapping[str, tuple[str, str]]

    def differing(self, tolerance: float) -> list[str]:
        """Return the figures that are further apart; on the same kind of machine all are equal."""
        near = partial(np.allclose, rtol=0, atol=tolerance, equal_nan=True)
        pairs = self.figures.items()
        return [name for name, (a, b) in pairs if len(a) != len(b) or not near(a, b)]


def replay(
    archive: Path, work: Path, *, fetch_weights: Callable[[str], bytes], on_progress: _Tell
) -> Replay:
    """Make a saved study again and compare its figures; nothing of its models is used.

    Args:
        archive: a `study.zip`.
        work: an empty folder to work in.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        on_progress: told (step, share 0-1) a few times a second.

    Raises:
        DataError: it is no zip that may be unpacked.
        StoreError: it holds no study, too little of one, or one that was changed since.
        ComputeError: a training failed.
    """
    packed = open_zip(archive, work / "zip")
    acts, plan = _acts(packed), packed.record.plan
    figures: dict[str, tuple[Values, Values]] = {}
    with closing(WorkerPool(work / "jobs")) as pool:
        tools = Services(LocalStore(work / "store"), pool, fetch_weights)
        for step, kept, found in _made_again(packed, work / "work", tools, on_progress):
            then, now = _figures(kept), _figures(found)
            figures |= {f"{step} {n}": (then.get(n, ()), now.get(n, ())) for n in then | now}
    if not figures:
        raise _refused("No comparison in it has figures.", "Wait for them, then export it.")
    here = training_machine(device=plan.device, threads=plan.threads)
    there = next((a.details["machines"][-1] for a in acts[::-1] if "machines" in a.details), here)
    changed = {n: (there.get(n, "unknown"), here[n]) for n in here if there.get(n) != here[n]}
    return Replay(len(acts), figures, changed)


def _acts(packed: Unpacked) -> tuple[Act, ...]:
    """Return the log of a study that can be made again; StoreError for any other."""
    saved, record = packed.state, packed.record
    heads = (record.head,) if record.head else ()
    found = audit_chain(saved, ActLog(saved, record.study_id).read(heads))
    broken = found.broken or contradiction(found.acts, record)
    for wrong, fix in (
        (broken and f"Its log is broken: {broken.told}", "Replay an untouched copy."),
        (not packed.manifest.images and "It was exported without images.", "Export it with them."),
        (not record.comparison and "Nothing was compared in it.", "Compare, then export it."),
    ):
        if wrong:
            raise _refused(wrong, fix)
    return found.acts


def _refused(why: str, fix: str) -> StoreError:
    return StoreError("This study can't be made again.", why=why, fix=fix)


def _made_again(
    packed: Unpacked, work: Path, tools: Services, on_progress: _Tell
) -> Iterator[tuple[str, Round, Round]]:
    """Train all of a study; yield the figures of each comparison, then and now."""
    record, study_id = packed.record, packed.record.study_id
    put_work(packed, work / "studies" / study_id, ("images", "external", "weights"))
    put_state(packed, tools.store, study_id, rounds=False)

    def opened(
        asked: Comparison | None, openings: int = 0, external: tuple[ExternalSet, ...] = ()
    ) -> Study:
        # Its log is not gone on with: what is done here is no act of the study.
        folds = record.folds and asked is not None
        then = replace(record, comparison=asked, earlier=(), test_openings=openings, folds=folds)
        then = replace(then, external=external)
        save_study(tools.store, then)
        return Studies(work, tools).open(study_id)

    def finish(status: Callable[[], JobStatus], step: str) -> None:
        while (found := status()).active:
            on_progress(step, found.share)
            time.sleep(_POLL)
        if found.error is not None:
            raise found.error

    study = opened(None)
    finish(study.training.status, "first training")
    if record.folds:
        study.training.start_out_of_fold()
        finish(study.training.out_of_fold_status, "folds")
    study.flush()
    for asked in filter(None, (*record.earlier, record.comparison)):
        step, study = f"round {asked.number}", opened(asked)
        finish(study.comparison.status, step)
        study.flush()
        found, key = study.results.current(), str(study.results.key())
        if found and (kept := load_round(packed.state, study_id, key=key)):
            yield f"{step} validation", kept, found
        for opening in range(record.test_openings):
            name = f"{key.partition('-')[0]}-test-{opening + 1}"
            if kept := load_round(packed.state, study_id, key=name):
                names = {each.name for each in kept.external}
                sets = tuple(each for each in record.external if each.name in names)
                there = opened(asked, opening, sets).comparison.open_test_set()
                # A set that was removed since can't be asked again.
                left = {each.name for each in sets}
                known = tuple(each for each in kept.external if each.name in left)
                yield f"{step} test", replace(kept, external=known), there


def _figures(found: Round) -> dict[str, Values]:
    """Return every figure of every arm, a value a seed, and every paired difference, by name."""
    arms = [(f"{a.arm}", {**a.values, **a.swapped_values}) for a in found.arms]
    pairs = [(f"{p.arm} against control", _changes(p)) for p in found.paired]
    for each in found.external:
        arms += [(f"{each.name} {a.arm}", dict(a.values)) for a in each.arms]
        pairs += [(f"{each.name} {p.arm} against control", _changes(p)) for p in each.paired]
    return {f"{arm} {metric}": values for arm, each in arms for metric, values in each.items()} | {
        f"{arm} {metric}": (change.points, change.low, change.high)
        for arm, each in pairs
        for metric, change in each.items()
    }


def _changes(paired: Paired) -> dict[str, Change]:
    changes: dict[str, Change] = {metric.value: each for metric, each in paired.differences.items()}
    if paired.independent is not None:
        changes[Robustness.INDEPENDENT_BALANCED_ACCURACY.value] = paired.independent
    return changes
