from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.app.results.audit_card import ACTS, acts_table, audit_card, chain_words
from imil.app.results.downloads import export_file, make_file
from imil.jobs.pool import WorkerPool
from imil.storage.base import Saved
from imil.storage.records.acts import Act, ActKind, act_file
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    pool = WorkerPool(tmp_path / "jobs")
    demo = FilmSpec(images=60, size=48, shortcut=0.9, seed=2)
    studies = Studies(tmp_path / "work", Services(MemoryStore(), pool, no_weights), demo=demo)
    yield as_if_trained(studies.demo())
    pool.close()


def masked(study: Study) -> str:
    sample_id = study.queues.offers()[0].sample_id
    study.model.answer(sample_id, corner(study, sample_id))  # as the page asks, while one paints
    study.review.submit(sample_id, corner(study, sample_id), reader="dr & co", seconds=7)
    return sample_id


def test_a_study_in_which_nothing_was_done_has_no_trail(study: Study) -> None:
    assert audit_card(study) == ""


def test_the_trail_says_that_it_is_intact_and_shows_the_last_acts_first(study: Study) -> None:
    masked(study)
    study.review.skip(study.queues.offers()[1].sample_id)
    study.flush()

    card = audit_card(study)

    head = study.audit.check().head
    assert head is not None
    assert f"Chain intact: 3 acts, head {head.digest[:12]}" in card
    assert card.index("Image skipped") < card.index("Mask accepted") < card.index("Study begun")
    assert "dr &amp; co" in card
    assert " → " in card
    assert 'role="alert"' not in card


def test_a_broken_chain_is_an_alert_with_the_number_of_the_act(study: Study) -> None:
    masked(study)
    study.flush()
    store, name = study.context.services.store, act_file(study.study_id, 1)
    store.write(name, (store.read(name) or b"").replace(b'"seconds":7.0', b'"seconds":1.0'))

    card = audit_card(study)

    assert "Chain broken" in card
    assert "Act 1 was changed after it was written." in card
    assert 'role="alert"' in card
    assert '<details class="card more" open>' in card
    assert '<span class="badge bad">' in card
    assert chain_words(study.audit.check()) == "Chain broken"


def test_a_log_of_a_newer_version_is_told_in_its_place(study: Study) -> None:
    masked(study)
    study.flush()
    store, name = study.context.services.store, act_file(study.study_id, 1)
    newer = (store.read(name) or b"").replace(b'"schema_version":1', b'"schema_version":99')
    store.write(name, newer)

    assert "was written by a newer version of IMIL" in audit_card(study)


def test_every_act_has_a_name_on_the_screen() -> None:
    assert set(ACTS) == set(ActKind)


def test_an_act_without_reader_image_or_answer_has_empty_cells() -> None:
    act = replace(Act(ActKind.SKIPPED, "2026-11-25T10:00:00+00:00"), seq=4)

    table = acts_table([act], str)

    assert "visitor" in table
    assert "25 Nov 2026, 10:00:00" in table


def test_the_log_and_the_study_can_be_taken_along_before_any_comparison(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    masked(study)

    name, table = make_file(study, "acts_csv")
    _, lines = make_file(study, "acts_jsonl")
    whole, light = export_file(study, "study"), export_file(study, "study_light")

    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert name == "acts.csv"
    assert [row["what"] for row in rows] == ["study_begun", "mask_accepted"]
    assert [json.loads(line)["seq"] for line in lines.splitlines()] == [0, 1]
    for path, has_models in ((whole, True), (light, False)):
        with zipfile.ZipFile(path) as archive:
            inside = [n for n in archive.namelist() if n.startswith("work/segments/")]
        assert (path.name, bool(inside)) == ("study.zip", has_models)


def test_the_trail_says_whether_it_was_compared_with_the_hub(study: Study) -> None:
    masked(study)
    study.flush()
    assert "No copy of the log leaves this machine" in audit_card(study)
    store = study.context.services.store
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "saved", lambda _: Saved(repo="lab/state"))
        act = act_file(study.study_id, 1)
        patched.setattr(store, "published", lambda _: {act: store.read(act)})
        assert "Not compared yet with the copy in lab/state" in audit_card(study)

        study.audit.compare_published()

        card = audit_card(study, opened=True)
    head = study.audit.check().head
    assert head is not None
    assert f"copy in lab/state on the Hub: 1 act, head {head.digest[:12]}" in card
    assert "UTC. All of it is in this log." in card
    assert '<details class="card more" open>' in card
    assert "Compare with the Hub" in card
