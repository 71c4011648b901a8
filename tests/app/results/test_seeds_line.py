from __future__ import annotations

from dataclasses import replace

import pytest

from imil.app.results.seeds_line import up_to_first_look
from imil.jobs.base import JobState, JobStatus

# Five runs of 100 s each, 30 s after the start.
RUNNING = JobStatus(JobState.RUNNING, share=0.06, seconds_left=470.0)


def test_before_the_first_run_ends_the_time_is_that_to_the_first_look() -> None:
    shown = up_to_first_look(RUNNING, 5)

    assert shown.seconds_left == pytest.approx(70)
    assert shown.share == pytest.approx(0.3)


def test_a_first_look_that_is_late_is_not_in_the_past() -> None:
    shown = up_to_first_look(replace(RUNNING, share=0.25, seconds_left=375.0), 5)

    assert (shown.seconds_left, shown.share) == (0, 1)


@pytest.mark.parametrize(
    ("status", "asked"),
    [(RUNNING, 1), (replace(RUNNING, seconds_left=None), 5), (JobStatus(JobState.QUEUED), 5)],
)
def test_of_a_single_run_and_before_anything_is_measured_nothing_changes(
    status: JobStatus, asked: int
) -> None:
    assert up_to_first_look(status, asked) == status
