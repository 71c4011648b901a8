from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from imil.app.header.job_line import job_line, line_words
from imil.app.screen import Screen, show_all, show_no_study
from imil.jobs.base import JobState, JobStatus
from imil.report.parts import text
from imil.study.library.studies import Studies
from tests.standins.page_text import numbers_of
from tests.standins.trained import as_if_trained

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_who_waits_is_told_how_many_are_before_and_how_long_that_takes() -> None:
    waits = JobStatus(JobState.QUEUED, position=2)

    assert numbers_of(line_words(waits)) == ["2"]
    assert numbers_of(line_words(replace(waits, starts_in=150.0))) == ["2", "2"]


def test_an_idle_study_has_no_line_and_a_trained_one_can_be_masked_meanwhile(
    studies: Studies,
) -> None:
    new = studies.demo()

    assert job_line(new)["kind"] == ""
    assert job_line(new)["masks"] is False
    assert job_line(as_if_trained(new))["masks"] is True


def test_every_tab_is_emptied_where_no_study_is_open(screen: Screen, studies: Studies) -> None:
    opened = show_all(screen, as_if_trained(studies.demo()), "")

    closed = show_no_study(screen)

    assert closed[screen.study_id] == ""
    assert closed[screen.header]["study"] == ""
    tab = screen.outliers
    assert (opened[tab.work]["visible"], closed[tab.work]["visible"]) == (True, False)
    assert closed[screen.results.asking]["visible"] is False


def test_a_page_that_opens_says_on_no_tab_that_something_is_missing(screen: Screen) -> None:
    said: list[Any] = [screen.train.study, screen.outliers.none_words, screen.results.none]

    assert all(isinstance(each, gr.HTML) and text.OPENING in each.value for each in said)
