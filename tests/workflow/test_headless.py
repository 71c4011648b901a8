from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.compute.pool import WorkerPool
from imil.core.arms import ARMS
from imil.core.films import film_set
from imil.core.images import ImageSet
from imil.core.metrics import Metric
from imil.core.records import Arm, Pixels, Plan, Region, Split
from imil.core.rounds import Round
from imil.core.splits import prove_disjoint
from imil.errors import MaskError, PlanError
from imil.workflow.headless import WORK, Request, run_study

from .conftest import FILMS, no_weights

pytestmark = pytest.mark.slow

FILM_SET = film_set(FILMS)
PLAN = Plan(size=32, epochs=1, epochs_after=1, batch_size=8, budget=0.1)
Run = Callable[[Request], Round]


def request(out: Path, *, images: ImageSet = FILM_SET) -> Request:
    return Request(
        images=images,
        proof=prove_disjoint(images.samples),
        plan=PLAN,
        arms=(Arm.CONTROL, Arm.IMIL),
        seeds=(0,),
        masks="reference",
        out=out,
        fetch_weights=no_weights,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    pool = WorkerPool(tmp_path_factory.mktemp("jobs"), workers=2)

    def go(asked: Request) -> Round:
        # Job names are those of one run: a pool of its own folder serves each in turn.
        pool._jobs.clear()
        return run_study(asked, pool)

    yield go
    pool.close()


def saved(out: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((out / "results.json").read_bytes())
    return content


def test_a_run_writes_the_results_with_all_that_was_set(run: Run, tmp_path: Path) -> None:
    run(replace(request(tmp_path), seeds=(0, 1)))

    found = saved(tmp_path)
    assert found["schema_version"] == 1
    assert found["seeds"] == [0, 1]
    assert found["seed_scope"] == "replication"
    assert found["test_openings"] == 1
    assert found["plan"]["epochs"] == 1  # type: ignore[index]  # JSON
    assert found["data"]["groups_disjoint"] is True  # type: ignore[index]  # JSON
    assert found["budget"] == {"share": 0.1, "allowed": 6, "painted": [6, 6]}
    assert set(found["arms"]) == {"control", "imil"}  # type: ignore[call-overload]  # JSON
    accuracy = found["paired"]["imil"]["accuracy"]  # type: ignore[index]  # JSON
    assert set(accuracy) == {"points", "low", "high", "verdict"}
    assert accuracy["verdict"] == "one_run"
    assert (tmp_path / "results.csv").read_text().startswith("arm,metric,split,seed,value\n")


def test_a_run_again_changes_nothing_and_opens_nothing(run: Run, tmp_path: Path) -> None:
    first = run(request(tmp_path))
    logits = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("logits.npy")}

    assert run(request(tmp_path)) == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("logits.npy")} == logits


def test_a_fresh_run_of_the_same_seed_gives_the_same_figures(run: Run, tmp_path: Path) -> None:
    first, second = (run(request(tmp_path / name)) for name in ("a", "b"))

    assert first.arms == second.arms
    assert first.paired == second.paired


def test_more_seeds_go_on_in_the_same_folder_and_count_as_an_opening(
    run: Run, tmp_path: Path
) -> None:
    one = run(request(tmp_path))
    two = run(replace(request(tmp_path), seeds=(0, 1)))

    assert two.arms[0].values[Metric.ACCURACY][0] == one.arms[0].values[Metric.ACCURACY][0]
    assert (one.test_openings, two.test_openings) == (1, 2)


def test_a_folder_of_another_run_is_refused(run: Run, tmp_path: Path) -> None:
    run(replace(request(tmp_path), arms=(Arm.CONTROL,)))

    with pytest.raises(PlanError, match=r"other settings or images.*another --out"):
        run(replace(request(tmp_path), plan=replace(PLAN, epochs=2)))


def test_masks_from_a_folder_are_a_clinicians_study(run: Run, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    irrelevant = np.zeros((48, 48), np.bool_)
    irrelevant[:12, :12] = True
    for row in FILM_SET.rows(Split.TRAIN):
        Image.fromarray(irrelevant).save(masks / f"{FILM_SET.samples[row].sample_id}.png")

    found = run(replace(request(tmp_path / "out"), masks=masks, seeds=(0, 1)))

    assert (found.seed_scope, found.masked) == ("train_on", (6, 6))


def test_every_arm_runs_and_those_not_named_beforehand_are_exploratory(
    run: Run, tmp_path: Path
) -> None:
    found = run(replace(request(tmp_path), arms=tuple(ARMS)))

    assert [arm.arm for arm in found.arms] == list(ARMS)
    arms = {arm.arm: arm.values for arm in found.arms}
    assert arms[Arm.PROPAGATED] != arms[Arm.CONTROL]
    assert {p.arm for p in found.paired if not p.exploratory} == {Arm.IMIL}
    told = " ".join(found.notices)
    assert "3 mispredicted, 0 random, 3 right for a wrong reason" in told
    assert "6 masks on random images" in told


def test_an_arm_without_masks_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=r"“imil” needs masks.*--masks reference"):
        run(replace(request(tmp_path), masks=None))
    assert not (tmp_path / WORK).exists()


def test_the_same_seed_twice_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"must be different numbers.*--seeds 0,1"):
        run(replace(request(tmp_path), seeds=(1, 1)))


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("film_unknown.png", (48, 48), r"belongs to no image.*Name each mask like its image"),
        ("film_0001.png", (20, 20), r"film_0001.png” can't be used.*20 x 20 px.*own size"),
    ],
)
def test_a_mask_that_fits_no_image_is_refused_by_name(
    run: Run, tmp_path: Path, name: str, shape: tuple[int, int], text: str
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(np.ones(shape, np.bool_)).save(masks / name)

    with pytest.raises(MaskError, match=text):
        run(replace(request(tmp_path / "out"), masks=masks))


def test_a_missing_folder_of_masks_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"no folder of masks.*Check the path"):
        run(replace(request(tmp_path), masks=tmp_path / "nowhere"))


def test_wrong_reference_masks_change_neither_queue_nor_control(run: Run, tmp_path: Path) -> None:
    def read_relevant(_: str) -> Region:
        wrong = np.ones((48, 48), np.bool_)
        wrong[20:30, 20:30] = False
        return wrong

    def read(sample_id: str) -> Pixels:
        return FILM_SET.original(sample_id)

    misled = ImageSet(
        FILM_SET.name,
        FILM_SET.classes,
        FILM_SET.samples,
        read=read,
        read_relevant=read_relevant,
        channels=1,
        mirrored=FILM_SET.mirrored,
    )

    right, wrong = run(request(tmp_path / "a")), run(request(tmp_path / "b", images=misled))

    assert right.arms[0] == wrong.arms[0]
    assert right.masked == wrong.masked
    assert right.arms[1].values != wrong.arms[1].values
