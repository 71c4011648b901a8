"""A whole study without a screen: resumable, several seeds side by side."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from imil.compute.pool import JobStatus, WorkerPool
from imil.compute.task import TrainingTask
from imil.core.arms import ARMS, Masks
from imil.core.images import ImageSet
from imil.core.masks import check_mask
from imil.core.metrics import Metric, figures
from imil.core.plans import check_plan
from imil.core.records import Arm, Plan, Region, Split
from imil.core.rounds import Round, Setting, Trained, clusters_of, compare
from imil.core.splits import DisjointProof
from imil.errors import ComputeError, MaskError, PlanError
from imil.sources.pixels import read_region
from imil.store.local import write_atomic
from imil.workflow.masksets import Clinician, MaskSet, Review
from imil.workflow.results import About, results_csv, results_json
from imil.workflow.workspace import Workspace, masks_key, read_logits

# Seconds between two looks at the jobs.
POLL = 0.2
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
            hide), or None.
        out: where results go.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        job_prefix: told apart from other runs on the same pool by this.
    """

    images: ImageSet
    proof: DisjointProof
    plan: Plan
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    masks: str | Path | None
    out: Path
    fetch_weights: Callable[[str], bytes]
    job_prefix: str = ""

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
    pool: WorkerPool,
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
    clinician = _clinician(request)
    _check_folder(request)
    workspace = Workspace(request.out / WORK, request.images, request.out / WORK)
    log = _Log()
    with log.timed("prepare"):
        for done in workspace.prepare(request.plan):
            on_progress("preparing images", done / len(request.images), None)
        notice = workspace.keep_pretrained(request.plan, request.fetch_weights)
        log.notices += [notice] if notice else []
    firsts = _first_tasks(request, workspace)
    with log.timed("first training"):
        first_jobs = {f"{request.job_prefix}first-{task.plan.seed}": (task,) for task in firsts}
        _train(pool, first_jobs, on_progress, "first training")
    with log.timed("masks"):
        masked = [_review(request, workspace, first, clinician, log) for first in firsts]
    arm_tasks = _arm_tasks(request, workspace, firsts, masked)
    with log.timed("arms"):
        jobs = {f"{request.job_prefix}arms-{seed}": tasks for seed, tasks in arm_tasks.items()}
        _train(pool, jobs, on_progress, "training on")
    with log.timed("figures"):
        on_progress("figures and intervals", 1.0, None)
        finished = _compare(request, workspace, arm_tasks, masked, log)
    _write_predictions(request, workspace, arm_tasks)
    return _written(request, workspace, firsts, finished, log)


def _check_arms(request: Request) -> None:
    needing = [arm for arm in request.arms if ARMS[arm].masks is not Masks.NONE]
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


def _check_folder(request: Request) -> None:
    """Refuse an output folder that holds a run of other images or another plan."""
    samples = json.dumps([asdict(sample) for sample in request.images.samples])
    about = {
        "plan": asdict(replace(request.plan, seed=0)),
        "classes": list(request.images.classes),
        "samples": hashlib.sha256(samples.encode()).hexdigest(),
    }
    path = request.out / WORK / "settings.json"
    if path.exists() and json.loads(path.read_bytes()) != about:
        raise PlanError(
            f"“{request.out.name}” holds a run with other settings or images.",
            why="Going on in it would mix two studies.",
            fix="Use the former settings to go on, or another --out to begin anew.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(about, indent=1).encode())


def _first_tasks(request: Request, workspace: Workspace) -> tuple[TrainingTask, ...]:
    seeds = request.seeds if request.replicated else request.seeds[:1]
    return tuple(workspace.first_task(replace(request.plan, seed=seed)) for seed in seeds)


def _arm_tasks(
    request: Request,
    workspace: Workspace,
    firsts: Sequence[TrainingTask],
    masked: Sequence[Mapping[Masks, MaskSet]],
) -> dict[int, tuple[TrainingTask, ...]]:
    """Return the arms of each seed, in the order of `request.arms`, their masks saved."""
    tasks = {}
    for place, seed in enumerate(request.seeds):
        own = place if request.replicated else 0
        of_seed = []
        for arm in request.arms:
            given = masked[own][ARMS[arm].masks]
            key = masks_key(given.masks)
            task = workspace.arm_task(firsts[own], arm, seed=seed, masks_key=key)
            predicted = given.predicted if ARMS[arm].predicted else None
            workspace.write_masked(task, given.masks, predicted=predicted)
            of_seed.append(task)
        tasks[seed] = tuple(of_seed)
    return tasks


def _train(
    pool: WorkerPool,
    jobs: Mapping[str, tuple[TrainingTask, ...]],
    on_progress: Callable[[str, float, float | None], None],
    step: str,
) -> None:
    """Train the jobs to their end; raise what the first failed one says."""
    for job, tasks in jobs.items():
        distinct = {task.folder: task for task in tasks}
        pool.submit(job, tuple(distinct.values()))
    ended = False
    while not ended:
        ended = pool.wait(jobs, timeout=POLL)
        known = [status for job in jobs if (status := pool.status(job)) is not None]
        failed = next((status.error for status in known if status.error is not None), None)
        if failed is not None:
            raise failed
        if pool.closed:
            raise ComputeError(
                "The training was stopped.",
                why="The program was interrupted.",
                fix="Run the same command again: it goes on where it stopped.",
            )
        on_progress(step, sum(s.share for s in known) / len(known), _seconds_left(known))


def _seconds_left(known: Sequence[JobStatus]) -> float | None:
    """Return the time until all jobs end: those running as measured, those waiting after them."""
    running = [s.seconds_left for s in known if s.active and s.seconds_left is not None]
    share = sum(s.share for s in known) / len(known)
    if not running:
        return None
    slowest = max(running)
    active_share = np.mean([s.share for s in known if s.active and s.seconds_left is not None])
    whole = slowest / max(1 - float(active_share), 1e-6)
    return max(slowest, whole * (1 - share) * len(known) / len(running))


def _review(
    request: Request,
    workspace: Workspace,
    first: TrainingTask,
    clinician: Clinician,
    log: _Log,
) -> dict[Masks, MaskSet]:
    """Return the masks of one first training's review, as each arm needs them."""
    queue, allowed = workspace.outliers(first), workspace.allowed(request.plan)
    review = Review(
        workspace, first, queue, clinician, allowed, simulated=request.masks == "reference"
    )
    sets = review.masks(ARMS[arm].masks for arm in request.arms)
    seed = f"Seed {first.plan.seed}"
    log.notices += [f"{seed}: {given.told}." for given in sets.values() if given.told]
    if Arm.IMIL in request.arms and not sets[Masks.MISPREDICTED].masks:
        log.notices.append(f"{seed}: without masks imil trains on exactly what control trains on.")
    return sets


def _clinician(request: Request) -> Clinician:
    """Return who masks."""
    if request.masks is None:
        return lambda _: None
    if request.replicated:
        return _reference(request.images)
    return _drawn(Path(request.masks), request.images)


def _reference(images: ImageSet) -> Clinician:
    """Return the simulated clinician: hides all that the reference mask calls irrelevant.

    Passes over an image without reference mask, and one whose mask no clinician could submit
    (nothing or nearly everything hidden).
    """

    def draw(sample_id: str) -> Region | None:
        relevant = images.reference_relevant(sample_id)
        try:
            return None if relevant is None else check_mask(~relevant, relevant.shape[:2])
        except MaskError:
            return None

    return draw


def _drawn(folder: Path, images: ImageSet) -> Clinician:
    """Return a clinician whose masks lie in a folder, as PNGs named like the images."""
    if not folder.is_dir():
        raise PlanError(
            f"There is no folder of masks “{folder.name}”.",
            why="--masks takes “reference” or a folder of PNGs named like the images.",
            fix="Check the path.",
        )
    by_stem = {PurePosixPath(sample.sample_id).stem: sample.sample_id for sample in images.samples}
    masks = {}
    for path in sorted(folder.glob("*.png")):
        sample_id = by_stem.get(path.stem)
        if sample_id is None:
            raise MaskError(
                f"The mask “{path.name}” belongs to no image.",
                why="A mask is matched to the image of the same name.",
                fix="Name each mask like its image, and leave the others out.",
            )
        shape = images.original(sample_id).shape[:2]
        try:
            masks[sample_id] = check_mask(read_region(path), shape)
        except MaskError as error:
            what = f"The mask “{path.name}” can't be used. {error.what}"
            raise MaskError(what, why=error.why, fix=error.fix) from error
    return masks.get


def _compare(
    request: Request,
    workspace: Workspace,
    arm_tasks: Mapping[int, tuple[TrainingTask, ...]],
    masked: Sequence[Mapping[Masks, MaskSet]],
    log: _Log,
) -> Round:
    trained: dict[Arm, Trained] = {
        arm: workspace.trained([tasks[i] for tasks in arm_tasks.values()], Split.TEST)
        for i, arm in enumerate(request.arms)
    }
    # The paper's arm names the count; where it is not compared, the largest set does.
    counts = tuple(
        len(sets[Masks.MISPREDICTED].masks)
        if Arm.IMIL in request.arms
        else max(len(given.masks) for given in sets.values())
        for sets in masked
    )
    setting = Setting(
        number=1,
        split=Split.TEST,
        seeds=request.seeds,
        seed_scope="replication" if request.replicated else "train_on",
        masked=counts * (1 if request.replicated else len(request.seeds)),
        allowed=workspace.allowed(request.plan),
        training_images=len(workspace.rows(Split.TRAIN)),
        test_openings=_count_opening(request, arm_tasks),
        notices=tuple(log.notices),
    )
    return compare(trained, workspace.samples(Split.TEST), setting)


def _count_opening(request: Request, arm_tasks: Mapping[int, tuple[TrainingTask, ...]]) -> int:
    """Return how often the test set was opened; the same comparison again is no new opening."""
    path = request.out / WORK / "test_openings.json"
    opened: list[list[str]] = json.loads(path.read_bytes()) if path.exists() else []
    this = sorted({str(t.folder.relative_to(request.out)) for ts in arm_tasks.values() for t in ts})
    if this not in opened:
        opened.append(this)
        write_atomic(path, json.dumps(opened).encode())
    return len(opened)


def _write_predictions(
    request: Request,
    workspace: Workspace,
    arm_tasks: Mapping[int, tuple[TrainingTask, ...]],
) -> None:
    """Keep each arm's answer to each test image, (seeds, N), for whoever wants to pool runs."""
    samples, rows = workspace.samples(Split.TEST), workspace.rows(Split.TEST)
    content = {"labels": request.images.labels[rows], "clusters": clusters_of(samples)}
    for place, arm in enumerate(request.arms):
        answers = [read_logits(tasks[place])[rows].argmax(1) for tasks in arm_tasks.values()]
        content[arm.value] = np.stack(answers)
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
    )
    write_atomic(request.out / "results.json", results_json(finished, about))
    write_atomic(request.out / "results.csv", results_csv(finished).encode())
    return finished
