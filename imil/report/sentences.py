"""A finished comparison as plain sentences: for the terminal, the report and a model card."""

from __future__ import annotations

from collections.abc import Iterator

from imil.core.evaluation.metrics import Robustness
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.report.cards.external_card import external_sentences
from imil.report.cards.figures_cards import zero_maps
from imil.report.cards.questions import (
    QuestionRow,
    interval_known,
    meaning,
    question_rows,
    verdict_word,
)
from imil.report.cards.verdict_card import (
    advice_line,
    key_arms,
    mask_only_line,
    named_arms,
    openings_line,
)
from imil.report.parts import numbers, text

WORDS_VERDICT = (
    "{arm} against control: {word}. {without} {alike} {split}, n = {n}, {seeds} ({scope}). "
    "{meaning}"
)
WORDS_QUESTION = "{question}: {control} to {arm}, {points} points{level} ({figure})."
WORDS_NOT_ASKED = "{question}: not measured."
WORDS_SWAPPED = (
    "{arm}, swapped: balanced accuracy {figure}; {points} points against control; {flips} of the "
    "predictions change."
)
WORDS_WORST = "{arm}: accuracy {figure} in “{group}”, control's worst group, n = {n}."
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
    for paired in named_arms(found):
        yield _verdict(found, paired)
    if found.paired:
        yield advice_line(found)
    yield from _robustness(found)
    for arm in key_arms(found):
        yield from _worst(arm, found.worst_group)
        yield from _operating(arm)
    yield from _explanations(found)
    yield from external_sentences(found)
    yield mask_only_line(found.mask_only)
    majority = text.MAJORITY_LINE.format(rate=numbers.share(found.majority_rate))
    yield f"{majority} {openings_line(found.test_openings)}"


def _verdict(found: Round, paired: Paired) -> str:
    seeds = len(found.seeds)
    without, alike = question_rows(found, paired)
    return WORDS_VERDICT.format(
        arm=text.arm_name(paired.arm),
        word=verdict_word(paired.verdict, seeds).lower(),
        without=_question(without),
        alike=_question(alike),
        split=text.SPLIT_NAMES[found.split],
        n=numbers.count(found.images),
        seeds=numbers.some(seeds, text.SEED_ONE, text.SEED_MANY),
        scope=text.SEED_SCOPES[found.seed_scope],
        meaning=meaning(found, paired),
    )


def _question(row: QuestionRow) -> str:
    if row.change is None:
        return WORDS_NOT_ASKED.format(question=row.question)
    return WORDS_QUESTION.format(
        question=row.question,
        control=row.control,
        arm=row.arm,
        points=row.points,
        level="" if row.level is None else f", {numbers.percent(row.level)} interval",
        figure=row.figure[0].lower() + row.figure[1:],
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


def _worst(arm: ArmFigures, group: str | None) -> Iterator[str]:
    if group is not None:
        worst = arm.groups[group]
        yield WORDS_WORST.format(
            arm=text.arm_name(arm.arm),
            group=group,
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
