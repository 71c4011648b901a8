from __future__ import annotations

from imil.app.train.training_card import training_card
from imil.core.records import EpochFigures
from imil.errors import ComputeError
from imil.jobs.base import JobState, JobStatus

CURVES = (EpochFigures(1, 0.7, 0.5, 0.6, 0.6),)
NO_TIME = ComputeError("You can continue in 1 h 0 min.", why="2 s are left.", fix="Press Continue.")


def test_a_training_that_waits_for_its_visitor_says_why_before_what_it_has_learned() -> None:
    status = JobStatus(JobState.STOPPED, epoch=1, epochs=10, curves=CURVES, error=NO_TIME)

    shown = training_card(status)

    # On a phone the curves fill the screen.
    assert shown.index("You can continue in 1 h 0 min.") < shown.index("Loss by epoch")
    assert "goes on from the last whole epoch" not in shown


def test_a_training_that_waits_without_an_epoch_says_why_in_place_of_curves() -> None:
    shown = training_card(JobStatus(JobState.STOPPED, epochs=10, error=NO_TIME))

    hidden, seen = shown.split("</div><div>", maxsplit=1)
    assert "visibility:hidden" in hidden
    assert "You can continue in 1 h 0 min." in seen
    assert "Loss by epoch" not in seen


def test_a_stopped_training_says_how_to_go_on() -> None:
    shown = training_card(JobStatus(JobState.STOPPED, epoch=1, epochs=10, curves=CURVES))

    assert "Continue goes on from the last whole epoch." in shown


def test_a_training_without_its_images_asks_for_them_and_not_to_go_on() -> None:
    shown = training_card(JobStatus(JobState.STOPPED, epochs=10), awaited=True)

    assert "Waiting for the images" in shown
    assert "made again from the plan" in shown
    assert "Continue" not in shown
