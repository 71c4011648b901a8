"""What a comparison says, before anything else is read."""

from __future__ import annotations

from html import escape

from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import MIN_SEEDS, Difference, Verdict
from imil.core.records import Split
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, icon, note

TONES = {
    Verdict.SHOWN: ("good", "up"),
    Verdict.NOT_SHOWN: ("flat", "equal"),
    Verdict.HARMFUL: ("bad", "down"),
    Verdict.ONE_RUN: ("warn", "warn"),
}


def verdict_card(found: Round, *, asked: int = 0) -> str:
    """Return the card of the comparisons named beforehand, each against control.

    First the paper's arm, then the one recommended on validation. Words come from the verdicts,
    never from the points; a few runs have none.

    Args:
        found: the comparison.
        asked: how many seeds were asked for, where more are being trained.
    """
    main, second = main_arm(found), second_arm(found)
    named = [paired for paired in (main, second) if paired is not None]
    notices = "".join(note(text.with_arm_names(words), tone="info") for words in found.notices)
    if found.test_seen:
        notices += note(text.TEST_SEEN_WORDS, tone="warn")
    if not found.paired:
        return notices
    tone = TONES[named[0].verdict][0] if named else "flat"
    shown = "".join(
        _comparison(found, paired, first=not i, asked=asked) for i, paired in enumerate(named)
    )
    return (
        f'<section class="card verdict {tone}" aria-label="{escape(text.COLUMN_VERDICT)}">'
        f"{shown or _unnamed(found)}{_advice(found, second)}"
        f'<p class="after">{escape(_after(found))}</p>{_given_away(found.mask_only)}</section>'
        + notices
    )


def main_arm(found: Round) -> Paired | None:
    """Return the comparison of the paper's arm, named beforehand; None if it isn't compared."""
    return _paired(found, IMIL)


def second_arm(found: Round) -> Paired | None:
    """Return the recommended arm's comparison; None where that is control, the paper's or none."""
    return None if found.recommended == IMIL else _paired(found, found.recommended)


def key_arms(found: Round) -> tuple[ArmFigures, ...]:
    """Return control, the paper's arm and the recommended one: whose details come first.

    All arms, where there are no more than three.
    """
    wanted = (CONTROL, IMIL, found.recommended)
    few = len(found.arms) <= len(wanted)
    return tuple(arm for arm in found.arms if few or arm.arm in wanted)


def verdict_word(verdict: Verdict, seeds: int, *, asked: int = 0) -> str:
    """Return the verdict's word; a few seeds are counted in it, as are more to come."""
    if verdict is Verdict.ONE_RUN and asked > seeds:
        return text.SEEDS_OF.format(done=seeds, asked=asked)
    if verdict is Verdict.ONE_RUN and seeds > 1:
        return text.RUNS_NOT_EVIDENCE.format(n=seeds)
    return text.VERDICTS[verdict]


def interval_known(seeds: int) -> bool:
    """Return whether an interval may be shown: one run has none over runs."""
    return seeds > 1


def mask_only_line(alone: MaskOnly | None) -> str:
    """Return what masks alone give away, as a sentence."""
    if alone is None:
        return text.MASK_ONLY_UNKNOWN
    words = text.MASK_ONLY if alone.at_chance else text.MASK_ONLY_ABOVE
    return words.format(
        figure=numbers.with_interval(alone.balanced_accuracy),
        n=numbers.count(alone.images),
        chance=numbers.share(alone.chance),
    )


def advice_line(found: Round) -> str:
    """Return what is recommended, as a sentence."""
    if found.recommended is None:
        return text.NOT_RECOMMENDED if found.notices else text.NOT_RECOMMENDED_UNSAID
    if found.recommended == CONTROL:
        return text.RECOMMENDED_CONTROL
    words = text.RECOMMENDED_IMIL if found.recommended == IMIL else text.RECOMMENDED_ARM
    return words.format(arm=text.arm_name(found.recommended))


def openings_line(openings: int) -> str:
    """Return how often the test set was opened, as a sentence."""
    if not openings:
        return text.TEST_NOT_OPENED
    times = text.ONCE if openings == 1 else text.TIMES.format(n=openings)
    return text.TEST_OPENED.format(times=times)


def _paired(found: Round, name: Variant | None) -> Paired | None:
    return next((paired for paired in found.paired if paired.arm == name), None)


def _comparison(found: Round, paired: Paired, *, first: bool, asked: int) -> str:
    tone, picture = TONES[paired.verdict]
    seeds = len(found.seeds)
    own = badge(text.RECOMMENDED, tone="info") if paired.arm == found.recommended else ""
    about = _about(found)
    return (
        f'<div class="vs {tone}{"" if first else " second"}"><div>'
        f'<div class="w">{icon(picture)}{escape(verdict_word(paired.verdict, seeds, asked=asked))}'
        f"{about if first else ''}{own}</div>"
        f'<p class="say">{escape(_say(paired, seeds, asked))}</p>'
        f'<p class="sub">{escape(text.AGAINST.format(arm=text.arm_name(paired.arm)))}'
        f"</p>{'' if first else _chosen(found)}</div>{_facts(found, paired)}</div>"
    )


def _unnamed(found: Round) -> str:
    return (
        f'<div class="vs flat"><div><div class="w">{escape(text.UNNAMED)}{_about(found)}</div>'
        f'<p class="say">{escape(text.UNNAMED_WORDS)}</p></div></div>'
    )


def _about(found: Round) -> str:
    number = badge(text.ROUND.format(number=found.number), tone="flat")
    final = badge(text.FINAL_SPLIT, tone="info") if found.split is Split.TEST else ""
    seen = badge(text.TEST_SEEN, tone="warn") if found.test_seen else ""
    return f"{number}{final}{seen}"


def _say(paired: Paired, seeds: int, asked: int) -> str:
    if paired.verdict is not Verdict.ONE_RUN:
        said = text.VERDICT_WORDS if paired.arm == IMIL else text.ARM_VERDICT_WORDS
        return said[paired.verdict]
    points = numbers.points(paired.differences[Metric.ACCURACY].points)
    if asked > seeds:
        return text.SEEDS_SO_FAR.format(points=points, done=seeds, asked=asked, needed=MIN_SEEDS)
    if seeds == 1:
        return text.ONE_RUN_WORDS.format(points=points)
    return text.FEW_RUNS_WORDS.format(points=points, n=seeds)


def _chosen(found: Round) -> str:
    """Return how the recommended arm was chosen, and that this flatters."""
    if found.advice is None:
        return ""
    gain = _points(found.advice.chosen.gain, len(found.seeds))
    words = text.CHOSEN if found.split is Split.TEST else text.CHOSEN_HERE
    return f'<p class="sub s13">{escape(words.format(gain=gain))}</p>'


def _advice(found: Round, second: Paired | None) -> str:
    """Return what is recommended where no comparison of its own says so."""
    if second is not None:
        return ""
    tone = "good" if found.recommended == IMIL else "flat"
    return f'<p class="advice {tone}">{icon("info")}<span>{escape(advice_line(found))}</span></p>'


def _facts(found: Round, paired: Paired) -> str:
    gain = paired.differences[Metric.ACCURACY]
    balanced = paired.differences[Metric.BALANCED_ACCURACY]
    split, seeds = text.SPLITS[found.split], len(found.seeds)
    halves = text.BALANCED.format(points=_points(balanced, seeds))
    images = text.OF_IMAGES.format(n=numbers.count(found.images))
    unknown = f"{images}, {text.PATIENTS_NOT_KNOWN}"
    facts = [
        (text.FACT_POINTS, numbers.points(gain.points), halves),
        _interval_fact(gain, seeds),
        (text.FACT_IMAGES.format(split=split), numbers.count(found.images), unknown)
        if found.patients is None
        else (text.FACT_PATIENTS.format(split=split), numbers.count(found.patients), images),
        (text.FACT_SEEDS, str(seeds), text.SEED_SCOPES[found.seed_scope]),
        _masked_fact(found, paired),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(big)}</dd>"
        f'<dd class="x">{escape(small)}</dd></div>'
        for name, big, small in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _masked_fact(found: Round, paired: Paired) -> tuple[str, str, str]:
    arm = next(arm for arm in found.arms if arm.arm == paired.arm)
    masks = arm.masks or found.masked
    most = max(masks)
    small = text.OF_TRAINING.format(share=numbers.percent(most / found.training_images))
    if arm.seconds:
        small = f"{small} · {numbers.duration(arm.seconds)}"
    word = text.IMAGE_ONE if most == 1 else text.IMAGE_MANY
    return text.FACT_MASKED, f"{numbers.span(masks)} {word}", small


def _points(difference: Difference, seeds: int) -> str:
    points = numbers.points(difference.points)
    if not interval_known(seeds):
        return points
    return f"{points} {numbers.brackets(difference.low, difference.high)}"


def _interval_fact(gain: Difference, seeds: int) -> tuple[str, str, str]:
    if not interval_known(seeds):
        return text.FACT_INTERVAL, text.INTERVAL_NONE, text.INTERVAL_NEEDS
    where = text.ABOVE if gain.low > 0 else text.BELOW if gain.high < 0 else text.SPANS
    return text.FACT_INTERVAL, numbers.between(gain.low, gain.high), where


def _after(found: Round) -> str:
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    openings = openings_line(found.test_openings)
    alone = found.mask_only
    said = "" if alone is not None and not alone.at_chance else f" {mask_only_line(alone)}"
    return f"{majority} {openings}{said}"


def _given_away(alone: MaskOnly | None) -> str:
    """Return the warning where masks alone tell the class."""
    if alone is None or alone.at_chance:
        return ""
    return note(mask_only_line(alone), tone="warn", lead=text.MASK_ONLY_WARNING)
