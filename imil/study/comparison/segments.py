"""The trainings of a comparison: what each arm trains on, from one checkpoint under one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imil.core.arms.registry import (
    ARMS,
    UNPAINTED,
    with_weights,
)
from imil.core.arms.variants import Variant
from imil.core.evaluation.comparison import Trained
from imil.core.records import Split, Triage
from imil.core.review.irrelevance import IrrelevancePredictor
from imil.errors import MaskError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import MaskRecord
from imil.storage.records.studies import Comparison
from imil.study.comparison.probes import ProbeRequest, make_probe, probe_path
from imil.study.context import StudyContext
from imil.study.review.mask_book import mask_key, reader_label
from imil.study.review.mask_sets import ArmMasks, Review
from imil.study.review.pooling import PooledMasks, pool_records
from imil.study.review.predicted_regions import Extended
from imil.study.review.queueing import Queues
from imil.study.review.triage import triage_key, triage_rows
from imil.study.workspace import Workspace

# From an arm and the ids of its masked images to what they cost a clinician, s; None if unknown.
Seconds = Callable[[Variant, Sequence[str]], float | None]


def mask_sets(
    names: Sequence[Variant], review_of: Callable[[str | None], Review]
) -> dict[Variant, ArmMasks]:
    """Return the masks of each arm or variant.

    Args:
        names: of arms and variants, of all readers or of one.
        review_of: from a reader, None for all together, to that review.

    Raises:
        MaskError: an arm needs predicted irrelevance, and the masks contradict each other.
    """
    sets: dict[Variant, ArmMasks] = {}
    for reader in dict.fromkeys(name.reader for name in names):
        of_reader = {name.evolve(reader=None): name for name in names if name.reader == reader}
        given = review_of(reader).masks(of_reader)
        sets |= {of_reader[plain]: masks for plain, masks in given.items()}
    return sets


def segment(
    workspace: Workspace,
    first: TrainingTask,
    name: Variant,
    *,
    seed: int,
    masks_key: str | None,
    probe: Path | None,
    triage: Sequence[Triage],
) -> TrainingTask:
    """Return the training of an arm or variant; see `Workspace.arm_task`."""
    task = workspace.arm_task(
        first,
        name.evolve(reader=None),
        seed=seed,
        masks_key=masks_key,
        probe=probe,
        triage_key=triage_key(triage),
    )
    # The segment is that of the masks, whoever painted them; its name says who did.
    return replace(task, name=f"{name}, seed {seed}")


def write_inputs(
    workspace: Workspace,
    tasks: Iterable[TrainingTask],
    given: ArmMasks,
    triage: Sequence[Triage],
) -> None:
    """Save what the trainings of an arm read: its masks, and decisions on labels."""
    for task in tasks:
        workspace.write_masked(task, given.masks, predicted=given.predicted)
        workspace.write_triage(task, triage_rows(workspace.images, triage))


def outcomes(
    workspace: Workspace,
    tasks: Mapping[Variant, Sequence[TrainingTask]],
    split: Split,
    *,
    seconds: Seconds = lambda *_: None,
) -> dict[Variant, Trained]:
    """Return what trained arms answer on a split.

    Args:
        workspace: of the study.
        tasks: from an arm or variant to its finished trainings, one a seed.
        split: whose images.
        seconds: what the masks of an arm cost.
    """
    found = {}
    for name, of_arm in tasks.items():
        masked = [workspace.masked(task) for task in of_arm]
        counts = tuple(len(each) for each in masked)
        spent = seconds(name, masked[0])
        found[name] = workspace.trained(of_arm, split, masks=counts, seconds=spent)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The trainings that the comparisons of one study consist of."""

    _context: StudyContext
    _queues: Queues

    def tasks(self, asked: Comparison) -> dict[Variant, tuple[TrainingTask, ...]]:
        """Return the trainings of each arm and variant, one a seed."""
        return {name: self.of_arm(asked, name) for name in with_weights(asked.arms)}

    def of_arm(self, asked: Comparison, name: Variant) -> tuple[TrainingTask, ...]:
        """Return the trainings of an arm or variant, one a seed."""
        reader, probe = name.reader, self.probe(asked)
        names = self._masks(asked, reader)
        masks_key = mask_key(names, asked.pooling if reader is None else "")
        workspace, first = self._context.workspace, self._context.first
        return tuple(
            segment(
                workspace,
                first,
                name,
                seed=seed,
                masks_key=masks_key,
                probe=probe,
                triage=asked.triage,
            )
            for seed in asked.seeds
        )

    def to_train(self, asked: Comparison) -> tuple[TrainingTask, ...]:
        """Return the segments to train, each once, seed by seed: a first pair is there early."""
        of_seeds = zip(*self.tasks(asked).values(), strict=True)
        return tuple({task.folder: task for of_seed in of_seeds for task in of_seed}.values())

    def trained(self, asked: Comparison) -> Comparison | None:
        """Return what was asked for with the seeds that every arm is trained for; None for none."""
        of_seeds = zip(asked.seeds, *self.tasks(asked).values(), strict=True)
        seeds = tuple(seed for seed, *tasks in of_seeds if all(task.finished for task in tasks))
        return replace(asked, seeds=seeds) if seeds else None

    def all_trained(self, asked: Comparison) -> bool:
        """Return whether every segment of a comparison is trained, and on this machine."""
        return self.trained(asked) == asked

    def write(self, asked: Comparison, confirmed: Extended | None) -> None:
        """Save what the trainings of a comparison read.

        Args:
            asked: the comparison.
            confirmed: what a reader confirmed as irrelevant in the other images, if that is used.
        """
        self._make_probe(asked)

        def review_of(reader: str | None) -> Review:
            return self._review(asked, reader, confirmed if reader is None else None)

        sets, workspace = mask_sets(with_weights(asked.arms), review_of), self._context.workspace
        for name, given in sets.items():
            write_inputs(workspace, self.of_arm(asked, name), given, asked.triage)

    def outcomes(self, asked: Comparison, split: Split) -> dict[Variant, Trained]:
        """Return every trained arm's answers on a split, with what its masks cost."""

        def seconds(name: Variant, masked: Sequence[str]) -> float | None:
            if ARMS[name.arm].masks in UNPAINTED:
                return None
            spent = self.used(asked, name.reader)[1].seconds
            return sum(spent[sample_id] for sample_id in masked)

        return outcomes(self._context.workspace, self.tasks(asked), split, seconds=seconds)

    def used(
        self, asked: Comparison, reader: str | None = None
    ) -> tuple[tuple[MaskRecord, ...], PooledMasks]:
        """Return the masks that arms of all readers, or of one, are given; as saved and as used."""
        records = self._context.masks.by_name(self._masks(asked, reader))
        return records, pool_records(records, asked.pooling if reader is None else "")

    def lost(self, asked: Comparison) -> tuple[str, ...]:
        """Return the names of compared masks whose files are damaged."""
        return tuple(name for name in asked.masks if name in self._context.masks.damaged)

    def probe(self, asked: Comparison) -> Path | None:
        """Return what the arms are asked; None where nothing predicts what is irrelevant."""
        path = self.probe_path(asked)
        return path if path.exists() else None

    def probe_path(self, asked: Comparison) -> Path:
        """Return where the questions are kept once they are made."""
        return probe_path(self._context.first, ask(asked, None))

    # ---- inside ---------------------------------------------------------------------------------

    def _masks(self, asked: Comparison, reader: str | None) -> tuple[str, ...]:
        """Return the names of the masks that were compared: all, or those of one reader."""
        if reader is None:
            return asked.masks
        masks = self._context.masks
        kept = tuple(name for name in asked.masks if name not in masks.damaged)
        pairs = zip(kept, masks.by_name(kept), strict=True)
        return tuple(name for name, record in pairs if reader_label(record) == reader)

    def _review(self, asked: Comparison, reader: str | None, confirmed: Extended | None) -> Review:
        """Return the review that a comparison is of: by all readers, or by one of them."""
        records, found = self.used(asked, reader)
        context = self._context
        return Review(
            context.workspace,
            context.first,
            self._queues.opened_as_mispredicted(records),
            found.regions.get,
            context.workspace.allowed(context.plan),
            simulated=False,
            painted=tuple(found.regions),
            opened=found.opened,
            confirmed=confirmed,
        )

    def _make_probe(self, asked: Comparison) -> None:
        try:
            review = self._review(asked, None, None)
            predictor = review.predictor_of(self.used(asked)[1].regions)
        except MaskError:  # masks that contradict each other: the comparison says so, and goes on
            return
        if predictor is not None:
            workspace, first = self._context.workspace, self._context.first
            make_probe(workspace, first, ask(asked, predictor))


def ask(asked: Comparison, predictor: IrrelevancePredictor | None) -> ProbeRequest:
    """Return what a comparison asks its arms; told apart by the masks that were compared."""
    key = mask_key(asked.masks, asked.pooling) or "none"
    return ProbeRequest(key, predictor, reference=False, explain=True)


def models_lost_error() -> PlanError:
    """Return the error of asking for models of which only the figures are left."""
    return PlanError(
        "The models of this comparison are not on this machine any more.",
        why="Its figures were saved, but its models were lost with the machine's disk.",
        fix="Compare again: the same arms are trained from the same plan and masks.",
    )
