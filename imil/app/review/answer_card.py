"""What the model would say if the painted region were hidden: a slot of fixed height."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from imil.app.painter.painter import Painted
from imil.app.server.errors import error_in_place
from imil.core.records import Queue, Region
from imil.core.review.counterfactual import Answer
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, badge, note
from imil.study.study import Study

# The slider's drawing, in its own units: it is stretched to the card's width.
TRACK = 100


def build_answer(**kwargs: Any) -> gr.HTML:
    """Place the answer where Gradio stands now; its value is `answer_value`'s."""
    waiting = f'<h3>{escape(text.IF_HIDDEN)}</h3><p class="nums">&nbsp;</p>'
    return gr.HTML(
        html_template=f'<div class="answer" role="status" aria-busy="true">{waiting}</div>',
        js_on_load=(ASSETS / "answer.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def answer_value(
    study: Study, painted: Painted, kind: Queue = Queue.MISPREDICTED
) -> dict[str, str]:
    """Return what the model says to what is painted, with the film and stroke it answers."""
    irrelevant: Region | None = painted.irrelevant if painted.irrelevant.any() else None
    answer = study.answer(painted.sample_id, irrelevant)
    html = answer_html(answer, study.images.classes, suspect=kind is Queue.LABEL_SUSPECT)
    return {"sample": painted.sample_id, "stroke": painted.stroke, "html": html}


def trouble_value(painted: Painted, error: ImilError) -> dict[str, str]:
    """Return why the model says nothing to what is painted, in the place of its answer."""
    html = f"<h3>{escape(text.IF_HIDDEN)}</h3>{error_in_place(error)}"
    return {"sample": painted.sample_id, "stroke": painted.stroke, "html": html}


def answer_html(answer: Answer, classes: Sequence[str], *, suspect: bool = False) -> str:
    """Return the answer's HTML. It shows the probability of the label: up is towards the label.

    While nothing is hidden it says what to do: what to paint, or of a suspect, what to decide.
    """
    label = classes[answer.label]
    was, now = answer.before[answer.label], answer.after[answer.label]
    ends = (classes[1 - answer.label], label) if len(classes) == 2 else None
    name = escape(text.P_OF.format(label=label))
    if not answer.coverage:
        title, how = (
            (text.LABEL_HOW_TITLE, text.LABEL_HOW) if suspect else (text.HOW_TITLE, text.HOW)
        )
        return (
            f"<h3>{escape(text.MODEL_SAYS_NOW)}</h3>"
            f'<p class="nums"><small>{name}</small> <b>{numbers.share(was)}</b></p>'
            f"{_track(was, was, ends)}"
            f'<div class="slot">{badge(text.NOTHING_HIDDEN, tone="flat")}'
            f'<div class="how"><h3>{escape(title)}</h3><p>{escape(how)}</p></div></div>'
        )
    flips = f'<small class="flips">{escape(text.FLIPS)}</small>' if answer.flips else ""
    return (
        f"<h3>{escape(text.IF_HIDDEN)}</h3>"
        f'<p class="nums"><small>{name}</small> <span class="was">{numbers.share(was)}</span> '
        f"{text.ARROW} <b>{numbers.share(now)}</b>{flips}</p>"
        f"{_track(was, now, ends)}"
        f'<div class="slot">{_badge(answer, classes)}{_check(answer, classes)}</div>'
    )


def _badge(answer: Answer, classes: Sequence[str]) -> str:
    if not answer.flips:
        same = numbers.share(answer.before[answer.label]) == numbers.share(
            answer.after[answer.label]
        )
        return badge(text.NO_CHANGE if same else text.SAME_PREDICTION, tone="flat", picture="equal")
    if answer.predicted_after == answer.label:
        return badge(text.FLIPS_TO_LABEL, tone="good", picture="swap")
    if answer.predicted_before == answer.label:
        return badge(text.FLIPS_FROM_LABEL, tone="bad", picture="swap")
    words = text.FLIPS_TO.format(label=classes[answer.predicted_after])
    return badge(words, tone="warn", picture="swap")


def _check(answer: Answer, classes: Sequence[str]) -> str:
    """Return the finding check: it warns, and never blocks."""
    if not answer.may_hide_finding:
        return note(text.EVIDENCE_STAYS, tone="good")
    words = text.MAY_HIDE_LARGE.format(share=numbers.percent(answer.coverage))
    if answer.evidence_falls:
        words = text.MAY_HIDE_EVIDENCE.format(label=classes[answer.label])
    return note(words, tone="warn", lead=text.MAY_HIDE)


def _track(was: float, now: float, ends: Sequence[str] | None) -> str:
    """Return the two probabilities on a line from 0 to 1; decoration, the figures are text."""
    left, right = (ends[0], ends[1]) if ends is not None else ("0", "1")
    low, high = sorted((was, now))
    middle = f"<span>{text.HALF}</span>" if ends is not None else ""
    half = "<s></s>" if ends is not None else ""
    return (
        f'<div class="track" aria-hidden="true"><i style="left:{TRACK * low:.1f}%;'
        f'width:{TRACK * (high - low):.1f}%"></i>{half}'
        f'<b class="o" style="left:{TRACK * was:.1f}%"></b>'
        f'<b class="p" style="left:{TRACK * now:.1f}%"></b></div>'
        f'<p class="ends" aria-hidden="true"><span>{escape(left)}</span>{middle}'
        f"<span>{escape(right)}</span></p>"
    )
