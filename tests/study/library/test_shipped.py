from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL
from imil.core.images import working_image
from imil.core.records import Queue, Split
from imil.core.training.fit import predict, restore
from imil.errors import StoreError
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import this_machine
from imil.jobs.training.task import run_task
from imil.report.parts.markup import ASSETS
from imil.storage.codec import decode_checkpoint
from imil.storage.local import LocalStore
from imil.study.library import demo_training
from imil.study.library.demo import Hint, shortcut_figures
from imil.study.library.demo_training import TrainedDemo, make_trained_demo, read_trained_demo
from imil.study.library.studies import DEMO, Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec, film_set
from tests.standins.visitors import no_weights
from tests.study.conftest import finish

SHIPPED = ASSETS / "demo"
# What a Space may carry without further ado.
MOST_BYTES = 10_000_000
FILMS = FilmSpec(images=60, size=48, shortcut=0.95)


# ---- the files that are shipped -----------------------------------------------------------------


def test_the_shipped_training_is_of_the_films_and_the_plan_of_today() -> None:
    # If this fails, its error says how to make the files again.
    trained = read_trained_demo(SHIPPED, DEMO)

    assert trained is not None, demo_training.MAKE_AGAIN
    assert trained.films == DEMO


def test_the_shipped_files_are_small_and_all_of_them_are_listed() -> None:
    trained = read_trained_demo(SHIPPED, DEMO)
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]

    assert trained is not None
    names = {path.relative_to(SHIPPED).as_posix() for path in files}
    assert names == {*trained.files, "about.json"}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_the_shipped_weights_say_of_films_drawn_now_what_the_shipped_scores_say() -> None:
    # Films that changed without a new version would be found here.
    plan, state, curves = decode_checkpoint((SHIPPED / "checkpoint.safetensors").read_bytes())
    films, scores = film_set(DEMO), np.load(SHIPPED / "logits.npy")
    rows = np.arange(0, len(films), 97)
    drawn = [films.original(films.samples[row].sample_id) for row in rows]
    working = np.stack([working_image(each, size=plan.size, channels=1) for each in drawn])

    said = predict(restore(plan, state), working).numpy()

    # No machine rounds like another: the bits are promised on one machine type alone.
    np.testing.assert_allclose(said, scores[rows], atol=1e-2)
    assert [epoch.epoch for epoch in curves] == [1, 2, 3, 4, 5, 6]


def test_the_story_of_the_demo_is_true_of_the_model_that_is_shipped() -> None:
    scores, films = np.load(SHIPPED / "logits.npy"), film_set(DEMO)
    rows = films.rows(Split.VALIDATION)
    right = scores[rows].argmax(1) == films.labels[rows]
    misled = np.array([films.samples[row].group == "marker disagrees" for row in rows])

    told = shortcut_figures({"kind": "demo"}, films, scores)

    assert told is not None
    assert (told.right, told.misled_right) == (right.mean(), right[misled].mean())
    assert (told.films, told.misled_films) == (len(rows), misled.sum())
    assert told.reads_marker


def test_a_model_that_reads_no_marker_and_another_study_have_no_story() -> None:
    films = film_set(replace(FILMS, shortcut=0.5))
    perfect = np.eye(2, dtype=np.float32)[films.labels]

    told = shortcut_figures({"kind": "demo"}, films, perfect)

    assert told is not None
    assert not told.reads_marker
    assert shortcut_figures({"kind": "archive"}, films, perfect) is None


def test_a_mask_covers_the_marker_where_it_hides_most_of_it() -> None:
    irrelevant = np.zeros((100, 100), np.bool_)
    hint = Hint((0.80, 0.10, 0.10))

    assert not hint.covered_by(irrelevant)
    irrelevant[10:14, 80:90] = True
    assert not hint.covered_by(irrelevant)
    irrelevant[10:19, 78:95] = True
    assert hint.covered_by(irrelevant)
    assert not Hint(None).covered_by(irrelevant)


def test_the_first_film_that_is_offered_carries_the_marker() -> None:
    scores, films = np.load(SHIPPED / "logits.npy"), film_set(DEMO)
    rows = films.rows(Split.TRAIN)
    shares = np.exp(scores[rows]) / np.exp(scores[rows]).sum(axis=1, keepdims=True)

    worst = rows[np.argmin(shares[np.arange(len(rows)), films.labels[rows]])]

    assert films.samples[worst].label == 0
    assert films.samples[worst].group == "marker disagrees"


@pytest.mark.soak
def test_the_shipped_training_is_made_again_bit_by_bit_on_its_machine_type(tmp_path: Path) -> None:
    trained = read_trained_demo(SHIPPED, DEMO)

    again = make_trained_demo(tmp_path / "again", DEMO, on_progress=lambda *_: None)

    assert trained is not None
    if trained.made_on == this_machine():
        assert again.files == trained.files
    scores = [np.load(folder / "logits.npy") for folder in (SHIPPED, tmp_path / "again")]
    agree = (scores[0].argmax(axis=1) == scores[1].argmax(axis=1)).mean()
    assert agree > 0.9  # elsewhere it is another training of the same kind


# ---- a study that begins with them --------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TrainedDemo:
    out = tmp_path_factory.mktemp("made") / "demo"
    return make_trained_demo(out, FILMS, on_progress=lambda *_: None)


@pytest.fixture(scope="module")
def studies(made: TrainedDemo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studies]:
    home = tmp_path_factory.mktemp("home")
    pool = WorkerPool(home / "jobs")
    tools = Services(LocalStore(home / "state"), pool, no_weights)
    yield Studies(home / "work", tools, demo=FILMS, trained=made)
    pool.close()


@pytest.fixture(scope="module")
def study(studies: Studies) -> Study:
    return studies.demo()


def test_a_fresh_demo_offers_its_outliers_at_once(study: Study) -> None:
    status = study.training.status()

    assert study.training.started
    assert status.state == "done"
    assert len(status.curves) == study.plan.epochs
    assert {Queue.MISPREDICTED, Queue.LABEL_SUSPECT} <= set(study.queues.counts())


def test_another_plan_begins_with_an_untrained_demo(studies: Studies) -> None:
    study = studies.demo(trained=False)

    study.training.set_plan(replace(study.plan, epochs=2))

    assert not study.training.started
    assert study.training.status().state is None


@pytest.mark.slow
def test_arms_trained_on_from_the_shipped_files_are_those_of_a_training_made_here(
    studies: Studies, made: TrainedDemo
) -> None:
    given, own = studies.demo(), studies.demo(trained=False)
    own.training.set_plan(made.plan)
    own.training.start()
    finish(own.training.status)

    control = []
    for study in (given, own):
        study.context.workspace.make_ready(study.plan)
        task = study.context.workspace.arm_task(
            study.training.task, CONTROL, seed=0, masks_key=None
        )
        for _ in run_task(task, should_stop=lambda: False):
            pass
        control.append(task)

    first = [study.training.task.checkpoint.read_bytes() for study in (given, own)]
    assert first[0] == first[1]
    assert control[0].checkpoint.read_bytes() == control[1].checkpoint.read_bytes()
    assert np.array_equal(np.load(control[0].logits), np.load(control[1].logits))


@pytest.mark.slow
def test_a_comparison_can_follow_at_once_and_draws_its_working_images_itself(
    studies: Studies,
) -> None:
    study = studies.demo()
    sample = study.queues.offers()[0].sample_id
    irrelevant = np.zeros(study.pictures.original(sample).shape, np.bool_)
    irrelevant[:8, :8] = True
    study.review.submit(sample, irrelevant, reader="r", seconds=1.0)

    study.comparison.start()
    finish(study.comparison.status)

    assert study.results.current() is not None


@pytest.mark.slow
def test_masks_of_other_queues_alone_can_be_compared_and_it_is_said_that_imil_has_none(
    studies: Studies,
) -> None:
    study = studies.demo()
    wrong = {offer.sample_id for offer in study.queues.offers()}
    sample = next(
        o.sample_id for o in study.queues.offers(Queue.RANDOM) if o.sample_id not in wrong
    )
    irrelevant = np.zeros(study.pictures.original(sample).shape, np.bool_)
    irrelevant[:8, :8] = True
    study.review.submit(sample, irrelevant, reader="r", seconds=1.0, queue=Queue.RANDOM)

    study.comparison.start()
    finish(study.comparison.status)

    found = study.results.current()
    assert found is not None
    assert any("No masked image was opened as mispredicted" in each for each in found.notices)


def test_what_was_drawn_beforehand_is_what_the_study_shows(studies: Studies, study: Study) -> None:
    studies.draw_demo()

    assert study.training.task.images.exists()


def test_what_needs_working_images_draws_them_where_nobody_did_before(
    made: TrainedDemo, tmp_path: Path
) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    tools = Services(LocalStore(tmp_path / "state"), pool, no_weights)
    corner = np.zeros((FILMS.size, FILMS.size), np.bool_)
    corner[:12, -12:] = True
    steps: list[Callable[[Study], object]] = [
        lambda study: study.model.saliency(study.queues.offers(Queue.RANDOM)[0].sample_id, None),
        lambda study: study.predictions.of().learn(),
        lambda study: study.queues.offers(Queue.WRONG_REASON),
    ]
    for number, step in enumerate(steps):
        study = Studies(tmp_path / f"work-{number}", tools, demo=FILMS, trained=made).demo()
        for offer in study.queues.offers(Queue.RANDOM)[:2]:
            study.review.submit(
                offer.sample_id, corner, reader="r", seconds=1.0, queue=Queue.RANDOM
            )

        step(study)
    pool.close()


def test_a_study_whose_folder_is_lost_is_laid_out_again_not_trained(
    made: TrainedDemo, tmp_path: Path
) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    tools = Services(LocalStore(tmp_path / "state"), pool, no_weights)
    before = Studies(tmp_path / "work", tools, demo=FILMS, trained=made).demo()

    after = Studies(tmp_path / "other", tools, demo=FILMS, trained=made).open(before.study_id)
    pool.close()

    assert after.training.status().state == "done"
    assert (
        after.training.task.checkpoint.read_bytes() == before.training.task.checkpoint.read_bytes()
    )


def test_no_one_can_guess_the_id_of_a_study(studies: Studies) -> None:
    ids = {studies.demo().study_id for _ in range(3)}

    assert len(ids) == 3
    assert all(len(study_id) == 32 for study_id in ids)


# ---- files that can't be used -------------------------------------------------------------------


def test_where_nothing_is_shipped_there_is_no_trained_demo(tmp_path: Path) -> None:
    assert read_trained_demo(tmp_path, DEMO) is None


def test_a_training_of_other_films_is_refused_and_says_how_to_make_it_again(
    made: TrainedDemo,
) -> None:
    other = replace(FILMS, seed=7)

    with pytest.raises(StoreError, match="out of date") as caught:
        read_trained_demo(made.folder, other)

    assert "“make demo”" in caught.value.fix


@pytest.mark.parametrize("name", ["films_version", "plan"])
def test_films_drawn_in_another_way_and_another_plan_are_out_of_date(
    made: TrainedDemo, tmp_path: Path, name: str
) -> None:
    about = json.loads((made.folder / "about.json").read_text())
    other = {"films_version": 99, "plan": about["plan"] | {"epochs": 7}}
    copy(made, tmp_path / "demo", about | {name: other[name]})

    with pytest.raises(StoreError, match="out of date"):
        read_trained_demo(tmp_path / "demo", FILMS)


def test_a_file_that_was_changed_is_found(made: TrainedDemo, tmp_path: Path) -> None:
    copy(made, tmp_path / "demo", json.loads((made.folder / "about.json").read_text()))
    (tmp_path / "demo" / "logits.npy").write_bytes(b"version https://git-lfs.github.com/spec/v1")

    with pytest.raises(StoreError, match=r"logits\.npy is not the file that was made"):
        read_trained_demo(tmp_path / "demo", FILMS)


def test_a_missing_file_is_found(made: TrainedDemo, tmp_path: Path) -> None:
    copy(made, tmp_path / "demo", json.loads((made.folder / "about.json").read_text()))
    (tmp_path / "demo" / "checkpoint.safetensors").unlink()

    with pytest.raises(StoreError, match="can't be read whole"):
        read_trained_demo(tmp_path / "demo", FILMS)


def copy(made: TrainedDemo, out: Path, about: dict[str, object]) -> None:
    for name in made.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes((made.folder / name).read_bytes())
    (out / "about.json").write_text(json.dumps(about))
