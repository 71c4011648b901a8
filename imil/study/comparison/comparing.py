"""The comparison's half of a study: arms trained on, figures, and the opening of the test set."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imil.core.arms.registry import (
    ARMS,
    UNPAINTED,
    check_masks,
    check_triage,
    parse_arms,
    with_readers,
    with_weights,
)
from imil.core.arms.variants import IMIL, Variant
from imil.core.evaluation.cases import cases_of
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Round, Setting, Trained, compare
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.plans import check_seeds
from imil.core.records import Arm, Budget, Origin, Outlier, Split
from imil.core.review.irrelevance import IrrelevancePredictor
from imil.core.review.queues import budget
from imil.core.splits import DisjointProof
from imil.errors import MaskError, PlanError, StoreError
from imil.jobs.training.task import TrainingTask, machines
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import PROGRAM, What
from imil.storage.records.cases import cases_file, save_cases
from imil.storage.records.runs import RunRow, save_runs
from imil.storage.records.studies import (
    Comparison,
    Confirmation,
    StudyRecord,
    load_round,
    round_file,
    save_round,
)
from imil.study.audit.vouching import answers_of
from imil.study.comparison.probes import Ask, make_probe, painted_alone, probe_path
from imil.study.comparison.settling import settle
from imil.study.library.stock import Stock
from imil.study.review.maskbook import MaskBook, mask_key, named
from imil.study.review.masksets import FEWEST_TO_PREDICT, Review
from imil.study.review.pooled import Used, pooled_notices, used
from imil.study.review.predictions import Extended, Predictions, check_confirmed
from imil.study.review.reviewing import Reviewing
from imil.study.review.triage import triage_key, triage_notices, triage_rows, untriaged
from imil.study.status import TrainingStatus, status_of
from imil.study.tools import Tools
from imil.study.workspace import Workspace

# Seeds vary only what follows the one checkpoint that the clinician reviewed.
SEED_SCOPE = "train_on"
# The longest that anybody waits for figures to be made, s; those that are not are made later.
SETTLING = 30.0
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
        self,
        record: StudyRecord,
        workspace: Workspace,
        tools: Tools,
        *,
        proof: DisjointProof,
        stock: Stock | None,
    ) -> None:
        super().__init__(record, workspace, tools, stock=stock)
        self.proof = proof
        # The round that was shown last, by its key.
        self._rounding = threading.Lock()
        self._last_round: tuple[str, Round | None] = ("", None)
        # Of each comparison the seeds whose figures this process found saved, and their keys.
        self._kept: dict[Comparison, tuple[int, ...]] = {}
        self._kept_keys: set[str] = set()
        # Whether figures are to be made once training has ended; and whether the study is being
        # ended, so that none are.
        self._finishing = False
        self._ending = threading.Event()
        # Of all readers' masks, and of each reader's own.
        self.predictions = Predictions(workspace, self._masks, self._with_images, self._masks_now)
        self._own_predictions: dict[str, Predictions] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences to show beside every figure."""
        return self._record.notices

    def budget(self, reader: str | None = None) -> Budget:
        """Return how many training images may be, and are, painted: by a reader, or by anybody."""
        training = len(self._workspace.rows(Split.TRAIN))
        return budget(self.plan.budget, training, self._masks.images(reader))

    def predictions_for(self, reader: str | None = None) -> Predictions:
        """Return the predictions that a reader may see.

        While there are others' masks that are not to be seen, the own masks alone predict.
        """
        if reader is None or not self.blind(reader):
            return self.predictions
        with self._lock:
            if reader not in self._own_predictions:
                self._own_predictions[reader] = Predictions(
                    self._workspace,
                    self._masks,
                    self._with_images,
                    lambda: (self._masks.names(reader), ""),
                )
            return self._own_predictions[reader]

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
        """Return what is compared unless other arms are named: those that have what they need.

        Where several readers masked, each one's masks alone are arms too; see `with_readers`.
        """
        labels = (Arm.RELABEL, Arm.DROP) if self.triaged() else ()
        predicted = (Arm.PROPAGATED,) if self.confirmed else ()
        return (Arm.CONTROL, Arm.IMIL, *predicted, *labels)

    def start_comparison(
        self,
        *,
        arms: Sequence[str] | None = None,
        seeds: int = 1,
        pooling: str | None = None,
        who: str = "",
    ) -> None:
        """Train on with and without masks, from the same checkpoint; nothing while that runs.

        Segments that are finished for the same masks and seeds are not trained again.

        Args:
            arms: what to compare; by default `arms_to_compare`, and of several readers the paper's
                arm with each one's masks alone.
            seeds: how often each is trained.
            pooling: how several readers' masks become one an image, from now on; None as before.
            who: who asked for it.

        Raises:
            PlanError: nothing is trained yet, an unknown arm, reader or pooling, fewer than one
                seed, or predicted masks that nobody confirmed.
            DataError: images are missing.
        """
        with self._lock:
            self._reviewed()
            self._require_images()
            if self.comparison_status().active:
                return
            compared = parse_arms(self._usual_arms() if arms is None else arms)
            check_seeds(seeds, arms=len(with_weights(compared)))
            self._check_readers(compared)
            _check_painted(compared)
            check_triage(compared, len(self.triaged()), left=untriaged(self.images, self.triaged()))
            for arm in compared:
                if ARMS[arm.arm].predicted:
                    check_confirmed(arm, self.confirmation, self.predictions.key)
            if pooling is not None:
                self.set_pooling(pooling)
            numbers = tuple(range(self.plan.seed, self.plan.seed + seeds))
            asked = self._ask_for(compared, numbers)
            self._save(comparison=asked, earlier=self._earlier(asked))
            self._note_asked(asked, who)
            self._submit_comparison()

    def more_seeds(self, seeds: int = MIN_SEEDS, *, who: str = "") -> None:
        """Go on with the last comparison up to `seeds` in all; those that are done are kept.

        The same arms, masks and decisions on labels as before, whatever was reviewed since. Nothing
        happens while the comparison runs, or where it has as many seeds.

        Args:
            seeds: how many in all.
            who: who asked for it.

        Raises:
            PlanError: nothing was compared yet.
            DataError: images are missing.
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
            check_seeds(seeds, arms=len(with_weights(asked.arms)))
            self._reviewed()
            self._require_images()
            if seeds > len(asked.seeds):
                numbers = tuple(range(self.plan.seed, self.plan.seed + seeds))
                seen = asked.test_seen or self._record.test_openings > 0
                asked = replace(asked, seeds=numbers, test_seen=seen)
                self._save(comparison=asked)
                self._note_asked(asked, who)
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
        now = (*self._masks_now(), self.triaged())
        return asked is not None and (asked.masks, asked.pooling, asked.triage) == now

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

    def results_key(self) -> str | None:
        """Return the key under which the figures of `results` are saved; None where they aren't."""
        done = self._done(self._record.comparison)
        return None if done is None else self._kept_key(done, Split.VALIDATION)

    def settle(self) -> None:
        """Wait until every act is written, and the figures of a training that has just ended."""
        self._tools.pool.followed((self._comparison_job,), timeout=SETTLING)
        super().settle()

    # ---- inside ---------------------------------------------------------------------------------

    def _masks_now(self) -> tuple[tuple[str, ...], str]:
        """Return the names of the masks that count now, and how several readers' are pooled."""
        return self._masks.names(), self.pooling

    def _usual_arms(self) -> tuple[Variant, ...]:
        readers = self.readers()
        arms = tuple(map(Variant, self.arms_to_compare()))
        return with_readers(arms, readers) if len(readers) > 1 else arms

    def _check_readers(self, compared: Sequence[Variant]) -> None:
        """Raise PlanError if an arm names an unknown reader, or has too few masked images."""
        for name in compared:
            reader = name.reader
            if reader is not None and reader not in self.readers():
                raise PlanError(
                    f"Nobody named “{reader}” has masked anything.",
                    why=f"The arm “{name}” uses the masks of that reader alone.",
                    fix=f"Name one of: {', '.join(self.readers()) or 'nobody yet'}.",
                )
            check_masks(name, self._masks.images(reader))

    @property
    def _comparison_job(self) -> str:
        return f"{self.study_id}-comparison"

    def _ask_for(self, arms: tuple[Variant, ...], seeds: tuple[int, ...]) -> Comparison:
        """Return the comparison of the masks as they are now; the last one where nothing differs.

        Other masks or labels make another round; other arms or seeds don't.
        """
        last, opened = self._record.comparison, self._record.test_openings > 0
        names, pooling = self._masks_now()
        asked = Comparison(
            arms,
            seeds,
            names,
            self.triaged(),
            test_seen=opened,
            readers=self.readers(),
            pooling=pooling,
        )
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
        if lost := len(self._lost(asked)):
            raise StoreError(
                "This comparison can't be trained any more.",
                why=f"The files of {lost} of its {len(asked.masks)} masks are damaged.",
                fix="Restore the study from a copy, or compare the masks that are left.",
            )
        self._workspace.make_ready(self.plan)
        uses = any(ARMS[name.arm].predicted for name in asked.arms)
        extended = self.predictions.extended(asked.masks, asked.pooling) if uses else None
        review = self._review(asked, None, confirmed=extended)
        self._make_probe(asked, review)
        names = with_weights(asked.arms)
        for reader in dict.fromkeys(name.reader for name in names):
            own = review if reader is None else self._review(asked, reader)
            of_reader = {n.evolve(reader=None): n for n in names if n.reader == reader}
            for plain, given in own.masks(of_reader).items():
                predicted = given.predicted if ARMS[plain.arm].predicted else None
                for task in self._tasks(asked, of_reader[plain]):
                    self._workspace.write_masked(task, given.masks, predicted=predicted)
                    self._workspace.write_triage(task, triage_rows(self.images, asked.triage))
        # What is left: the time it takes is that of the rest.
        left = tuple(task for task in self._tasks_of_comparison() if not task.finished)
        if left:
            self._tools.pool.submit(self._comparison_job, left)
        self._finish_when_trained()

    def _finish_when_trained(self) -> None:
        """Have figures made, saved and logged once training ends, whoever looks; once a training.

        Also where it ended while nobody had the study open, such as while the app was down.
        """
        if not self._finishing:
            self._finishing = True
            self._tools.pool.when_ended(self._comparison_job, self._finish_comparison)

    def _finish_comparison(self) -> None:
        """Make the figures of every comparison that has trained and has none yet."""
        self._finishing = False
        with self._lock:
            asked = (*self._record.earlier, self._record.comparison)
        for each in asked:
            done = self._done(each)
            if self._ending.is_set():
                return
            if done is not None and self._kept_key(done, Split.VALIDATION) is None:
                self._round(done, Split.VALIDATION)

    def _review(
        self, asked: Comparison, reader: str | None, *, confirmed: Extended | None = None
    ) -> Review:
        """Return the review that a comparison is of: by all readers, or by one of them."""
        records, found = self._used(asked, reader)
        return Review(
            self._workspace,
            self._first,
            self._paper_outliers(records),
            found.regions.get,
            self.budget().allowed,
            simulated=False,
            painted=tuple(found.regions),
            opened=found.opened,
            confirmed=confirmed,
        )

    def _used(self, asked: Comparison, reader: str | None) -> tuple[tuple[MaskRecord, ...], Used]:
        """Return the masks that arms of all readers, or of one, are given; as saved and as used."""
        records = self._masks.by_name(_names_of(self._masks, asked, reader))
        return records, used(records, asked.pooling if reader is None else "")

    def _make_probe(self, asked: Comparison, review: Review) -> None:
        try:
            predictor = review.predictor_of(self._used(asked, None)[1].regions)
        except MaskError:  # masks that contradict each other: the comparison says so, and goes on
            return
        if predictor is not None:
            make_probe(self._workspace, self._first, _ask(asked, predictor))

    def _lost(self, asked: Comparison) -> tuple[str, ...]:
        """Return the names of compared masks whose files are damaged."""
        return tuple(name for name in asked.masks if name in self.damaged_masks)

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

    def _tasks(self, asked: Comparison, arm: Variant) -> tuple[TrainingTask, ...]:
        reader, triage = arm.reader, triage_key(asked.triage)
        names = _names_of(self._masks, asked, reader)
        masks_key = mask_key(names, asked.pooling if reader is None else "")
        first, probe = self._first, self._probe(asked)
        tasks = tuple(
            self._workspace.arm_task(
                first,
                arm.evolve(reader=None),
                seed=seed,
                masks_key=masks_key,
                probe=probe,
                triage_key=triage,
            )
            for seed in asked.seeds
        )
        # The segment is that of the masks, whoever painted them; its name says who did.
        return tuple(
            task if reader is None else replace(task, name=f"{arm}, seed {task.plan.seed}")
            for task in tasks
        )

    def _outcomes(self, asked: Comparison, split: Split) -> dict[Variant, Trained]:
        """Return every trained arm's answers on a split, with what its masks cost."""
        found = {}
        for name in with_weights(asked.arms):
            spent = self._used(asked, name.reader)[1].seconds
            tasks = self._tasks(asked, name)
            masked = self._workspace.masked(tasks[0])
            found[name] = self._workspace.trained(
                tasks,
                split,
                masks=(len(masked),) * len(tasks),
                seconds=None
                if ARMS[name.arm].masks in UNPAINTED
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
        kept = self._kept_seeds(asked)
        seeds = kept if len(kept) > len(seeds) else seeds
        return replace(asked, seeds=seeds) if seeds else None

    def _kept_seeds(self, asked: Comparison) -> tuple[int, ...]:
        """Return the seeds of which figures were saved before, whether or not models are here."""
        if asked not in self._kept:
            tried = [asked.seeds[:n] for n in range(len(asked.seeds), 0, -1)]
            self._kept[asked] = next(
                (
                    seeds
                    for seeds in tried
                    if self._kept_key(replace(asked, seeds=seeds), Split.VALIDATION) is not None
                ),
                (),
            )
        return self._kept[asked]

    def _trained_here(self, asked: Comparison) -> bool:
        """Return whether every segment of a comparison is on this machine."""
        arms = with_weights(asked.arms)
        return all(task.finished for arm in arms for task in self._tasks(asked, arm))

    def _round(self, asked: Comparison | None, split: Split) -> Round | None:
        """Return the figures of a finished comparison, made once; None for none.

        Made without the study's lock: painting goes on meanwhile.
        """
        if asked is None:
            return None
        with self._rounding:
            key = self._round_key(asked, split)
            if key != self._last_round[0]:
                found = load_round(self._tools.store, self._log_id, key=key)
                if found is None and self._trained_here(asked) and not self._lost(asked):
                    found = self._new_round(asked, split, key)
                self._last_round = key, found
            return self._last_round[1]

    def _round_key(self, asked: Comparison, split: Split) -> str:
        """Return the key of a comparison's figures: the one that they have, if they are saved."""
        return self._kept_key(asked, split) or self._named(asked, split, self._probe(asked))

    def _kept_key(self, asked: Comparison, split: Split) -> str | None:
        """Return the key that figures were saved under; None where they were not.

        Models that are gone don't tell any more whether they were asked anything.
        """
        path = probe_path(self._first, _ask(asked, None))
        for probe in (path,) if path.exists() else (path, None):
            key = self._named(asked, split, probe)
            if key in self._kept_keys:
                return key
            if self._tools.store.read(round_file(self._log_id, key)) is not None:
                self._kept_keys.add(key)
                return key
        return None

    def _named(self, asked: Comparison, split: Split, probe: Path | None) -> str:
        """Name a comparison by what it compares, so that a saved one is never another's."""
        folders = [task.folder.name for arm in asked.arms for task in self._tasks(asked, arm)]
        folders += [] if probe is None else [probe.name]
        # One reader's arm may be the very segment of another name.
        folders += [arm for arm in asked.arms if arm.reader is not None]
        content = hashlib.sha256("\n".join(folders).encode()).hexdigest()
        key = f"{content[:16]}-{split}"
        return f"{key}-{self._record.test_openings}" if split is Split.TEST else key

    def _new_round(self, asked: Comparison, split: Split, key: str) -> Round:
        validation = self._workspace.validation(self._outcomes(asked, Split.VALIDATION))
        settled = settle(asked.arms, validation)
        records, found = self._used(asked, None)
        setting = Setting(
            number=asked.number,
            split=split,
            seeds=asked.seeds,
            seed_scope=SEED_SCOPE,
            masked=(len(found.regions),) * len(asked.seeds),
            allowed=self.budget().allowed,
            training_images=len(self._workspace.rows(Split.TRAIN)),
            test_openings=self._record.test_openings,
            notices=(
                *self.notices,
                *pooled_notices(found, asked.pooling),
                *_without_masks(asked, self._paper_outliers(records)),
                *_copies(records),
                *triage_notices(asked.arms, asked.triage),
                *settled.notices,
                *self._no_advice(asked),
            ),
            swapped_by=_ask(asked, None).swapped_by,
            mask_only=painted_alone(self.images, found.regions, size=self.plan.size),
            test_seen=asked.test_seen,
            variants={arm: own for arm, own in settled.variants.items() if arm != own},
            readers=found.readers,
            pooling=asked.pooling,
        )
        trained = settled.only(self._outcomes(asked, split))
        samples = self._workspace.samples(split)
        finished = compare(trained, samples, setting, settled.validation)
        scores = {name: outcome.logits for name, outcome in trained.items()}
        runs = save_runs(self._tools.store, self._log_id, self._runs_of(asked))
        # First the answers: a round whose figures are there can always open its images.
        save_cases(
            self._tools.store,
            self._log_id,
            cases_of(scores, samples, asked.seeds),
            key=key,
            classes=self.images.classes,
        )
        save_round(self._tools.store, self._log_id, finished, key=key)
        files = (round_file(self._log_id, key), cases_file(self._log_id, key), *runs)
        if asked in (*self._record.earlier, self._record.comparison):  # all of its seeds
            self._note_round(asked, finished, files)
        else:  # shown meanwhile, so that the log vouches for them too
            self._note(What.FILES_NOTED, who=PROGRAM, details={"files": self._digests(files)})
        return finished

    def _runs_of(self, asked: Comparison) -> tuple[RunRow, ...]:
        """Return how every training of a comparison went, and the first one before it."""
        rows = list(self._first_runs())
        told: set[Path] = set()
        for name in with_weights(asked.arms):
            # An arm whose masks are none is the very training of control.
            tasks = [task for task in self._tasks(asked, name) if task.folder not in told]
            told |= {task.folder for task in tasks}
            masks = len(self._workspace.masked(tasks[0])) if tasks else 0
            rows += self._runs(tasks, arm=name, number=asked.number, masks=masks)
        return tuple(rows)

    def _note_asked(self, asked: Comparison, who: str) -> None:
        """Note what was asked for: arms, seeds, and exactly which masks and decisions on labels."""
        self._note(
            What.COMPARISON_ASKED,
            who=who,
            details={
                "number": asked.number,
                "arms": list(asked.arms),
                "seeds": list(asked.seeds),
                "masks": len(asked.masks),
                "masks_key": mask_key(asked.masks, asked.pooling),
                "readers": list(asked.readers),
                "pooling": asked.pooling,
                "triage_key": triage_key(asked.triage),
            },
        )

    def _note_round(self, asked: Comparison, finished: Round, files: Sequence[str]) -> None:
        """Note a finished comparison: its files, where its arms trained, and each arm's accuracy.

        With it go the digests of what the arms answered, from which figures may be made again.
        """
        tasks = {arm: self._tasks(asked, arm) for arm in asked.arms}
        ran = {json.dumps(each) for of in tasks.values() for task in of for each in machines(task)}
        self._note(
            What.COMPARISON_FINISHED,
            who=PROGRAM,
            details={
                "number": finished.number,
                "split": finished.split,
                "seeds": list(finished.seeds),
                "accuracy": {arm.arm: arm.values[Metric.ACCURACY] for arm in finished.arms},
                "machines": [json.loads(each) for each in sorted(ran)],
                "files": self._digests(files),
                "trained": [
                    answers_of(task, self._workspace.folder, self._model(task))
                    for task in {task.folder: task for of in tasks.values() for task in of}.values()
                ],
            },
        )

    def _no_advice(self, asked: Comparison) -> tuple[str, ...]:
        if self._probe(asked) is not None or len(asked.arms) == 1:
            return ()
        few = len(self._used(asked, None)[1].regions) < FEWEST_TO_PREDICT
        return (NO_ADVICE_FEW if few else NO_ADVICE_CONTRADICT,)


def _ask(asked: Comparison, predictor: IrrelevancePredictor | None) -> Ask:
    """Return what a comparison asks its arms; told apart by the masks that were compared."""
    key = mask_key(asked.masks, asked.pooling) or "none"
    return Ask(key, predictor, reference=False, explain=True)


def _names_of(book: MaskBook, asked: Comparison, reader: str | None) -> tuple[str, ...]:
    """Return the names of the masks that were compared: all, or those of one reader."""
    if reader is None:
        return asked.masks
    kept = tuple(name for name in asked.masks if name not in book.damaged)
    pairs = zip(kept, book.by_name(kept), strict=True)
    return tuple(name for name, record in pairs if named(record) == reader)


def _check_painted(arms: Sequence[Variant]) -> None:
    if Variant(Arm.RANDOM_SAMPLE) in arms:
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
    if IMIL not in asked.arms or paper:
        return ()
    if not asked.masks:
        return ("No image is masked, so arms with masks train on exactly what control trains on.",)
    return (NO_PAPER_MASKS,)
