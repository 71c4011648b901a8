from __future__ import annotations

import gradio as gr
import pytest

from imil.app.server.errors import error_in_place, errors_shown
from imil.errors import DataError, PlanError

ERROR = DataError("No <b>labels</b>.", why="One folder & no metadata.csv.", fix="Add one.")


def test_what_why_and_fix_are_shown_and_escaped() -> None:
    said = r"One folder &amp; no metadata.csv. Add one."
    with pytest.raises(gr.Error, match=said) as shown, errors_shown():
        raise ERROR

    assert shown.value.title == "No &lt;b&gt;labels&lt;/b&gt;."
    assert shown.value.__cause__ is ERROR


def test_a_fault_of_ours_is_not_dressed_up_as_a_visitors() -> None:
    with pytest.raises(KeyError, match="x"), errors_shown():
        raise KeyError("x")


def test_an_error_in_place_is_an_alert_and_escaped() -> None:
    note = error_in_place(ERROR)

    assert 'role="alert"' in note
    assert "<b>No &lt;b&gt;labels&lt;/b&gt;.</b>" in note
    assert "One folder &amp; no metadata.csv. Add one." in note


def test_arms_have_their_names_for_people_wherever_an_error_is_shown() -> None:
    error = PlanError("“right_reason” has no masks.", why="There are 0.", fix="Drop it.")

    with pytest.raises(gr.Error) as shown, errors_shown():
        raise error

    assert shown.value.title == "“Right reason” has no masks."
    assert "“Right reason” has no masks." in error_in_place(error)
