"""A finished comparison as plain sentences: for the terminal, the report and a model card."""

from __future__ import annotations

from collections.abc import Iterator

from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import Verdict
from imil.report.cards.figures_cards import zero_maps
from imil.report.cards.verdict_card import (
    advice_line,
    interval_known,
    key_arms,
    main_arm,
    mask_only_line,
    openings_line,
    second_arm,
    verdict_word,
)
from imil.report.parts import numbers, text

WORDS_VERDICT = (
    "{arm} against control: {word}. {points} points of {split} accuracy{around}, balanced "
    "{balanced}; n = {n}, {seeds} ({scope})."
)
WORDS_SWAPPED = (
    "{arm}, swapped: balanced accuracy {figure}; {points} points against control; {flips} of the "
    "predictions flip."
)
WORDS_WORST = "{arm}: worst group “{group}” {figure}, n = {n}."
WORDS_OPERATING = (
    "{arm}: at the threshold for 90 % sensitivity on validation, sensitivity {sensitivity}, "
    "specificity {specificity}."
)
WORDS_EXPLAINED = (
    "{arm}, {explainer}: wrong-reason share {wrong}, pointing game {pointing}; {maps}."
)


def in_words(found: Round) -> tuple[str, ...]:
    """Return what a comparison says, a sentence each: every figure with its split, n and interval.

    No figure of an arm stands without what control does.
    """
    return tuple(_sentences(found))


def _sentences(found: Round) -> Iterator[str]:
    for paired in (main_arm(found), second_arm(found)):
        if paired is not None:
            yield _verdict(found, paired)
    if found.paired:
        yield advice_line(found)
    yield from _robustness(found)
    for arm in key_arms(found):
        yield from _worst(arm)
        yield from _operating(arm)
    yield from _explanations(found)
    yield mask_only_line(found.mask_only)
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    yield f"{majority} {openings_line(found.test_openings)}"


def _verdict(found: Round, paired: Paired) -> str:
    gain = paired.differences[Metric.ACCURACY]
    balanced = paired.differences[Metric.BALANCED_ACCURACY]
    seeds = len(found.seeds)
    around = ""
    if interval_known(seeds):
        around = f" {numbers.brackets(gain.low, gain.high)}"
    few = paired.verdict is Verdict.ONE_RUN
    word = verdict_word(paired.verdict, seeds)
    return WORDS_VERDICT.format(
        arm=text.arm_name(paired.arm),
        word=word if few else word.lower(),
        points=numbers.points(gain.points),
        around=around,
        balanced=numbers.points(balanced.points)
        + (f" {numbers.brackets(balanced.low, balanced.high)}" if interval_known(seeds) else ""),
        split=text.SPLIT_WORDS[found.split],
        n=numbers.count(found.images),
        seeds=numbers.some(seeds, text.SEED_ONE, text.SEED_MANY),
        scope=text.SEED_SCOPES[found.seed_scope],
    )


def _robustness(found: Round) -> Iterator[str]:
    if found.swapped_by is None:
        return
    yield text.SWAPPED_WORDS[found.swapped_by]
    for paired in found.paired:
        if not paired.exploratory and Robustness.SWAPPED_BALANCED_ACCURACY in paired.swapped:
            arm = next(arm for arm in found.arms if arm.arm == paired.arm)
            difference = paired.swapped[Robustness.SWAPPED_BALANCED_ACCURACY]
            figure = arm.swapped[Robustness.SWAPPED_BALANCED_ACCURACY]
            around = ""
            if interval_known(len(found.seeds)):
                around = " " + numbers.brackets(difference.low, difference.high)
            yield WORDS_SWAPPED.format(
                arm=text.arm_name(paired.arm),
                figure=numbers.figure(figure, split=text.SPLIT_WORDS[found.split], n=found.images),
                points=numbers.points(difference.points) + around,
                flips=numbers.with_interval(arm.swapped[Robustness.FLIP_RATE]),
            )


def _worst(arm: ArmFigures) -> Iterator[str]:
    if arm.worst_group is not None:
        worst = arm.groups[arm.worst_group]
        yield WORDS_WORST.format(
            arm=text.arm_name(arm.arm),
            group=arm.worst_group,
            figure=numbers.with_interval(worst.accuracy),
            n=numbers.count(worst.images),
        )


def _operating(arm: ArmFigures) -> Iterator[str]:
    if arm.operating_point is not None:
        yield WORDS_OPERATING.format(
            arm=text.arm_name(arm.arm),
            sensitivity=numbers.with_interval(arm.operating_point.sensitivity),
            specificity=numbers.with_interval(arm.operating_point.specificity),
        )


def _explanations(found: Round) -> Iterator[str]:
    shown = [(arm, one) for arm in key_arms(found) for one in arm.explanations]
    if shown:
        yield text.EXPLANATIONS_SECONDARY + "."
    for arm, one in shown:
        yield WORDS_EXPLAINED.format(
            arm=text.arm_name(arm.arm),
            explainer=text.EXPLAINER_NAMES[one.explainer],
            wrong=numbers.with_interval(one.wrong_reason_share.figure),
            pointing=numbers.with_interval(one.pointing_game.figure),
            maps=zero_maps(one.wrong_reason_share),
        )
