"""The figures of a comparison: made when its arms are trained, saved once, then only read."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from imil.core.arms.registry import RIGHT_REASON_WEIGHT, unweighted, with_weights
from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.cases import cases_of
from imil.core.evaluation.comparison import (
    RoundContext,
    Trained,
    Validation,
    advise,
    clusters_of,
    evaluate_round,
)
from imil.core.evaluation.fixed_regions import fixed_notices, over_fixed
from imil.core.evaluation.metrics import FIGURE_DRAWS, Metric
from imil.core.evaluation.recommendation import best_setting
from imil.core.evaluation.rounds import Round
from imil.core.external.figures import ExternalAnswers, evaluate_external
from imil.core.records import Origin, Outlier, Sample, Split
from imil.jobs.training.task import TrainingTask, machines
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import PROGRAM, ActKind
from imil.storage.records.cases import cases_file, save_cases
from imil.storage.records.runs import RunRow, save_runs
from imil.storage.records.studies import Comparison, load_round, round_file, save_round
from imil.study.audit.trail import AuditTrail
from imil.study.audit.verification import answers_of
from imil.study.comparison.external_sets import ExternalSets
from imil.study.comparison.probes import painted_mask_only
from imil.study.comparison.segments import Segments, ask
from imil.study.context import StudyContext
from imil.study.review.mask_sets import FEWEST_TO_PREDICT
from imil.study.review.pooling import PooledMasks, pooled_notices
from imil.study.review.queueing import Queues
from imil.study.review.triage import triage_notices
from imil.study.runs import first_rows, run_rows
from imil.study.workspace import Workspace

# Seeds vary only what follows the one checkpoint that the clinician reviewed.
SEED_SCOPE = "train_on"
NO_PAPER_MASKS = (
    "No masked image was opened as mispredicted, and only such masks are the paper's: so imil "
    "trains on exactly what control trains on."
)
NO_ADVICE_FEW = (
    "No arm is recommended: that takes two masks, from which the other images' are predicted."
)
NO_ADVICE_CONTRADICT = (
    "No arm is recommended: the masks contradict each other, so that nothing can be predicted."
)


@dataclass(frozen=True, slots=True, eq=False)
class ChosenWeights:
    """Which trained variant stands for each arm that was asked for, and sentences about it.

    `validation` holds the arms that were asked for, under the names they were asked by.
    """

    validation: Validation
    variants: Mapping[Variant, Variant]
    notices: tuple[str, ...]

    def only(self, trained: Mapping[Variant, Trained]) -> dict[Variant, Trained]:
        """Return the arms that were asked for, under the names they were asked by."""
        return _only(trained, self.variants)


def choose_weights(asked: Sequence[Variant], validation: Validation) -> ChosenWeights:
    """Choose the weight of each penalty by the rule of the recommendation.

    Args:
        asked: arms; `with_weights` of them are trained.
        validation: all that were trained, control among them.
    """
    variants, notices = {}, []
    for name in asked:
        variants[name] = name
        if unweighted(name):
            rivals = with_weights([name])
            chosen, how = _weight(name, rivals, validation)
            variants[name] = chosen
            weights = ", ".join(f"{each.weight:g}" for each in rivals)
            notices.append(f"{name}: weight {chosen.weight:g} of {weights}, {how}.")
    only = replace(validation, trained=_only(validation.trained, variants))
    return ChosenWeights(only, variants, tuple(notices))


def _only(
    trained: Mapping[Variant, Trained], variants: Mapping[Variant, Variant]
) -> dict[Variant, Trained]:
    return {asked: trained[variant] for asked, variant in variants.items()}


def _weight(
    name: Variant, rivals: Sequence[Variant], validation: Validation
) -> tuple[Variant, str]:
    compared = {each: validation.trained[each] for each in (CONTROL, *rivals)}
    advice = advise(replace(validation, trained=compared))
    if advice is None:
        usual = name.evolve(weight=RIGHT_REASON_WEIGHT)
        return usual, "as usual, since nothing was predicted to choose it by"
    return best_setting(advice.candidates), "chosen on validation"


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A comparison's figures, the arms as they answered, and which variant stands for each."""

    round: Round
    trained: Mapping[Variant, Trained]
    settled: ChosenWeights
    external: tuple[ExternalAnswers, ...] = ()


# From the trained variant of each arm, and the arms on the test set, to their answers elsewhere.
Answering = Callable[
    [Mapping[Variant, Variant], Mapping[Variant, Trained]], Sequence[ExternalAnswers]
]


def compare_arms(
    workspace: Workspace,
    arms: Sequence[Variant],
    outcomes: Callable[[Split], Mapping[Variant, Trained]],
    split: Split,
    setting: Callable[[ChosenWeights], RoundContext],
    *,
    external: Answering = lambda *_: (),
    draws: int = FIGURE_DRAWS,
) -> Compared:
    """Return the figures of trained arms on a split, and on external sets.

    Args:
        workspace: of the study.
        arms: as they were asked for, control first.
        outcomes: what every arm and variant answers on a split.
        split: whose images.
        setting: what belongs to the round, once it is settled which variants stand for the arms.
        external: what the arms answer to external sets, which are opened with the test set.
        draws: as in `evaluate_round`.
    """
    settled = choose_weights(arms, workspace.validation(outcomes(Split.VALIDATION)))
    trained = settled.only(outcomes(split))
    samples = workspace.samples(split)
    about = setting(settled)
    beside = (*left_raw_notices(trained, len(samples)), *_over_fixed(trained, samples, about))
    about = replace(about, notices=(*about.notices, *beside))
    found = evaluate_round(trained, samples, about, settled.validation, draws=draws)
    answered = external(settled.variants, trained)
    others = tuple(
        evaluate_external(answers, about, settled.validation, draws=draws) for answers in answered
    )
    return Compared(replace(found, external=others), trained, settled, tuple(answered))


def left_raw_notices(trained: Mapping[Variant, Trained], images: int) -> tuple[str, ...]:
    """Return in how many images models that hide regions were not sure enough to hide any."""
    return tuple(
        f"{name}: in {np.mean(outcome.left_raw):.0f} of {images} images nothing was hidden, since "
        "its mask predictor was not sure there."
        for name, outcome in trained.items()
        if any(outcome.left_raw)
    )


def _over_fixed(
    trained: Mapping[Variant, Trained], samples: Sequence[Sample], context: RoundContext
) -> tuple[str, ...]:
    labels = np.array([sample.label for sample in samples], np.int64)
    found = over_fixed(trained, labels, clusters_of(samples))
    return fixed_notices(found, painted=max(context.masked, default=0))


class Figures:
    """The rounds of one study: each made once, and told of in the log."""

    def __init__(
        self,
        context: StudyContext,
        audit: AuditTrail,
        queues: Queues,
        segments: Segments,
        external: ExternalSets,
    ) -> None:
        self._context = context
        self._external = external
        self._audit = audit
        self._queues = queues
        self._segments = segments
        folder = round_file(context.log_id, "").removesuffix(".json")
        names = context.store.names(folder)
        # The keys of the rounds that are saved, and those of them that were read: a page shows a
        # round at each click, and a saved one never changes.
        self._saved = {
            name.removeprefix(folder).removesuffix(".json")
            for name in names
            if name.endswith(".json")
        }
        self._read: dict[str, Round] = {}
        self._making = threading.Lock()

    def saved(self, asked: Comparison | None) -> Comparison | None:
        """Return a comparison with the most seeds whose figures are saved; None for none."""
        if asked is None:
            return None
        trained, folders = self._segments.trained(asked), self._folders(asked)
        tried = [asked.seeds[:n] for n in range(len(asked.seeds), 0, -1)]
        tried += [] if trained is None else [trained.seeds]
        for seeds in sorted(tried, key=len, reverse=True):
            some = replace(asked, seeds=seeds)
            if self._saved_key(some, Split.VALIDATION, folders) is not None:
                return some
        return None

    def read(self, asked: Comparison | None, split: Split) -> Round | None:
        """Return the saved figures of a comparison; None where there are none."""
        key = None if asked is None else self._saved_key(asked, split, self._folders(asked))
        if key is None:
            return None
        found = self._read.get(key)
        if found is None:
            found = load_round(self._context.store, self._context.log_id, key=key)
            if found is not None:
                self._read[key] = found
        return found

    def make(self, asked: Comparison, split: Split) -> Round:
        """Return the figures of a trained comparison; made, saved and logged unless that is done.

        Call it without the study's lock: painting goes on meanwhile.
        """
        with self._making:
            found = self.read(asked, split)
            return self._make(asked, split) if found is None else found

    def key(self, asked: Comparison, split: Split) -> str:
        """Return the key of a comparison's figures: the one that they have, if they are saved."""
        folders, probe = self._folders(asked), self._segments.probe(asked)
        saved = self._saved_key(asked, split, folders)
        return saved or self._named(asked, split, folders, probe)

    # ---- inside ---------------------------------------------------------------------------------

    def _folders(self, asked: Comparison) -> dict[tuple[Variant, int], str]:
        """Return the name of each training's folder, by arm and seed."""
        of_arm = self._segments.of_arm
        every = ((arm, task) for arm in asked.arms for task in of_arm(asked, arm))
        return {(arm, task.plan.seed): task.folder.name for arm, task in every}

    def _saved_key(
        self, asked: Comparison, split: Split, folders: Mapping[tuple[Variant, int], str]
    ) -> str | None:
        """Return the key that figures were saved under; None where they were not.

        Models that are gone don't tell any more whether they were asked anything.
        """
        path = self._segments.probe_path(asked)
        for probe in (path,) if path.exists() else (path, None):
            key = self._named(asked, split, folders, probe)
            if key in self._saved:
                return key
        return None

    def _named(
        self,
        asked: Comparison,
        split: Split,
        folders: Mapping[tuple[Variant, int], str],
        probe: Path | None,
    ) -> str:
        """Name a comparison by what it compares, so that a saved one is never another's."""
        names = [folders[arm, seed] for arm in asked.arms for seed in asked.seeds]
        names += [] if probe is None else [probe.name]
        # One reader's arm may be the very segment of another name.
        names += [arm for arm in asked.arms if arm.reader is not None]
        content = hashlib.sha256("\n".join(names).encode()).hexdigest()
        key = f"{content[:16]}-{split}"
        openings = self._context.record.test_openings
        return f"{key}-{openings}" if split is Split.TEST else key

    def _make(self, asked: Comparison, split: Split) -> Round:
        context, key = self._context, self.key(asked, split)
        compared = compare_arms(
            context.workspace,
            asked.arms,
            lambda of: self._segments.outcomes(asked, of),
            split,
            lambda settled: self._setting(asked, split, settled),
            external=partial(self._ask_external, asked, split),
        )
        scores = {name: outcome.logits for name, outcome in compared.trained.items()}
        runs = save_runs(context.store, context.log_id, self._run_rows(asked))
        # First the answers: a round whose figures are there can always open its images.
        save_cases(
            context.store,
            context.log_id,
            cases_of(scores, context.workspace.samples(split), asked.seeds),
            key=key,
            classes=context.images.classes,
        )
        save_round(context.store, context.log_id, compared.round, key=key)
        files = (round_file(context.log_id, key), cases_file(context.log_id, key), *runs)
        self._note(asked, compared.round, files)
        self._read[key] = compared.round
        self._saved.add(key)
        return compared.round

    def _ask_external(
        self,
        asked: Comparison,
        split: Split,
        variants: Mapping[Variant, Variant],
        trained: Mapping[Variant, Trained],
    ) -> tuple[ExternalAnswers, ...]:
        """Return what the arms answer to external sets, which are opened with the test set."""
        if split is not Split.TEST:
            return ()
        tasks = {arm: self._segments.of_arm(asked, own) for arm, own in variants.items()}
        return self._external.answers(tasks, trained)

    def _setting(self, asked: Comparison, split: Split, settled: ChosenWeights) -> RoundContext:
        context = self._context
        records, found = self._segments.used(asked)
        paper = self._queues.opened_as_mispredicted(records)
        return RoundContext(
            number=asked.number,
            split=split,
            seeds=asked.seeds,
            seed_scope=SEED_SCOPE,
            masked=(len(found.regions),) * len(asked.seeds),
            allowed=context.workspace.allowed(context.plan),
            training_images=len(context.workspace.rows(Split.TRAIN)),
            test_openings=context.record.test_openings,
            notices=(
                *context.record.notices,
                *pooled_notices(found, asked.pooling),
                *_without_masks(asked, paper),
                *_copies(records),
                *triage_notices(asked.arms, asked.triage),
                *settled.notices,
                *self._no_advice(asked, found),
            ),
            swapped_by=ask(asked, None).swapped_by,
            mask_only=painted_mask_only(context.images, found.regions, size=context.plan.size),
            test_seen=asked.test_seen,
            variants={arm: own for arm, own in settled.variants.items() if arm != own},
            readers=found.readers,
            pooling=asked.pooling,
            deployment=context.record.deployment,
        )

    def _no_advice(self, asked: Comparison, found: PooledMasks) -> tuple[str, ...]:
        if self._segments.probe(asked) is not None or len(asked.arms) == 1:
            return ()
        few = len(found.regions) < FEWEST_TO_PREDICT
        return (NO_ADVICE_FEW if few else NO_ADVICE_CONTRADICT,)

    def _run_rows(self, asked: Comparison) -> tuple[RunRow, ...]:
        """Return how every training of a comparison went, and the first one before it."""
        context = self._context
        rows = list(first_rows(context))
        told: set[Path] = set()
        for name in with_weights(asked.arms):
            # An arm whose masks are none is the very training of control.
            tasks = [t for t in self._segments.of_arm(asked, name) if t.folder not in told]
            told |= {task.folder for task in tasks}
            masks = len(context.workspace.masked(tasks[0])) if tasks else 0
            rows += run_rows(context, tasks, arm=name, number=asked.number, masks=masks)
        return tuple(rows)

    def _note(self, asked: Comparison, finished: Round, files: Sequence[str]) -> None:
        record = self._context.record
        if asked in (*record.earlier, record.comparison):  # all of its seeds
            self._note_finished(asked, finished, files)
        else:  # shown meanwhile, so that the log vouches for them too
            digests = self._audit.digests(files)
            self._audit.note(ActKind.FILES_NOTED, who=PROGRAM, details={"files": digests})

    def _note_finished(self, asked: Comparison, finished: Round, files: Sequence[str]) -> None:
        """Note a finished comparison: its files, where its arms trained, and each arm's accuracy.

        With it go the digests of what the arms answered, from which figures may be made again.
        """
        every = [task for arm in asked.arms for task in self._segments.of_arm(asked, arm)]
        ran = {json.dumps(each) for task in every for each in machines(task)}
        once = {task.folder: task for task in every}.values()
        self._audit.note(
            ActKind.COMPARISON_FINISHED,
            who=PROGRAM,
            details={
                "number": finished.number,
                "split": finished.split,
                "seeds": list(finished.seeds),
                "accuracy": {arm.arm: arm.values[Metric.ACCURACY] for arm in finished.arms},
                **(
                    {"external": [each.name for each in finished.external]}
                    if finished.external
                    else {}
                ),
                "machines": [json.loads(each) for each in sorted(ran)],
                "files": self._audit.digests(files),
                "trained": [self._answers_of(task) for task in once],
            },
        )

    def _answers_of(self, task: TrainingTask) -> object:
        version = self._context.services.models.version_of(task.checkpoint)
        return answers_of(task, self._context.workspace.folder, version)


def _copies(records: Sequence[MaskRecord]) -> tuple[str, ...]:
    copied = sum(record.origin is Origin.COPIED for record in records)
    if not copied:
        return ()
    of = f"{copied} of {len(records)} masks"
    return (f"{of} were copied from a similar image, and accepted as they were.",)


def _without_masks(asked: Comparison, paper: Sequence[Outlier]) -> tuple[str, ...]:
    if IMIL not in asked.arms or paper:
        return ()
    return (NO_PAPER_MASKS,)
