from __future__ import annotations

from collections.abc import Callable

import pytest

from imil.core.records import Split
from imil.core.rounds import Round
from imil.ui.arms_table import arms_table, confusion_card, curves_card, figures_table
from imil.ui.verdict_card import verdict_card


@pytest.mark.parametrize(
    ("gained", "word", "sentence", "where"),
    [
        (30, "SHOWN", "made the model better on images it had never seen", "paired, above 0"),
        (0, "NOT SHOWN", "No difference could be shown at this size", "paired, spans 0"),
        (-30, "HARMFUL", "made the model worse on images it had never seen", "paired, below 0"),
    ],
)
def test_the_word_follows_the_verdict(
    round_of: Callable[..., Round], gained: int, word: str, sentence: str, where: str
) -> None:
    card = verdict_card(round_of(gained))

    assert f"</svg>{word}<span" in card
    assert sentence in card
    assert where in card


def test_a_single_run_has_no_verdict_and_no_interval_whatever_its_points(
    round_of: Callable[..., Round],
) -> None:
    card = verdict_card(round_of(30, seeds=1)) + arms_table(round_of(30, seeds=1))

    assert "One run, not evidence" in card
    assert "+15.0 points in a single run. Run 5 seeds for a verdict." in card
    assert "SHOWN" not in card
    assert "<dd>none</dd>" in card
    assert "[+" not in card


def test_a_few_runs_are_counted_and_are_no_verdict(round_of: Callable[..., Round]) -> None:
    card = verdict_card(round_of(30, seeds=3))

    assert "3 runs, not evidence" in card
    assert "SHOWN" not in card


def test_the_card_tells_how_many_patients_seeds_and_masks(round_of: Callable[..., Round]) -> None:
    card = verdict_card(round_of(30))

    assert "<dt>Validation patients</dt><dd>100</dd>" in card
    assert "200 images" in card
    assert "<dt>Seeds</dt><dd>5</dd>" in card
    assert "train-on, one checkpoint" in card
    assert "<dd>40 images</dd>" in card
    assert "4 % of training" in card
    assert "The commonest label alone scores .50. Test set not opened." in card


def test_unknown_patients_are_said(round_of: Callable[..., Round]) -> None:
    card = verdict_card(round_of(30, patients=False))

    assert "<dt>Validation images</dt><dd>200</dd>" in card
    assert "patients unknown" in card


def test_a_final_comparison_names_the_test_set_and_counts_its_openings(
    round_of: Callable[..., Round],
) -> None:
    found = round_of(30, split=Split.TEST)

    assert "Test patients" in verdict_card(found)
    assert "Test set opened once." in verdict_card(found)
    assert "Points of test accuracy" in arms_table(found)


def test_every_figure_of_the_plot_stands_in_the_table_as_text(
    round_of: Callable[..., Round],
) -> None:
    table = arms_table(round_of(30))

    assert "<b>+15.0</b> [+" in table
    assert "reference" in table
    assert "Majority class" in table
    assert ".90 (" in table


def test_figures_name_split_and_n(round_of: Callable[..., Round]) -> None:
    assert "validation, n = 200" in figures_table(round_of(30))


def test_class_names_are_escaped(round_of: Callable[..., Round]) -> None:
    card = confusion_card(round_of(30), ("<i>no</i>", "yes"))

    assert "<i>" not in card.replace('<svg class="i', "")
    assert "said &lt;i&gt;no&lt;/i&gt;" in card


def test_the_curves_of_each_arm_are_drawn(round_of: Callable[..., Round]) -> None:
    assert curves_card(round_of(30)).count("<svg") == 4
