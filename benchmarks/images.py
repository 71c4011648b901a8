"""The benchmark of the method on real images with reference masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.charts import image_plots
from benchmarks.table import images_table
from benchmarks.targets import image_targets
from imil.core.arms.variants import CONTROL, IMIL, RegionSource, Variant
from imil.core.images import ImageSet
from imil.core.records import Arm, Split
from imil.errors import DataError, PlanError
from imil.jobs.pool import WorkerPool
from imil.storage.local import write_atomic
from imil.study.batch.runner import Request, run_study

ARMS_BY_DEFAULT = (
    CONTROL,
    IMIL,
    Variant(Arm.COUNTEREXAMPLE),
    Variant(Arm.PROPAGATED),
    Variant(Arm.UPWEIGHT),
    *(
        Variant(arm, region=region)
        for arm in (Arm.FOCUS, Arm.FOCUS_BLEND)
        for region in (None, RegionSource.DISC, RegionSource.TEMPLATE, RegionSource.SHUFFLED)
    ),
)
BENCH_SCHEMA = 3


def run_images(
    request: Request, pool: WorkerPool, *, on_progress: Callable[[str, float, float | None], None]
) -> dict[str, Any]:
    """Run or finish the study; write `bench.json`, `bench.md` and plots, and return the JSON.

    Args:
        request: what to run, with reference masks.
        pool: where the segments train.
        on_progress: told (step, share 0-1, seconds left or None) a few times a second.

    Raises:
        DataError: no training image has a reference mask.
        ImilError: see `run_study`.
    """
    check_reference(request.images)
    run_study(request, pool, on_progress=on_progress)
    content = images_content(json.loads((request.out / "results.json").read_bytes()))
    write_atomic(request.out / "bench.json", json.dumps(content, indent=1).encode())
    write_atomic(request.out / "bench.md", images_table(content).encode())
    for name, svg in image_plots(content).items():
        write_atomic(request.out / name, svg.encode())
    return content


def settings_of(data: Sequence[str], out: Path) -> dict[str, Path]:
    """Return from each set of images the folder of its results: `out`, or one in it for each.

    Args:
        data: paths, or `NAME=PATH` where there are several.
        out: of all results.

    Raises:
        PlanError: one of several has no name, or two have the same.
    """
    if len(data) == 1:
        name, _, path = data[0].partition("=")
        return {path if path and name.isidentifier() else data[0]: out}
    named = [each.partition("=") for each in data]
    names = [name for name, _, path in named if path and name.isidentifier()]
    if len(set(names)) < len(data):
        raise PlanError(
            "Each of several sets of images needs a name of its own.",
            why="Their results lie in folders of these names.",
            fix="Write --data NAME=PATH for each; a name has letters, digits and “_”.",
        )
    return {path: out / name for name, _, path in named}


def check_reference(images: ImageSet) -> None:
    """Raise DataError unless a training image has a reference mask; the first found ends it."""
    training = (s.sample_id for s in images.samples if s.split is Split.TRAIN)
    if all(images.reference_relevant(sample_id) is None for sample_id in training):
        raise DataError(
            f"“{images.name}” has no reference masks.",
            why="A benchmark needs a simulated clinician, who paints what a reference mask leaves.",
            fix="Add a column relevant_file_name to metadata.csv (white = relevant), or compare "
            "painted masks with the command run.",
        )


def images_content(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return `bench.json` from the study's `results.json`."""
    whole = results["round"]
    masks = {arm["arm"]: max(arm.get("masks") or [0]) for arm in whole["arms"]}
    swapped = {paired["arm"]: paired.get("swapped") or {} for paired in whole["paired"]}
    verdicts = {paired["arm"]: paired["verdict"] for paired in whole["paired"]}
    painted, training = max(whole["masked"]), whole["training_images"]
    study = {
        "images": whole["images"],
        "seeds": results["seeds"],
        "seed_scope": results["seed_scope"],
        "majority_rate": whole["majority_rate"],
        "training_images": training,
        "masked": painted,
        "arms": results["arms"],
        "masks": masks,
        "paired": {
            arm: {
                "against": CONTROL,
                **{name: each for name, each in found.items() if isinstance(each, dict)},
                "verdict": verdicts[arm],
                "swapped": swapped[arm],
            }
            for arm, found in results["paired"].items()
        },
        "recommended": results["recommended"],
        "swapped_by": whole.get("swapped_by"),
        "mask_only": whole.get("mask_only"),
    }
    most = max([painted, *masks.values()])
    return {
        "schema_version": BENCH_SCHEMA,
        "data": results["data"],
        "plan": results["plan"],
        "study": study,
        "targets": [asdict(t) for t in image_targets(study, share_masked=most / training)],
        "seconds": results["seconds"],
        "notices": results["notices"],
        "versions": results["versions"],
    }
