from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from imil.app.results.arms_form import (
    ARM_PRESETS,
    OFFERED,
    PRESET_OWN,
    PRESET_REVIEWED,
    ArmsForm,
    arms_preset,
    build_arms_form,
    chosen_arms,
    show_arms,
    shown_arms,
)
from imil.core.arms.registry import ARMS, parse_arms
from imil.core.records import Arm, Budget, Split
from imil.errors import PlanError

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OWN = PRESET_OWN
# Of one reader: no pooling, and whose masks they are need not be asked.
READ = (None, True)
PAPER = [OWN, ["imil"], False, "black", "replace", "input_gradients", *READ]


class Painted:
    """All that the form reads of a study: how many of 1000 training images are masked."""

    def __init__(self, painted: int, *readers: str) -> None:
        self.painted = painted
        self.images = self.readers = self.review = self.comparison = self.predictions = self
        self.usual = self
        self.seeds, self.masks = 5, painted
        self.pooling = "union" if readers else ""
        self._names = readers

    def names(self) -> tuple[str, ...]:
        return self._names

    def budget(self) -> Budget:
        return Budget(0.04, 40, self.painted)

    def of(self) -> Painted:
        return self

    def arms(self, *, predicted: bool | None) -> tuple[Arm, ...]:
        extended = (Arm.PROPAGATED,) if predicted else ()
        return (Arm.CONTROL, Arm.IMIL, *extended, Arm.UPWEIGHT, Arm.RELABEL, Arm.DROP)

    def rows(self, split: Split) -> range:
        assert split is Split.TRAIN
        return range(1000)


@pytest.fixture
def form() -> Iterator[ArmsForm]:
    with gr.Blocks():
        yield build_arms_form()


def names(painted: int, chosen: list[Any]) -> tuple[str, ...]:
    return chosen_arms(Painted(painted), chosen)  # type: ignore[arg-type]  # all that is read of it


def test_every_arm_that_a_clinicians_study_can_run_is_offered() -> None:
    missing = set(ARMS) - set(OFFERED)

    assert missing == {Arm.CONTROL, Arm.RANDOM_SAMPLE}


def test_each_arm_is_offered_with_what_differs(form: ArmsForm) -> None:
    words = {value: label for label, value in form.arms.choices}

    assert words["upweight"] == "Same images, no masks: The mispredicted images ×10"
    assert form.arms.value == ["imil"]


def test_presets_are_the_papers_and_the_recommended_ones() -> None:
    assert ARM_PRESETS["The paper"] == ("imil",)
    assert ARM_PRESETS["Recommended"] == ("imil", "counterexample", "propagated", "upweight")


def test_a_preset_chooses_its_arms_and_ones_own_choice_adds_to_the_papers_arm() -> None:
    assert shown_arms(Painted(9), "The paper", ["mixup"]) == ["imil"]  # type: ignore[arg-type]  # all that is read
    assert shown_arms(Painted(9), OWN, ["mixup"]) == ["imil", "mixup"]  # type: ignore[arg-type]  # all that is read


def test_from_a_review_all_is_compared_that_it_has_made_possible(form: ArmsForm) -> None:
    chosen = [PRESET_REVIEWED, ["imil"], *PAPER[2:]]

    assert form.preset.value == PRESET_REVIEWED
    assert names(9, chosen) == ("control", "imil", "upweight", "relabel", "drop")


def test_arms_that_are_a_preset_are_named_so_in_any_order() -> None:
    assert arms_preset(["upweight", "propagated", "imil", "counterexample"]) == "Recommended"
    assert arms_preset(["imil", "mixup"]) == "Own choice"


def test_control_and_the_papers_arm_are_always_compared() -> None:
    assert names(10, [OWN, [], *PAPER[2:]]) == ("control", "imil")
    assert names(10, PAPER) == ("control", "imil")


def test_another_fill_or_mode_makes_a_variant_beside_the_papers_arm() -> None:
    assert names(10, [OWN, ["imil"], False, "noise", "replace", "input_gradients", *READ]) == (
        "control",
        "imil",
        "imil+noise",
    )
    assert names(10, [OWN, ["mixup"], False, "swap", "append", "input_gradients", *READ])[-1] == (
        "imil+swap+append"
    )


def test_another_penalty_is_that_of_right_reason_if_it_is_compared() -> None:
    with_it = [OWN, ["right_reason"], False, "black", "replace", "grad_cam", *READ]

    assert names(10, with_it) == ("control", "imil", "right_reason+grad_cam")
    assert names(10, [OWN, ["imil"], *with_it[2:]]) == ("control", "imil")


def test_fewer_masks_are_variants_of_each_arm_that_is_given_masks() -> None:
    chosen = [OWN, ["imil", "mixup"], True, "black", "replace", "input_gradients", *READ]

    assert names(40, chosen) == ("control", "imil", "mixup", "imil+1%", "imil+2%")


def test_what_the_form_asks_for_can_be_compared() -> None:
    every = [arm.value for arm in OFFERED]
    asked = names(40, [OWN, every, True, "blur", "append", "grad_cam", *READ])

    assert parse_arms(asked) == asked


def test_too_few_masks_to_compare_fewer_are_said() -> None:
    with pytest.raises(
        PlanError, match=r"Fewer of the masks can't be compared yet.*Mask more images, or clear"
    ):
        names(10, [OWN, ["imil"], True, "black", "replace", "input_gradients", *READ])


def test_the_trainings_are_counted_weights_to_choose_from_included(form: ArmsForm) -> None:
    chosen = [OWN, ["imil", "right_reason"], False, "black", "replace", "input_gradients", *READ]

    shown = show_arms(form, Painted(40), chosen)  # type: ignore[arg-type]  # all that is read

    assert "3 arms × 5 seeds: 30 short trainings in all." in shown[form.cost]


def test_a_choice_that_cannot_be_compared_is_said_where_it_is_made(form: ArmsForm) -> None:
    shown = show_arms(form, Painted(2), [OWN, ["imil"], True, *PAPER[3:]])  # type: ignore[arg-type]  # all that is read

    assert "Fewer of the masks can" in shown[form.cost]
    assert 'role="alert"' in shown[form.cost]


def test_of_several_readers_each_ones_masks_are_compared_too_unless_that_is_cleared() -> None:
    read = Painted(10, "Ada", "Bo")

    with_them = chosen_arms(read, PAPER)  # type: ignore[arg-type]  # all that is read of it
    without = chosen_arms(read, [*PAPER[:-1], False])  # type: ignore[arg-type]  # the same

    assert with_them == ("control", "imil", "imil@Ada", "imil@Bo")
    assert without == ("control", "imil")


def test_how_masks_are_pooled_is_asked_only_where_several_readers_masked(form: ArmsForm) -> None:
    alone = show_arms(form, Painted(9), PAPER)  # type: ignore[arg-type]  # all that is read
    several = show_arms(form, Painted(9, "Ada", "Bo"), PAPER)  # type: ignore[arg-type]  # same
    chosen = [*PAPER[:-2], "majority", True]
    kept = show_arms(form, Painted(9, "Ada", "Bo"), chosen)  # type: ignore[arg-type]  # same

    assert [shown[form.reading]["visible"] for shown in (alone, several)] == [False, True]
    assert [s[form.pooling] for s in (alone, several, kept)] == [None, "union", "majority"]
    assert "<b>" not in several[form.cost]
    assert "4 arms" in several[form.cost]


def test_extended_masks_are_asked_for_as_if_confirmed_or_left_out() -> None:
    usual, own = [PRESET_REVIEWED, [], *PAPER[2:]], [OWN, ["propagated"], *PAPER[2:]]

    def arms(chosen: list[Any], *, predicted: bool | None) -> tuple[str, ...]:
        return chosen_arms(Painted(9), chosen, predicted=predicted)  # type: ignore[arg-type]  # all that is read

    assert "propagated" in arms(usual, predicted=True)
    assert "propagated" not in arms(usual, predicted=None)
    assert arms(own, predicted=None) == ("control", "imil", "propagated")
    assert arms(own, predicted=False) == ("control", "imil")
