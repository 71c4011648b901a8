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
from imil.report.parts import numbers
from imil.report.parts.markup import ASSETS, badge, note
from imil.study.study import Study

LABEL_HOW = (
    "Look at the image alone: which label would you give it? Exclude it where it shows neither "
    "class well enough."
)
HOW = (
    "Whatever a colleague would ignore: markers, text, tubes, rulers, borders. "
    "Leave the finding itself in sight."
)
IF_HIDDEN = "If this were hidden, the model would say"
MODEL_SAYS_NOW = "As it is, the model says"
FLIPS_TO_LABEL = "Prediction flips: now agrees with the label"
FLIPS_FROM_LABEL = "Prediction flips: no longer agrees with the label"
NOTHING_HIDDEN = "Nothing is hidden yet"
EVIDENCE_STAYS = "Finding check: the evidence for the label stays."
MAY_HIDE = "The mask may hide the finding itself."
MAY_HIDE_EVIDENCE = (
    "The label is {label}, and p({label}) falls when this is hidden. "
    "Erase there, or go on if you are sure."
)
MAY_HIDE_LARGE = "It covers {share} of the image. Erase there, or go on if you are sure."

# The slider's drawing, in its own units: it is stretched to the card's width.
TRACK = 100


def build_answer(**kwargs: Any) -> gr.HTML:
    """Place the answer where Gradio stands now; its value is `answer_value`'s."""
    waiting = f'<h3>{escape(IF_HIDDEN)}</h3><p class="nums">&nbsp;</p>'
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
    html = f"<h3>{escape(IF_HIDDEN)}</h3>{error_in_place(error)}"
    return {"sample": painted.sample_id, "stroke": painted.stroke, "html": html}


def answer_html(answer: Answer, classes: Sequence[str], *, suspect: bool = False) -> str:
    """Return the answer's HTML. It shows the probability of the label: up is towards the label.

    While nothing is hidden it says what to do: what to paint, or of a suspect, what to decide.
    """
    label = classes[answer.label]
    was, now = answer.before[answer.label], answer.after[answer.label]
    ends = (classes[1 - answer.label], label) if len(classes) == 2 else None
    name = escape(f"p({label})")
    if not answer.coverage:
        title, how = ("What to decide", LABEL_HOW) if suspect else ("What to paint", HOW)
        return (
            f"<h3>{escape(MODEL_SAYS_NOW)}</h3>"
            f'<p class="nums"><small>{name}</small> <b>{numbers.share(was)}</b></p>'
            f"{_track(was, was, ends)}"
            f'<div class="slot">{badge(NOTHING_HIDDEN, tone="flat")}'
            f'<div class="how"><h3>{escape(title)}</h3><p>{escape(how)}</p></div></div>'
        )
    flips = '<small class="flips">· flips</small>' if answer.flips else ""
    return (
        f"<h3>{escape(IF_HIDDEN)}</h3>"
        f'<p class="nums"><small>{name}</small> <span class="was">{numbers.share(was)}</span> '
        f"→ <b>{numbers.share(now)}</b>{flips}</p>"
        f"{_track(was, now, ends)}"
        f'<div class="slot">{_badge(answer, classes)}{_check(answer, classes)}</div>'
    )


def _badge(answer: Answer, classes: Sequence[str]) -> str:
    if not answer.flips:
        same = numbers.share(answer.before[answer.label]) == numbers.share(
            answer.after[answer.label]
        )
        return badge("No change" if same else "Same prediction", tone="flat", picture="equal")
    if answer.predicted_after == answer.label:
        return badge(FLIPS_TO_LABEL, tone="good", picture="swap")
    if answer.predicted_before == answer.label:
        return badge(FLIPS_FROM_LABEL, tone="bad", picture="swap")
    words = f"Prediction flips to {classes[answer.predicted_after]}, which is not the label"
    return badge(words, tone="warn", picture="swap")


def _check(answer: Answer, classes: Sequence[str]) -> str:
    """Return the finding check: it warns, and never blocks."""
    if not answer.may_hide_finding:
        return note(EVIDENCE_STAYS, tone="good")
    words = MAY_HIDE_LARGE.format(share=numbers.percent(answer.coverage))
    if answer.evidence_falls:
        words = MAY_HIDE_EVIDENCE.format(label=classes[answer.label])
    return note(words, tone="warn", lead=MAY_HIDE)


def _track(was: float, now: float, ends: Sequence[str] | None) -> str:
    """Return the two probabilities on a line from 0 to 1; decoration, the figures are text."""
    left, right = (ends[0], ends[1]) if ends is not None else ("0", "1")
    low, high = sorted((was, now))
    middle = "<span>.50</span>" if ends is not None else ""
    half = "<s></s>" if ends is not None else ""
    return (
        f'<div class="track" aria-hidden="true"><i style="left:{TRACK * low:.1f}%;'
        f'width:{TRACK * (high - low):.1f}%"></i>{half}'
        f'<b class="o" style="left:{TRACK * was:.1f}%"></b>'
        f'<b class="p" style="left:{TRACK * now:.1f}%"></b></div>'
        f'<p class="ends" aria-hidden="true"><span>{escape(left)}</span>{middle}'
        f"<span>{escape(right)}</span></p>"
    )
