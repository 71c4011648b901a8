"""A whole study without a screen: resumable, several seeds side by side."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.registry import (
    ARMS,
    MaskSource,
    check_arms,
    check_triage,
    uses_predicted,
    with_weights,
)
from imil.core.arms.variants import IMIL, Variant
from imil.core.bounds import check_seed
from imil.core.evaluation.comparison import RoundContext, Trained, clusters_of
from imil.core.evaluation.metrics import FIGURE_DRAWS, Metric, figures
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import Round
from imil.core.external.figures import ExternalAnswers
from imil.core.images import ImageSet
from imil.core.plans import check_plan, check_seeds, with_arithmetic
from imil.core.records import Deployment, Plan, Queue, Selection, Split, Triage
from imil.core.review.irrelevance import IrrelevancePredictor
from imil.core.splits import DisjointProof
from imil.errors import MaskError, PlanError
from imil.jobs.pool import WorkerPool
from imil.jobs.training.distributed import DistributedTrainer
from imil.jobs.training.machine import has_native_bf16
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import plan_from_json
from imil.storage.local import write_atomic
from imil.study.batch.clinicians import Clinicians, clinician_of
from imil.study.batch.progress import train_all
from imil.study.comparison.external import ExternalImages, ask_external
from imil.study.comparison.figures import SEED_SCOPE, ChosenWeights, Compared, compare_arms
from imil.study.comparison.formats import ResultsContext, results_csv, results_json
from imil.study.comparison.probes import (
    ProbeRequest,
    make_probe,
    painted_mask_only,
    reference_mask_only,
)
from imil.study.comparison.segments import mask_sets, outcomes, segment, write_inputs
from imil.study.review.mask_sets import ArmMasks, Review
from imil.study.review.out_of_fold import fold_tasks, write_folds
from imil.study.review.predicted_regions import EXPORT_FILE, export_used
from imil.study.review.queueing import SELECTION_NOTICES, mispredicted, read_queue, starves
from imil.study.review.triage import (
    read_decisions,
    simulated_triage,
    triage_notices,
    untriaged,
)
from imil.study.workspace import Workspace, read_logits, regions_key

# Where everything that a later run of the same command needs is kept.
WORK = "work"


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to run.

    Attributes:
        images: the study's images.
        proof: what is known of patients in two splits.
        plan: how to train; its seed is replaced by each of `seeds`.
        arms: control first.
        seeds: each a full replication with reference masks, else a training-on of one checkpoint.
        masks: "reference" for the simulated clinician, a folder of PNGs by image name (white =
            hide) or of such folders, one a reader, or None.
        out: where results go.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        job_prefix: told apart from other runs on the same pool by this.
        explain: whether to say where the arms look, which takes a while.
        intervals: give each figure its own interval; a benchmark pools runs and gives its own.
        selection: how the mispredicted are found.
        triage: decisions on labels, a CSV; None for those of a simulated reader, where the truth
            is known.
        pooling: how several readers' masks become one an image; None as is usual.
        deployment: where the model will work; an arm is recommended by it.
        external: other hospitals' images, opened together with the test set.
    """

    images: ImageSet
    proof: DisjointProof
    plan: Plan
    arms: tuple[Variant, ...]
    seeds: tuple[int, ...]
    masks: str | Path | None
    out: Path
    fetch_weights: Callable[[str], bytes]
    job_prefix: str = ""
    explain: bool = True
    intervals: bool = True
    selection: Selection = Selection.IN_SAMPLE
    triage: Path | None = None
    pooling: str | None = None
    deployment: Deployment = Deployment.UNSURE
    external: tuple[ExternalImages, ...] = ()

    @property
    def replicated(self) -> bool:
        """Whether a seed is a whole study anew."""
        return self.masks == "reference"


@dataclass(frozen=True, slots=True, eq=False)
class _Reviewed:
    """What one review left: masks of each arm, decisions on labels, and what to ask every arm."""

    first: TrainingTask
    sets: Mapping[Variant, ArmMasks]
    probe: Path | None
    swapped_by: str
    triage: tuple[Triage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run: what was asked for, who masks, and what it remembers on the way."""

    request: Request
    workspace: Workspace
    clinicians: Clinicians
    pool: WorkerPool | DistributedTrainer
    on_progress: Callable[[str, float, float | None], None]
    seconds: dict[str, float] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = time.monotonic() - began

    def train(self, jobs: Mapping[str, tuple[TrainingTask, ...]], step: str) -> None:
        prefix = self.request.job_prefix
        train_all(
            self.pool,
            {f"{prefix}{job}": tasks for job, tasks in jobs.items()},
            self.on_progress,
            step,
        )


def run_study(
    request: Request,
    pool: WorkerPool | DistributedTrainer,
    *,
    on_progress: Callable[[str, float, float | None], None] = lambda *_: None,
) -> Round:
    """Run or finish the study and write `results.json` and `results.csv`.

    Args:
        request: what to run.
        pool: where the segments train, its folder inside `request.out`.
        on_progress: told (step, share 0-1, seconds left or None) a few times a second.

    Returns:
        The final comparison, on the test set.

    Raises:
        PlanError: a setting, an arm without masks, or an output folder of another run.
        DataError: a class missing in a split.
        ComputeError: a training failed.
    """
    check_plan(request.plan)
    _check_arms(request)
    _check_triage(request)
    clinicians = clinician_of(request.masks, request.images, request.pooling)
    for name in request.arms:
        clinicians.of(name.reader)
    _check_folder(request)
    workspace = Workspace(request.out / WORK, request.images, request.out / WORK)
    run = _Run(request, workspace, clinicians, pool, on_progress)
    run.notices.extend((SELECTION_NOTICES[request.selection], *clinicians.notices))
    run = _prepared(run)
    firsts = _train_first(run)
    with run.timed("masks"):
        reviews = [_review(run, first) for first in firsts]
        _export_predicted(run, reviews)
        if not request.replicated:  # one review, of which every seed trains on
            reviews = reviews * len(request.seeds)
        tasks = _arm_tasks(run, reviews)
    with run.timed("arms"):
        of_seeds = zip(*tasks.values(), strict=True)
        jobs = {f"arms-{s}": each for s, each in zip(request.seeds, of_seeds, strict=True)}
        run.train(jobs, "training on")
    with run.timed("figures"):
        on_progress("figures and intervals", 1.0, None)
        compared = _compare(run, tasks, reviews)
    _write_predictions(run, tasks, compared)
    _write_results(run, firsts, compared.round)
    return compared.round


def _check_arms(request: Request) -> None:
    needing = [name for name in request.arms if ARMS[name.arm].masks is not MaskSource.NONE]
    if needing and request.masks is None:
        raise PlanError(
            f"The arm “{needing[0]}” needs masks.",
            why="It trains on images whose irrelevant regions a clinician has hidden.",
            fix="Add --masks reference, --masks with a folder of PNGs, or ask for control alone.",
        )
    if len(set(request.seeds)) != len(request.seeds) or not request.seeds:
        raise PlanError(
            "The seeds must be different numbers, at least one.",
            why="The same seed twice is the same training twice, and would count double.",
            fix="Give a list such as --seeds 0,1,2,3,4.",
        )
    check_arms(request.arms)
    check_seeds(len(request.seeds), arms=len(request.arms))
    for seed in request.seeds:
        check_seed(seed)


def _check_triage(request: Request) -> None:
    needing = [name for name in request.arms if ARMS[name.arm].triage]
    if not needing:
        return
    if request.triage is not None:
        triage = read_decisions(request.triage, request.images)
        check_triage(needing, len(triage), left=untriaged(request.images, triage))
    elif not (request.replicated and request.images.has_reference_labels):
        raise PlanError(
            f"The arm “{needing[0]}” needs decisions on labels.",
            why="Nobody is here to make them, and it is not known which labels are wrong.",
            fix="Add --triage with a CSV of file_name and label (empty to exclude), or leave the "
            "arm out.",
        )


def _check_folder(request: Request) -> None:
    """Refuse an output folder that holds a run of other images or another plan."""
    samples = json.dumps([asdict(sample) for sample in request.images.samples])
    about = {
        "plan": asdict(replace(request.plan, seed=0)),
        "classes": list(request.images.classes),
        "samples": hashlib.sha256(samples.encode()).hexdigest(),
        # Fixed, so that nobody chooses by it among results that are known.
        "deployment": request.deployment.value,
    }
    path = request.out / WORK / "settings.json"
    if path.exists() and as_now(json.loads(path.read_bytes())) != as_now(about):
        raise PlanError(
            f"“{request.out.name}” holds a run with other settings or images.",
            why="Going on in it would mix two studies.",
            fix="Use the former settings to go on, or another --out to begin anew.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(about, indent=1).encode())


def as_now(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a folder says of its run; that of an older version has today's fields."""
    if "plan" not in about:  # a folder of something else
        return dict(about)
    plan = plan_from_json(about["plan"])
    return {"deployment": Deployment.UNSURE.value, **about, "plan": plan}


def settled_plan(request: Request) -> Plan:
    """Return a run's plan with its arithmetic; a folder keeps what it began with."""
    path = request.out / WORK / "arithmetic.json"
    if path.exists():
        return plan_from_json(json.loads(path.read_bytes())["plan"])
    plan = with_arithmetic(request.plan, native_bf16=has_native_bf16())
    if plan != request.plan:
        write_atomic(path, json.dumps({"plan": asdict(plan)}, indent=1).encode())
    return plan


def _prepared(run: _Run) -> _Run:
    """Make what training reads, and return the run with the plan that it trains by."""
    request, workspace = run.request, run.workspace
    with run.timed("prepare"):
        for done in workspace.prepare(request.plan):
            run.on_progress("preparing images", done / len(request.images), None)
        notice = workspace.keep_pretrained(request.plan, request.fetch_weights)
        run.notices.extend([notice] if notice else [])
        return replace(run, request=replace(request, plan=settled_plan(request)))


def _train_first(run: _Run) -> tuple[TrainingTask, ...]:
    """Train the first round of each replication, and its folds where they are asked for."""
    request, workspace = run.request, run.workspace
    seeds = request.seeds if request.replicated else request.seeds[:1]
    firsts = tuple(workspace.first_task(replace(request.plan, seed=seed)) for seed in seeds)
    with run.timed("first training"):
        run.train({f"first-{task.plan.seed}": (task,) for task in firsts}, "first training")
    with run.timed("folds"):
        folded = [first for first in firsts if _needs_folds(run, first)]
        if folded:
            run.train({f"folds-{each.plan.seed}": fold_tasks(each) for each in folded}, "folds")
    return firsts


def _needs_folds(run: _Run, first: TrainingTask) -> bool:
    """Return whether out-of-fold answers are to be trained; what they train on is written then."""
    selection, workspace = run.request.selection, run.workspace
    if selection is Selection.FILLED and starves(workspace, first):
        try:
            write_folds(workspace, first)
        except PlanError as error:
            run.notices.append(f"Seed {first.plan.seed}: no out-of-fold images. {error.what}")
            return False
        return True
    if selection is Selection.OUT_OF_FOLD:
        write_folds(workspace, first)
        return True
    return False


def _review(run: _Run, first: TrainingTask) -> _Reviewed:
    """Return the masks of one first training's review, as each arm needs them."""
    request, workspace, notices = run.request, run.workspace, run.notices
    queue, allowed = mispredicted(workspace, first, request.selection), _allowed(run)
    if request.selection is Selection.FILLED and starves(workspace, first):
        own = len(workspace.outliers(first))
        notices.append(
            f"Seed {first.plan.seed}: {own} training images were mispredicted in-sample, fewer "
            f"than the {allowed} allowed; {len(queue) - own} more were found out-of-fold."
        )
    simulated = request.replicated
    review = Review(workspace, first, queue, run.clinicians.together, allowed, simulated=simulated)
    sets = mask_sets(
        with_weights(request.arms),
        lambda reader: replace(review, clinician=run.clinicians.of(reader)),
    )
    seed = f"Seed {first.plan.seed}"
    told = dict.fromkeys(given.told for given in sets.values() if given.told)
    notices += [f"{seed}: {sentence}." for sentence in told]
    if IMIL in request.arms and not sets[IMIL].masks:
        notices.append(f"{seed}: without masks imil trains on exactly what control trains on.")
    # One reader's masks alone predict nothing where those of all are compared too.
    together = [given for name, given in sets.items() if name.reader is None]
    predictor, reason = _predictor(review, together)
    if reason and len(request.arms) > 1:
        notices.append(f"{seed}: no arm can be recommended: {reason}.")
    asked = {i: region for given in together for i, region in given.masks.items()}
    ask = ProbeRequest(
        regions_key(asked) or "none", predictor, reference=simulated, explain=request.explain
    )
    triage = _triage(run, first)
    notices += [f"{seed}: {told}" for told in triage_notices(request.arms, triage)]
    return _Reviewed(first, sets, make_probe(workspace, first, ask), ask.swapped_by, triage)


def _predictor(review: Review, sets: Sequence[ArmMasks]) -> tuple[IrrelevancePredictor | None, str]:
    """Return what predicts irrelevance, or why nothing does."""
    try:
        predictor = review.predictor(sets)
    except MaskError as error:
        return None, f"{error.what} {error.why}"
    return predictor, "fewer than two images were masked" if predictor is None else ""


def _allowed(run: _Run) -> int:
    return run.workspace.allowed(run.request.plan)


def _triage(run: _Run, first: TrainingTask) -> tuple[Triage, ...]:
    """Return the decisions on labels; a simulated reader looks at the first suspects.

    As many as may be masked. They change no queue: what masks gain is not mixed with what labels
    gain.
    """
    request, images = run.request, run.request.images
    if not any(ARMS[name.arm].triage for name in request.arms):
        return ()
    if request.triage is not None:
        return read_decisions(request.triage, images)
    suspects = read_queue(run.workspace, first, Queue.LABEL_SUSPECT, {})[: _allowed(run)]
    found = simulated_triage(images, [offer.sample_id for offer in suspects])
    if found:
        check_triage(request.arms, len(found), left=untriaged(images, found))
    return found


def _arm_tasks(run: _Run, reviews: Sequence[_Reviewed]) -> dict[Variant, tuple[TrainingTask, ...]]:
    """Return the trainings of each arm and variant, one a seed, what they read being saved."""
    tasks: dict[Variant, tuple[TrainingTask, ...]] = {}
    for name in with_weights(run.request.arms):
        of_arm = []
        for seed, review in zip(run.request.seeds, reviews, strict=True):
            given = review.sets[name]
            task = segment(
                run.workspace,
                review.first,
                name,
                seed=seed,
                masks_key=regions_key(given.masks),
                probe=review.probe,
                triage=review.triage,
            )
            write_inputs(run.workspace, (task,), given, review.triage)
            of_arm.append(task)
        tasks[name] = tuple(of_arm)
    return tasks


def _export_predicted(run: _Run, reviews: Sequence[_Reviewed]) -> None:
    """Write the predicted masks that arms are given, so that anybody can look at them."""
    used = {
        f"seed {review.first.plan.seed}, {name}": (review.first, given.predictor)
        for review in reviews
        for name, given in review.sets.items()
        if uses_predicted(name) and name in run.request.arms and given.predictor is not None
    }
    if used:
        export_used(run.workspace, used, run.request.out / EXPORT_FILE, now=datetime.now(UTC))


def _compare(
    run: _Run, tasks: Mapping[Variant, tuple[TrainingTask, ...]], reviews: Sequence[_Reviewed]
) -> Compared:
    request, workspace = run.request, run.workspace
    openings = _count_opening(request, tasks)

    def setting(settled: ChosenWeights) -> RoundContext:
        return RoundContext(
            number=1,
            split=Split.TEST,
            seeds=request.seeds,
            seed_scope="replication" if request.replicated else SEED_SCOPE,
            masked=tuple(_masked(each.sets) for each in reviews),
            allowed=_allowed(run),
            training_images=len(workspace.rows(Split.TRAIN)),
            test_openings=openings,
            notices=(*run.notices, *settled.notices),
            swapped_by=reviews[0].swapped_by,
            mask_only=_masks_alone(run, reviews[0]),
            readers=tuple(run.clinicians.readings),
            pooling=run.clinicians.pooling,
            deployment=request.deployment,
        )

    def external(
        variants: Mapping[Variant, Variant], trained: Mapping[Variant, Trained]
    ) -> tuple[ExternalAnswers, ...]:
        asked = {arm: tasks[variant] for arm, variant in variants.items()}
        return tuple(
            ask_external(each, asked, trained, device=request.plan.device)
            for each in request.external
        )

    return compare_arms(
        workspace,
        request.arms,
        lambda split: outcomes(workspace, tasks, split),
        Split.TEST,
        setting,
        external=external,
        draws=FIGURE_DRAWS if request.intervals else 0,
    )


def _masked(sets: Mapping[Variant, ArmMasks]) -> int:
    """Return how many images were masked: for the paper's arm, or else for the arm with most."""
    if IMIL in sets:
        return len(sets[IMIL].masks)
    return max(len(given.masks) for given in sets.values())


def _masks_alone(run: _Run, review: _Reviewed) -> MaskOnly | None:
    """Return what the masks alone give away; the reference masks, where those are drawn."""
    request = run.request
    if request.masks is None:
        return None
    if request.replicated:
        return reference_mask_only(run.workspace, size=request.plan.size)
    painted = {
        sample_id: region
        for name, given in review.sets.items()
        if name.reader is None
        for sample_id, region in given.masks.items()
    }
    return painted_mask_only(request.images, painted, size=request.plan.size)


def _count_opening(request: Request, tasks: Mapping[Variant, tuple[TrainingTask, ...]]) -> int:
    """Return how often the test set was opened; the same comparison again is no new opening."""
    path = request.out / WORK / "test_openings.json"
    opened: list[list[str]] = json.loads(path.read_bytes()) if path.exists() else []
    every = (task for of_arm in tasks.values() for task in of_arm)
    this = sorted({str(task.folder.relative_to(request.out)) for task in every})
    this += [f"external {key}" for key in sorted(each.key for each in request.external)]
    if this not in opened:
        opened.append(this)
        write_atomic(path, json.dumps(opened).encode())
    return len(opened)


def _write_predictions(
    run: _Run, tasks: Mapping[Variant, tuple[TrainingTask, ...]], compared: Compared
) -> None:
    """Keep each arm's answer to each test image, (seeds, N), for pooling runs.

    Under the names of all that were trained, and under those that were asked for; of these also
    what each validation and each test image counts towards the accuracy without the shortcut.
    External sets are numbered, with the name of each and every score.
    """
    request, settled = run.request, compared.settled
    samples, rows = run.workspace.samples(Split.TEST), run.workspace.rows(Split.TEST)
    content: dict[str, NDArray[np.generic]] = {
        "labels": request.images.labels[rows],
        "clusters": clusters_of(samples),
    }
    for name, of_arm in tasks.items():
        content[name] = np.stack([read_logits(task)[rows].argmax(1) for task in of_arm])
    content |= {asked: content[variant] for asked, variant in settled.variants.items()}
    validation = settled.validation
    content |= {
        "validation_labels": validation.labels,
        "validation_clusters": validation.clusters,
        **_independent("independent", validation.trained, validation.labels),
        **_independent("test_independent", compared.trained, request.images.labels[rows]),
    }
    for place, answers in enumerate(compared.external):
        content |= _external(f"external.{place}", answers)
    sink = io.BytesIO()
    np.savez_compressed(sink, **content)  # type: ignore[arg-type]  # arrays by name
    write_atomic(request.out / "predictions.npz", sink.getvalue())


def _independent(
    kind: str, trained: Mapping[Variant, Trained], labels: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    found = {f"{kind}.{name}": outcome.independent(labels) for name, outcome in trained.items()}
    return {name: counted for name, counted in found.items() if counted is not None}


def _external(kind: str, answers: ExternalAnswers) -> dict[str, NDArray[np.generic]]:
    """Return what arms answered to an external set: (seeds, N, C) scores, for AUROC too."""
    return {
        f"{kind}.name": np.array(answers.name),
        f"{kind}.labels": np.array([sample.label for sample in answers.samples], np.int64),
        f"{kind}.clusters": clusters_of(answers.samples),
        **{f"{kind}.{name}": np.stack(each.logits) for name, each in answers.trained.items()},
    }


def _write_results(run: _Run, firsts: Sequence[TrainingTask], finished: Round) -> None:
    request, rows = run.request, run.workspace.rows(Split.TEST)
    labels: NDArray[np.int64] = request.images.labels[rows]
    before = [figures(read_logits(first)[rows], labels) for first in firsts]
    about = ResultsContext(
        request.images,
        request.plan,
        request.proof,
        run.seconds,
        {metric: tuple(f[metric] for f in before) for metric in Metric},
        outliers=request.selection.value,
    )
    write_atomic(request.out / "results.json", results_json(finished, about))
    write_atomic(request.out / "results.csv", results_csv(finished).encode())
