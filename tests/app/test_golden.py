"""What small parts of the screen look like in each of their states: a file a part.

See `tests/report/test_golden.py` for how they are written anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from imil.app.header.header import saved_told
from imil.app.results.seeds_line import seeds_line
from imil.app.review.answer_card import answer_html
from imil.app.train.training_card import training_card
from imil.core.review.counterfactual import Answer
from imil.core.review.finding_check import FindingCheck
from imil.errors import ComputeError, StoreError
from imil.jobs.base import JobState, JobStatus
from imil.storage.base import Saved
from imil.storage.hub.errors import no_token
from tests.report.fabricated import CURVE
from tests.report.golden import check, check_page

TWO = ("no finding", "finding")
REPO = "lab/state"
TROUBLE = StoreError("The Hub refuses the token.", why="It has expired.", fix="Set a new one.")
NO_TIME = ComputeError("You can continue in 1 h 0 min.", why="2 s are left.", fix="Press Continue.")
STOPPED = JobStatus(JobState.STOPPED, epochs=10)
RUNNING = JobStatus(
    JobState.RUNNING, epoch=2, epochs=10, step="Control", seconds_left=93.0, curves=CURVE
)


def answer(before: float, after: float, *, coverage: float = 0.1) -> Answer:
    return Answer(1, (1 - before, before), (1 - after, after), coverage)


def absent(before: float, after: float) -> Answer:
    return Answer(0, (before, 1 - before), (after, 1 - after), 0.1)


def test_what_the_model_would_say(bless: bool) -> None:
    warned, chance = FindingCheck(0.69, 0.02), FindingCheck(0.69, 0.7)
    answers = {
        "flips to the label": answer_html(answer(0.31, 0.78), TWO, FindingCheck(-0.2)),
        "covers the marker": answer_html(absent(0.02, 0.61), TWO, marker=True),
        "flips from the label": answer_html(absent(0.61, 0.02), TWO),
        "may hide the finding": answer_html(answer(0.91, 0.22), TWO, warned),
        "no more than chance": answer_html(answer(0.91, 0.22), TWO, chance),
        "too low to tell": answer_html(answer(0.08, 0.05), TWO),
        "not checked yet": answer_html(answer(0.88, 0.88), TWO),
        "no change": answer_html(answer(0.88, 0.88), TWO, FindingCheck(0.0)),
        "the same prediction": answer_html(answer(0.88, 0.95), TWO, FindingCheck(0.05)),
        "nothing is hidden": answer_html(answer(0.31, 0.31, coverage=0.0), TWO),
        "a third class": answer_html(
            Answer(0, (0.2, 0.7, 0.1), (0.3, 0.1, 0.6), 0.1), ("a", "b", "c & <script>")
        ),
    }

    check_page("answers", states(answers), bless=bless)


def test_a_training(bless: bool) -> None:
    trainings = {
        "queued": training_card(JobStatus(JobState.QUEUED, epochs=10)),
        "running": training_card(RUNNING),
        "stopped": training_card(JobStatus(JobState.STOPPED, epoch=1, epochs=10, curves=CURVE)),
        "waits for its visitor": training_card(
            JobStatus(JobState.STOPPED, epoch=1, epochs=10, curves=CURVE, error=NO_TIME)
        ),
        "waits before an epoch": training_card(
            JobStatus(JobState.STOPPED, epochs=10, error=NO_TIME)
        ),
        "waits for its images": training_card(STOPPED, awaited=True),
        "more seeds": seeds_line(RUNNING, done=2, asked=5),
        "more seeds, waiting": seeds_line(JobStatus(JobState.QUEUED), done=2, asked=5),
    }

    check_page("trainings", states(trainings), bless=bless)


def test_where_a_study_is_saved(bless: bool) -> None:
    saved = {
        "here only": Saved(),
        "no token": Saved(trouble=no_token(REPO)),
        "not sent yet": Saved(REPO),
        "waiting": Saved(REPO, waiting=3),
        "sent": Saved(REPO, ago=12.2),
        "sent minutes ago": Saved(REPO, ago=179.0),
        "no answer": Saved(REPO, waiting=3, ago=99.0, silent=20.0),
        "refused": Saved(REPO, waiting=3, silent=20.0, trouble=TROUBLE),
    }
    told = {name: saved_told(each) for name, each in saved.items()}

    written = json.dumps(told, indent=1, ensure_ascii=False)
    check("saved", written + "\n", bless=bless, suffix="json")


def states(shown: Mapping[str, str]) -> str:
    """Return each state under its name."""
    return "".join(f"<h1>{name}</h1>{html}" for name, html in shown.items())
