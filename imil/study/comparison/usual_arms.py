"""Which arms a study compares unless told otherwise, and whether those that are named can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imil.core.arms.registry import ARMS, check_masks, check_triage, uses_predicted, with_readers
from imil.core.arms.variants import Variant
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.records import Arm
from imil.errors import PlanError
from imil.study.context import StudyContext
from imil.study.review.predictions import PredictedMasks, check_confirmed
from imil.study.review.reader_summary import Readers
from imil.study.review.triage import Labels, untriaged


@dataclass(frozen=True, slots=True, eq=False)
class UsualArms:
    """The arms of one study, by what its review has made possible."""

    _context: StudyContext
    _labels: Labels
    _readers: Readers
    _predictions: PredictedMasks

    @property
    def worthwhile(self) -> bool:
        """Whether there is anything to compare with control: masks, or decisions on labels."""
        return self._context.masks.images() > 0 or bool(self._labels.changed())

    @property
    def seeds(self) -> int:
        """How many seeds a comparison trains unless told otherwise: enough for a verdict.

        One where training uses up a visitor's own time on a GPU: more of that are asked for.
        """
        return MIN_SEEDS if self._context.services.pool.takes_up(self._context.plan) else 1

    def arms(self, *, predicted: bool | None = None) -> tuple[Arm, ...]:
        """Return what is compared unless other arms are named.

        Always control; and the paper's arm, unless there are decisions on labels alone. The masks
        extended by prediction, once a reader has confirmed these. The rival that shows the masked
        images more often, without their masks. Last, what decisions on labels allow.

        Args:
            predicted: whether the extended masks count as confirmed; None for as it is.
        """
        confirmed = self._predictions.confirmed if predicted is None else predicted
        extended = (Arm.PROPAGATED,) if confirmed else ()
        labels = (Arm.RELABEL, Arm.DROP) if self._labels.changed() else ()
        masked = self._context.masks.images() >= ARMS[Arm.UPWEIGHT].fewest
        rival = (Arm.UPWEIGHT,) if masked else ()
        # Without masks the paper's arm is control.
        paper = () if labels and not self._context.masks.images() else (Arm.IMIL,)
        return (Arm.CONTROL, *paper, *extended, *rival, *labels)

    def of_readers(self) -> tuple[Variant, ...]:
        """Return the same; of several readers, each one's masks alone are arms too."""
        readers, arms = self._readers.names(), tuple(map(Variant, self.arms()))
        return with_readers(arms, readers) if len(readers) > 1 else arms

    def check(self, arms: Sequence[Variant]) -> None:
        """Raise PlanError if an arm lacks what it needs."""
        self._check_readers(arms)
        _check_painted(arms)
        changed = self._labels.changed()
        check_triage(arms, len(changed), left=untriaged(self._context.images, changed))
        for arm in arms:
            if uses_predicted(arm):
                check_confirmed(arm, self._predictions.confirmation, self._predictions.of().key)

    def _check_readers(self, arms: Sequence[Variant]) -> None:
        """Raise PlanError if an arm names an unknown reader, or has too few masked images."""
        readers = self._readers.names()
        for name in arms:
            reader = name.reader
            if reader is not None and reader not in readers:
                raise PlanError(
                    f"Nobody named “{reader}” has masked anything.",
                    why=f"The arm “{name}” uses the masks of that reader alone.",
                    fix=f"Name one of: {', '.join(readers) or 'nobody yet'}.",
                )
            check_masks(name, self._context.masks.images(reader))


def _check_painted(arms: Sequence[Variant]) -> None:
    if Variant(Arm.RANDOM_SAMPLE) in arms:
        raise PlanError(
            "The arm “random_sample” can't be compared in this study.",
            why="It needs masks on random images, and clinicians paint those the model gets wrong.",
            fix="Leave it out, or run it with reference masks on the command line.",
        )
