"""What trains, on every tab: its place in the line, the time it takes, and that it has ended."""

from __future__ import annotations

from typing import Any

import gradio as gr

from imil.jobs.base import JobState, JobStatus
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, render
from imil.study.study import Study

# What is told of, first things first, and how it is called.
JOB_WORDS = {"test": text.COMPARING, "folds": "Looking again at each image", "train": text.TRAINING}


def build_job_line(**kwargs: Any) -> gr.HTML:
    """Place the line where Gradio stands now; it is out of sight while nothing trains.

    Its value is `job_line`'s. The browser says the end of it in the tab's title, and in a
    notification where the visitor asked for one.
    """
    return gr.HTML(
        html_template=str(render("job_line.html")),
        js_on_load=(ASSETS / "job_line.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def job_line(study: Study) -> dict[str, Any]:
    """Return what trains for a study.

    `kind` is one of `JOB_WORDS`, "" for nothing; `words` says how far it is; `states` holds how
    each kind stands; `runs` counts the finished runs of the test; `masks` tells whether one can
    mask meanwhile.
    """
    jobs = {
        "test": study.comparison.status(),
        "folds": study.training.out_of_fold_status(),
        "train": study.training.status(),
    }
    kind = next((each for each in JOB_WORDS if jobs[each].active), "")
    return {
        "study": study.study_id,
        "kind": kind,
        "words": _how_far(JOB_WORDS[kind], jobs[kind]) if kind else "",
        "states": {each: status.state for each, status in jobs.items()},
        "runs": study.comparison.seeds_done(),
        "masks": jobs["train"].state is JobState.DONE,
    }


def line_words(status: JobStatus) -> str:
    """Return where a job stands that waits: how many are before it, and when it may begin."""
    if not status.position:
        return text.QUEUED
    before = numbers.some(status.position, "study", "studies")
    if status.starts_in is None:
        return f"In line: {before} before yours"
    return f"In line: {before} before yours, begins in about {numbers.roughly(status.starts_in)}"


def _how_far(title: str, status: JobStatus) -> str:
    if status.state is JobState.QUEUED:
        return f"{title} · {line_words(status)}"
    if status.seconds_left is None:
        return f"{title} · {text.STARTING}"
    return f"{title} · {text.LEFT.format(time=numbers.duration(status.seconds_left))}"
