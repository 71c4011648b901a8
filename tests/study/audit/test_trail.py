from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from imil.core.records import Origin
from imil.errors import StoreError
from imil.storage.base import Saved
from imil.storage.local import LocalStore
from imil.storage.records.acts import (
    Act,
    ActKind,
    ChainFlaw,
    act_file,
    chained,
    encode_act,
    first_link,
)
from imil.storage.records.studies import load_study, study_file
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import Machine


@pytest.fixture
def study(machine: Machine) -> Study:
    return as_if_trained(machine.studies.demo())


def acts(study: Study, what: ActKind | None = None) -> list[Act]:
    found = study.audit.check()
    assert found.broken is None
    return [act for act in found.acts if what in (None, act.what)]


def mask(study: Study, place: int = 0, **more: Any) -> str:
    sample_id = study.queues.offers()[place].sample_id
    drawn = corner(study, sample_id)
    study.review.submit(sample_id, drawn, reader="dr", seconds=4.5, **more)
    return sample_id


def edit_act(machine: Machine, study: Study, seq: int) -> None:
    path = machine.home / "state" / act_file(study.study_id, seq)
    content = json.loads(path.read_bytes()) | {"who": "somebody else"}
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")))


def test_a_mask_that_an_earlier_version_copied_stays_readable_and_marked(
    machine: Machine, study: Study
) -> None:
    source, target = (offer.sample_id for offer in study.queues.offers()[:2])
    study.review.submit(source, corner(study, source), reader="dr", seconds=1)
    painted = study.context.masks.last(source)
    assert painted is not None
    copied = replace(painted, sample_id=target, origin=Origin.COPIED, source=source)
    name = study.context.masks.add(copied)
    details = {"mask": name, "origin": "copied", "files": study.audit.digests((name,))}
    study.audit._log.append(
        Act(ActKind.MASK_COPIED, copied.time.isoformat(), "dr", target, details)
    )
    study.flush()

    machine.restart()
    again = machine.studies.open(study.study_id)

    assert (again.review.origin(target), again.review.copied_from(target)) == (
        Origin.COPIED,
        source,
    )
    assert again.review.budget().painted == 2
    assert again.predictions.of().masks == 1  # a copy would agree with itself
    assert [act.sample_id for act in acts(again, ActKind.MASK_COPIED)] == [target]
    same = again.review.irrelevant(target)
    assert same is not None
    again.review.submit(target, same, reader="dr", seconds=2, origin=Origin.COPIED)
    assert (again.review.origin(target), again.review.copied_from(target)) == (
        Origin.COPIED,
        source,
    )
    changed = corner(again, target, side=5)
    again.review.submit(target, changed, reader="dr", seconds=2, origin=Origin.CORRECTED)
    assert (again.review.origin(target), again.review.copied_from(target)) == (Origin.CORRECTED, "")


def test_a_visitor_who_only_looks_leaves_no_log(machine: Machine) -> None:
    study = machine.studies.demo()

    assert study.audit.check().acts == ()
    assert machine.store.names(f"studies/{study.study_id}/acts/") == ()


def test_the_first_act_is_the_study_s_beginning(study: Study) -> None:
    study.review.skip(study.queues.offers()[0].sample_id)

    first = acts(study)[0]

    assert (first.what, first.time, first.who) == (ActKind.STUDY_BEGUN, study.created, "imil")
    assert first.details["source"]["kind"] == "demo"
    assert first.details["images"] == len(study.images)


def test_an_accepted_mask_is_told_with_reader_seconds_model_and_what_it_does(study: Study) -> None:
    sample_id = study.queues.offers()[0].sample_id
    answer = study.model.answer(sample_id, corner(study, sample_id))
    mask(study)

    (act,) = acts(study, ActKind.MASK_ACCEPTED)

    assert acts(study, ActKind.ANSWERED) == []
    assert (act.who, act.sample_id, act.seconds) == ("dr", sample_id, 4.5)
    assert act.model == study.context.services.models.version(study.training.task)
    assert len(act.model) == 12
    assert act.p_before == pytest.approx(answer.before[answer.label], abs=1e-6)
    assert act.p_after == pytest.approx(answer.after[answer.label], abs=1e-6)
    assert act.details["queue"] == "mispredicted"
    (name,) = act.details["files"]
    assert name == act.details["mask"]
    assert name.startswith("data/masks/")


def test_what_a_mask_does_is_told_later_where_nobody_had_asked_the_model(study: Study) -> None:
    sample_id = mask(study)

    (accepted,), (told,) = acts(study, ActKind.MASK_ACCEPTED), acts(study, ActKind.ANSWERED)

    answer = study.model.answer(sample_id, study.review.irrelevant(sample_id))
    assert (accepted.p_before, accepted.p_after) == (told.p_before, None)
    assert told.details == {"mask": accepted.details["mask"]}
    assert (told.sample_id, told.model) == (sample_id, accepted.model)
    assert told.p_after == pytest.approx(answer.after[answer.label], abs=1e-6)


def test_the_answer_that_a_reader_was_shown_is_not_made_again(study: Study) -> None:
    sample_id = study.queues.offers()[0].sample_id
    drawn = corner(study, sample_id)
    shown = study.model.answer(sample_id, drawn)

    assert study.model.answer(sample_id, drawn) is shown
    assert study.model.answer(sample_id, np.logical_not(drawn)) is not shown


def test_a_mask_is_told_of_even_where_the_model_can_not_answer(study: Study) -> None:
    sample_id = study.queues.offers()[0].sample_id
    study.training.task.checkpoint.write_bytes(b"damaged")

    study.review.submit(sample_id, corner(study, sample_id), reader="dr", seconds=1)

    (act,), (told,) = acts(study, ActKind.MASK_ACCEPTED), acts(study, ActKind.ANSWERED)
    assert act.p_after is None
    assert (told.p_before, told.p_after) == (None, None)


def test_a_mask_that_comes_twice_is_told_of_once(study: Study) -> None:
    mask(study)
    mask(study)

    assert len(acts(study, ActKind.MASK_ACCEPTED)) == 1


def test_every_decision_of_a_reader_is_told_of(study: Study) -> None:
    queue = study.queues.offers()
    one, other = queue[0].sample_id, queue[1].sample_id
    label = study.images.classes[1 - queue[1].label]
    study.review.skip(one)
    study.labels.relabel(other, label)
    study.labels.exclude(other)
    study.labels.keep(other)

    told = [(act.what, act.sample_id) for act in acts(study)][1:]

    assert told == [
        (ActKind.SKIPPED, one),
        (ActKind.RELABELLED, other),
        (ActKind.EXCLUDED, other),
        (ActKind.LABEL_KEPT, other),
    ]
    assert acts(study, ActKind.RELABELLED)[0].details == {"label": label}


def test_the_study_s_file_names_the_last_act_before_it(machine: Machine, study: Study) -> None:
    study.review.skip(study.queues.offers()[0].sample_id)
    last = acts(study)[-1]

    study.review.skip(study.queues.offers()[1].sample_id)

    saved = load_study(machine.store, study.study_id)
    assert saved is not None
    assert saved.head == last.head


def test_an_edited_act_is_named_by_its_number(machine: Machine, study: Study) -> None:
    for place in range(3):
        study.review.skip(study.queues.offers()[place].sample_id)

    edit_act(machine, study, 2)

    broken = study.audit.check().broken
    assert broken is not None
    assert (broken.seq, broken.flaw) == (2, ChainFlaw.CHANGED)


def test_a_log_that_was_cut_off_is_found_out_when_the_study_is_opened(
    machine: Machine, study: Study
) -> None:
    for place in range(3):
        study.review.skip(study.queues.offers()[place].sample_id)
    for seq in (2, 3):
        (machine.home / "state" / act_file(study.study_id, seq)).unlink()
    machine.restart()

    again = machine.studies.open(study.study_id)
    again.review.skip(again.queues.offers()[0].sample_id)

    broken = again.audit.check().broken
    assert broken is not None
    assert (broken.seq, broken.flaw) == (2, ChainFlaw.CHANGED)
    assert again.audit.check().broken == broken


def test_a_mask_that_was_changed_on_disk_is_named_by_its_act(
    machine: Machine, study: Study
) -> None:
    mask(study)
    (act,) = acts(study, ActKind.MASK_ACCEPTED)
    path = Path(machine.home / "state" / act.details["mask"])
    path.write_bytes(path.read_bytes() + b" ")

    broken = study.audit.check().broken

    assert broken is not None
    assert broken.seq == act.seq
    assert broken.told.startswith(f"The mask that act {act.seq} tells of is not the one")


def test_a_mask_whose_act_was_lost_in_a_kill_is_told_of_as_a_gap(
    machine: Machine, study: Study
) -> None:
    mask(study)
    name = acts(study, ActKind.MASK_ACCEPTED)[0].details["mask"]
    for path in (machine.home / "state" / f"studies/{study.study_id}/acts").iterdir():
        path.unlink()
    record = machine.home / "state" / f"studies/{study.study_id}/study.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"head": None}))
    machine.restart()

    again = machine.studies.open(study.study_id)
    again.review.skip(again.queues.offers()[1].sample_id)

    begun, gap, skipped = acts(again)
    assert (begun.what, gap.what, skipped.what) == (
        ActKind.STUDY_BEGUN,
        ActKind.GAP,
        ActKind.SKIPPED,
    )
    assert list(gap.details["files"]) == [name]


def test_a_study_of_which_a_mask_is_damaged_opens_with_the_others(
    machine: Machine, study: Study
) -> None:
    kept, lost = mask(study), mask(study, 1)
    study.flush()
    damaged = study.context.masks.name_of(lost)
    (machine.home / "state" / damaged).write_bytes(b"cut short")
    machine.restart()

    again = machine.studies.open(study.study_id)

    assert again.review.damaged == (damaged,)
    assert again.review.state(kept) == "masked"
    assert again.review.state(lost) is None
    found = again.audit.check()
    assert found.broken is not None
    assert damaged in found.broken.told
    mask(again, 1)
    assert again.review.state(lost) == "masked"


def test_every_act_of_a_reader_names_the_reader(study: Study) -> None:
    one, two, three = (offer.sample_id for offer in study.queues.answers()[:3])
    other = study.images.classes[1 - study.images.sample(one).label]

    study.labels.relabel(one, other, reader="Ada")
    study.labels.exclude(two, reader="Bo")
    study.labels.keep(two, reader="  Cy ")
    study.review.skip(three, reader="Ada")
    study.comparison.start(arms=["control"], who="Bo")
    study.stop(who="Ada")
    study.audit.note(ActKind.SHARED, who="ada-account", details={"organisation": "the lab"})

    told = [(act.what, act.who) for act in acts(study) if act.who != "imil"]
    assert told == [
        (ActKind.RELABELLED, "Ada"),
        (ActKind.EXCLUDED, "Bo"),
        (ActKind.LABEL_KEPT, "Cy"),
        (ActKind.SKIPPED, "Ada"),
        (ActKind.COMPARISON_ASKED, "Bo"),
        (ActKind.COMPARISON_STOPPED, "Ada"),
        (ActKind.SHARED, "ada-account"),
    ]
    assert acts(study)[-1].details == {"organisation": "the lab"}


class Mirrored(LocalStore):
    """A store that says what the Hub has: what was here when `push` was called."""

    copies: ClassVar[dict[str, bytes]] = {}
    away: ClassVar[bool] = False

    def saved(self, study_id: str) -> Saved:  # noqa: ARG002  # the same for every study
        """Return a repo."""
        return Saved(repo="lab/state")

    def push(self, study_id: str) -> None:
        """Copy the study's acts."""
        names = self.names(f"studies/{study_id}/acts/")
        Mirrored.copies = {name: self.read(name) or b"" for name in names}

    def published(self, study_id: str) -> dict[str, bytes]:  # noqa: ARG002  # there is one
        """Return the copies."""
        if Mirrored.away:
            raise StoreError("The Hub is away.", why="A test says so.", fix="Wait.")
        return self.copies


class Hub(Machine):
    """A machine whose acts are on the Hub too."""

    def open_store(self) -> Mirrored:
        return Mirrored(self.home / "state")


def write_anew(machine: Machine, study: Study) -> None:
    """Forge the whole log, and the study's own note of how it ends: a chain that holds."""
    previous, folder = first_link(study.study_id), machine.home / "state"
    for act in study.audit.check().acts:
        forged = chained(replace(act, who="forged"), seq=act.seq, previous=previous)
        (folder / act_file(study.study_id, act.seq)).write_bytes(encode_act(forged))
        previous = forged.digest
    own = folder / study_file(study.study_id)
    head = {"seq": forged.seq, "digest": forged.digest}
    own.write_text(json.dumps(json.loads(own.read_bytes()) | {"head": head}))


def test_a_log_that_was_written_anew_is_not_the_one_that_the_hub_has(tmp_path: Path) -> None:
    machine = Hub(tmp_path)
    assert isinstance(machine.store, Mirrored)
    study = as_if_trained(machine.studies.demo())
    mask(study)
    study.review.skip(study.queues.offers()[1].sample_id)
    study.flush()
    machine.store.push(study.study_id)
    study.review.skip(study.queues.offers()[2].sample_id)
    write_anew(machine, study)
    machine.restart()
    Mirrored.away = True
    again = machine.studies.open(study.study_id)
    silent = again.audit.compare_published()
    unknown = again.audit.check()
    Mirrored.away = False

    compared = again.audit.compare_published()

    assert silent is not None
    assert silent.trouble is not None
    assert unknown.broken is None
    assert compared is not None
    assert (compared.repo, compared.acts, compared.trouble) == ("lab/state", 4, None)
    found = again.audit.check()
    assert found.broken is not None
    assert found.broken.told == "Act 3 is not the one that was saved: the log was written anew."
    machine.pool.close()


def test_a_log_that_goes_on_from_what_the_hub_has_is_intact(tmp_path: Path) -> None:
    machine = Hub(tmp_path)
    assert isinstance(machine.store, Mirrored)
    study = as_if_trained(machine.studies.demo())
    mask(study)
    study.flush()
    machine.store.push(study.study_id)
    study.review.skip(study.queues.offers()[1].sample_id)

    compared = study.audit.compare_published()

    assert compared is not None
    assert compared.head == study.audit.check().acts[2].head
    assert study.audit.check().broken is None
    machine.pool.close()
