"""What a comparison says, before anything else is read."""

from __future__ import annotations

from markupsafe import Markup

from imil.core.arms.variants import CONTROL, IMIL, Variant
from imil.core.evaluation.recommendation import MOST_LOST
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import Verdict
from imil.core.records import Deployment, Split
from imil.report.cards.questions import (
    RUN_MANY,
    RUN_ONE,
    VERDICT_TONES,
    meaning,
    points_of,
    question_rows,
    verdict_word,
)
from imil.report.parts import numbers, text
from imil.report.parts.markup import render

NOT_RECOMMENDED_UNSAID = "No arm is recommended: nothing could be predicted to choose it by."
RECOMMENDED_CONTROL = (
    "For now, train on without masks: on validation no arm was measurably better than control."
)
CHOSEN = "Chosen on validation{among}, where it gained {gain} points without the shortcut."
CHOSEN_HERE = "Chosen on these images{among}, so it is optimistic: confirm on the test set."
AMONG = " from arms that lose at most {points} point of accuracy"
MASK_ONLY_ABOVE = (
    "A classifier that sees the masks alone, and no image, reaches a balanced accuracy of "
    "{figure}, n = {n}; chance is {chance}. What an arm gains may come from that."
)
MASK_ONLY_AT_CHANCE = "Check: the masks alone don't reveal the class, {figure}, n = {n}."
AGAINST = "{arm}, compared with the same model trained equally long without masks."


def verdict_card(found: Round, *, asked: int = 0, opens: bool = False) -> Markup:
    """Return the card of the comparisons named beforehand, each against control.

    First the arm that was recommended on validation, with both questions and what they mean; below
    it the paper's arm in short. Words come from the verdicts, never from the points; a few runs
    have none.

    Args:
        found: the comparison.
        asked: how many seeds were asked for, where more are being trained.
        opens: whether the images of a group can be opened from the card.
    """
    named, alone = named_arms(found), found.mask_only
    told = alone is not None and not alone.at_chance
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    after = [majority, openings_line(found.test_openings)]
    return render(
        "verdict.html",
        found=found,
        final=found.split is Split.TEST,
        compared=[_comparison(found, paired, asked) for paired in named],
        group=_group(found, named[0].arm) if named else None,
        opens=opens,
        advice="" if any(p.arm == found.recommended for p in named) else advice_line(found),
        after=" ".join(after if told else [*after, mask_only_line(alone)]),
        given_away=mask_only_line(alone) if told else "",
        notices=[text.with_arm_names(words) for words in found.notices],
    )


def named_arms(found: Round) -> tuple[Paired, ...]:
    """Return the comparisons named beforehand: the recommended arm's, then that of the paper's."""
    names = dict.fromkeys(name for name in (found.recommended, IMIL) if name is not None)
    by_arm = {paired.arm: paired for paired in found.paired}
    return tuple(by_arm[name] for name in names if name in by_arm)


def key_arms(found: Round) -> tuple[ArmFigures, ...]:
    """Return control, the paper's arm and the recommended one: whose details come first.

    All arms, where there are no more than three.
    """
    wanted = (CONTROL, IMIL, found.recommended)
    few = len(found.arms) <= len(wanted)
    return tuple(arm for arm in found.arms if few or arm.arm in wanted)


def mask_only_line(alone: MaskOnly | None) -> str:
    """Return what masks alone give away, as a sentence."""
    if alone is None:
        return "Whether the masks alone reveal the class: too few masks of each class to tell."
    words = MASK_ONLY_AT_CHANCE if alone.at_chance else MASK_ONLY_ABOVE
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
    return f"Recommended on validation: {text.arm_name(found.recommended)}."


def openings_line(openings: int) -> str:
    """Return how often the test set was opened, as a sentence."""
    if not openings:
        return "Test set not opened."
    times = text.ONCE if openings == 1 else text.TIMES.format(n=openings)
    return f"Test set opened {times}."


def _comparison(found: Round, paired: Paired, asked: int) -> dict[str, object]:
    """Return what the card says of one comparison."""
    tone, picture = VERDICT_TONES[paired.verdict]
    recommended = paired.arm == found.recommended
    rows = question_rows(found, paired)
    return {
        "tone": tone,
        "picture": picture,
        "word": verdict_word(paired.verdict, len(found.seeds), asked=asked),
        "first_look": paired.verdict is Verdict.TOO_EARLY_TO_SAY,
        "recommended": recommended,
        "name": text.arm_name(paired.arm),
        "against": AGAINST.format(arm=text.arm_name(paired.arm)),
        "rows": rows,
        "meaning": meaning(found, paired, asked=asked),
        "chosen": _chosen(found) if recommended else "",
        "facts": _facts(found, paired),
        "masked": _masked_fact(found, paired),
    }


def _group(found: Round, name: Variant) -> dict[str, object] | None:
    """Return what control and an arm reach in control's worst group; None where there is none."""
    group = found.worst_group
    if group is None:
        return None
    before, after = (
        next(arm.groups[group] for arm in found.arms if arm.arm == each) for each in (CONTROL, name)
    )
    return {
        "name": group,
        "images": after.images,
        "control": before.accuracy.value,
        "arm": after.accuracy.value,
        "ask": {"arm": name, "group": group},
    }


def _chosen(found: Round) -> str:
    """Return how the recommended arm was chosen, and that this flatters."""
    if found.advice is None:
        return ""
    elsewhere = found.deployment is Deployment.ELSEWHERE
    among = "" if elsewhere else AMONG.format(points=f"{MOST_LOST:g}")
    gain = points_of(found.advice.chosen.gain, len(found.seeds))
    words = CHOSEN if found.split is Split.TEST else CHOSEN_HERE
    return words.format(gain=gain, among=among)


def _facts(found: Round, paired: Paired) -> str:
    """Return on what a comparison rests: images, runs, masks."""
    images = f"{numbers.count(found.images)} {text.SPLIT_WORDS[found.split]} images"
    whose = (
        "patients unknown"
        if found.patients is None
        else f"{numbers.count(found.patients)} patients"
    )
    runs = numbers.some(len(found.seeds), RUN_ONE, RUN_MANY)
    parts = (
        f"{images}, {whose}",
        f"{runs}, {text.SEED_SCOPES[found.seed_scope]}",
        _masked_fact(found, paired),
    )
    return " · ".join(parts)


def _masked_fact(found: Round, paired: Paired) -> str:
    arm = next(arm for arm in found.arms if arm.arm == paired.arm)
    masks = arm.masks or found.masked
    most = max(masks)
    small = f"{numbers.percent(most / found.training_images)} of training"
    if arm.seconds:
        small = f"{small}, {numbers.duration(arm.seconds)}"
    word = text.IMAGE_ONE if most == 1 else text.IMAGE_MANY
    return f"{numbers.span(masks)} {word} masked ({small})"
