"""What a comparison says, before anything else is read."""

from __future__ import annotations

from html import escape

from imil.core.metrics import Metric
from imil.core.records import Arm, Split
from imil.core.rounds import Paired, Round
from imil.core.verdict import Difference, Verdict
from imil.ui import numbers, text
from imil.ui.markup import badge, icon, note

TONES = {
    Verdict.SHOWN: ("good", "up"),
    Verdict.NOT_SHOWN: ("flat", "equal"),
    Verdict.HARMFUL: ("bad", "down"),
    Verdict.ONE_RUN: ("warn", "warn"),
}


def verdict_card(found: Round) -> str:
    """Return the card of the round's main arm against control.

    The word comes from the verdict, never from the points; a single run has none.
    """
    main = main_arm(found)
    if main is None:
        return "".join(note(words, tone="info") for words in found.notices)
    tone, picture = TONES[main.verdict]
    return (
        f'<section class="card verdict {tone}" aria-label="{escape(text.COLUMN_VERDICT)}"><div>'
        f'<div class="w">{icon(picture)}{escape(verdict_word(main.verdict, len(found.seeds)))}'
        f"{badge(text.ROUND.format(number=found.number), tone='flat')}{_final(found)}</div>"
        f'<p class="say">{escape(_say(main, len(found.seeds)))}</p>'
        f'<p class="sub">{escape(text.AGAINST.format(arm=text.ARM_NAMES[main.arm]))}</p></div>'
        f'{_facts(found, main)}<p class="after">{escape(_after(found))}</p></section>'
        + "".join(note(words, tone="info") for words in found.notices)
    )


def main_arm(found: Round) -> Paired | None:
    """Return the arm that the card speaks of: the paper's, named beforehand."""
    return next((paired for paired in found.paired if paired.arm is Arm.IMIL), None)


def verdict_word(verdict: Verdict, seeds: int) -> str:
    """Return the verdict's word; a few seeds are counted in it."""
    if verdict is Verdict.ONE_RUN and seeds > 1:
        return text.RUNS_NOT_EVIDENCE.format(n=seeds)
    return text.VERDICTS[verdict]


def interval_known(seeds: int) -> bool:
    """Return whether an interval may be shown: one run has none over runs."""
    return seeds > 1


def _final(found: Round) -> str:
    return badge(text.FINAL_SPLIT, tone="info") if found.split is Split.TEST else ""


def _say(main: Paired, seeds: int) -> str:
    if main.verdict is not Verdict.ONE_RUN:
        return text.VERDICT_WORDS[main.verdict]
    points = numbers.points(main.differences[Metric.ACCURACY].points)
    if seeds == 1:
        return text.ONE_RUN_WORDS.format(points=points)
    return text.FEW_RUNS_WORDS.format(points=points, n=seeds)


def _facts(found: Round, main: Paired) -> str:
    gain = main.differences[Metric.ACCURACY]
    balanced = main.differences[Metric.BALANCED_ACCURACY]
    split, seeds = text.SPLITS[found.split], len(found.seeds)
    images = text.OF_IMAGES.format(n=numbers.count(found.images))
    unknown = f"{images}, {text.PATIENTS_NOT_KNOWN}"
    masked = max(found.masked)
    facts = [
        (text.FACT_POINTS, numbers.points(gain.points), _balanced(balanced)),
        _interval_fact(gain, seeds),
        (text.FACT_IMAGES.format(split=split), numbers.count(found.images), unknown)
        if found.patients is None
        else (text.FACT_PATIENTS.format(split=split), numbers.count(found.patients), images),
        (text.FACT_SEEDS, str(seeds), text.SEED_SCOPES[found.seed_scope]),
        (
            text.FACT_MASKED,
            numbers.some(masked, "image", "images"),
            text.OF_TRAINING.format(share=numbers.percent(masked / found.training_images)),
        ),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(big)}</dd>"
        f'<dd class="x">{escape(small)}</dd></div>'
        for name, big, small in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _balanced(difference: Difference) -> str:
    return text.BALANCED.format(points=numbers.points(difference.points))


def _interval_fact(gain: Difference, seeds: int) -> tuple[str, str, str]:
    if not interval_known(seeds):
        return text.FACT_INTERVAL, text.INTERVAL_NONE, text.INTERVAL_NEEDS
    where = text.ABOVE if gain.low > 0 else text.BELOW if gain.high < 0 else text.SPANS
    return text.FACT_INTERVAL, numbers.between(gain.low, gain.high), where


def _after(found: Round) -> str:
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    return f"{majority} {test_line(found.test_openings)}"


def test_line(openings: int) -> str:
    """Return how often the test set was opened, as a sentence."""
    if not openings:
        return text.TEST_NOT_OPENED
    times = text.ONCE if openings == 1 else text.TIMES.format(n=openings)
    return text.TEST_OPENED.format(times=times)
