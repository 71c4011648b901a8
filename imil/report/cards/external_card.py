"""Another hospital's images: what they are like, and how each arm does on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import (
    ArmFigures,
    ExternalFigures,
    Paired,
    Round,
    ThresholdFigures,
)
from imil.core.external.distribution import DistributionCheck, SetSummary, Spread
from imil.report.cards.questions import VERDICT_NAMES, VERDICT_TONES, points_of
from imil.report.cards.verdict_card import key_arms
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, card, part, remark, stacked

EXTERNAL_TITLE = "Another hospital: {name}"
EXTERNAL_COLUMNS = (
    "AUROC",
    "Balanced accuracy",
    "Balanced, at threshold",
    "Accuracy",
    "Accuracy, at threshold",
)
EXTERNAL_WORDS = (
    "Opened together with the test set. Arms and thresholds were chosen on validation, nothing on "
    "these images. The threshold is the one that was best on validation. Intervals are 95 %, or "
    "wider where several arms were named beforehand."
)
EXTERNAL_ON = "{images}, {patients}; majority class {rate}"
EXTERNAL_SENTENCE = (
    "On {name}, {arm}: AUROC {auroc}, {auroc_points} points; balanced accuracy {balanced}, "
    "{balanced_points} points{at_threshold}, external, n = {n}."
)
EXTERNAL_AT_THRESHOLD = "; at the threshold of validation {figure}{points}"

CHECK_COLUMNS = ("", "These images", "Training images")
SOME_TWINS = (
    "{images} look like a training image. Figures on such images are too good; leave them out if "
    "you can."
)
NO_TWINS = "No image looks like a training image."
EQUAL_ONLY = "So many images were compared by equality alone."
PATIENTS_SHARED = (
    "Patient ids in both sets: {patients}. If they are the same people, leave their images out."
)
OTHER_BRIGHTNESS = "These images are {word} than nearly all training images."
OTHER_CONTRAST = "Their contrast lies outside of what nearly all training images have."
OTHER_SIZES = "Their size lies outside of what nearly all training images have."
OTHER_SHARES = (
    "The classes have other shares here, so accuracy may move alone; read balanced accuracy and "
    "AUROC."
)
ALIKE_WORDS = "Sizes, grey levels and class shares are like those of the training images."


@dataclass(frozen=True, slots=True)
class ExternalRow:
    """One arm on an external set.

    Attributes:
        arm: its name for people.
        cells: its figure and its points against control, a pair a column of `EXTERNAL_COLUMNS`.
        verdict: its word; "" for control.
        tone: of the word, and its picture.
    """

    arm: str
    cells: tuple[tuple[str, str], ...]
    verdict: str
    tone: tuple[str, str] | None


def external_rows(found: ExternalFigures) -> tuple[ExternalRow, ...]:
    """Return a row an arm, control first; each figure with its points against control."""
    paired = {each.arm: each for each in found.paired}
    tuned = {each.arm: each for each in found.at_threshold}
    return tuple(_row(found, arm, paired.get(arm.arm), tuned.get(arm.arm)) for arm in found.arms)


def external_cards(found: Round) -> Markup:
    """Return a card for each external set; nothing where there is none."""
    return Markup().join(_card(each) for each in found.external)


def external_sentences(found: Round) -> Iterator[str]:
    """Yield what control and the arms named beforehand do on each external set."""
    for each in found.external:
        wanted = {arm.arm for arm in key_arms(found)}
        tuned = {one.arm: one for one in each.at_threshold}
        paired = {one.arm: one for one in each.paired}
        for arm in (arm for arm in each.arms if arm.arm in wanted):
            against = paired.get(arm.arm)
            seeds = len(arm.values[Metric.ACCURACY])
            gained = None if against is None else against.differences[Metric.BALANCED_ACCURACY]
            own = tuned.get(arm.arm)
            at = ""
            if own is not None:
                gain = own.differences.get(Metric.BALANCED_ACCURACY)
                at = EXTERNAL_AT_THRESHOLD.format(
                    figure=numbers.with_interval(own.figures[Metric.BALANCED_ACCURACY]),
                    points="" if gain is None else f", {points_of(gain, seeds)} points",
                )
            words = EXTERNAL_SENTENCE.format(
                name=each.name,
                arm=text.arm_name(arm.arm),
                auroc=numbers.with_interval(arm.figures[Metric.AUROC]),
                auroc_points=_points(each.auroc.get(arm.arm), seeds),
                balanced=numbers.with_interval(arm.figures[Metric.BALANCED_ACCURACY]),
                balanced_points=_points(gained, seeds),
                at_threshold=at,
                n=numbers.count(each.images),
            )
            yield words.replace(f", {_REFERENCE} points", "")


def check_words(check: DistributionCheck) -> tuple[str, ...]:
    """Return what a person should know before an external set is opened, a sentence each."""
    own, theirs = check.external, check.training
    shares = "; ".join(
        f"{name} {numbers.percent(here)} (training {numbers.percent(there)})"
        for name, here, there in zip(check.classes, own.shares, theirs.shares, strict=True)
    )
    return (f"Class shares: {shares}.", *check_findings(check))


def check_findings(check: DistributionCheck) -> tuple[str, ...]:
    """Return what stands out of a check, a sentence each, without the class shares themselves."""
    told = []
    if check.near_duplicates:
        images = numbers.some(check.near_duplicates, text.IMAGE_ONE, text.IMAGE_MANY)
        told.append(SOME_TWINS.format(images=images))
    else:
        told.append(NO_TWINS)
    if check.exact_only:
        told.append(EQUAL_ONLY)
    if check.shared_patients:
        told.append(PATIENTS_SHARED.format(patients=numbers.count(check.shared_patients)))
    told += _differences(check)
    return tuple(told)


def check_table(check: DistributionCheck) -> Markup:
    """Return an external set beside the training images, a figure a row."""
    sides = (check.external, check.training)
    rows = [
        ("Images", *(numbers.count(side.images) for side in sides)),
        ("Patients", *(_patients(side) for side in sides)),
        ("Width, px", *(_spread(side.width, pixels=True) for side in sides)),
        ("Height, px", *(_spread(side.height, pixels=True) for side in sides)),
        ("Brightness, 0–1", *(_spread(side.brightness) for side in sides)),
        ("Contrast, 0–1", *(_spread(side.contrast) for side in sides)),
        *(
            (f"Share of {name}", *(numbers.percent(side.shares[place]) for side in sides))
            for place, name in enumerate(check.classes)
        ),
    ]
    return stacked(CHECK_COLUMNS, rows, kind="small")


_REFERENCE = "reference"


def _card(each: ExternalFigures) -> Markup:
    head = ("Arm", *EXTERNAL_COLUMNS, "Verdict")
    rows = []
    for row in external_rows(each):
        tone = row.tone
        verdict = Markup() if tone is None else badge(row.verdict, tone=tone[0], picture=tone[1])
        rows.append((row.arm, *(part("two_lines", *cell) for cell in row.cells), verdict))
    patients = (
        "patients unknown"
        if each.patients is None
        else numbers.some(each.patients, "patient", "patients")
    )
    on = EXTERNAL_ON.format(
        images=numbers.some(each.images, text.IMAGE_ONE, text.IMAGE_MANY),
        patients=patients,
        rate=numbers.share(each.majority_rate),
    )
    body = stacked(head, rows, kind="named") + remark(EXTERNAL_WORDS)
    if each.check is not None:
        body += remark(" ".join(check_words(each.check)))
    return card(EXTERNAL_TITLE.format(name=each.name), body, aside=on)


def _row(
    found: ExternalFigures,
    arm: ArmFigures,
    paired: Paired | None,
    tuned: ThresholdFigures | None,
) -> ExternalRow:
    seeds = len(arm.values[Metric.ACCURACY])

    def cell(figure: str, difference: Difference | None) -> tuple[str, str]:
        return figure, "" if difference is None else points_of(difference, seeds)

    def at_argmax(metric: Metric) -> tuple[str, str]:
        gain = None if paired is None else paired.differences[metric]
        return cell(numbers.with_interval(arm.figures[metric]), gain)

    def at_threshold(metric: Metric) -> tuple[str, str]:
        if tuned is None:
            return text.UNKNOWN, ""
        return cell(numbers.with_interval(tuned.figures[metric]), tuned.differences.get(metric))

    cells = (
        cell(numbers.with_interval(arm.figures[Metric.AUROC]), found.auroc.get(arm.arm)),
        at_argmax(Metric.BALANCED_ACCURACY),
        at_threshold(Metric.BALANCED_ACCURACY),
        at_argmax(Metric.ACCURACY),
        at_threshold(Metric.ACCURACY),
    )
    name = text.arm_name(arm.arm)
    if paired is None:
        return ExternalRow(name, cells, "", None)
    return ExternalRow(name, cells, VERDICT_NAMES[paired.verdict], VERDICT_TONES[paired.verdict])


def _points(difference: Difference | None, seeds: int) -> str:
    return _REFERENCE if difference is None else points_of(difference, seeds)


def _differences(check: DistributionCheck) -> list[str]:
    own, theirs = check.external, check.training
    told = []
    if check.darker_or_brighter:
        darker = own.brightness.middle < theirs.brightness.middle
        told.append(OTHER_BRIGHTNESS.format(word="darker" if darker else "brighter"))
    if check.other_contrast:
        told.append(OTHER_CONTRAST)
    if check.other_sizes:
        told.append(OTHER_SIZES)
    if check.other_shares:
        told.append(OTHER_SHARES)
    return told or [ALIKE_WORDS]


def _patients(side: SetSummary) -> str:
    return "unknown" if side.patients is None else numbers.count(side.patients)


def _spread(found: Spread, *, pixels: bool = False) -> str:
    low, middle, high = (
        numbers.count(round(value)) if pixels else numbers.share(value)
        for value in (found.low, found.middle, found.high)
    )
    return middle if low == middle == high else f"{middle} ({low}–{high})"
