"""What a comparison says, before anything else is read."""

from __future__ import annotations

from markupsafe import Markup

from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import MIN_SEEDS, Difference, Verdict
from imil.core.records import Split
from imil.report.parts import numbers, text
from imil.report.parts.markup import render

VERDICTS = {
    Verdict.SHOWN.value: "SHOWN",
    Verdict.NOT_SHOWN.value: "NOT SHOWN",
    Verdict.HARMFUL.value: "HARMFUL",
    Verdict.ONE_RUN.value: "One run, not evidence",
}
NOT_RECOMMENDED_UNSAID = "No arm is recommended: nothing could be predicted to choose it by."
RECOMMENDED_CONTROL = (
    "Recommended: train on without masks. No arm was better than control on validation."
)
RECOMMENDED_IMIL = "Recommended on validation: {arm}, so one comparison was named beforehand."
CHOSEN = (
    "Chosen on validation: {gain} points of balanced accuracy against control, with what the "
    "irrelevant region tells taken off."
)
CHOSEN_HERE = (
    "Chosen on these validation images ({gain} points of balanced accuracy against control, with "
    "what the irrelevant region tells taken off): its figures flatter until the final comparison."
)
MASK_ONLY_ABOVE = (
    "A classifier that sees the masks alone, and no image, reaches a balanced accuracy of "
    "{figure}, n = {n}; chance is {chance}. What an arm gains may come from that."
)
FACT_INTERVAL = "95 % interval"
FACT_MASKED = "Masked"
SEEDS_SO_FAR = (
    "{points} points over {done} of {asked} seeds so far. A verdict takes {needed}; this card "
    "follows."
)

VERDICT_TONES = {
    Verdict.SHOWN: ("good", "up"),
    Verdict.NOT_SHOWN: ("flat", "equal"),
    Verdict.HARMFUL: ("bad", "down"),
    Verdict.ONE_RUN: ("warn", "warn"),
}


def verdict_card(found: Round, *, asked: int = 0) -> Markup:
    """Return the card of the comparisons named beforehand, each against control.

    First the paper's arm, then the one recommended on validation. Words come from the verdicts,
    never from the points; a few runs have none.

    Args:
        found: the comparison.
        asked: how many seeds were asked for, where more are being trained.
    """
    second, alone = second_arm(found), found.mask_only
    named = [paired for paired in (main_arm(found), second) if paired is not None]
    told = alone is not None and not alone.at_chance
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    after = [majority, openings_line(found.test_openings)]
    return render(
        "verdict.html",
        found=found,
        final=found.split is Split.TEST,
        compared=[_comparison(found, paired, asked) for paired in named],
        chosen=_chosen(found),
        advice="" if second is not None else advice_line(found),
        advice_tone="good" if found.recommended == IMIL else "flat",
        after=" ".join(after if told else [*after, mask_only_line(alone)]),
        given_away=mask_only_line(alone) if told else "",
        notices=[text.with_arm_names(words) for words in found.notices],
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
        return f"{seeds} of {asked} seeds …"
    if verdict is Verdict.ONE_RUN and seeds > 1:
        return f"{seeds} runs, not evidence"
    return VERDICTS[verdict]


def interval_known(seeds: int) -> bool:
    """Return whether an interval may be shown: one run has none over runs."""
    return seeds > 1


def points_of(difference: Difference, seeds: int) -> str:
    """Return points against control, with their interval where there are runs enough for one."""
    points = numbers.points(difference.points)
    if not interval_known(seeds):
        return points
    return f"{points} {numbers.brackets(difference.low, difference.high)}"


def mask_only_line(alone: MaskOnly | None) -> str:
    """Return what masks alone give away, as a sentence."""
    if alone is None:
        return "Mask-only classifier: too few masks of each class to tell."
    words = (
        "Mask-only classifier {figure}, n = {n}, at chance." if alone.at_chance else MASK_ONLY_ABOVE
    )
    return words.format(
        figure=numbers.with_interval(alone.balanced_accuracy),
        n=numbers.count(alone.images),
        chance=numbers.share(alone.chance),
    )


def advice_line(found: Round) -> str:
    """Return what is recommended, as a sentence."""
    if found.recommended is None:
        return (
            "No arm is recommended for this round; the notes say why."
            if found.notices
            else NOT_RECOMMENDED_UNSAID
        )
    if found.recommended == CONTROL:
        return RECOMMENDED_CONTROL
    words = RECOMMENDED_IMIL if found.recommended == IMIL else "Recommended on validation: {arm}."
    return words.format(arm=text.arm_name(found.recommended))


def openings_line(openings: int) -> str:
    """Return how often the test set was opened, as a sentence."""
    if not openings:
        return "Test set not opened."
    times = text.ONCE if openings == 1 else text.TIMES.format(n=openings)
    return f"Test set opened {times}."


def _paired(found: Round, name: Variant | None) -> Paired | None:
    return next((paired for paired in found.paired if paired.arm == name), None)


def _comparison(found: Round, paired: Paired, asked: int) -> dict[str, object]:
    """Return what the card says of one comparison."""
    tone, picture = VERDICT_TONES[paired.verdict]
    seeds = len(found.seeds)
    return {
        "tone": tone,
        "picture": picture,
        "word": verdict_word(paired.verdict, seeds, asked=asked),
        "recommended": paired.arm == found.recommended,
        "say": _say(paired, seeds, asked),
        "arm": text.arm_name(paired.arm),
        "facts": _facts(found, paired),
    }


def _say(paired: Paired, seeds: int, asked: int) -> str:
    if paired.verdict is not Verdict.ONE_RUN:
        said = text.VERDICT_WORDS if paired.arm == IMIL else text.ARM_VERDICT_WORDS
        return said[paired.verdict]
    points = numbers.points(paired.differences[Metric.ACCURACY].points)
    if asked > seeds:
        return SEEDS_SO_FAR.format(points=points, done=seeds, asked=asked, needed=MIN_SEEDS)
    if seeds == 1:
        return f"{points} points in a single run. Run 5 seeds for a verdict."
    return f"{points} points over {seeds} runs. Run 5 seeds for a verdict."


def _chosen(found: Round) -> str:
    """Return how the recommended arm was chosen, and that this flatters."""
    if found.advice is None:
        return ""
    gain = points_of(found.advice.chosen.gain, len(found.seeds))
    words = CHOSEN if found.split is Split.TEST else CHOSEN_HERE
    return words.format(gain=gain)


def _facts(found: Round, paired: Paired) -> list[tuple[str, str, str]]:
    """Return the figures of a comparison: what each is, the figure, and what goes with it."""
    gain = paired.differences[Metric.ACCURACY]
    balanced = paired.differences[Metric.BALANCED_ACCURACY]
    split, seeds = text.SPLIT_NAMES[found.split], len(found.seeds)
    halves = f"balanced {points_of(balanced, seeds)}"
    images = f"{numbers.count(found.images)} images"
    unknown = f"{images}, patients unknown"
    return [
        ("Accuracy, points", numbers.points(gain.points), halves),
        _interval_fact(gain, seeds),
        (f"{split} images", numbers.count(found.images), unknown)
        if found.patients is None
        else (f"{split} patients", numbers.count(found.patients), images),
        ("Seeds", str(seeds), text.SEED_SCOPES[found.seed_scope]),
        _masked_fact(found, paired),
    ]


def _masked_fact(found: Round, paired: Paired) -> tuple[str, str, str]:
    arm = next(arm for arm in found.arms if arm.arm == paired.arm)
    masks = arm.masks or found.masked
    most = max(masks)
    small = f"{numbers.percent(most / found.training_images)} of training"
    if arm.seconds:
        small = f"{small} · {numbers.duration(arm.seconds)}"
    word = text.IMAGE_ONE if most == 1 else text.IMAGE_MANY
    return FACT_MASKED, f"{numbers.span(masks)} {word}", small


def _interval_fact(gain: Difference, seeds: int) -> tuple[str, str, str]:
    if not interval_known(seeds):
        return FACT_INTERVAL, "none", "needs 2 seeds or more"
    where = (
        "paired, above 0"
        if gain.low > 0
        else "paired, below 0"
        if gain.high < 0
        else "paired, spans 0"
    )
    return FACT_INTERVAL, numbers.between(gain.low, gain.high), where
