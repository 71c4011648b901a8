"""What the line above the tabs says of where a study is kept."""

from __future__ import annotations

import pytest

from imil.app.header.header import saved_told, saved_value
from imil.errors import StoreError
from imil.storage.base import Saved
from imil.storage.hub.errors import no_token
from imil.study.library.studies import Studies

REPO = "lab/state"
TROUBLE = StoreError("The Hub refuses the token.", why="It has expired.", fix="Set a new one.")


@pytest.mark.parametrize(
    ("saved", "words", "brief"),
    [
        (Saved(), "Saved here only · no Hub repo set", "Saved here only"),
        (
            Saved(trouble=no_token(REPO)),
            "Saved here only · HF_TOKEN is not set, so nothing goes to lab/state",
            "Saved here only",
        ),
        (Saved(REPO), "Saved here, then in lab/state on the Hub", "Saved here"),
        (Saved(REPO, waiting=3), "Saved here, 3 waiting for the Hub", "Saved here · 3 waiting"),
        (Saved(REPO, ago=12.2), "Saved here · Hub 12 s ago", "Saved · Hub 12 s ago"),
        (Saved(REPO, ago=179.0), "Saved here · Hub 2 min ago", "Saved · Hub 2 min ago"),
        (
            Saved(REPO, waiting=3, ago=99.0, silent=20.0),
            "Saved here · Hub unreachable for 20 s",
            "Saved here only",
        ),
        (
            Saved(REPO, waiting=3, silent=20.0, trouble=TROUBLE),
            "Saved here only · The Hub refuses the token",
            "Saved here only",
        ),
    ],
)
def test_how_far_the_hub_has_a_study_is_said_in_a_few_words_and_in_fewer_on_a_phone(
    saved: Saved, words: str, brief: str
) -> None:
    told = saved_told(saved)

    assert (told["words"], told["brief"]) == (words, brief)


def test_what_keeps_a_study_from_the_hub_is_told_with_its_reason_and_the_way_out() -> None:
    told = saved_told(Saved(REPO, waiting=3, trouble=TROUBLE))

    assert told["why"][:3] == ["The Hub refuses the token.", "It has expired.", "Set a new one."]
    assert "whoever runs this app" in told["why"][3]


def test_a_hub_that_does_not_answer_asks_nothing_of_the_visitor() -> None:
    told = saved_told(Saved(REPO, waiting=3, silent=20.0))

    assert "goes to lab/state there" in told["why"][1]
    assert "nothing is lost" in told["why"][2]


@pytest.mark.parametrize("saved", [Saved(), Saved(REPO), Saved(REPO, 3), Saved(REPO, ago=1.0)])
def test_where_nothing_is_in_the_way_there_is_no_reason_to_ask_for(saved: Saved) -> None:
    assert saved_told(saved)["why"] is None


def test_the_clock_changes_what_is_said_of_one_study_and_nothing_else(studies: Studies) -> None:
    study = studies.demo()

    assert saved_value(study) == {
        "saved": {
            "words": "Saved here only · no Hub repo set",
            "brief": "Saved here only",
            "why": None,
        },
        "of": study.study_id,
    }
    assert not studies.leave_this_machine
