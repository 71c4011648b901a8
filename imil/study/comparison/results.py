"""What a finished comparison says: figures, the answers behind them, files to hand out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

import imil
from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.cases import Cases, cases_of
from imil.core.evaluation.rounds import Round
from imil.core.nets.backbones import build, load_weights, weights_to_bytes
from imil.core.records import EpochFigures, Queue, Split
from imil.core.splits import DisjointProof
from imil.core.training.fit import restore
from imil.errors import PlanError
from imil.jobs.training.task import TrainingTask
from imil.models.onnx import to_onnx
from imil.storage.codec import decode_checkpoint
from imil.storage.records.cases import encode_cases, load_cases
from imil.storage.records.studies import Comparison
from imil.study.comparison.figures import Figures
from imil.study.comparison.formats import ResultsContext, results_csv, results_json
from imil.study.comparison.segments import Segments, models_lost_error
from imil.study.context import StudyContext
from imil.study.review.reader_summary import Readers

_MODEL_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """The saved figures of a study's comparisons, and what is handed out of them."""

    _context: StudyContext
    _readers: Readers
    _segments: Segments
    _figures: Figures
    _proof: DisjointProof

    def current(self) -> Round | None:
        """Return the last comparison on validation, of the seeds that have figures; None before."""
        asked = self._figures.saved(self._context.record.comparison)
        return self._figures.read(asked, Split.VALIDATION)

    def rounds(self) -> tuple[Round, ...]:
        """Return every round's last finished comparison on validation."""
        saved = (self._figures.saved(each) for each in self._every())
        last = {each.number: each for each in saved if each is not None}
        found = (self._figures.read(each, Split.VALIDATION) for each in last.values())
        return tuple(each for each in found if each is not None)

    def shown(self) -> Round | None:
        """Return the comparison to look at: on the test set where it was opened for it.

        While a new comparison has nothing to show, that is the one before.
        """
        asked = self.asked()
        return self._final(asked) or self._figures.read(asked, Split.VALIDATION)

    def asked(self) -> Comparison | None:
        """Return what was asked for by the comparison to look at, with the seeds it has."""
        saved = (self._figures.saved(each) for each in reversed(self._every()))
        return next((each for each in saved if each is not None), None)

    def final(self) -> Round | None:
        """Return the last final comparison without opening the test set again; None before."""
        return self._final(self._figures.saved(self._context.record.comparison))

    def key(self) -> str | None:
        """Return the key under which the figures of `current` are saved; None where they aren't."""
        asked = self._figures.saved(self._context.record.comparison)
        return None if asked is None else self._figures.key(asked, Split.VALIDATION)

    def cases(self) -> Cases | None:
        """Return what each arm of `shown` says to each image; None where nobody knows.

        A round of an older version has no answers beside it: they are read where it was trained.
        """
        found, asked, context = self.shown(), self.asked(), self._context
        if found is None or asked is None:
            return None
        key, classes = self._figures.key(asked, found.split), context.images.classes
        saved = load_cases(context.store, context.log_id, key=key, classes=classes)
        if saved is not None or not self._segments.all_trained(asked):
            return saved
        outcomes = self._segments.outcomes(asked, found.split)
        scores = {arm.arm: outcomes[arm.arm].logits for arm in found.arms if arm.arm in outcomes}
        return cases_of(scores, context.workspace.samples(found.split), asked.seeds)

    def main_arm(self) -> Variant | None:
        """Return the arm to look at beside control: the recommended one, else the paper's."""
        found = self.shown()
        if found is None:
            return None
        others = [arm.arm for arm in found.arms if arm.arm != CONTROL]
        for name in (found.recommended, IMIL, *others[:1]):
            if name in others:
                return name
        return None

    def curves(self) -> dict[str, dict[int, tuple[EpochFigures, ...]]]:
        """Return the epochs of each arm and seed of the comparison that is shown."""
        found, asked = self.shown(), self.asked()
        if found is None or asked is None or not self._segments.all_trained(asked):
            return {}
        outcomes = self._segments.outcomes(asked, found.split)
        trained = {arm.arm: outcomes[found.variants.get(arm.arm, arm.arm)] for arm in found.arms}
        return {
            arm: dict(zip(asked.seeds, outcome.curves, strict=True))
            for arm, outcome in trained.items()
        }

    def check(self) -> None:
        """Read what a page reads of every comparison; whatever can't be read is raised."""
        for asked in self._every():
            saved = self._figures.saved(asked)
            self._figures.read(saved, Split.VALIDATION)
            trained = self._segments.trained(asked)
            if trained is not None:
                for split in (Split.VALIDATION, Split.TEST):
                    self._segments.outcomes(trained, split)

    # ---- files ----------------------------------------------------------------------------------

    def csv(self) -> bytes | None:
        """Return a row an arm, metric and seed of the last finished comparison; None before."""
        finished = self.shown()
        return None if finished is None else results_csv(finished).encode()

    def json(self) -> bytes | None:
        """Return the last finished comparison as `results.json`; None before."""
        finished = self.shown()
        if finished is None:
            return None
        about = ResultsContext(
            self._context.images,
            self._context.plan,
            self._proof,
            {"masks": self._context.masks.seconds()},
            outliers=self._found_by(),
            origins=self._origins(),
            reading=self._readers.reading(),
        )
        return results_json(finished, about)

    def cases_parquet(self) -> bytes | None:
        """Return the answers behind the figures as Parquet; None where nobody knows them."""
        found = self.cases()
        return None if found is None else encode_cases(found, self._context.images.classes)

    def weights(self, arm: str) -> tuple[bytes, dict[str, Any]]:
        """Return an arm's weights of its first seed as safetensors, and how they were made.

        Raises:
            PlanError: the arm was not compared.
        """
        found, asked = self.shown(), self.asked()
        names = [] if found is None else [each.arm for each in found.arms]
        compared = next((each for each in names if each == arm), None)
        if found is None or asked is None or compared is None:
            raise PlanError(
                f"There is no model of the arm “{arm}”.",
                why="Only arms of a finished comparison have one.",
                fix=f"Name one of: {', '.join(names) or 'none yet'}.",
            )
        task = first_seed(self._segments, found, asked, compared)
        if not task.checkpoint.exists():
            raise models_lost_error()
        plan, state, _ = decode_checkpoint(task.checkpoint.read_bytes())
        network = restore(plan, state)
        config = {
            "schema_version": _MODEL_SCHEMA,
            "imil": imil.__version__,
            "backbone": plan.backbone,
            "classes": list(self._context.images.classes),
            "channels": state.channels,
            "size": plan.size,
            # Done inside: the network takes images in 0-1, and holds the same figures itself.
            "normalisation": {"mean": _flat(network.mean), "std": _flat(network.std)},
            "arm": arm,
            "trained_as": task.arm,
            "seed": plan.seed,
            "round": found.number,
            "plan": asdict(plan),
        }
        return weights_to_bytes(network), config

    def onnx(self, arm: str) -> bytes:
        """Return an arm's model of its first seed as ONNX, checked against torch.

        Raises:
            PlanError: the arm was not compared.
            WeightsError: the extra is not installed, or ONNX answers otherwise.
        """
        weights, config = self.weights(arm)
        size, channels, classes = config["size"], config["channels"], config["classes"]
        model = build(
            config["backbone"], classes=len(classes), channels=channels, size=size, seed=0
        )
        load_weights(model, weights)
        return to_onnx(model.eval(), channels=channels, size=size, classes=classes)

    # ---- inside ---------------------------------------------------------------------------------

    def _every(self) -> tuple[Comparison, ...]:
        """Return every comparison of which something may be shown, in order."""
        record = self._context.record
        return tuple(each for each in (*record.earlier, record.comparison) if each is not None)

    def _final(self, asked: Comparison | None) -> Round | None:
        opened = self._context.record.test_openings > 0
        return self._figures.read(asked, Split.TEST) if opened else None

    def _origins(self) -> dict[str, int]:
        """Return how many of the masks that were compared came about in which way."""
        asked = self.asked()
        records = () if asked is None else self._context.masks.by_name(asked.masks)
        return dict(sorted(Counter(record.origin.value for record in records).items()))

    def _found_by(self) -> str:
        """Return how the mispredicted images that were compared had been found."""
        asked = self.asked()
        records = () if asked is None else self._context.masks.by_name(asked.masks)
        found = {r.selection.value for r in records if r.queue is Queue.MISPREDICTED}
        return "+".join(sorted(found)) or self._context.record.selection.value


def first_seed(segments: Segments, found: Round, asked: Comparison, arm: Variant) -> TrainingTask:
    """Return the training of an arm's first seed."""
    return segments.of_arm(asked, found.variants.get(arm, arm))[0]


def _flat(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.flatten().tolist()]
