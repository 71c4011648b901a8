"""Comparisons: asked for, trained, and finished by themselves, whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imil.core.arms.registry import parse_arms, uses_predicted, with_weights
from imil.core.arms.variants import Variant
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.plans import check_seeds
from imil.core.records import Split
from imil.errors import ComputeError, ImilError, PlanError, StoreError
from imil.jobs.base import JobState, JobStatus
from imil.jobs.training.task import TrainingTask
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import Comparison
from imil.study.audit.trail import AuditTrail
from imil.study.comparison.external_sets import ExternalSets
from imil.study.comparison.figures import Figures
from imil.study.comparison.saliency_comparison import SaliencyComparisons
from imil.study.comparison.segments import Segments, models_lost_error
from imil.study.comparison.usual_arms import UsualArms
from imil.study.context import StudyContext
from imil.study.pictures import Pictures
from imil.study.review.mask_book import mask_key
from imil.study.review.predictions import PredictedMasks
from imil.study.review.reader_summary import Readers
from imil.study.review.triage import Labels, triage_key
from imil.study.status import status_of

# What a comparison does once its arms are trained.
MAKING_FIGURES = "figures and intervals"
# The longest that anybody waits for a batch to end, s.
_STOPPING = 30.0


@dataclass(slots=True, eq=False)
class Comparisons:
    """What a study compares, and how far that is.

    Once the arms are trained, figures are made, saved and logged by the job's end, not by a look.

    Attributes:
        usual: which arms and how many seeds are compared unless others are named.
    """

    _context: StudyContext
    _audit: AuditTrail
    _pictures: Pictures
    _labels: Labels
    _readers: Readers
    _predictions: PredictedMasks
    usual: UsualArms
    _segments: Segments
    _figures: Figures
    _looks: SaliencyComparisons
    _external: ExternalSets
    # Why figures could not be made when training ended.
    _failure: ImilError | None = None

    @property
    def job(self) -> str:
        """The id of the job that trains."""
        return f"{self._context.study_id}-comparison"

    def start(
        self,
        *,
        arms: Sequence[str] | None = None,
        seeds: int = 1,
        pooling: str | None = None,
        who: str = "",
    ) -> None:
        """Train on with and without masks, from the same checkpoint; nothing while that runs.

        Segments that are finished for the same masks and seeds are not trained again. A comparison
        of other masks or labels that still runs is stopped: the newest count.

        Args:
            arms: what to compare; by default `usual.arms`, and of several readers the paper's
                arm with each one's masks alone.
            seeds: how often each is trained.
            pooling: how several readers' masks become one an image, from now on; None as before.
            who: who asked for it.

        Raises:
            PlanError: nothing is trained yet, an arm without the masks that it needs, an unknown
                arm, reader or pooling, fewer than one seed, or predicted masks that nobody
                confirmed. Nothing is changed or logged then.
            ComputeError: an older comparison does not stop.
            DataError: images are missing.
        """
        context = self._context
        with context.state.lock:
            context.trained()
            self._pictures.require()
            if self._trains() and self.is_current():
                return
            compared = parse_arms(self.usual.of_readers() if arms is None else arms)
            check_seeds(seeds, arms=len(with_weights(compared)))
            self.usual.check(compared)
            self._end_older(who)
            if pooling is not None:
                self._readers.set_pooling(pooling)
            first = context.plan.seed
            asked = self._ask_for(compared, tuple(range(first, first + seeds)))
            context.state.update(comparison=asked, earlier=self._earlier(asked))
            self._note_asked(asked, who)
            self._submit(asked)

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
        context = self._context
        with context.state.lock:
            asked = context.record.comparison
            if asked is None:
                raise PlanError(
                    "There is no comparison to add seeds to.",
                    why="More seeds train the same arms on the same masks again.",
                    fix="Test your masks first.",
                )
            if self._trains():
                return
            check_seeds(seeds, arms=len(with_weights(asked.arms)))
            context.trained()
            self._pictures.require()
            if seeds > len(asked.seeds):
                first = context.plan.seed
                seen = asked.test_seen or context.record.test_openings > 0
                numbers = tuple(range(first, first + seeds))
                asked = replace(asked, seeds=numbers, test_seen=seen)
                context.state.update(comparison=asked)
                self._note_asked(asked, who)
            self._submit(asked)

    def open_test_set(self, *, who: str = "") -> Round:
        """Open the test set and return the comparison on it; each opening is counted.

        Args:
            who: who asked for it.

        Raises:
            PlanError: no comparison is finished, or seeds are still being trained.
            DataError: an external set's images are not on this machine.
        """
        state = self._context.state
        with state.lock:
            asked = self._done(state.record.comparison)
            if asked is None:
                raise PlanError(
                    "There is no comparison to open the test set for.",
                    why="The test set is looked at once, when everything else is decided.",
                    fix="Test your masks first.",
                )
            if not self._segments.all_trained(asked):
                raise models_lost_error()
            if self._trains():
                raise PlanError(
                    "The comparison still runs.",
                    why="The test set is opened for all of its seeds at once.",
                    fix="Wait for the last seed, or stop the comparison first.",
                )
            self._external.require()
            state.update(test_openings=state.record.test_openings + 1)
            opened = {"opening": state.record.test_openings, "number": asked.number}
            self._audit.note(ActKind.TEST_OPENED, who=who, details=opened)
        found = self._figures.make(asked, Split.TEST)
        self._follow()  # where the models look on test images
        return found

    def ask_external(self) -> None:
        """Have the trained models asked about external sets, in the background."""
        if self._context.record.comparison is not None:
            self._follow()

    def stop(self, *, who: str = "") -> None:
        """Stop the trainings within one batch; asked for again they go on. `who` asked for it."""
        if self._trains():
            self._audit.note(ActKind.COMPARISON_STOPPED, who=who)
        self._context.services.pool.stop(self.job)

    def resume(self) -> None:
        """Take up what a killed process left unfinished, in the background.

        Figures too, where training ended while nobody had the study open, as while the app was
        down.
        """
        asked = self._context.record.comparison
        if asked is None:
            return
        self._follow()
        takes_up = self._context.services.pool.takes_up(self._context.plan)
        if not takes_up or self._segments.lost(asked):
            return
        if self._trained_status(asked).state is None and self._done(asked) != asked:
            self._submit(asked)

    def status(self) -> JobStatus:
        """Return how far the comparison is; it is done once its figures can be read."""
        with self._context.state.lock:
            asked = self._context.record.comparison
            if asked is None:
                return JobStatus(None)
            status = self._trained_status(asked)
            if status.active or status.error is not None:
                return status
            if self._failure is not None:
                return replace(status, state=JobState.FAILED, error=self._failure)
            return status if self._figured(asked) else self._making(status)

    def tasks(self) -> tuple[TrainingTask, ...]:
        """Return the trainings of the last comparison, each once, seed by seed."""
        asked = self._context.record.comparison
        return () if asked is None else self._segments.to_train(asked)

    @property
    def finishing(self) -> bool:
        """Whether something is still being made of what was trained: figures, or where it looks."""
        return not self._context.services.pool.followed((self.job,), timeout=0)

    @property
    def test_openings(self) -> int:
        """How often the test set was opened so far."""
        return self._context.record.test_openings

    def seeds_asked(self) -> int:
        """Return how many seeds the last comparison asked for; 0 before."""
        asked = self._context.record.comparison
        return 0 if asked is None else len(asked.seeds)

    def seeds_done(self) -> int:
        """Return how many seeds of the last comparison have figures."""
        saved = self._figures.saved(self._context.record.comparison)
        return 0 if saved is None else len(saved.seeds)

    @property
    def round_number(self) -> int:
        """The round that masks painted now belong to: 1 until a comparison is finished."""
        asked = self._context.record.comparison
        return 1 if asked is None else asked.number + (self._done(asked) is not None)

    def is_current(self) -> bool:
        """Return whether the last comparison used the masks and labels as they are now."""
        asked = self._context.record.comparison
        now = (self._context.masks.names(), self._readers.pooling, self._labels.changed())
        return asked is not None and (asked.masks, asked.pooling, asked.triage) == now

    # ---- inside ---------------------------------------------------------------------------------

    def _trains(self) -> bool:
        status = self._context.services.pool.status(self.job)
        return status is not None and status.active

    def _end_older(self, who: str) -> None:
        """Stop a comparison of other masks, and wait for that; its finished seeds are kept."""
        if not self._trains():
            return
        self.stop(who=who)
        if not self._context.services.pool.wait((self.job,), timeout=_STOPPING):
            raise ComputeError(
                "The comparison of the earlier masks is still being stopped.",
                why="It ends with the batch that is being trained.",
                fix="Press again in a moment; its finished runs are kept.",
            )

    def _trained_status(self, asked: Comparison) -> JobStatus:
        """Return how far the trainings are."""
        return status_of(
            self._context.services.pool.status(self.job), self._segments.to_train(asked)
        )

    def _making(self, status: JobStatus) -> JobStatus:
        if not self.finishing:
            return status
        return replace(status, state=JobState.RUNNING, step=MAKING_FIGURES)

    def _done(self, asked: Comparison | None) -> Comparison | None:
        """Return a comparison with its seeds that are trained, or whose figures are saved.

        Those whose models were lost count too.
        """
        if asked is None:
            return None
        found = [self._segments.trained(asked), self._figures.saved(asked)]
        done = [each for each in found if each is not None]
        return max(done, key=lambda each: len(each.seeds), default=None)

    def _figured(self, asked: Comparison) -> bool:
        """Return whether there are figures of all that is trained."""
        trained, saved = self._segments.trained(asked), self._figures.saved(asked)
        figured = () if saved is None else saved.seeds
        return trained is None or len(trained.seeds) <= len(figured)

    def _ask_for(self, arms: tuple[Variant, ...], seeds: tuple[int, ...]) -> Comparison:
        """Return the comparison of the masks as they are now; the last one where nothing differs.

        Other masks or labels make another round; other arms or seeds don't.
        """
        record = self._context.record
        last, opened = record.comparison, record.test_openings > 0
        asked = Comparison(
            arms,
            seeds,
            self._context.masks.names(),
            self._labels.changed(),
            test_seen=opened,
            readers=self._readers.names(),
            pooling=self._readers.pooling,
        )
        if last is None:
            return asked
        if replace(asked, number=last.number, test_seen=last.test_seen) == last:
            return last
        return replace(asked, number=last.number if self.is_current() else self.round_number)

    def _earlier(self, asked: Comparison) -> tuple[Comparison, ...]:
        """Return the comparisons before this one of which something can be shown."""
        record = self._context.record
        last, earlier = record.comparison, record.earlier
        if last is None or last == asked or self._done(last) is None:
            return earlier
        others = tuple(each for each in earlier if each.number != last.number)
        return (*others, last)

    def _submit(self, asked: Comparison) -> None:
        if lost := len(self._segments.lost(asked)):
            raise StoreError(
                "This comparison can't be trained any more.",
                why=f"The files of {lost} of its {len(asked.masks)} masks are damaged.",
                fix="Restore the study from a copy, or compare the masks that are left.",
            )
        self._context.workspace.make_ready(self._context.plan)
        uses = any(uses_predicted(name) for name in asked.arms)
        predictions = self._predictions.of()
        confirmed = predictions.extended(asked.masks, asked.pooling) if uses else None
        self._segments.write(asked, confirmed)
        # What is left: the time it takes is that of the rest.
        left = tuple(task for task in self._segments.to_train(asked) if not task.finished)
        if left:
            self._context.services.pool.submit(self.job, left)
        self._follow()

    def _follow(self) -> None:
        """Have figures made, saved and logged as trainings end."""
        self._failure = None
        self._context.services.pool.follow(self.job, self._finish)

    def _finish(self) -> None:
        """Make the figures of every comparison that has trained and has none yet."""
        record = self._context.record
        for asked in (*record.earlier, record.comparison):
            if asked is not None:
                self._finish_one(asked)
        if not self._context.state.ending.is_set() and not self._trains():
            self._looks.make()
            # Asked now, and looked at with the test set alone, so that opening it takes no minutes.
            self._external.ask(self.tasks())

    def _finish_one(self, asked: Comparison) -> None:
        trained = self._segments.trained(asked)
        if self._figured(asked) or trained is None or self._segments.lost(asked):
            return
        if self._context.state.ending.is_set():
            return
        try:
            self._figures.make(trained, Split.VALIDATION)
        except ImilError as error:
            self._failure = error
            raise
        except Exception:
            # The page says so; what went wrong is told in the log.
            self._failure = _figures_failed()
            raise
        self._failure = None

    def _note_asked(self, asked: Comparison, who: str) -> None:
        """Note what was asked for: arms, seeds, and exactly which masks and decisions on labels."""
        self._audit.note(
            ActKind.COMPARISON_ASKED,
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
                "deployment": self._context.record.deployment,
            },
        )


def _figures_failed() -> ComputeError:
    return ComputeError(
        "The figures of this comparison could not be computed.",
        why="It is a fault of the program; the details are in its log.",
        fix="Compare again: what is trained is kept.",
    )
