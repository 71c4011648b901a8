from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from imil.errors import StoreError
from imil.storage.records.acts import (
    Act,
    ActKind,
    ChainFlaw,
    ChainHead,
    acts_csv,
    acts_jsonl,
    chained,
    check_links,
    encode_act,
    first_link,
    read_act,
)

NOW = "2026-11-25T10:00:00+00:00"
STUDY = "a" * 32
Found = list[tuple[int, Act | None]]


def log(count: int, *, study: str = STUDY, who: str = "reader") -> list[Act]:
    acts: list[Act] = []
    previous = first_link(study)
    for seq in range(count):
        act = Act(ActKind.SKIPPED, f"2026-11-25T10:00:{seq:02d}+00:00", who, f"film_{seq}")
        acts.append(chained(act, seq=seq, previous=previous))
        previous = acts[-1].digest
    return acts


def found(acts: list[Act]) -> Found:
    return [(place, act) for place, act in enumerate(acts)]


def test_an_act_is_read_as_it_was_written() -> None:
    act = Act(
        ActKind.MASK_ACCEPTED,
        "2026-11-25T10:00:00+00:00",
        "dr",
        "film_1",
        {"queue": "mispredicted", "files": {"data/masks/a": "00"}},
        model="0123456789ab",
        p_before=0.25,
        p_after=1.0,
        seconds=7.0,
    )

    placed = chained(act, seq=0, previous=first_link(STUDY))

    assert read_act(encode_act(placed)) == placed
    assert json.loads(encode_act(placed))["schema_version"] == 1


def test_the_same_act_has_the_same_digest_whatever_the_order_of_its_details() -> None:
    one = Act(ActKind.SKIPPED, NOW, details={"a": 1, "b": 2})
    other = Act(ActKind.SKIPPED, NOW, details={"b": 2, "a": 1})

    first, second = (chained(act, seq=0, previous="x") for act in (one, other))

    assert first.digest == second.digest


def test_an_intact_log_has_no_break_and_an_empty_one_neither() -> None:
    acts = log(4)

    assert check_links(STUDY, found(acts), acts[2].head) is None
    assert check_links(STUDY, []) is None


@pytest.mark.parametrize("changed", [b'"who":"reader"', b'"seq":1', b"film_1"])
def test_an_edited_file_is_not_read_as_an_act(changed: bytes) -> None:
    content = encode_act(log(2)[1])

    edited = content.replace(changed, changed.replace(b"1", b"2").replace(b"reader", b"nobody"))

    assert edited != content
    assert read_act(edited) is None
    assert read_act(content + b"\n") is None
    assert read_act(b"no json") is None


def test_names_the_act_that_was_edited() -> None:
    acts: Found = found(log(4))
    acts[2] = (2, None)

    broken = check_links(STUDY, acts)

    assert broken is not None
    assert (broken.seq, broken.flaw) == (2, ChainFlaw.CHANGED)
    assert broken.told == "Act 2 was changed after it was written."


@pytest.mark.parametrize("edited", [1, 2])
def test_names_the_act_that_was_edited_and_given_a_new_digest(edited: int) -> None:
    acts = log(4)
    forged = replace(acts[edited], who="nobody")
    acts[edited] = chained(forged, seq=edited, previous=forged.previous)

    broken = check_links(STUDY, found(acts))

    assert broken is not None
    assert (broken.seq, broken.flaw) == (edited, ChainFlaw.CHANGED)


def test_names_the_act_that_was_removed() -> None:
    acts = found(log(4))
    del acts[1]

    broken = check_links(STUDY, acts)
    renumbered = check_links(STUDY, [(place, act) for place, (_, act) in enumerate(acts)])

    for each in (broken, renumbered):
        assert each is not None
        assert (each.seq, each.flaw) == (1, ChainFlaw.MISSING)


def test_names_the_act_that_was_inserted() -> None:
    acts = log(3)
    forged = chained(Act(ActKind.SKIPPED, NOW, "nobody"), seq=1, previous=acts[0].digest)

    broken = check_links(STUDY, found([acts[0], forged, *acts[1:]]))

    assert broken is not None
    assert (broken.seq, broken.flaw) == (1, ChainFlaw.INSERTED)


def test_names_the_acts_that_changed_places() -> None:
    acts = log(4)
    acts[1], acts[2] = acts[2], acts[1]

    broken = check_links(STUDY, found(acts))

    assert broken is not None
    assert (broken.seq, broken.flaw) == (1, ChainFlaw.REORDERED)


def test_a_log_that_is_cut_off_is_found_out_by_a_head_that_was_kept() -> None:
    acts = log(5)

    cut = found(acts[:3])

    assert check_links(STUDY, cut) is None
    broken = check_links(STUDY, cut, acts[4].head)
    assert broken is not None
    assert (broken.seq, broken.flaw) == (3, ChainFlaw.CUT)
    assert broken.told == "The log is cut off from act 3 on: 2 that were saved are missing."


def test_a_log_that_was_written_anew_is_found_out_by_a_head_that_was_kept() -> None:
    kept, anew = log(3), log(4, who="nobody")

    broken = check_links(STUDY, found(anew), kept[2].head)

    assert broken is not None
    assert broken.told == "Act 2 is not the one that was saved: the log was written anew."


def test_the_acts_of_another_study_fit_no_log() -> None:
    broken = check_links(STUDY, found(log(2, study="b" * 32)))

    assert broken is not None
    assert (broken.seq, broken.flaw) == (0, ChainFlaw.CHANGED)


def test_a_log_of_a_newer_version_is_refused() -> None:
    content = encode_act(log(1)[0]).replace(b'"schema_version":1', b'"schema_version":99')

    with pytest.raises(StoreError, match=r"newer version of IMIL.*format 99.*Update"):
        read_act(content)


def test_a_table_has_a_row_an_act_and_lines_are_the_files_themselves() -> None:
    acts = log(2)

    rows = list(csv.DictReader(io.StringIO(acts_csv(acts).decode())))

    assert [(row["seq"], row["what"], row["sample_id"]) for row in rows] == [
        ("0", "skipped", "film_0"),
        ("1", "skipped", "film_1"),
    ]
    assert acts_jsonl(acts).splitlines() == [encode_act(act) for act in acts]
    assert ChainHead(1, acts[1].digest) == acts[1].head
