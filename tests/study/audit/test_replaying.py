from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.core.records import Deployment, Precision
from imil.errors import StoreError
from imil.storage.codec import decode_checkpoint, plan_from_json
from imil.storage.records.acts import ActKind, act_file
from imil.storage.records.runs import decode_run_rows
from imil.study.audit.replay import Replay, replay
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.standins.visitors import no_weights
from tests.study.conftest import Machine, finish
from tests.study.library.test_studyzip import Files, rezipped

SPLITS = ("validation", "test")


def silent(step: str, share: float) -> None:
    del step, share


def again(path: Path, work: Path) -> Replay:
    return replay(path, work, fetch_weights=no_weights, on_progress=silent)


def forge(files: Files, name: str, content: bytes) -> None:
    """Change a file, and the digest that the zip has of it."""
    about = json.loads(files["imil-study.json"])
    about["files"][name] = hashlib.sha256(content).hexdigest()
    files |= {name: content, "imil-study.json": json.dumps(about).encode()}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Study, Path]]:
    """A tiny study that was trained, masked, compared and opened on test; and its zip."""
    home = tmp_path_factory.mktemp("home")
    machine = Machine(home)
    study = machine.studies.demo()
    plan = replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1)
    study.training.set_plan(replace(plan, precision=Precision.AUTO))
    study.training.set_deployment(Deployment.ELSEWHERE)
    study.training.start()
    finish(study.training.status)
    for offer in study.queues.offers()[:2]:
        drawn = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, drawn, reader="dr", seconds=3)
    study.comparison.start(arms=("imil",))
    finish(study.comparison.status)
    study.results.current()
    study.comparison.open_test_set()
    path = home / "study.zip"
    study.export(path)
    yield study, path
    machine.pool.close()


@pytest.mark.slow
def test_every_training_of_a_study_is_in_its_table_once(packed: tuple[Study, Path]) -> None:
    study, _ = packed
    store = study.context.services.store
    names = [n for n in store.of_study(study.study_id) if n.startswith("data/runs/")]

    rows = [row for name in names for row in decode_run_rows(store.read(name) or b"")]

    told = [(row.round, row.arm, row.seed, row.epoch, row.masks) for row in rows]
    assert told == [(0, "first", 0, 1, 0), (1, "control", 0, 1, 0), (1, "imil", 0, 1, 2)]
    assert rows[0].validation_accuracy == study.training.status().curves[-1].validation_accuracy
    assert {row.backbone for row in rows} == {"film_net"}


@pytest.mark.slow
def test_a_study_is_made_again_with_equal_figures(
    packed: tuple[Study, Path], tmp_path: Path
) -> None:
    study, path = packed

    found = again(path, tmp_path)

    figures = ("control accuracy", "imil accuracy", "imil against control balanced_accuracy")
    for name in [f"round 1 {split} {figure}" for split in SPLITS for figure in figures]:
        then, now = found.figures[name]
        assert then == now != ()
    assert found.differing(tolerance=0) == []
    assert found.machine == {}
    assert found.acts == len(study.audit.check().acts) - 1  # the export itself is told afterwards


@pytest.mark.slow
def test_the_arithmetic_is_chosen_once_and_every_arm_trains_in_it(
    packed: tuple[Study, Path],
) -> None:
    study, _ = packed
    started = [act for act in study.audit.check().acts if act.what is ActKind.TRAINING_STARTED]

    plans = {decode_checkpoint(p.read_bytes())[0] for p in checkpoints(study)}

    assert plans == {study.plan}
    assert study.plan.precision is not Precision.AUTO
    assert [plan_from_json(act.details["plan"]) for act in started] == [study.plan]


def checkpoints(study: Study) -> list[Path]:
    found = sorted(study.training.task.folder.parent.rglob("checkpoint.safetensors"))
    assert len(found) == 3  # the first training, control and imil
    return found


@pytest.mark.slow
def test_figures_that_were_forged_are_refused_with_the_number_of_their_act(
    packed: tuple[Study, Path], tmp_path: Path
) -> None:
    _, path = packed

    def edit(files: Files) -> None:
        name = next(n for n in files if n.endswith("-validation.json"))
        forge(files, name, files[name].replace(b'"number": 1', b'"number": 2'))

    with pytest.raises(StoreError, match=r"The file that act \d+ tells of is not the one"):
        again(rezipped(path, edit), tmp_path / "work")


@pytest.mark.slow
@pytest.mark.parametrize("seq", [1, 3])
def test_a_broken_log_is_refused_with_the_number_of_the_act(
    packed: tuple[Study, Path], tmp_path: Path, seq: int
) -> None:
    study, path = packed

    def edit(files: Files) -> None:
        name = "state/" + act_file(study.study_id, seq)
        forge(files, name, files[name].replace(b'"time":"20', b'"time":"19'))

    with pytest.raises(StoreError, match=rf"Act {seq} was changed"):
        again(rezipped(path, edit), tmp_path / "work")


@pytest.mark.slow
def test_a_plan_that_was_changed_afterwards_is_refused(
    packed: tuple[Study, Path], tmp_path: Path
) -> None:
    study, path = packed
    name = f"state/studies/{study.study_id}/study.json"

    def edit(files: Files) -> None:
        record = json.loads(files[name])
        record["plan"]["learning_rate"] = 0.5
        forge(files, name, json.dumps(record).encode())

    with pytest.raises(StoreError, match=r"has another plan than act \d+ tells of"):
        again(rezipped(path, edit), tmp_path / "work")


@pytest.mark.slow
def test_an_answer_that_was_changed_after_the_comparison_is_refused(
    packed: tuple[Study, Path], tmp_path: Path
) -> None:
    study, path = packed
    name = f"state/studies/{study.study_id}/study.json"

    def edit(files: Files) -> None:
        record = json.loads(files[name]) | {"deployment": "same"}
        forge(files, name, json.dumps(record).encode())

    with pytest.raises(StoreError, match=r"another answer where the model will work than act \d+"):
        again(rezipped(path, edit), tmp_path / "work")


def test_what_was_never_compared_can_not_be_replayed(machine: Machine, tmp_path: Path) -> None:
    study = as_if_trained(machine.studies.demo())
    study.export(tmp_path / "study.zip")

    with pytest.raises(StoreError, match=r"can't be made again.*Nothing was compared"):
        again(tmp_path / "study.zip", tmp_path / "work")


def test_figures_differ_that_are_further_apart_than_is_allowed() -> None:
    nan = float("nan")
    found = Replay(3, {"a": ((0.5, nan), (0.51, nan)), "b": ((0.5,), (0.5, 0.5))}, {})

    assert found.differing(tolerance=0) == ["a", "b"]
    assert found.differing(tolerance=0.02) == ["b"]


@pytest.mark.slow
def test_rounds_of_several_readers_on_images_that_were_brought_are_made_again(
    machine: Machine, tmp_path: Path
) -> None:
    study = machine.studies.from_archive(telling_zip(tmp_path / "films.zip", each=20))
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.2))
    study.training.start()
    finish(study.training.status)
    one, two, three, four = (offer.sample_id for offer in study.queues.answers()[:4])
    drawn = {name: corner(study, name, side=8) for name in (one, two, three)}
    study.review.submit(one, drawn[one], reader="Ada", seconds=3)
    study.review.submit(two, drawn[two], reader="Ada", seconds=3)
    study.review.submit(two, ~drawn[two], reader="Bo", seconds=3)
    study.comparison.start()
    finish(study.comparison.status)
    study.results.current()
    study.readers.unblind()
    study.labels.exclude(four)
    study.review.submit(three, drawn[three], reader="Bo", seconds=3)
    study.comparison.start(arms=("imil", "drop"))
    finish(study.comparison.status)
    study.results.current()
    study.comparison.more_seeds(2)
    finish(study.comparison.status)
    study.results.current()
    study.comparison.open_test_set()
    study.export(tmp_path / "study.zip")

    found = again(tmp_path / "study.zip", tmp_path / "work")

    rounds = {" ".join(name.split()[:3]) for name in found.figures}
    assert rounds == {"round 1 validation", "round 2 validation", "round 2 test"}
    assert len(found.figures["round 2 test imil accuracy"][1]) == 2  # seeds
    assert found.differing(tolerance=0) == []
