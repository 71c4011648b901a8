from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.arms.registry import ARMS, parse_arms, with_readers
from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Round
from imil.core.external.distribution import check_distribution
from imil.core.images import ImageSet
from imil.core.records import Arm, Deployment, Pixels, Plan, Precision, Region, Selection, Split
from imil.core.splits import prove_disjoint
from imil.errors import DataError, MaskError, PlanError
from imil.jobs.pool import WorkerPool
from imil.storage.codec import decode_masks
from imil.storage.records.studies import round_to_json
from imil.storage.values import to_json
from imil.study.batch.clinicians import readers_in
from imil.study.batch.runner import WORK, Request, run_study, settled_plan
from imil.study.comparison.external import ExternalImages, set_key
from imil.synthetic.films import film_set
from tests.standins.visitors import no_weights
from tests.study.conftest import FILMS

pytestmark = pytest.mark.slow

FILM_SET = film_set(FILMS)
PLAN = Plan(size=32, epochs=1, epochs_after=1, batch_size=8, budget=0.1)
Run = Callable[[Request], Round]


def request(out: Path, *, images: ImageSet = FILM_SET) -> Request:
    return Request(
        images=images,
        proof=prove_disjoint(images.samples),
        plan=PLAN,
        arms=parse_arms((Arm.CONTROL, Arm.IMIL)),
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
    assert found["budget"] == {"share": 0.1, "allowed": 6, "painted": [6, 6], "origins": {}}
    assert set(found["arms"]) == {"control", "imil"}  # type: ignore[call-overload]  # JSON
    accuracy = found["paired"]["imil"]["accuracy"]  # type: ignore[index]  # JSON
    figures = {"points", "low", "high", "level", "p", "visible_from"}
    assert set(accuracy) == figures | {"verdict"}
    paired = found["paired"]["imil"]  # type: ignore[index]  # JSON
    assert set(paired["independent_balanced_accuracy"]) == figures
    assert paired["verdict"] == {
        "word": "too_early_to_say",
        "without_the_shortcut": "too_early_to_say",
        "on_images_like_these": "too_early_to_say",
    }
    assert paired["exploratory"] is False
    assert found["deployment"] == "unsure"
    assert len(found["arms"]["imil"]["independent_balanced_accuracy"]) == 2  # type: ignore[index]  # JSON
    assert len(paired["mcnemar"]) == 2
    assert set(paired["swapped_accuracy"]) == {"points", "low", "high"}
    assert found["swapped_by"] == "reference"
    assert set(found["operating_points"]) == {"control", "imil"}  # type: ignore[call-overload]  # JSON
    assert found["doses"] == {}
    assert (tmp_path / "results.csv").read_text().startswith("arm,metric,split,seed,value\n")


def test_a_folder_keeps_the_arithmetic_that_its_run_began_with(tmp_path: Path) -> None:
    asked = replace(request(tmp_path), plan=replace(PLAN, precision=Precision.AUTO))
    # As an older version left it, on another processor.
    began = {**asdict(PLAN), "precision": "bf16", "channels_last": False}
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "arithmetic.json").write_text(json.dumps({"plan": began, "told": "Tried."}))

    plan = settled_plan(asked)

    assert (plan.precision, plan.channels_last) == (Precision.BF16, False)


def test_a_run_again_changes_nothing_and_opens_nothing(run: Run, tmp_path: Path) -> None:
    first = run(request(tmp_path))
    logits = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("logits.npy")}

    # As JSON: a figure that can't be given is NaN, which equals nothing.
    assert round_to_json(run(request(tmp_path))) == round_to_json(first)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("logits.npy")} == logits


def test_a_fresh_run_of_the_same_seed_gives_the_same_figures(run: Run, tmp_path: Path) -> None:
    first, second = (run(request(tmp_path / name)) for name in ("a", "b"))

    assert to_json(first.arms) == to_json(second.arms)
    assert first.paired == second.paired


def test_more_seeds_go_on_in_the_same_folder_and_count_as_an_opening(
    run: Run, tmp_path: Path
) -> None:
    one = run(request(tmp_path))
    two = run(replace(request(tmp_path), seeds=(0, 1)))

    assert two.arms[0].values[Metric.ACCURACY][0] == one.arms[0].values[Metric.ACCURACY][0]
    assert (one.test_openings, two.test_openings) == (1, 2)


def test_a_folder_of_another_run_is_refused(run: Run, tmp_path: Path) -> None:
    run(replace(request(tmp_path), arms=parse_arms((Arm.CONTROL,))))

    with pytest.raises(PlanError, match=r"other settings or images.*another --out"):
        run(replace(request(tmp_path), plan=replace(PLAN, epochs=2)))
    # Nor is it said otherwise where the model will work, once the results are known.
    with pytest.raises(PlanError, match=r"other settings or images"):
        run(replace(request(tmp_path), deployment=Deployment.ELSEWHERE))


def test_a_folder_of_an_older_version_goes_on_as_one_that_was_unsure(
    run: Run, tmp_path: Path
) -> None:
    asked = replace(request(tmp_path), arms=parse_arms((Arm.CONTROL,)))
    run(asked)
    settings = tmp_path / WORK / "settings.json"
    saved = json.loads(settings.read_bytes())
    del saved["deployment"]
    settings.write_text(json.dumps(saved))

    assert run(asked).test_openings == 1


def test_masks_from_a_folder_are_a_clinicians_study(run: Run, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    irrelevant = np.zeros((48, 48), np.bool_)
    irrelevant[:12, :12] = True
    for row in FILM_SET.rows(Split.TRAIN):
        Image.fromarray(irrelevant).save(masks / f"{FILM_SET.samples[row].sample_id}.png")

    found = run(replace(request(tmp_path / "out"), masks=masks, seeds=(0, 1)))

    assert (found.seed_scope, found.masked) == ("train_on", (6, 6))


def test_a_folder_of_masks_a_reader_is_pooled_and_each_reader_compared(
    run: Run, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    rows = FILM_SET.rows(Split.TRAIN)[:3]
    for reader, own, side in (("Ada", rows, 10), ("Bo", rows[:2], 20)):
        (masks / reader).mkdir(parents=True)
        for row in own:
            sample_id = FILM_SET.samples[row].sample_id
            irrelevant = np.zeros(FILM_SET.original(sample_id).shape, np.bool_)
            irrelevant[:side, :10] = True
            Image.fromarray(irrelevant).save(masks / reader / f"{sample_id}.png")
    asked = replace(
        request(tmp_path / "out"),
        masks=masks,
        arms=with_readers((CONTROL, IMIL), readers_in(str(masks))),
        pooling="intersection",
    )

    found = run(asked)

    assert [arm.arm for arm in found.arms][-2:] == ["imil@Ada", "imil@Bo"]
    assert (found.readers, found.pooling) == (("Ada", "Bo"), "intersection")
    assert "Masks of 2 readers (Ada, Bo), pooled by intersection" in " ".join(found.notices)
    told = json.loads((tmp_path / "out" / "results.json").read_bytes())
    assert told["masks_of"] == {"readers": ["Ada", "Bo"], "pooling": "intersection"}

    with pytest.raises(PlanError, match=r"Nobody named “Cy”.*Name one of: Ada, Bo"):
        run(replace(asked, arms=parse_arms(("control", "imil@Cy"))))
    Image.fromarray(irrelevant).save(masks / "stray.png")
    with pytest.raises(PlanError, match=r"holds masks beside folders.*folder of their reader"):
        run(asked)


def test_every_arm_runs_and_those_not_named_beforehand_are_exploratory(
    run: Run, tmp_path: Path
) -> None:
    found = run(replace(request(tmp_path), arms=tuple(map(Variant, ARMS))))

    assert [arm.arm.arm for arm in found.arms] == list(ARMS)
    arms = {arm.arm.arm: arm.values for arm in found.arms}
    assert arms[Arm.PROPAGATED] != arms[Arm.CONTROL]
    assert {p.arm for p in found.paired if not p.exploratory} == {IMIL}
    told = " ".join(found.notices)
    assert "3 mispredicted, 0 random, 3 right for a wrong reason" in told
    assert "6 masks on random images" in told


@pytest.mark.parametrize("selection", [Selection.PERSISTENT, Selection.OUT_OF_FOLD])
def test_how_the_mispredicted_were_found_is_recorded_and_leaves_control_as_it_is(
    run: Run, tmp_path: Path, selection: Selection
) -> None:
    plain = run(request(tmp_path))

    found = run(replace(request(tmp_path), selection=selection))

    assert saved(tmp_path)["outliers"] == selection.value
    assert found.arms[0].values == plain.arms[0].values
    assert any(told.startswith("Mispredicted images were") for told in found.notices)
    folds = list(tmp_path.rglob("fold-*/logits.npy"))
    assert len(folds) == (3 if selection is Selection.OUT_OF_FOLD else 0)


def test_a_queue_that_starves_is_filled_with_out_of_fold_images_and_says_so(
    run: Run, tmp_path: Path
) -> None:
    """Of a budget that in-sample images don't fill; else nothing is trained and all stays."""
    plan = replace(PLAN, epochs=12, budget=0.7)
    asked = replace(request(tmp_path / "a"), plan=plan)
    alone = run(asked)

    filled = run(replace(asked, out=tmp_path / "b", selection=Selection.FILLED))
    enough = run(replace(request(tmp_path / "c"), selection=Selection.FILLED))

    assert alone.allowed == 42
    assert alone.masked[0] < filled.masked[0] <= 42
    assert any("more were found out-of-fold" in told for told in filled.notices)
    assert len(list((tmp_path / "b").rglob("fold-*/logits.npy"))) == 3
    assert filled.arms[0].values == alone.arms[0].values
    assert enough.masked == (6,)
    assert list((tmp_path / "c").rglob("fold-*/logits.npy")) == []


def test_a_simulated_reader_relabels_suspects_and_masks_stay_as_they_are(
    run: Run, tmp_path: Path
) -> None:
    noisy = film_set(replace(FILMS, label_noise=0.3))
    plan = replace(PLAN, epochs=2, budget=0.5)
    asked = replace(request(tmp_path, images=noisy), plan=plan)
    plain = run(asked)

    found = run(replace(asked, arms=parse_arms(("control", "imil", "relabel", "drop"))))

    assert [arm.values for arm in found.arms[:2]] == [arm.values for arm in plain.arms]
    assert found.masked == plain.masked
    told = next(notice for notice in found.notices if "relabelled" in notice)
    assert "0 excluded. Only relabel and drop learned from that, without masks" in told
    assert len({str(arm.values) for arm in found.arms}) > 2


def test_decisions_from_a_file_serve_a_study_without_known_labels(run: Run, tmp_path: Path) -> None:
    unknown = ImageSet(
        FILM_SET.name, FILM_SET.classes, FILM_SET.samples, read=FILM_SET.original, channels=1
    )
    first = FILM_SET.samples[FILM_SET.rows(Split.TRAIN)[0]].sample_id
    asked = replace(
        request(tmp_path / "out", images=unknown), arms=parse_arms(("control", "drop")), masks=None
    )
    with pytest.raises(PlanError, match=r"“drop” needs decisions on labels.*--triage"):
        run(asked)
    (tmp_path / "triage.csv").write_text(f"file_name,label\n{first},\n")

    found = run(replace(asked, triage=tmp_path / "triage.csv"))

    assert [arm.arm for arm in found.arms] == ["control", "drop"]
    assert any("1 excluded" in notice for notice in found.notices)


def test_predicted_masks_that_nobody_confirmed_are_used_said_and_written(
    run: Run, tmp_path: Path
) -> None:
    asked = replace(request(tmp_path), arms=parse_arms((Arm.CONTROL, Arm.PROPAGATED)), seeds=(0, 1))

    found = run(asked)

    told = " ".join(found.notices)
    assert "Seed 1: 6 masks" in told
    assert "left out, a guess reaches 0.50), and nobody confirmed it." in told
    records = decode_masks((tmp_path / "predicted_masks.parquet").read_bytes())
    assert len(records) == 2 * len(FILM_SET.rows(Split.TRAIN))
    assert {record.study for record in records} == {"seed 0, propagated", "seed 1, propagated"}
    assert {(record.origin, record.reader) for record in records} == {("predicted", "model")}


def test_arms_that_use_no_prediction_write_none_and_need_none(run: Run, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    left = np.zeros((48, 48), np.bool_)
    left[:, :24] = True
    for place, row in enumerate(FILM_SET.rows(Split.TRAIN)):
        against = left if place % 2 else ~left
        Image.fromarray(against).save(masks / f"{FILM_SET.samples[row].sample_id}.png")
    asked = replace(
        request(tmp_path / "out"), masks=masks, arms=parse_arms((Arm.CONTROL, Arm.COUNTEREXAMPLE))
    )

    run(asked)

    assert not list((tmp_path / "out").glob("*.parquet"))


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

    assert right.arms[0].figures == wrong.arms[0].figures
    assert right.arms[0].curves == wrong.arms[0].curves
    assert right.masked == wrong.masked
    assert right.arms[1].values != wrong.arms[1].values


def test_an_arm_is_recommended_from_swapped_validation_images(run: Run, tmp_path: Path) -> None:
    finished = run(replace(request(tmp_path), arms=parse_arms(("control", "imil", "propagated"))))

    content = saved(tmp_path)
    assert content["recommended"] == finished.recommended
    candidates = content["candidates"]
    assert set(candidates) == {"control", "imil", "propagated"}  # type: ignore[call-overload]  # JSON
    assert candidates["propagated"]["masks"] == 6  # type: ignore[index]  # JSON
    control = content["arms"]["control"]  # type: ignore[index]  # JSON
    named = {"swapped_accuracy", "flip_rate", "wrong_reason_share", "pointing_game"}
    assert named < set(control)
    assert finished.swapped_by == "reference"
    assert finished.mask_only is not None


def test_one_mask_recommends_nothing_and_says_why(run: Run, tmp_path: Path) -> None:
    few = replace(request(tmp_path), plan=replace(PLAN, budget=0.01))

    finished = run(few)

    assert finished.recommended is None
    assert any("no arm can be recommended: fewer than two" in n for n in finished.notices)
    # In a simulated study reference masks still say what to swap in the test images.
    assert finished.swapped_by == "reference"


def test_masks_of_a_folder_swap_what_they_predict(run: Run, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for row in FILM_SET.rows(Split.TRAIN):
        sample_id = FILM_SET.samples[row].sample_id
        relevant = FILM_SET.reference_relevant(sample_id)
        assert relevant is not None
        Image.fromarray(~relevant).save(masks / f"{sample_id}.png")

    finished = run(replace(request(tmp_path / "out"), masks=masks))

    assert finished.swapped_by == "predicted"
    assert finished.recommended in {"control", "imil"}


def test_smaller_shares_are_compared_beside_the_budget(run: Run, tmp_path: Path) -> None:
    finished = run(
        replace(request(tmp_path), arms=parse_arms(("control", "imil", "imil+2%", "imil+20%")))
    )

    assert [arm.masks for arm in finished.arms[1:]] == [(6,), (2,), (12,)]


def test_the_weight_of_the_penalty_is_chosen_on_validation(run: Run, tmp_path: Path) -> None:
    finished = run(replace(request(tmp_path), arms=parse_arms(("control", "right_reason"))))

    assert [arm.arm for arm in finished.arms] == ["control", "right_reason"]
    assert any("of 1, 10, 100, 1000, chosen on validation" in n for n in finished.notices)


def test_a_group_that_some_images_lack_is_refused_before_training(run: Run, tmp_path: Path) -> None:
    samples = [replace(s, group=None) if i == 3 else s for i, s in enumerate(FILM_SET.samples)]
    partly = ImageSet(
        "partly", FILM_SET.classes, samples, read=FILM_SET.original, channels=1, mirrored=False
    )

    with pytest.raises(DataError, match=r"1 of .* images have no group.*Fill in the column"):
        run(request(tmp_path, images=partly))


def elsewhere(folder: Path, *, name: str = "Graz") -> ExternalImages:
    films = film_set(replace(FILMS, seed=7))
    samples = [replace(sample, split=Split.TEST) for sample in films.samples]
    images = ImageSet(name, films.classes, samples, read=films.original, channels=1)
    check = check_distribution(images, FILM_SET)
    return ExternalImages(name, set_key(images), images, folder / name, check)


def test_an_external_set_is_opened_with_the_test_set_and_has_figures_of_its_own(
    run: Run, tmp_path: Path
) -> None:
    asked = replace(request(tmp_path), seeds=(0, 1), external=(elsewhere(tmp_path),))

    found = run(asked).external[0]

    graz = saved(tmp_path)["external"]["Graz"]  # type: ignore[index]  # JSON
    assert graz["images"] == found.images == len(asked.external[0].images)
    assert set(graz["arms"]) == {"control", "imil"}
    assert len(graz["arms"]["imil"]["auroc"]) == 2
    assert {"accuracy", "balanced_accuracy", "auroc", "verdict"} <= set(graz["paired"]["imil"])
    assert set(graz["at_validation_threshold"]) == {"control", "imil"}
    assert graz["check"]["near_duplicates"] == 0
    assert "imil,accuracy,external: Graz,1," in (tmp_path / "results.csv").read_text()
    with np.load(tmp_path / "predictions.npz") as kept:
        assert kept["external.0.imil"].shape == (2, found.images, 2)


def test_an_external_set_changes_no_figure_of_the_test_set(run: Run, tmp_path: Path) -> None:
    alone = run(request(tmp_path / "a"))

    beside = run(replace(request(tmp_path / "b"), external=(elsewhere(tmp_path),)))

    assert to_json(beside.arms) == to_json(alone.arms)
    assert beside.paired == alone.paired


def test_a_set_that_is_added_later_is_one_more_opening(run: Run, tmp_path: Path) -> None:
    run(request(tmp_path))

    found = run(replace(request(tmp_path), external=(elsewhere(tmp_path),)))

    assert found.test_openings == 2
