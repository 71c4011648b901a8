"""The comparison's half of a study: arms trained on, figures, and the opening of the test set."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imil.compute.task import TrainingTask
from imil.core.arms import (
    UNPAINTED,
    check_masks,
    check_triage,
    definition,
    parse_arms,
    with_weights,
)
from imil.core.cases import cases_of
from imil.core.irrelevance import IrrelevancePredictor
from imil.core.queues import budget
from imil.core.records import Arm, Budget, Origin, Outlier, Region, Split
from imil.core.rounds import Round, Setting, Trained, compare
from imil.core.splits import DisjointProof
from imil.core.verdict import MIN_SEEDS
from imil.errors import MaskError, PlanError
from imil.store.cases import save_cases
from imil.store.codec import MaskRecord
from imil.store.studies import Comparison, Confirmation, StudyRecord, load_round, save_round
from imil.workflow.maskbook import key_of
from imil.workflow.masksets import FEWEST_TO_PREDICT, Review
from imil.workflow.predictions import Predictions, check_confirmed
from imil.workflow.probes import Ask, make_probe, painted_alone, probe_path
from imil.workflow.reviewing import Reviewing
from imil.workflow.settling import settle
from imil.workflow.status import TrainingStatus, status_of
from imil.workflow.tools import Tools
from imil.workflow.triage import triage_key, triage_notices, triage_rows, untriaged
from imil.workflow.workspace import Workspace

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


class Comparing(Reviewing):
    """What a study compares, and what came out; `Study` adds training and masks to it."""

    def __init__(
        self, record: StudyRecord, workspace: Workspace, tools: Tools, *, proof: DisjointProof
    ) -> None:
        super().__init__(record, workspace, tools)
        self.proof = proof
        # The round that was shown last, by its key.
        self._rounding = threading.Lock()
        self._last_round: tuple[str, Round | None] = ("", None)
        self.predictions = Predictions(workspace, self._masks, self._with_images)

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
            asked = self._ask_for(compared, numbers)
            self._save(comparison=asked, earlier=self._earlier(asked))
            self._submit_comparison()

    def more_seeds(self, seeds: int = MIN_SEEDS) -> None:
        """Go on with the last comparison up to `seeds` in all; those that are done are kept.

        The same arms, masks and decisions on labels as before, whatever was reviewed since. Nothing
        happens while the comparison runs, or where it has as many seeds.

        Raises:
            PlanError: nothing was compared yet.
        """
        with self._lock:
            asked = self._record.comparison
            if asked is None:
                raise PlanError(
                    "There is no comparison to add seeds to.",
                    why="More seeds train the same arms on the same masks again.",
                    fix="Compare with and without masks first.",
                )
            if self.comparison_status().active:
                return
            if seeds > len(asked.seeds):
                numbers = tuple(range(self.plan.seed, self.plan.seed + seeds))
                seen = asked.test_seen or self._record.test_openings > 0
                self._save(comparison=replace(asked, seeds=numbers, test_seen=seen))
            self._submit_comparison()

    def seeds_asked(self) -> int:
        """Return how many seeds the last comparison asked for; 0 before."""
        asked = self._record.comparison
        return 0 if asked is None else len(asked.seeds)

    def seeds_done(self) -> int:
        """Return how many seeds of the last comparison are trained in every arm."""
        done = self._done(self._record.comparison)
        return 0 if done is None else len(done.seeds)

    @property
    def round_number(self) -> int:
        """The round that masks painted now belong to: 1 until a comparison is finished."""
        asked = self._record.comparison
        if asked is None:
            return 1
        return asked.number + (self._done(asked) is not None)

    def compared_as_now(self) -> bool:
        """Return whether the last comparison used the masks and labels as they are now."""
        asked = self._record.comparison
        now = (self._masks.names(), self.triaged())
        return asked is not None and (asked.masks, asked.triage) == now

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
        """Return the comparison on validation, of the seeds that are finished; None before."""
        return self._round(self._done(self._record.comparison), Split.VALIDATION)

    def rounds(self) -> tuple[Round, ...]:
        """Return every round's last finished comparison on validation."""
        asked = [self._done(each) for each in (*self._record.earlier, self._record.comparison)]
        last = {each.number: each for each in asked if each is not None}
        found = [self._round(each, Split.VALIDATION) for each in last.values()]
        return tuple(each for each in found if each is not None)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _comparison_job(self) -> str:
        return f"{self.study_id}-comparison"

    def _ask_for(self, arms: tuple[str, ...], seeds: tuple[int, ...]) -> Comparison:
        """Return the comparison of the masks as they are now; the last one where nothing differs.

        Other masks or labels make another round; other arms or seeds don't.
        """
        last, opened = self._record.comparison, self._record.test_openings > 0
        asked = Comparison(arms, seeds, self._masks.names(), self.triaged(), test_seen=opened)
        if last is None:
            return asked
        if replace(asked, number=last.number, test_seen=last.test_seen) == last:
            return last
        return replace(asked, number=last.number if self.compared_as_now() else self.round_number)

    def _earlier(self, asked: Comparison) -> tuple[Comparison, ...]:
        """Return the comparisons before this one of which something can be shown."""
        last, earlier = self._record.comparison, self._record.earlier
        if last is None or last == asked or self._done(last) is None:
            return earlier
        others = tuple(each for each in earlier if each.number != last.number)
        return (*others, last)

    def _shown(self) -> Comparison | None:
        """Return the last comparison of which something is finished, with the seeds that are."""
        every = (*self._record.earlier, self._record.comparison)
        done = (self._done(each) for each in reversed(every))
        return next((each for each in done if each is not None), None)

    def _submit_comparison(self) -> None:
        asked = self._record.comparison
        if asked is None:
            raise ValueError("no comparison was asked for")
        self._workspace.make_ready(self.plan)
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
        # What is left: the time it takes is that of the rest.
        left = tuple(task for task in tasks if not task.finished)
        if left:
            self._tools.pool.submit(self._comparison_job, left)

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

    def _done(self, asked: Comparison | None) -> Comparison | None:
        """Return what was asked for with the seeds that are finished in every arm; None of none."""
        if asked is None:
            return None
        by_arm = [self._tasks(asked, arm) for arm in with_weights(asked.arms)]
        finished = [all(task.finished for task in each) for each in zip(*by_arm, strict=True)]
        seeds = tuple(seed for seed, done in zip(asked.seeds, finished, strict=True) if done)
        return replace(asked, seeds=seeds) if seeds else None

    def _round(self, asked: Comparison | None, split: Split) -> Round | None:
        """Return the figures of a finished comparison, made once; None for none.

        Made without the study's lock: painting goes on meanwhile.
        """
        if asked is None:
            return None
        with self._rounding:
            key = self._round_key(asked, split)
            if key != self._last_round[0]:
                found = load_round(self._tools.store, self.study_id, key=key)
                self._last_round = key, found or self._new_round(asked, split, key)
            return self._last_round[1]

    def _round_key(self, asked: Comparison, split: Split) -> str:
        key = f"{self._key(asked)}-{split}"
        return f"{key}-{self._record.test_openings}" if split is Split.TEST else key

    def _new_round(self, asked: Comparison, split: Split, key: str) -> Round:
        validation = self._workspace.validation(self._outcomes(asked, Split.VALIDATION))
        settled = settle(asked.arms, validation)
        painted = {r.sample_id: r.irrelevant for r in self._masks.by_name(asked.masks)}
        setting = Setting(
            number=asked.number,
            split=split,
            seeds=asked.seeds,
            seed_scope=SEED_SCOPE,
            masked=(len(asked.masks),) * len(asked.seeds),
            allowed=self.budget().allowed,
            training_images=len(self._workspace.rows(Split.TRAIN)),
            test_openings=self._record.test_openings,
            notices=(
                *self.notices,
                *_without_masks(asked, self._paper_outliers(self._masks.by_name(asked.masks))),
                *_copies(self._masks.by_name(asked.masks)),
                *triage_notices(asked.arms, asked.triage),
                *settled.notices,
                *self._no_advice(asked),
            ),
            swapped_by=_ask(asked, None).swapped_by,
            mask_only=painted_alone(self.images, painted, size=self.plan.size),
            test_seen=asked.test_seen,
            variants={arm: own for arm, own in settled.variants.items() if arm != own},
        )
        trained = settled.only(self._outcomes(asked, split))
        samples = self._workspace.samples(split)
        finished = compare(trained, samples, setting, settled.validation)
        scores = {name: outcome.logits for name, outcome in trained.items()}
        # First the answers: a round whose figures are there can always open its images.
        save_cases(
            self._tools.store,
            self.study_id,
            cases_of(scores, samples, asked.seeds),
            key=key,
            classes=self.images.classes,
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


def _copies(records: Sequence[MaskRecord]) -> tuple[str, ...]:
    copied = sum(record.origin is Origin.COPIED for record in records)
    if not copied:
        return ()
    of = f"{copied} of {len(records)} masks"
    return (f"{of} were copied from a similar image, and accepted as they were.",)


def _without_masks(asked: Comparison, paper: Sequence[Outlier]) -> tuple[str, ...]:
    if Arm.IMIL not in asked.arms or paper:
        return ()
    if not asked.masks:
        return ("No image is masked, so arms with masks train on exactly what control trains on.",)
    return (NO_PAPER_MASKS,)
