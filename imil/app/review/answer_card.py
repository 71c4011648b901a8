"""What the model would say if the painted region were hidden: a slot of fixed height."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from imil.app.painter.painter import Painted
from imil.app.server.errors import error_in_place
from imil.core.records import Queue, Region
from imil.core.review.counterfactual import Answer
from imil.core.review.finding_check import FindingCheck, has_evidence, names_absence
from imil.errors import ImilError
from imil.report.parts import numbers
from imil.report.parts.markup import ASSETS, part, render
from imil.study.study import Study

TO_DECIDE, TO_PAINT = "What to decide", "What to paint"
LABEL_HOW = (
    "Look at the image alone: which label would you give it? Exclude it where it shows neither "
    "class well enough."
)
HOW = (
    "Whatever a colleague would ignore: markers, text, tubes, rulers, borders. "
    "Leave the finding itself in sight."
)
IF_HIDDEN = "With this hidden, the model says"
MODEL_SAYS_NOW = "Now the model says"
FLIPS = "the model changed its mind, from {was} to {now}."
COVERED_MARKER = "You covered the L: "
HIDDEN = "With this hidden, "
MAY_HIDE = "May hide the finding: "
READS_HERE = "here the model reads “{label}”."
IS_IT_THE_FINDING = (
    "Without it p({label}) falls by {fall}; without such a mask anywhere else, by {chance} at "
    "most. The finding itself? Erase there. A marker, text or a device? Go on."
)
CHECKING = "Finding check …"
NO_FINDING = "Finding check: “{label}” names no finding that a mask could hide."
TOO_LOW = "Finding check: p({label}) is too low for a mask to lower it."
BY_CHANCE = "Finding check: masks in random places take as much from p({label})."
EVIDENCE_STAYS = "Finding check passed: the label stays as likely."


def build_answer(**kwargs: Any) -> gr.HTML:
    """Place the answer where Gradio stands now; its values are those of `answer_values`."""
    return gr.HTML(
        html_template=str(part("box", IF_HIDDEN, of="answer_waiting.html")),
        js_on_load=(ASSETS / "answer.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def answer_values(
    study: Study, painted: Painted, kind: Queue = Queue.MISPREDICTED
) -> Iterator[dict[str, str]]:
    """Yield what the model says to what is painted, with the film and stroke it answers.

    At once, after one pass of the model; and again where the finding check takes twenty more.
    """
    irrelevant: Region | None = painted.irrelevant if painted.irrelevant.any() else None
    classes, suspect = study.images.classes, kind is Queue.LABEL_SUSPECT
    hint = study.pictures.hint(painted.sample_id)
    marker = hint is not None and hint.covered_by(painted.irrelevant)
    answer = study.model.answer(painted.sample_id, irrelevant)
    told = {"sample": painted.sample_id, "stroke": painted.stroke}
    yield {**told, "html": answer_html(answer, classes, suspect=suspect, marker=marker)}
    if irrelevant is not None:
        suggested = study.predictions.of(painted.reader).suggests(painted.sample_id)
        check = study.model.check(painted.sample_id, irrelevant, suggested)
        if check is not None:
            yield {**told, "html": answer_html(answer, classes, check, marker=marker)}


def trouble_value(painted: Painted, error: ImilError) -> dict[str, str]:
    """Return why the model says nothing to what is painted, in the place of its answer."""
    html = part("waiting", IF_HIDDEN, error_in_place(error), of="answer_waiting.html")
    return {"sample": painted.sample_id, "stroke": painted.stroke, "html": str(html)}


def answer_html(
    answer: Answer,
    classes: Sequence[str],
    check: FindingCheck | None = None,
    *,
    suspect: bool = False,
    marker: bool = False,
) -> str:
    """Return the answer's HTML. It shows the probability of the label: up is towards the label.

    A change of mind is said large, and so is a warning that the finding may be hidden. While
    nothing is hidden it says what to do.

    Args:
        answer: what the model says.
        classes: names, in label order.
        check: the finding check; None until it is there, and where nothing can be hidden.
        suspect: its label is to be decided on; nothing is to be painted.
        marker: what is hidden is the demo's marker.
    """
    label = classes[answer.label]
    was, now = answer.before[answer.label], answer.after[answer.label]
    loud, tone = _loud(answer, classes, check, marker=marker)
    found, found_tone = _found(check, label, was)
    return str(
        render(
            "answer.html",
            hidden=bool(answer.coverage),
            title=IF_HIDDEN if answer.coverage else MODEL_SAYS_NOW,
            label=label,
            was=was,
            now=now,
            same=numbers.share(was) == numbers.share(now),
            ends=(classes[1 - answer.label], label) if len(classes) == 2 else None,
            loud=loud,
            tone=tone,
            check=found,
            check_tone=found_tone,
            how=(TO_DECIDE, LABEL_HOW) if suspect else (TO_PAINT, HOW),
        )
    )


def _loud(
    answer: Answer, classes: Sequence[str], check: FindingCheck | None, *, marker: bool
) -> tuple[str, str]:
    """Return what is said large and its tone; "" where the model keeps its mind, unwarned."""
    if check is not None and check.warns:
        reads = READS_HERE.format(label=classes[answer.label])
        return (COVERED_MARKER if marker else MAY_HIDE) + reads, "warn"
    if not answer.flips:
        return "", ""
    was, now = classes[answer.predicted_before], classes[answer.predicted_after]
    words = (COVERED_MARKER if marker else HIDDEN) + FLIPS.format(was=was, now=now)
    return words, "good" if answer.predicted_after == answer.label else "bad"


def _found(check: FindingCheck | None, label: str, before: float) -> tuple[str, str]:
    """Return what the finding check found, and its tone: it warns, and never blocks."""
    if names_absence(label):
        return NO_FINDING.format(label=label), "info"
    if check is None:
        low = not has_evidence(label, before)
        return (TOO_LOW.format(label=label) if low else CHECKING), "info"
    if check.chance is None:
        return EVIDENCE_STAYS, "good"
    if not check.warns:
        return BY_CHANCE.format(label=label), "info"
    fall, chance = numbers.share(check.fall), numbers.share(max(0.0, check.chance))
    return IS_IT_THE_FINDING.format(label=label, fall=fall, chance=chance), "warn"
