"""Several readers of one study: blind to each other, then pooled and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from imil.errors import MaskChangedError, MaskError, PlanError
from imil.storage.records.acts import ActKind
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import Machine, finish

pytestmark = pytest.mark.slow

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("home"), FILMS)
    yield made
    made.pool.close()


@pytest.fixture
def study(machine: Machine) -> Study:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    return as_if_trained(study)


def paint(study: Study, reader: str, *, images: int, side: int = 10, start: int = 0) -> list[str]:
    """Mask the first images of the queue; return their ids."""
    ids = [offer.sample_id for offer in study.queues.offers()[start : start + images]]
    for sample_id in ids:
        region = corner(study, sample_id, side=side)
        study.review.submit(sample_id, region, reader=reader, seconds=side)
    return ids


def test_a_second_reader_gets_the_same_queue_with_nothing_reviewed(study: Study) -> None:
    before = [offer.sample_id for offer in study.queues.offers()]
    first, passed = paint(study, "Ada", images=1)[0], before[1]
    study.review.skip(passed, reader="Ada")

    assert [offer.sample_id for offer in study.queues.offers()] == before
    assert [study.review.state(i, "Bo") for i in before[:2]] == [None, None]
    assert [study.review.state(i, "Ada") for i in before[:2]] == ["masked", "skipped"]
    assert study.review.irrelevant(first, "Bo") is None
    assert study.review.mask_name(first, "Bo") == ""
    assert study.readers.blind("Bo")
    assert not study.readers.blind("Ada")


def test_a_reader_never_replaces_the_mask_of_another(study: Study) -> None:
    (sample_id,) = paint(study, "Ada", images=1, side=10)
    own = corner(study, sample_id, side=20)

    study.review.submit(sample_id, own, reader="Bo", seconds=1, replaces="")
    with pytest.raises(MaskChangedError, match="another tab, by a reader of the same name"):
        study.review.submit(sample_id, ~own, reader="Bo", seconds=1, replaces="")

    theirs, mine = (
        study.review.irrelevant(sample_id, "Ada"),
        study.review.irrelevant(sample_id, "Bo"),
    )
    assert theirs is not None
    assert mine is not None
    assert (theirs.sum(), mine.sum()) == (100, 400)


def test_the_budget_counts_an_image_once_whoever_masks_it(study: Study) -> None:
    allowed = study.review.budget().allowed
    paint(study, "Ada", images=allowed)

    paint(study, "Bo", images=allowed - 1, side=12)

    assert (study.review.budget().painted, study.review.budget("Bo").painted) == (
        allowed,
        allowed - 1,
    )
    other = study.queues.offers()[allowed].sample_id
    with pytest.raises(MaskError, match=r"by all readers together.*another reader masked are open"):
        study.review.submit(other, corner(study, other), reader="Bo", seconds=1)
    assert study.review.state(other) is None


def test_a_name_is_tidied_so_that_it_stays_one_reader(study: Study) -> None:
    paint(study, " Dr  Ada,\n", images=1)
    paint(study, "", images=1)

    assert study.readers.names() == ("Dr Ada", "visitor")


def test_what_a_reader_may_begin_from_is_not_learned_from_the_others(study: Study) -> None:
    paint(study, "Ada", images=2)
    sample_id = study.queues.offers()[3].sample_id

    assert study.predictions.of("Ada").masks == 2
    assert study.predictions.of("Bo").masks == 0
    with pytest.raises(MaskError, match="No image is painted"):
        study.predictions.region(sample_id, "Bo")
    paint(study, "Bo", images=1)
    study.readers.unblind()
    assert study.predictions.of("Bo").masks == 2
    assert study.predictions.region(sample_id, "Bo").shape == (48, 48)


def test_nobody_is_unblinded_alone_and_it_is_remembered(machine: Machine, study: Study) -> None:
    paint(study, "Ada", images=1)
    with pytest.raises(PlanError, match=r"nobody to be unblinded.*Let another reader"):
        study.readers.unblind()
    paint(study, "Bo", images=1)

    study.readers.unblind()

    assert study.readers.unblinded
    assert not study.readers.blind("Bo")
    saved = machine.store.read(f"studies/{study.study_id}/study.json") or b""
    assert b'"unblinded": "20' in saved


def test_whoever_masked_nothing_can_ask_for_the_masks_of_the_one_who_did(study: Study) -> None:
    paint(study, "Ada", images=1)
    with pytest.raises(PlanError, match=r"nobody else has masked anything"):
        study.readers.unblind(who="Ada")
    with pytest.raises(PlanError, match=r"blind to each other's.*under “Readers” on the Results"):
        study.readers.check_unblinded("Bo")

    study.readers.unblind(who="Bo")

    study.readers.check_unblinded("Bo")
    asked = [act.who for act in study.audit.check().acts if act.what is ActKind.UNBLINDED]
    assert asked == ["Bo"]
    study.readers.unblind(who="Ada")
    paint(study, "Bo", images=1)
    assert study.readers.reading().late == 1


def test_masks_are_pooled_as_is_usual_or_as_chosen(study: Study) -> None:
    paint(study, "Ada", images=1)
    alone = study.readers.pooling
    paint(study, "Bo", images=1)
    of_two = study.readers.pooling
    paint(study, "Cy", images=1)
    of_three = study.readers.pooling
    study.readers.set_pooling("intersection")

    assert (alone, of_two, of_three, study.readers.pooling) == (
        "",
        "union",
        "majority",
        "intersection",
    )
    with pytest.raises(PlanError, match=r"pooled by “xor”.*union, intersection, majority"):
        study.readers.set_pooling("xor")


def test_masks_of_each_reader_and_of_all_are_compared_with_one_control(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    study.training.start()
    finish(study.training.status)
    paint(study, "Ada", images=3, side=10)
    paint(study, "Bo", images=2, side=14, start=1)

    with pytest.raises(PlanError, match=r"Nobody named “Cy”.*Name one of: Ada, Bo"):
        study.comparison.start(arms=("imil@Cy",))
    study.comparison.start()
    finish(study.comparison.status)

    found = study.results.current()
    assert found is not None
    assert [arm.arm for arm in found.arms] == [
        "control",
        "imil",
        "upweight",
        "imil@Ada",
        "imil@Bo",
    ]
    assert [arm.masks for arm in found.arms] == [(0,), (3,), (3,), (3,), (2,)]
    assert [arm.seconds for arm in found.arms] == [None, 58.0, 58.0, 30.0, 28.0]
    assert (found.readers, found.pooling, found.masked) == (("Ada", "Bo"), "union", (3,))
    assert any("2 readers (Ada, Bo), pooled by union" in told for told in found.notices)
    assert study.comparison.is_current()

    # One reader's segment is the same whether or not others have masked too.
    study.comparison.start(arms=("imil@Ada",), pooling="intersection")
    finish(study.comparison.status)
    again = study.results.current()
    assert again is not None
    assert again.pooling == "intersection"
    assert again.arms[1].values == found.arms[3].values
    assert study.comparison.round_number == 3
    machine.restart()
    reopened = machine.studies.open(study.study_id).results.current()
    assert reopened is not None
    assert (reopened.readers, reopened.pooling) == (("Ada", "Bo"), "intersection")
