"""What the line above the tabs says of where a study is kept; its states are a golden file."""

from __future__ import annotations

from imil.app.header.header import saved_value
from imil.study.library.studies import Studies


def test_the_clock_changes_what_is_said_of_one_study_and_nothing_else(studies: Studies) -> None:
    study = studies.demo()

    assert saved_value(study) == {
        "saved": {
            "words": "Saved on this server · no backup set up",
            "brief": "Saved here only",
            "why": None,
        },
        "of": study.study_id,
    }
    assert not studies.leave_this_machine
