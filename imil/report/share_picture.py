"""A result as one picture, to show or to post: the verdict, both questions, and what it is not."""

from __future__ import annotations

import io
import textwrap

import matplotlib as mpl
from matplotlib.figure import Figure

from imil.core.evaluation.rounds import Paired, Round
from imil.errors import PlanError
from imil.report.cards.questions import VERDICT_TONES, meaning, question_rows, verdict_word
from imil.report.cards.verdict_card import named_arms, openings_line
from imil.report.parts import numbers, text
from imil.report.plots import FAINT, INK, PLOT_COLOURS, STYLE, Tone

# Pixels an inch of a picture of 8 × 4.2 inches: 1200 × 630, as links are shown elsewhere.
_DPI, _WIDTH, _HEIGHT = 150, 8.0, 4.2
# Letters a line of what the verdict means.
_LINE = 88
RESEARCH_ONLY = "Research use only, not for diagnosis"
# What stands in the columns of both questions.
VALUES_HEAD, POINTS_HEAD = "without masks → with masks", "difference, points"


def share_picture(found: Round) -> bytes:
    """Return a comparison as a PNG of 1200 × 630 pixels; no image and no name of a study is in it.

    Raises:
        PlanError: no arm was compared with control.
    """
    named = named_arms(found)
    if not named:
        raise PlanError(
            "There is no result to make a picture of.",
            why="No arm was compared with control.",
            fix="Test your masks first.",
        )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor="white")
        _draw(figure, found, named[0])
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw(figure: Figure, found: Round, paired: Paired) -> None:
    seeds = len(found.seeds)
    tone = PLOT_COLOURS[Tone(VERDICT_TONES[paired.verdict][0])]
    figure.text(0.05, 0.9, "IMIL", fontsize=13, weight="bold", color=INK)
    figure.text(0.95, 0.9, RESEARCH_ONLY, fontsize=9, weight="bold", color="#9a6200", ha="right")
    figure.text(
        0.05, 0.76, verdict_word(paired.verdict, seeds), fontsize=24, weight="bold", color=tone
    )
    against = f"{text.arm_name(paired.arm)}, against the same training without masks"
    figure.text(0.05, 0.7, against, fontsize=10.5, color=FAINT)
    figure.text(0.66, 0.63, VALUES_HEAD, fontsize=8.5, color=FAINT, ha="right")
    figure.text(0.95, 0.63, POINTS_HEAD, fontsize=8.5, color=FAINT, ha="right")
    for place, row in enumerate(question_rows(found, paired)):
        height = 0.555 - 0.15 * place
        figure.text(0.05, height, row.question, fontsize=12, weight="bold", color=INK)
        figure.text(0.05, height - 0.055, row.figure, fontsize=8.5, color=FAINT)
        values = f"{row.control} → {row.arm}" if row.control and row.arm else ""
        figure.text(0.66, height, values, fontsize=12, color=INK, ha="right")
        colour = PLOT_COLOURS[Tone(row.tone)]
        figure.text(0.95, height, row.points, fontsize=12, weight="bold", color=colour, ha="right")
        figure.text(0.95, height - 0.055, row.word, fontsize=9.5, color=colour, ha="right")
    said = textwrap.wrap(meaning(found, paired), _LINE)[:3]
    figure.text(0.05, 0.285, "\n".join(said), fontsize=10.5, color=INK, va="top", linespacing=1.4)
    images = f"{numbers.count(found.images)} {text.SPLIT_WORDS[found.split]} images"
    runs = numbers.some(seeds, "run", "runs")
    foot = f"{images} · {runs} · points with 95 % intervals · {openings_line(found.test_openings)}"
    figure.text(0.05, 0.06, foot, fontsize=8.5, color=FAINT)
