from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.report.cards.arms_table import arms_table
from imil.report.parts import text
from tests.app.fabricated import probed


def row(table: str, name: str) -> str:
    return next(each for each in table.split("<tr ") if f"<b>{name}" in each)


def test_every_figure_of_the_plot_stands_in_the_table_as_text(
    round_of: Callable[..., Round],
) -> None:
    table = arms_table(round_of(30))

    assert "<b>+15.0</b> [+" in table
    assert "reference" in table
    assert "Majority class" in table
    assert ".90 (" in table


def test_the_split_is_named(round_of: Callable[..., Round]) -> None:
    assert "Points of test accuracy" in arms_table(round_of(30, split=Split.TEST))


def test_the_recommended_arm_is_marked_in_words_and_is_not_exploratory() -> None:
    recommended = row(arms_table(probed()), "Propagated")

    assert ">recommended</span>" in recommended
    assert "exploratory" not in recommended


def test_an_exploratory_arm_says_so_and_at_which_level_its_interval_stands() -> None:
    found = probed()
    wide = replace(found.paired[2], levels=dict.fromkeys(found.paired[2].levels, 0.975))
    table = arms_table(replace(found, paired=(*found.paired[:2], wide)))

    assert ">exploratory</span>" in row(table, "Same images, no masks")
    assert "<small>97.5 % interval, Holm</small>" in table
    assert "Holm" not in row(table, "IMIL, the paper&#x27;s way")
    assert "widened by Holm&#x27;s procedure" in table


def test_a_single_run_names_no_level_since_it_has_no_interval() -> None:
    assert "Holm" not in arms_table(probed(seeds=1))


def test_the_masks_of_each_arm_are_counted() -> None:
    table = arms_table(probed())

    assert "originals replaced · 10 masked" in row(table, "IMIL")
    assert "masked" not in row(table, "Control")


def test_masks_that_differ_between_seeds_are_a_span() -> None:
    found = probed()
    imil = replace(found.arms[1], masks=(8, 10, 9, 10, 10))

    table = arms_table(replace(found, arms=(found.arms[0], imil, *found.arms[2:])))

    assert "8–10 masked" in table


def test_unequal_counts_are_said_not_to_be_comparable() -> None:
    unequal = arms_table(probed())
    equal = arms_table(probed(without=("propagated",)))

    assert "comparable only at equal counts; here they have 10 to 12 masks" in unequal
    assert "equal counts" not in equal


def test_a_variant_is_named_by_its_settings_and_is_not_called_the_papers_way() -> None:
    assert text.arm_name(parse_variant("imil+noise+append")) == "IMIL · noise fill · originals kept"
    assert text.arm_name(parse_variant("imil+1%")) == "IMIL · first 1 %"
    assert (
        text.arm_name(parse_variant("right_reason+grad_cam+100"))
        == "Right reason · Grad-CAM · weight 100"
    )
    assert text.arm_name(parse_variant("imil+high_loss")) == "IMIL · high loss queue"
    assert text.arm_words(parse_variant("imil+noise")) == "Otherwise as “IMIL, the paper's way”"
