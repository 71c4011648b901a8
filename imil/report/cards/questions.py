"""The two questions of a comparison, and what their answers mean, in the words used everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from imil.core.arms.registry import ARMS, UNPAINTED
from imil.core.arms.variants import CONTROL
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import (
    MIN_SEEDS,
    Change,
    QuestionAnswer,
    Verdict,
    answer_alike,
    answer_without,
)
from imil.report.parts import numbers, text

# A model of whose balanced accuracy less than this hangs on the marked region doesn't read it, and
# one of whose more than that hangs on it does: shares. Our choice; between them nothing is said.
READS_NOT = 0.02
READS = 0.05

VERDICT_NAMES = {
    Verdict.HELPS: "Helps",
    Verdict.TRADE_OFF: "Trade-off",
    Verdict.NO_CLEAR_DIFFERENCE: "No clear difference",
    Verdict.HARMFUL: "Harmful",
    Verdict.TOO_EARLY_TO_SAY: "Too early to say",
}
VERDICT_TONES = {
    Verdict.HELPS: ("good", "up"),
    Verdict.TRADE_OFF: ("warn", "swap"),
    Verdict.NO_CLEAR_DIFFERENCE: ("flat", "equal"),
    Verdict.HARMFUL: ("bad", "down"),
    Verdict.TOO_EARLY_TO_SAY: ("flat", "more"),
}
ANSWER_NAMES = {
    QuestionAnswer.BETTER: "Better",
    QuestionAnswer.WORSE: "Worse",
    QuestionAnswer.NO_CLEAR_DIFFERENCE: "No clear difference",
    QuestionAnswer.TOO_EARLY_TO_SAY: "Too early to say",
    QuestionAnswer.NOT_ASKED: "Not measured",
}
ANSWER_TONES = {
    QuestionAnswer.BETTER: ("good", "up"),
    QuestionAnswer.WORSE: ("bad", "down"),
    QuestionAnswer.NO_CLEAR_DIFFERENCE: ("flat", "equal"),
    QuestionAnswer.TOO_EARLY_TO_SAY: ("flat", "more"),
    QuestionAnswer.NOT_ASKED: ("flat", "info"),
}
WITHOUT = "Without the shortcut"
ALIKE = "On images like these"
WITHOUT_FIGURE = "Balanced accuracy, what the marked region tells taken off"
ALIKE_FIGURE = "Accuracy; balanced {points}"
ASKS_TWO_MASKS = "It takes masks on two images, from which the other images' are predicted"
ASKS_AGAIN = "Not kept in this round; compare again to measure it"

READ_BEFORE = "Without your masks the model reads the marked region; "
READS_NO_MORE = "with them it does not."
READS_LESS = "with them it does so less."
UNMASKED_BEFORE = "The control model reads the marked region; "
UNMASKED_NO_MORE = "trained this way it does not."
UNMASKED_LESS = "trained this way it does so less."
BETTER_WITHOUT = "The model does better where the marked region tells nothing."
ALSO_BETTER = "It is also better on images like these."
NO_LOSS = "No loss was seen on images like these."
COST_ALIKE = (
    "It costs {points} points of {metric} on images like these: which counts more depends on where "
    "the model will work."
)
WORSE_WITHOUT = "Where the marked region tells nothing, the model does worse than without masks."
WORSE_BOTH = "The model does worse than without masks, with the shortcut and without it."
WORSE_ALIKE = (
    "The model does worse on images like these, and nothing was gained without the shortcut."
)
WORSE_ALONE = "The model does worse on images like these."
BETTER_ALONE = (
    "The model does better on images like these. Whether it still reads the region that masks "
    "would hide was not measured."
)
BETTER_ALIKE = (
    "The model does better on images like these, but no gain was seen without the shortcut."
)
NOT_SEEN = (
    "With this many images and runs, differences of less than {without} points without the "
    "shortcut, and {alike} on images like these, can't be seen."
)
NOT_SEEN_ALIKE = (
    "With this many images and runs, differences of less than {alike} points can't be seen."
)
AS_CONTROL = "It does exactly as well as control."
TOO_EARLY = "{done} can't tell. Repeat {more} for a verdict."
TOO_EARLY_RUNNING = "{done} can't tell yet. More are under way, and this card follows."
SO_FAR = "So far: "
RUN_ONE, RUN_MANY = "run", "runs"
MORE_ONE, MORE_MANY = "more time", "more times"


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question of a comparison, as it is told.

    Attributes:
        question: in words.
        figure: what is measured for it, or why it was not.
        control: control's value; "" where it was not measured.
        arm: the arm's.
        points: the difference, with its interval where there are runs enough for one.
        level: of the interval, where it is wider than 95 %; None elsewhere.
        answer: what it says.
        change: the difference; None where it was not measured.
    """

    question: str
    figure: str
    control: str
    arm: str
    points: str
    level: float | None
    answer: QuestionAnswer
    change: Change | None

    @property
    def word(self) -> str:
        """The answer's word."""
        return ANSWER_NAMES[self.answer]

    @property
    def tone(self) -> str:
        """The answer's tone."""
        return ANSWER_TONES[self.answer][0]

    @property
    def picture(self) -> str:
        """The answer's icon."""
        return ANSWER_TONES[self.answer][1]


def interval_known(seeds: int) -> bool:
    """Return whether an interval may be shown: one run has none over runs."""
    return seeds > 1


def points_of(difference: Difference, seeds: int) -> str:
    """Return points against control, with their interval where there are runs enough for one."""
    points = numbers.points(difference.points)
    if not interval_known(seeds):
        return points
    return f"{points} {numbers.brackets(difference.low, difference.high)}"


def verdict_word(verdict: Verdict, seeds: int, *, asked: int = 0) -> str:
    """Return the verdict's word; too few runs are counted in it."""
    if verdict is not Verdict.TOO_EARLY_TO_SAY:
        return VERDICT_NAMES[verdict]
    return f"{VERDICT_NAMES[verdict]} ({seeds} of {max(asked, MIN_SEEDS)} {RUN_MANY})"


def question_rows(found: Round, paired: Paired) -> tuple[QuestionRow, QuestionRow]:
    """Return both questions of an arm: first what is left without the shortcut."""
    control, arm = _arm(found, CONTROL), _arm(found, paired.arm)
    return _without(found, paired, control, arm), _alike(found, paired, control, arm)


def meaning(found: Round, paired: Paired, *, asked: int = 0) -> str:
    """Return in a sentence or two what a comparison means.

    Args:
        found: the comparison.
        paired: of the arm that is told of.
        asked: how many seeds were asked for, where more are being trained.
    """
    seeds = len(found.seeds)
    without = answer_without(paired.independent, seeds=seeds)
    alike = answer_alike(paired.differences, seeds=seeds)
    if paired.verdict is Verdict.TOO_EARLY_TO_SAY:
        return f"{_so_far(found, paired)}{_too_early(seeds, asked)}"
    if paired.verdict is Verdict.HARMFUL:
        return _harm(without, alike)
    if paired.verdict is Verdict.NO_CLEAR_DIFFERENCE:
        return BETTER_ALIKE if alike is QuestionAnswer.BETTER else _not_seen(paired)
    if without is not QuestionAnswer.BETTER:
        return BETTER_ALONE
    if paired.verdict is Verdict.TRADE_OFF:
        return f"{_gain(found, paired)} {_cost(paired)}"
    return f"{_gain(found, paired)} {ALSO_BETTER if alike is QuestionAnswer.BETTER else NO_LOSS}"


def _arm(found: Round, name: str) -> ArmFigures:
    return next(arm for arm in found.arms if arm.arm == name)


def _without(found: Round, paired: Paired, control: ArmFigures, arm: ArmFigures) -> QuestionRow:
    kind, change, seeds = (
        Robustness.INDEPENDENT_BALANCED_ACCURACY,
        paired.independent,
        len(found.seeds),
    )
    if change is None or kind not in control.swapped or kind not in arm.swapped:
        why = ASKS_TWO_MASKS if found.swapped_by is None else ASKS_AGAIN
        return QuestionRow(WITHOUT, why, "", "", "", None, QuestionAnswer.NOT_ASKED, None)
    return QuestionRow(
        WITHOUT,
        WITHOUT_FIGURE,
        numbers.share(control.swapped[kind].value),
        numbers.share(arm.swapped[kind].value),
        points_of(change, seeds),
        _level(change, seeds),
        answer_without(change, seeds=seeds),
        change,
    )


def _alike(found: Round, paired: Paired, control: ArmFigures, arm: ArmFigures) -> QuestionRow:
    change, seeds = paired.differences[Metric.ACCURACY], len(found.seeds)
    balanced = paired.differences[Metric.BALANCED_ACCURACY]
    return QuestionRow(
        ALIKE,
        ALIKE_FIGURE.format(points=points_of(balanced, seeds)),
        numbers.share(control.figures[Metric.ACCURACY].value),
        numbers.share(arm.figures[Metric.ACCURACY].value),
        points_of(change, seeds),
        _level(change, seeds),
        answer_alike(paired.differences, seeds=seeds),
        change,
    )


def _level(change: Change, seeds: int) -> float | None:
    # Levels are 1 less a share of .05: rounding in binary is no wider interval.
    wider = interval_known(seeds) and change.level > 0.95 + 1e-9
    return change.level if wider else None


def _too_early(seeds: int, asked: int) -> str:
    done = numbers.some(seeds, RUN_ONE, RUN_MANY).capitalize()
    if asked > seeds:
        return TOO_EARLY_RUNNING.format(done=done)
    return TOO_EARLY.format(done=done, more=numbers.some(MIN_SEEDS - seeds, MORE_ONE, MORE_MANY))


def _so_far(found: Round, paired: Paired) -> str:
    """Return what few runs saw, where both figures moved as masks are meant to move them."""
    if paired.independent is None or paired.independent.points <= 0:
        return ""
    gain = _gain(found, paired)
    return "" if gain == BETTER_WITHOUT else f"{SO_FAR}{gain[0].lower()}{gain[1:]} "


def _harm(without: QuestionAnswer, alike: QuestionAnswer) -> str:
    if without is QuestionAnswer.NOT_ASKED:
        return WORSE_ALONE
    if without is not QuestionAnswer.WORSE:
        return WORSE_ALIKE
    return WORSE_BOTH if alike is QuestionAnswer.WORSE else WORSE_WITHOUT


def _not_seen(paired: Paired) -> str:
    alike = max(change.visible_from for change in paired.differences.values())
    every = [paired.independent, *paired.differences.values()]
    if all(each is None or each.low == each.high == 0 for each in every):
        return AS_CONTROL
    if paired.independent is None:
        return NOT_SEEN_ALIKE.format(alike=_size(alike))
    return NOT_SEEN.format(without=_size(paired.independent.visible_from), alike=_size(alike))


def _gain(found: Round, paired: Paired) -> str:
    """Return what a gain without the shortcut means: whether the arm still reads the region."""
    before, after = (_read_off(_arm(found, name)) for name in (CONTROL, paired.arm))
    if before is None or after is None or before < READS or after >= before:
        return BETTER_WITHOUT
    if ARMS[paired.arm.arm].masks in UNPAINTED:
        return UNMASKED_BEFORE + (UNMASKED_NO_MORE if after <= READS_NOT else UNMASKED_LESS)
    return READ_BEFORE + (READS_NO_MORE if after <= READS_NOT else READS_LESS)


def _read_off(arm: ArmFigures) -> float | None:
    """Return how much of an arm's balanced accuracy hangs on the marked region, as a share."""
    left = arm.swapped.get(Robustness.INDEPENDENT_BALANCED_ACCURACY)
    return None if left is None else arm.figures[Metric.BALANCED_ACCURACY].value - left.value


def _cost(paired: Paired) -> str:
    worse = [metric for metric, change in paired.differences.items() if change.high < 0]
    metric = min(worse, key=lambda each: paired.differences[each].points)
    points = _size(-paired.differences[metric].points)
    return COST_ALIKE.format(points=points, metric=text.METRICS[metric].lower())


def _size(points: float) -> str:
    return f"{points:.1f}"
