"""The comparison's half of a study: arms trained on, figures, and the opening of the test set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from imil.compute.pool import JobState
from imil.compute.task import TrainingTask
from imil.core.arms import (
    UNPAINTED,
    check_masks,
    check_triage,
    definition,
    parse_arms,
    with_weights,
)
from imil.core.irrelevance import IrrelevancePredictor
from imil.core.queues import budget
from imil.core.records import Arm, Budget, Queue, Region, Split
from imil.core.rounds import Round, Setting, Trained, compare
from imil.core.splits import DisjointProof
from imil.errors import MaskError, PlanError
from imil.store.studies import Comparison, Confirmation, StudyRecord, load_round, save_round
from imil.workflow.maskbook import key_of
from imil.workflow.masksets import FEWEST_TO_PREDICT, Review
from imil.workflow.predictions import Predictions, check_confirmed
from imil.workflow.probes import Ask, make_probe, painted_alone, probe_path
from imil.workflow.results import About, results_json
from imil.workflow.reviewing import Reviewing
from imil.workflow.settling import settle
from imil.workflow.status import TrainingStatus, status_of
from imil.workflow.tools import Tools
from imil.workflow.triage import triage_key, triage_notices, triage_rows, untriaged
from imil.workflow.workspace import Workspace

# Seeds vary only what follows the one checkpoint that the clinician reviewed.
SEED_SCOPE = "train_on"
NO_ADVICE_FEW = (
    "No arm is recommended: that takes two masks, from which the other images' are predicted."
)
NO_ADVICE_CONTRADICT = (
    "No arm is recommended: the masks contradict each other, so that nothing can be predicted."
)


class Comparing(Reviewing):
    """What a study compares, and what came out; `Study` adds training and masks to it."""

    def __init__(
        self, record: StudyRecord, workspace: Workspace, tools: Tools, *, proof: DisjointProof
    ) -> None:
        super().__init__(record, workspace, tools)
        self.proof = proof
        self.predictions = Predictions(workspace, self._masks, lambda: self._first)

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences to show beside every figure."""
        return self._record.notices

    def budget(self) -> Budget:
        """Return how many training images may be, and are, painted."""
        training = len(self._workspace.rows(Split.TRAIN))
        return budget(self.plan.budget, training, len(self._masks))

    @property
    def confirmation(self) -> Confirmation | None:
        """The last confirmation of predicted masks, be it of the masks as they are now or not."""
        return self._record.confirmation

    @property
    def confirmed(self) -> bool:
        """Whether a reader has confirmed what the masks predict as they are now."""
        last = self.confirmation
        return last is not None and last.masks == self.predictions.key

    def arms_to_compare(self) -> tuple[Arm, ...]:
        """Return what is compared unless other arms are named: those that have what they need."""
        labels = (Arm.RELABEL, Arm.DROP) if self.triaged() else ()
        predicted = (Arm.PROPAGATED,) if self.confirmed else ()
        return (Arm.CONTROL, Arm.IMIL, *predicted, *labels)

    def start_comparison(self, *, arms: Sequence[str] | None = None, seeds: int = 1) -> None:
        """Train on with and without masks, from the same checkpoint; nothing while that runs.

        Segments that are finished for the same masks and seeds are not trained again.

        Args:
            arms: what to compare; by default `arms_to_compare`.
            seeds: how often each is trained.

        Raises:
            PlanError: nothing is trained yet, an unknown arm, fewer than one seed, or predicted
                masks that nobody confirmed.
        """
        with self._lock:
            self._reviewed()
            if self.comparison_status().active:
                return
            if seeds < 1:
                raise PlanError(
                    f"{seeds} seeds can't be compared.",
                    why="Each arm is trained once a seed.",
                    fix="Ask for at least one seed; from five on a verdict is given.",
                )
            compared = parse_arms(self.arms_to_compare() if arms is None else tuple(arms))
            check_masks(compared, len(self._masks))
            _check_painted(compared)
            check_triage(compared, len(self.triaged()), left=untriaged(self.images, self.triaged()))
            for arm in compared:
                if definition(arm).predicted:
                    check_confirmed(arm, self.confirmation, self.predictions.key)
            numbers = tuple(range(self.plan.seed, self.plan.seed + seeds))
            asked = Comparison(compared, numbers, self._masks.names(), self.triaged())
            self._save(comparison=asked)
            self._submit_comparison()

    def comparison_status(self) -> TrainingStatus:
        """Return how far the comparison is."""
        with self._lock:
            asked = self._record.comparison
            if asked is None:
                return TrainingStatus(None)
            return status_of(
                self._tools.pool.status(self._comparison_job), self._tasks_of_comparison()
            )

    def results(self) -> Round | None:
        """Return the finished comparison on validation; None before."""
        return self._finished_round(Split.VALIDATION)

    def final_comparison(self) -> Round:
        """Open the test set and return the comparison on it; each opening is counted.

        Raises:
            PlanError: no comparison is finished.
        """
        with self._lock:
            if self.results() is None:
                raise PlanError(
                    "There is no comparison to open the test set for.",
                    why="The test set is looked at once, when everything else is decided.",
                    fix="Compare with and without masks first.",
                )
            self._save(test_openings=self._record.test_openings + 1)
            finished = self._finished_round(Split.TEST)
            if finished is None:
                raise ValueError("a finished comparison has no figures")
            return finished

    def final_results(self) -> Round | None:
        """Return the last final comparison without opening the test set again; None before."""
        asked = self._record.comparison
        if asked is None or not self._record.test_openings:
            return None
        key = f"{self._key(asked)}-{Split.TEST}-{self._record.test_openings}"
        return load_round(self._tools.store, self.study_id, key=key)

    def results_json(self) -> bytes | None:
        """Return the last finished comparison as `results.json`; None before."""
        finished = self.final_results() or self.results()
        if finished is None:
            return None
        about = About(
            self.images,
            self.plan,
            self.proof,
            {"masks": self._masks.seconds()},
            outliers=self._found_by(),
        )
        return results_json(finished, about)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _comparison_job(self) -> str:
        return f"{self.study_id}-comparison"

    def _found_by(self) -> str:
        """Return how the mispredicted images that were compared had been found."""
        asked = self._record.comparison
        records = () if asked is None else self._masks.by_name(asked.masks)
        found = {r.selection.value for r in records if r.queue is Queue.MISPREDICTED}
        return "+".join(sorted(found)) or self.selection.value

    def _submit_comparison(self) -> None:
        asked = self._record.comparison
        if asked is None:
            raise ValueError("no comparison was asked for")
        records = self._masks.by_name(asked.masks)
        painted = {record.sample_id: record.irrelevant for record in records}
        uses = any(definition(name).predicted for name in asked.arms)
        review = Review(
            self._workspace,
            self._first,
            self._paper_outliers(records),
            painted.get,
            self.budget().allowed,
            simulated=False,
            painted=tuple(record.sample_id for record in sorted(records, key=lambda r: r.time)),
            opened={record.sample_id: record.queue for record in records},
            confirmed=self.predictions.extended(asked.masks) if uses else None,
        )
        sets = review.masks(with_weights(asked.arms))
        self._make_probe(asked, review, painted)
        tasks = self._tasks_of_comparison()
        for task in tasks:
            given = sets[task.arm]
            predicted = given.predicted if definition(task.arm).predicted else None
            self._workspace.write_masked(task, given.masks, predicted=predicted)
            self._workspace.write_triage(task, triage_rows(self.images, asked.triage))
        self._tools.pool.submit(self._comparison_job, tasks)

    def _make_probe(self, asked: Comparison, review: Review, painted: Mapping[str, Region]) -> None:
        try:
            predictor = review.predictor_of(painted)
        except MaskError:  # masks that contradict each other: the comparison says so, and goes on
            return
        if predictor is not None:
            make_probe(self._workspace, self._first, _ask(asked, predictor))

    def _probe(self, asked: Comparison) -> Path | None:
        """Return what the arms are asked; None where nothing predicts what is irrelevant."""
        path = probe_path(self._first, _ask(asked, None))
        return path if path.exists() else None

    def _tasks_of_comparison(self) -> tuple[TrainingTask, ...]:
        """Return the segments to train, each once, seed by seed: a first pair is there early."""
        asked = self._record.comparison
        if asked is None:
            return ()
        by_arm = [self._tasks(asked, arm) for arm in with_weights(asked.arms)]
        tasks = [task for of_seed in zip(*by_arm, strict=True) for task in of_seed]
        return tuple({task.folder: task for task in tasks}.values())

    def _tasks(self, asked: Comparison, arm: str) -> tuple[TrainingTask, ...]:
        masks_key, triage = key_of(asked.masks), triage_key(asked.triage)
        first, probe = self._first, self._probe(asked)
        return tuple(
            self._workspace.arm_task(
                first, arm, seed=seed, masks_key=masks_key, probe=probe, triage_key=triage
            )
            for seed in asked.seeds
        )

    def _outcomes(self, asked: Comparison, split: Split) -> dict[str, Trained]:
        """Return every trained arm's answers on a split, with what its masks cost."""
        spent = {record.sample_id: record.seconds for record in self._masks.by_name(asked.masks)}
        found = {}
        for name in with_weights(asked.arms):
            tasks = self._tasks(asked, name)
            masked = self._workspace.masked(tasks[0])
            found[name] = self._workspace.trained(
                tasks,
                split,
                masks=(len(masked),) * len(tasks),
                seconds=None
                if definition(name).masks in UNPAINTED
                else sum(spent[sample_id] for sample_id in masked),
            )
        return found

    def _finished_round(self, split: Split) -> Round | None:
        with self._lock:
            asked = self._record.comparison
            if asked is None or self.comparison_status().state is not JobState.DONE:
                return None
            openings = self._record.test_openings
            key = f"{self._key(asked)}-{split}"
            key = f"{key}-{openings}" if split is Split.TEST else key
            saved = load_round(self._tools.store, self.study_id, key=key)
            if saved is not None:
                return saved
            validation = self._workspace.validation(self._outcomes(asked, Split.VALIDATION))
            settled = settle(asked.arms, validation)
            painted = {r.sample_id: r.irrelevant for r in self._masks.by_name(asked.masks)}
            setting = Setting(
                number=1,
                split=split,
                seeds=asked.seeds,
                seed_scope=SEED_SCOPE,
                masked=(len(asked.masks),) * len(asked.seeds),
                allowed=self.budget().allowed,
                training_images=len(self._workspace.rows(Split.TRAIN)),
                test_openings=openings,
                notices=(
                    *self.notices,
                    *_without_masks(asked),
                    *triage_notices(asked.arms, asked.triage),
                    *settled.notices,
                    *self._no_advice(asked),
                ),
                swapped_by=_ask(asked, None).swapped_by,
                mask_only=painted_alone(self.images, painted, size=self.plan.size),
            )
            finished = compare(
                settled.only(self._outcomes(asked, split)),
                self._workspace.samples(split),
                setting,
                settled.validation,
            )
            save_round(self._tools.store, self.study_id, finished, key=key)
            return finished

    def _no_advice(self, asked: Comparison) -> tuple[str, ...]:
        if self._probe(asked) is not None or len(asked.arms) == 1:
            return ()
        few = len(asked.masks) < FEWEST_TO_PREDICT
        return (NO_ADVICE_FEW if few else NO_ADVICE_CONTRADICT,)

    def _key(self, asked: Comparison) -> str:
        """Name a comparison by what it compares, so that a saved one is never another's."""
        probe = self._probe(asked)
        folders = [task.folder.name for arm in asked.arms for task in self._tasks(asked, arm)]
        folders += [] if probe is None else [probe.name]
        return hashlib.sha256("\n".join(folders).encode()).hexdigest()[:16]


def _ask(asked: Comparison, predictor: IrrelevancePredictor | None) -> Ask:
    """Return what a comparison asks its arms; told apart by the masks that were compared."""
    return Ask(key_of(asked.masks) or "none", predictor, reference=False, explain=True)


def _check_painted(arms: Sequence[str]) -> None:
    if Arm.RANDOM_SAMPLE in arms:
        raise PlanError(
            "The arm “random_sample” can't be compared in this study.",
            why="It needs masks on random images, and clinicians paint those the model gets wrong.",
            fix="Leave it out, or run it with reference masks on the command line.",
        )


def _without_masks(asked: Comparison) -> tuple[str, ...]:
    if asked.masks or Arm.IMIL not in asked.arms:
        return ()
    return ("No image is masked, so imil trains on exactly what control trains on.",)
