from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.app.results.audit_card import ACTS, DIGITS, acts_table, audit_card
from imil.app.results.downloads import export_file, make_file
from imil.jobs.pool import WorkerPool
from imil.storage.base import Saved
from imil.storage.records.acts import Act, ActKind, act_file
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.page_text import numbers_of, words_of
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

# The button that compares the log with its copy on the Hub.
COMPARE = 'data-ask="{&#34;act&#34;: &#34;compare&#34;}"'


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


def test_an_intact_trail_shows_its_head_and_the_last_acts_first(study: Study) -> None:
    masked(study)
    study.review.skip(study.queues.offers()[1].sample_id)
    study.flush()

    card = audit_card(study)

    head = study.audit.check().head
    assert head is not None
    assert head.digest[:DIGITS] in card
    assert 'class="note good"' in card
    assert 'role="alert"' not in card
    rows = [words_of(row) for row in card.split('<th scope="row">')[1:]]
    done = (ActKind.SKIPPED, ActKind.MASK_ACCEPTED, ActKind.STUDY_BEGUN)
    assert [numbers_of(row)[0] for row in rows] == ["2", "1", "0"]
    assert [ACTS[kind] in row for kind, row in zip(done, rows, strict=True)] == [True] * 3
    assert "dr & co" in rows[1]
    # What the model said of it before and after.
    assert len(re.findall(r"\.\d\d", rows[1])) == 2


def test_a_broken_chain_is_an_alert_with_the_number_of_the_act(study: Study) -> None:
    masked(study)
    study.flush()
    store, name = study.context.services.store, act_file(study.study_id, 1)
    store.write(name, (store.read(name) or b"").replace(b'"seconds":7.0', b'"seconds":1.0'))

    card = audit_card(study)

    alert = card.partition('role="alert"')[2]
    assert numbers_of(alert)[0] == "1"
    assert '<details class="card more" open>' in card
    assert '<span class="badge bad">' in card
    assert study.audit.check().broken is not None


def test_a_log_of_a_newer_version_is_told_in_its_place(study: Study) -> None:
    masked(study)
    study.flush()
    store, name = study.context.services.store, act_file(study.study_id, 1)
    newer = (store.read(name) or b"").replace(b'"schema_version":1', b'"schema_version":99')
    store.write(name, newer)

    card = audit_card(study)

    assert 'role="alert"' in card
    assert "<table" not in card


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


def test_the_trail_shows_the_hubs_copy_once_it_was_compared_with_it(study: Study) -> None:
    masked(study)
    study.flush()
    assert COMPARE not in audit_card(study)
    store = study.context.services.store
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "saved", lambda _: Saved(repo="lab/state"))
        act = act_file(study.study_id, 1)
        patched.setattr(store, "published", lambda _: {act: store.read(act)})
        before = audit_card(study)
        assert "lab/state" in before
        assert COMPARE in before

        study.audit.compare_published()

        card = audit_card(study, opened=True)
    head = study.audit.check().head
    assert head is not None
    # In its own line, and in that of the copy, which has one act and the same head.
    assert before.count(head.digest[:DIGITS]) + 1 == card.count(head.digest[:DIGITS])
    copy = words_of(card).partition("lab/state")[2].partition(head.digest[:DIGITS])[0]
    assert numbers_of(copy) == ["1"]
    assert '<details class="card more" open>' in card
    assert COMPARE in card
