"""What a study can show and hand out of a finished comparison."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

import imil
from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.cases import Cases, broken, cases_of, fixed
from imil.core.evaluation.rounds import Round
from imil.core.nets.backbones import build, load_weights, weights_to_bytes
from imil.core.records import EpochFigures, Queue, Region, Split
from imil.core.review.agreement import ReaderSummary
from imil.core.review.readers import POOLED
from imil.core.training.fit import restore
from imil.errors import ImilError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.models.onnx import to_onnx
from imil.storage.codec import MaskRecord, decode_checkpoint
from imil.storage.records.acts import What
from imil.storage.records.cases import encode_cases, load_cases
from imil.storage.records.studies import Comparison, load_round
from imil.study.comparison.comparing import Comparing
from imil.study.comparison.looking import (
    FIRST,
    Look,
    Wanted,
    chosen,
    looks_failed,
    make_looks,
    read_looks,
)
from imil.study.comparison.results import About, results_csv, results_json
from imil.study.review.maskbook import named
from imil.study.review.pooled import used
from imil.study.review.reading import agreement_csv, read_by

MODEL_SCHEMA = 1


class Reporting(Comparing):
    """A study's results: figures, the answers behind them, the test set, files to hand out."""

    # Maps that are being made, and those that could not be, by their file.
    _making: threading.Thread | None = None
    _made_badly: Mapping[Path, ImilError] = {}
    # Who read it, by the masks of then.
    _last_reading: tuple[object, ReaderSummary] | None = None

    def shown_results(self) -> Round | None:
        """Return the comparison to look at: on the test set where it was opened for it.

        While a new comparison has nothing to show, that is the one before.
        """
        asked = self._shown()
        return self._final(asked) or self._round(asked, Split.VALIDATION)

    def final_comparison(self, *, who: str = "") -> Round:
        """Open the test set and return the comparison on it; each opening is counted.

        Args:
            who: who asked for it.

        Raises:
            PlanError: no comparison is finished, or seeds are still being trained.
        """
        with self._lock:
            asked = self._done(self._record.comparison)
            if asked is None:
                raise PlanError(
                    "There is no comparison to open the test set for.",
                    why="The test set is looked at once, when everything else is decided.",
                    fix="Compare with and without masks first.",
                )
            if not self._trained_here(asked):
                raise models_lost()
            if self.comparison_status().active:
                raise PlanError(
                    "The comparison still runs.",
                    why="The test set is opened for all of its seeds at once.",
                    fix="Wait for the last seed, or stop the comparison first.",
                )
            self._save(test_openings=self._record.test_openings + 1)
            opened = {"opening": self._record.test_openings, "number": asked.number}
            self._note(What.TEST_OPENED, who=who, details=opened)
        finished = self._round(asked, Split.TEST)
        if finished is None:
            raise ValueError("a finished comparison has no figures")
        return finished

    def final_results(self) -> Round | None:
        """Return the last final comparison without opening the test set again; None before."""
        return self._final(self._done(self._record.comparison))

    def cases(self) -> Cases | None:
        """Return what each arm of `shown_results` says to each image; None where nobody knows.

        A round of an older version has no answers beside it: they are read where it was trained.
        """
        found, asked = self.shown_results(), self._shown()
        if found is None or asked is None:
            return None
        key, classes = self._round_key(asked, found.split), self.images.classes
        saved = load_cases(self._tools.store, self._log_id, key=key, classes=classes)
        if saved is not None or not self._trained_here(asked):
            return saved
        outcomes = self._outcomes(asked, found.split)
        scores = {arm.arm: outcomes[arm.arm].logits for arm in found.arms if arm.arm in outcomes}
        return cases_of(scores, self._workspace.samples(found.split), asked.seeds)

    # ---- readers --------------------------------------------------------------------------------

    def reading(self) -> ReaderSummary:
        """Return who read the study and how far they agree, made once of the same masks."""
        with self._lock:
            skips, unblinded = self._record.skips, self._record.unblinded
            key = (self._masks.names(), tuple(skips.items()), unblinded)
            if self._last_reading is None or self._last_reading[0] != key:
                made = read_by(self._masks, self.images, skips, unblinded)
                self._last_reading = key, made
            return self._last_reading[1]

    def masks_of(self, sample_id: str) -> dict[str, Region]:
        """Return every reader's mask of an image, (H, W), and under `POOLED` the one that is used.

        Raises:
            PlanError: readers are blind to each other.
        """
        self.check_unblinded()
        found = (self._masks.last(sample_id, reader) for reader in self.readers())
        records = [record for record in found if record is not None]
        own = {named(record): record.irrelevant for record in records}
        pooled = used(records, self.pooling).regions.get(sample_id)
        return own if pooled is None or len(own) < 2 else {**own, POOLED: pooled}

    def agreement_csv(self) -> bytes:
        """Return how far readers agree on each image, a row a pair; PlanError while blind."""
        self.check_unblinded()
        return agreement_csv(self.reading().agreement).encode()

    def check_unblinded(self, reader: str | None = None) -> None:
        """Raise PlanError where a reader would be shown others' masks before the time."""
        if self.blind(reader):
            raise PlanError(
                "Readers are blind to each other's masks.",
                why="Whoever has seen another reader's mask no longer judges by themselves.",
                fix="Once all have finished, show readers each other's masks: under “Readers” on "
                "the Results tab.",
            )

    # ---- where the models look ------------------------------------------------------------------

    def looks(self, *, wait: bool = False) -> tuple[Look, ...] | None:
        """Return where round 0, control and the main arm look on a few fixed and broken images.

        The first call has them made in the background, and later ones read them.

        Args:
            wait: until they are made.

        Returns:
            None while they are being made; nothing where no image was fixed or broken.

        Raises:
            ComputeError: they could not be made.
        """
        wanted = self._wanted_looks()
        if wanted is None:
            return ()
        content = repr([(name, str(task.folder)) for name, task in wanted.models])
        key = hashlib.sha256(f"{content}{wanted.samples}".encode()).hexdigest()[:12]
        path = self._first.folder.parent / f"looks-{key}.npz"
        if not path.exists():
            self._start_looking(wanted, path)
            thread = self._making
            if wait and thread is not None:
                thread.join()
        if path in self._made_badly:
            raise self._made_badly[path]
        return read_looks(self._workspace, wanted, path) if path.exists() else None

    @property
    def looking(self) -> bool:
        """Whether maps are being made."""
        return self._making is not None and self._making.is_alive()

    def main_arm(self) -> Variant | None:
        """Return the arm to look at beside control: the recommended one, else the paper's."""
        found = self.shown_results()
        if found is None:
            return None
        others = [arm.arm for arm in found.arms if arm.arm != CONTROL]
        for name in (found.recommended, IMIL, *others[:1]):
            if name in others:
                return name
        return None

    # ---- files ----------------------------------------------------------------------------------

    def results_csv(self) -> bytes | None:
        """Return a row an arm, metric and seed of the last finished comparison; None before."""
        finished = self.shown_results()
        return None if finished is None else results_csv(finished).encode()

    def cases_parquet(self) -> bytes | None:
        """Return the answers behind the figures as Parquet; None where nobody knows them."""
        found = self.cases()
        return None if found is None else encode_cases(found, self.images.classes)

    def mask_records(self) -> tuple[MaskRecord, ...]:
        """Return the last mask of each reader and image."""
        return self._masks.by_name(self._masks.names())

    def curves(self) -> dict[str, dict[int, tuple[EpochFigures, ...]]]:
        """Return the epochs of each arm and seed of the comparison that is shown."""
        found, asked = self.shown_results(), self._shown()
        if found is None or asked is None or not self._trained_here(asked):
            return {}
        outcomes = self._outcomes(asked, found.split)
        trained = {arm.arm: outcomes[found.variants.get(arm.arm, arm.arm)] for arm in found.arms}
        return {
            arm: dict(zip(asked.seeds, outcome.curves, strict=True))
            for arm, outcome in trained.items()
        }

    def model(self, arm: str) -> tuple[bytes, dict[str, Any]]:
        """Return an arm's weights of its first seed as safetensors, and how they were made.

        Raises:
            PlanError: the arm was not compared.
        """
        found, asked = self.shown_results(), self._shown()
        names = [] if found is None else [each.arm for each in found.arms]
        compared = next((each for each in names if each == arm), None)
        if found is None or asked is None or compared is None:
            raise PlanError(
                f"There is no model of the arm “{arm}”.",
                why="Only arms of a finished comparison have one.",
                fix=f"Name one of: {', '.join(names) or 'none yet'}.",
            )
        task = self._first_seed(found, asked, compared)
        if not task.checkpoint.exists():
            raise models_lost()
        plan, state, _ = decode_checkpoint(task.checkpoint.read_bytes())
        network = restore(plan, state)
        config = {
            "schema_version": MODEL_SCHEMA,
            "imil": imil.__version__,
            "backbone": plan.backbone,
            "classes": list(self.images.classes),
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
        weights, config = self.model(arm)
        size, channels, classes = config["size"], config["channels"], config["classes"]
        model = build(
            config["backbone"], classes=len(classes), channels=channels, size=size, seed=0
        )
        load_weights(model, weights)
        return to_onnx(model.eval(), channels=channels, size=size, classes=classes)

    def results_json(self) -> bytes | None:
        """Return the last finished comparison as `results.json`; None before."""
        finished = self.shown_results()
        if finished is None:
            return None
        about = About(
            self.images,
            self.plan,
            self.proof,
            {"masks": self._masks.seconds()},
            outliers=self._found_by(),
            origins=self._origins(),
            reading=self.reading(),
        )
        return results_json(finished, about)

    # ---- inside ---------------------------------------------------------------------------------

    def _origins(self) -> dict[str, int]:
        """Return how many of the masks that were compared came about in which way."""
        asked = self._shown()
        records = () if asked is None else self._masks.by_name(asked.masks)
        return dict(sorted(Counter(record.origin.value for record in records).items()))

    def _final(self, asked: Comparison | None) -> Round | None:
        if asked is None or not self._record.test_openings:
            return None
        key = self._round_key(asked, Split.TEST)
        return load_round(self._tools.store, self._log_id, key=key)

    def _found_by(self) -> str:
        """Return how the mispredicted images that were compared had been found."""
        asked = self._shown()
        records = () if asked is None else self._masks.by_name(asked.masks)
        found = {r.selection.value for r in records if r.queue is Queue.MISPREDICTED}
        return "+".join(sorted(found)) or self.selection.value

    def _first_seed(self, found: Round, asked: Comparison, arm: Variant) -> TrainingTask:
        return self._tasks(asked, found.variants.get(arm, arm))[0]

    def _wanted_looks(self) -> Wanted | None:
        found, asked, cases = (
            self.shown_results(),
            self._shown(),
            self.cases(),
        )
        arm = self.main_arm()
        if found is None or asked is None or cases is None or arm is None:
            return None
        if self.missing_images:
            return None
        if arm not in cases.predicted:
            return None
        samples = chosen(
            [case.sample_id for case in fixed(cases, arm)],
            [case.sample_id for case in broken(cases, arm)],
        )
        models = [(name, self._first_seed(found, asked, name)) for name in (CONTROL, arm)]
        every = ((FIRST, self._first), *models)
        there = all(task.checkpoint.exists() for _, task in every)
        return Wanted(samples, every) if samples and there else None

    def _start_looking(self, wanted: Wanted, path: Path) -> None:
        def make() -> None:
            try:
                make_looks(self._workspace, wanted, path)
            except ImilError as error:
                self._made_badly = {**self._made_badly, path: error}
            except Exception:
                # The page says so; what went wrong is told in the log.
                self._made_badly = {**self._made_badly, path: looks_failed()}
                raise

        with self._lock:
            if self.looking or path in self._made_badly:
                return
            self._making = threading.Thread(target=make, daemon=True)
            self._making.start()


def _flat(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.flatten().tolist()]


def models_lost() -> PlanError:
    """Return the error of asking for models of which only the figures are left."""
    return PlanError(
        "The models of this comparison are not on this machine any more.",
        why="Its figures were saved, but its models were lost with the machine's disk.",
        fix="Compare again: the same arms are trained from the same plan and masks.",
    )
