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
    Masks,
    check_arms,
    check_triage,
    with_weights,
)
from imil.core.arms.variants import IMIL, Variant
from imil.core.bounds import check_seed
from imil.core.evaluation.metrics import FIGURE_DRAWS, Metric, figures
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import Round, Setting, Trained, clusters_of, compare
from imil.core.images import ImageSet
from imil.core.plans import check_plan, check_seeds, with_arithmetic
from imil.core.records import Plan, Queue, Selection, Split, Triage
from imil.core.splits import DisjointProof
from imil.errors import MaskError, PlanError
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import has_native_bf16
from imil.jobs.training.task import TrainingTask
from imil.jobs.training.together import TeamPool
from imil.storage.codec import plan_from_json
from imil.storage.local import write_atomic
from imil.study.batch.clinicians import Clinicians, clinician_of
from imil.study.batch.progress import train
from imil.study.comparison.probes import Ask, make_probe, masks_alone, painted_alone
from imil.study.comparison.results import About, results_csv, results_json
from imil.study.comparison.settling import Settled, settle
from imil.study.review.masksets import MaskSet, Review
from imil.study.review.outoffold import fold_tasks, write_folds
from imil.study.review.predictions import EXPORT_FILE, export_used
from imil.study.review.queueing import FOUND, mispredicted, read_queue
from imil.study.review.triage import (
    read_decisions,
    simulated_triage,
    triage_key,
    triage_notices,
    triage_rows,
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

    @property
    def replicated(self) -> bool:
        """Whether a seed is a whole study anew."""
        return self.masks == "reference"


@dataclass(slots=True)
class _Log:
    """What a run remembers on the way: times and sentences."""

    seconds: dict[str, float] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = time.monotonic() - began


def run_study(
    request: Request,
    pool: WorkerPool | TeamPool,
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
    log = _Log()
    log.notices += [FOUND[request.selection], *clinicians.notices]
    with log.timed("prepare"):
        for done in workspace.prepare(request.plan):
            on_progress("preparing images", done / len(request.images), None)
        notice = workspace.keep_pretrained(request.plan, request.fetch_weights)
        log.notices += [notice] if notice else []
        request = replace(request, plan=settled_plan(request))
    firsts = _first_tasks(request, workspace)
    with log.timed("first training"):
        first_jobs = {f"{request.job_prefix}first-{task.plan.seed}": (task,) for task in firsts}
        train(pool, first_jobs, on_progress, "first training")
    if request.selection is Selection.OUT_OF_FOLD:
        with log.timed("folds"):
            _train_folds(request, workspace, firsts, pool, on_progress)
    with log.timed("masks"):
        masked = [_review(request, workspace, first, clinicians, log) for first in firsts]
        arm_tasks = _arm_tasks(request, workspace, firsts, masked)
        _export_predicted(request, workspace, firsts, masked)
    with log.timed("arms"):
        jobs = {
            f"{request.job_prefix}arms-{seed}": tuple(tasks.values())
            for seed, tasks in arm_tasks.items()
        }
        train(pool, jobs, on_progress, "training on")
    with log.timed("figures"):
        on_progress("figures and intervals", 1.0, None)
        finished, settled = _compare(request, workspace, arm_tasks, masked, log)
        finished = replace(finished, readers=tuple(clinicians.readings), pooling=clinicians.pooling)
    _write_predictions(request, workspace, arm_tasks, settled)
    return _written(request, workspace, firsts, finished, log)


def _check_arms(request: Request) -> None:
    needing = [name for name in request.arms if ARMS[name.arm].masks is not Masks.NONE]
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


def _train_folds(
    request: Request,
    workspace: Workspace,
    firsts: Sequence[TrainingTask],
    pool: WorkerPool | TeamPool,
    on_progress: Callable[[str, float, float | None], None],
) -> None:
    jobs = {}
    for first in firsts:
        write_folds(workspace, first)
        jobs[f"{request.job_prefix}folds-{first.plan.seed}"] = fold_tasks(first)
    train(pool, jobs, on_progress, "folds")


def _check_folder(request: Request) -> None:
    """Refuse an output folder that holds a run of other images or another plan."""
    samples = json.dumps([asdict(sample) for sample in request.images.samples])
    about = {
        "plan": asdict(replace(request.plan, seed=0)),
        "classes": list(request.images.classes),
        "samples": hashlib.sha256(samples.encode()).hexdigest(),
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
    """Return what a folder says of its run; a plan of an older version has today's fields."""
    if "plan" not in about:  # a folder of something else
        return dict(about)
    return {**about, "plan": plan_from_json(about["plan"])}


def settled_plan(request: Request) -> Plan:
    """Return a run's plan with its arithmetic; a folder keeps what it began with."""
    path = request.out / WORK / "arithmetic.json"
    if path.exists():
        return plan_from_json(json.loads(path.read_bytes())["plan"])
    plan = with_arithmetic(request.plan, native_bf16=has_native_bf16())
    if plan != request.plan:
        write_atomic(path, json.dumps({"plan": asdict(plan)}, indent=1).encode())
    return plan


def _first_tasks(request: Request, workspace: Workspace) -> tuple[TrainingTask, ...]:
    seeds = request.seeds if request.replicated else request.seeds[:1]
    return tuple(workspace.first_task(replace(request.plan, seed=seed)) for seed in seeds)


def _arm_tasks(
    request: Request,
    workspace: Workspace,
    firsts: Sequence[TrainingTask],
    masked: Sequence[_Masked],
) -> dict[int, dict[Variant, TrainingTask]]:
    """Return the segments of each seed by arm or variant, their masks saved."""
    tasks = {}
    for place, seed in enumerate(request.seeds):
        own = place if request.replicated else 0
        of_seed = {}
        for name in with_weights(request.arms):
            given = masked[own].sets[name]
            key = regions_key(given.masks)
            triage = masked[own].triage
            task = workspace.arm_task(
                firsts[own],
                name.evolve(reader=None),
                seed=seed,
                masks_key=key,
                probe=masked[own].probe,
                triage_key=triage_key(triage),
            )
            workspace.write_triage(task, triage_rows(request.images, triage))
            predicted = given.predicted if ARMS[name.arm].predicted else None
            workspace.write_masked(task, given.masks, predicted=predicted)
            of_seed[name] = replace(task, name=f"{name}, seed {seed}")
        tasks[seed] = of_seed
    return tasks


@dataclass(frozen=True, slots=True, eq=False)
class _Masked:
    """What one review left: masks of each arm, decisions on labels, and what to ask every arm."""

    sets: Mapping[Variant, MaskSet]
    probe: Path | None
    swapped_by: str
    triage: tuple[Triage, ...]


def _review(
    request: Request,
    workspace: Workspace,
    first: TrainingTask,
    clinicians: Clinicians,
    log: _Log,
) -> _Masked:
    """Return the masks of one first training's review, as each arm needs them."""
    queue = mispredicted(workspace, first, request.selection)
    allowed = workspace.allowed(request.plan)
    simulated = request.masks == "reference"
    review = Review(workspace, first, queue, clinicians.together, allowed, simulated=simulated)
    names = with_weights(request.arms)
    sets: dict[Variant, MaskSet] = {}
    for reader in dict.fromkeys(name.reader for name in names):
        own = replace(review, clinician=clinicians.of(reader))
        of_reader = {n.evolve(reader=None): n for n in names if n.reader == reader}
        sets |= {of_reader[plain]: given for plain, given in own.masks(of_reader).items()}
    seed = f"Seed {first.plan.seed}"
    told = dict.fromkeys(given.told for given in sets.values() if given.told)
    log.notices += [f"{seed}: {sentence}." for sentence in told]
    if IMIL in request.arms and not sets[IMIL].masks:
        log.notices.append(f"{seed}: without masks imil trains on exactly what control trains on.")
    try:
        # One reader's masks alone predict nothing where those of all are compared too.
        every = [given for name, given in sets.items() if name.reader is None]
        predictor = review.predictor(every)
        reason = "fewer than two images were masked" if predictor is None else ""
    except MaskError as error:
        predictor, reason = None, f"{error.what} {error.why}"
    if reason and len(request.arms) > 1:
        log.notices.append(f"{seed}: no arm can be recommended: {reason}.")
    asked = {i: region for given in every for i, region in given.masks.items()}
    ask = Ask(regions_key(asked) or "none", predictor, reference=simulated, explain=request.explain)
    triage = _triage(request, workspace, first, allowed)
    log.notices += [f"{seed}: {told}" for told in triage_notices(request.arms, triage)]
    return _Masked(sets, make_probe(workspace, first, ask), ask.swapped_by, triage)


def _triage(
    request: Request, workspace: Workspace, first: TrainingTask, allowed: int
) -> tuple[Triage, ...]:
    """Return the decisions on labels; a simulated reader looks at the first `allowed` suspects.

    They change no queue: what masks gain is not mixed with what labels gain.
    """
    if not any(ARMS[name.arm].triage for name in request.arms):
        return ()
    if request.triage is not None:
        return read_decisions(request.triage, request.images)
    suspects = read_queue(workspace, first, Queue.LABEL_SUSPECT, {})
    found = simulated_triage(request.images, [o.sample_id for o in suspects[:allowed]])
    if found:
        check_triage(request.arms, len(found), left=untriaged(request.images, found))
    return found


def _export_predicted(
    request: Request,
    workspace: Workspace,
    firsts: Sequence[TrainingTask],
    masked: Sequence[_Masked],
) -> None:
    """Write the predicted masks that arms are given, so that anybody can look at them."""
    used = {
        f"seed {first.plan.seed}, {name}": (first, given.predictor)
        for first, review in zip(firsts, masked, strict=True)
        for name, given in review.sets.items()
        if ARMS[name.arm].predicted and name in request.arms and given.predictor is not None
    }
    if used:
        export_used(workspace, used, request.out / EXPORT_FILE, now=datetime.now(UTC))


def _compare(
    request: Request,
    workspace: Workspace,
    arm_tasks: Mapping[int, Mapping[Variant, TrainingTask]],
    masked: Sequence[_Masked],
    log: _Log,
) -> tuple[Round, Settled]:
    times = 1 if request.replicated else len(request.seeds)

    def outcomes(split: Split) -> dict[Variant, Trained]:
        return {
            name: workspace.trained(
                [tasks[name] for tasks in arm_tasks.values()],
                split,
                masks=tuple(len(each.sets[name].masks) for each in masked) * times,
            )
            for name in with_weights(request.arms)
        }

    validation = workspace.validation(outcomes(Split.VALIDATION))
    settled = settle(request.arms, validation)
    # The paper's arm names the count; where it is not compared, the largest set does.
    counts = tuple(
        len(each.sets[IMIL].masks)
        if IMIL in request.arms
        else max(len(given.masks) for given in each.sets.values())
        for each in masked
    )
    setting = Setting(
        number=1,
        split=Split.TEST,
        seeds=request.seeds,
        seed_scope="replication" if request.replicated else "train_on",
        masked=counts * times,
        allowed=workspace.allowed(request.plan),
        training_images=len(workspace.rows(Split.TRAIN)),
        test_openings=_count_opening(request, arm_tasks),
        notices=(
            *log.notices,
            *settled.notices,
        ),
        swapped_by=masked[0].swapped_by,
        mask_only=_masks_alone(request, workspace, masked),
    )
    found = compare(
        settled.only(outcomes(Split.TEST)),
        workspace.samples(Split.TEST),
        setting,
        settled.validation,
        draws=FIGURE_DRAWS if request.intervals else 0,
    )
    return found, settled


def _masks_alone(
    request: Request, workspace: Workspace, masked: Sequence[_Masked]
) -> MaskOnly | None:
    if request.masks is None:
        return None
    if request.replicated:
        return masks_alone(workspace, size=request.plan.size)
    painted = {
        i: region
        for name, given in masked[0].sets.items()
        if name.reader is None
        for i, region in given.masks.items()
    }
    return painted_alone(request.images, painted, size=request.plan.size)


def _count_opening(
    request: Request, arm_tasks: Mapping[int, Mapping[Variant, TrainingTask]]
) -> int:
    """Return how often the test set was opened; the same comparison again is no new opening."""
    path = request.out / WORK / "test_openings.json"
    opened: list[list[str]] = json.loads(path.read_bytes()) if path.exists() else []
    this = sorted(
        {str(t.folder.relative_to(request.out)) for ts in arm_tasks.values() for t in ts.values()}
    )
    if this not in opened:
        opened.append(this)
        write_atomic(path, json.dumps(opened).encode())
    return len(opened)


def _write_predictions(
    request: Request,
    workspace: Workspace,
    arm_tasks: Mapping[int, Mapping[Variant, TrainingTask]],
    settled: Settled,
) -> None:
    """Keep each arm's answer to each test image, (seeds, N), for pooling runs.

    Under the names of all that were trained, and under those that were asked for; of these also
    what each validation image counts for the recommendation.
    """
    samples, rows = workspace.samples(Split.TEST), workspace.rows(Split.TEST)
    content: dict[str, NDArray[np.generic]] = {
        "labels": request.images.labels[rows],
        "clusters": clusters_of(samples),
    }
    for name in with_weights(request.arms):
        answers = [read_logits(tasks[name])[rows].argmax(1) for tasks in arm_tasks.values()]
        content[name] = np.stack(answers)
    content |= {asked: content[variant] for asked, variant in settled.variants.items()}
    validation = settled.validation
    content |= {
        "validation_labels": validation.labels,
        "validation_clusters": validation.clusters,
        **{
            f"independent.{n}": validation.independent(n)
            for n, t in validation.trained.items()
            if t.same
        },
    }
    sink = io.BytesIO()
    np.savez_compressed(sink, **content)  # type: ignore[arg-type]  # arrays by name
    write_atomic(request.out / "predictions.npz", sink.getvalue())


def _written(
    request: Request,
    workspace: Workspace,
    firsts: Sequence[TrainingTask],
    finished: Round,
    log: _Log,
) -> Round:
    rows = workspace.rows(Split.TEST)
    labels: NDArray[np.int64] = request.images.labels[rows]
    before = [figures(read_logits(first)[rows], labels) for first in firsts]
    about = About(
        request.images,
        request.plan,
        request.proof,
        log.seconds,
        {metric: tuple(f[metric] for f in before) for metric in Metric},
        outliers=request.selection.value,
    )
    write_atomic(request.out / "results.json", results_json(finished, about))
    write_atomic(request.out / "results.csv", results_csv(finished).encode())
    return finished
