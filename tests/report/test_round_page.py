"""Everything below the verdict: what is said, what stands closed, what is left out."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from xml.etree import ElementTree as ET

import pytest

from imil.core.evaluation.metrics import Interval, Metric
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import McNemar
from imil.core.records import Plan, Split
from imil.report.cards.doses_card import doses_cards
from imil.report.cards.explanations_card import explanations_card
from imil.report.cards.figures_cards import (
    confusion_card,
    curves_card,
    every_figure_card,
    figures_card,
    mcnemar_words,
)
from imil.report.cards.robustness_card import robustness_card
from imil.report.cards.subgroups import classes_card, groups_card
from imil.report.cards.verdict_card import key_arms
from imil.report.in_words import in_words
from imil.report.report import report_html
from imil.report.round_page import round_page
from tests.app.fabricated import probed

ALONE = ("imil", "propagated", "upweight")
CLASSES = ("no finding", "finding")
SHARES = (("imil+1%", -3.3, 3, 30.0), ("imil+2%", -8.3, 6, 70.0))


def rows(card: str, name: str) -> list[str]:
    return [each for each in card.split("<tr>") if each.startswith(f'<th scope="row">{name}')]


def with_first_arm(found: Round, **changes: object) -> Round:
    first = replace(found.arms[0], **changes)  # type: ignore[arg-type]  # names of its fields
    return replace(found, arms=(first, *found.arms[1:]))


def report(found: Round) -> str:
    return report_html(
        found, name="study", classes=CLASSES, plan=Plan(), proof="None shared.", versions={}
    )


# ---- robustness ----


def test_swapped_figures_have_an_interval_a_difference_to_control_and_flips() -> None:
    found = probed()
    card = robustness_card(found, found.arms)

    assert "reference" in rows(card, "Control")[0]
    propagated = rows(card, "Propagated")[0]
    assert ".90 (" in propagated
    assert "<small>+40.0 [+" in propagated
    assert 'data-label="Predictions that flip"' in propagated


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("predicted", "What is predicted irrelevant from the painted masks is replaced"),
        ("reference", "What reference masks call irrelevant is replaced"),
    ],
)
def test_it_is_said_whose_masks_say_what_to_swap(by: str, words: str) -> None:
    found = replace(probed(), swapped_by=by)
    card = robustness_card(found, found.arms)

    assert f">{by} masks</span>" in card
    assert words in card


def test_where_nothing_was_swapped_it_is_said() -> None:
    found = probed(swapped=False)

    assert "No image was swapped" in robustness_card(found, found.arms)


def test_a_single_run_has_no_interval_on_swapped_images() -> None:
    found = probed(seeds=1)

    card = robustness_card(found, found.arms)
    assert "<small>+40.0</small>" in card
    assert "95 % intervals" not in card


# ---- classes, groups, operating point ----


def test_each_class_and_arm_has_a_row_the_finding_first() -> None:
    found = probed()
    card = classes_card(found, key_arms(found), CLASSES)

    assert len(rows(card, "finding")) == len(rows(card, "no finding")) == 3
    assert card.index('<th scope="row">finding') < card.index('<th scope="row">no finding')


def test_the_operating_point_names_validation_and_stands_on_the_test_set_alone() -> None:
    test, validation = probed(), probed(split=Split.VALIDATION)

    card = classes_card(test, key_arms(test), CLASSES)
    assert "At 90 % sensitivity" in card
    assert "Threshold chosen on validation" in card
    assert "Given in the final comparison" not in card
    later = classes_card(validation, key_arms(validation), CLASSES)
    assert "Given in the final comparison" in later
    assert "Threshold chosen" not in later


def test_more_than_two_classes_have_rows_but_no_operating_point() -> None:
    found = probed(classes=3, without=("propagated", "upweight"))
    card = classes_card(found, key_arms(found), ("a", "b", "c"))

    assert len(rows(card, "c")) == 2
    assert "Given for two classes only; here there are 3." in card


def test_the_worst_group_is_marked_in_words_and_names_are_escaped() -> None:
    found = probed()
    card = groups_card(found, key_arms(found))

    worst = [row for row in rows(card, "token against label") if ">worst</span>" in row]
    assert len(worst) == 3
    assert "<b>with</b>" not in card
    assert "token &lt;b&gt;with&lt;/b&gt; label" in card


def test_a_group_that_lacks_a_class_has_no_balanced_accuracy() -> None:
    found = probed()
    arm = found.arms[0]
    lacking = {name: replace(g, balanced_accuracy=None) for name, g in arm.groups.items()}

    card = groups_card(with_first_arm(found, groups=lacking), (replace(arm, groups=lacking),))

    assert "lacks a class" in card


def test_images_without_groups_say_how_to_have_them() -> None:
    found = probed(groups=False)

    assert "A column “group”" in groups_card(found, found.arms)


def test_groups_too_small_to_be_the_worst_are_said() -> None:
    found = probed()
    arms = [replace(arm, worst_group=None) for arm in found.arms]

    assert "No group is large enough to be called the worst." in groups_card(found, arms)


# ---- explanations ----


def test_explanations_are_closed_and_headed_as_secondary() -> None:
    card = explanations_card(probed())

    assert card.startswith("<details")
    assert "open" not in card.split(">")[0]
    assert "Secondary: a better map is not evidence of a better model" in card
    assert "Grad-CAM" in card
    assert "Integrated gradients" in card


@pytest.mark.parametrize(
    ("zeros", "seeds", "words"),
    [
        (0, 5, "40 maps, none zero everywhere"),
        (1, 1, "1 of 8 maps is zero everywhere"),
        (3, 1, "3 of 8 maps are zero everywhere"),
    ],
)
def test_maps_that_are_zero_everywhere_are_counted(zeros: int, seeds: int, words: str) -> None:
    assert words in explanations_card(probed(zeros=zeros, seeds=seeds, without=ALONE))


def test_maps_that_are_all_zero_have_no_figure() -> None:
    card = explanations_card(probed(zeros=8, seeds=1, without=ALONE))

    assert ">n/a<" in card
    assert "nan" not in card


def test_without_maps_there_is_no_card() -> None:
    assert explanations_card(probed(swapped=False)) == ""


# ---- figures ----


def test_figures_name_split_and_n_and_hold_the_calibration_error() -> None:
    found = probed()
    card = figures_card(found, key_arms(found))

    assert "test, n = 60" in card
    assert "Calibration error" in card


def test_a_figure_that_is_no_number_is_said_to_be_none() -> None:
    found = probed()
    figures = {**found.arms[0].figures, Metric.AUROC: Interval(nan, nan, nan)}
    changed = with_first_arm(found, figures=figures)

    assert "<span>n/a</span>" in figures_card(changed, changed.arms)
    assert "nan" not in round_page(changed, CLASSES).replace("&nan", "")


def test_every_arm_stands_in_the_closed_card_with_a_test_a_seed_and_what_was_chosen_from() -> None:
    card = every_figure_card(probed())

    assert card.startswith("<details")
    assert "never pooled" in card
    assert card.count('<th scope="col">Seed ') == 5
    upweight = rows(card, "Same images, no masks")
    assert len(upweight) == 4
    assert "+2 \N{MINUS SIGN}0, p .500" in upweight[2]
    assert "recommended" in rows(card, "Propagated")[-1]
    assert "loses too much accuracy" in rows(card, "IMIL, the paper&#x27;s way")[-1]


def test_p_values_are_written_without_a_leading_nought_and_never_as_nought() -> None:
    assert mcnemar_words(McNemar(30, 0, 1e-9)) == "+30 \N{MINUS SIGN}0, p < .001"
    assert mcnemar_words(McNemar(0, 0, 1.0)) == "+0 \N{MINUS SIGN}0, p 1"


def test_class_names_are_escaped() -> None:
    found = probed()
    card = confusion_card(found.arms, ("<i>no</i>", "yes"))

    assert "<i>no" not in card
    assert "said &lt;i&gt;no&lt;/i&gt;" in card


def test_the_curves_of_each_arm_are_drawn() -> None:
    found = probed()

    assert curves_card(found.arms[:2]).count("<svg") == 4


# ---- doses ----


def test_points_are_drawn_by_masks_and_by_minutes_with_every_figure_as_text() -> None:
    card = doses_cards(probed(*SHARES))

    assert "Points by images masked" in card
    assert "Points by your minutes" in card
    said = "IMIL, the paper&#x27;s way: 0 ±0.0, 3 −3.3, 6 −8.3, 10 −16.7"
    assert said in card
    assert "0 masks are control" in card


def test_minutes_that_nobody_measured_are_not_drawn() -> None:
    found = probed(("imil", -16.7, 10, None), ("imil+1%", -3.3, 3, None))

    assert "minutes" not in doses_cards(found)
    assert "Points by images masked" in doses_cards(found)


def test_a_single_run_is_drawn_without_whiskers() -> None:
    one, five = (doses_cards(probed(*SHARES, seeds=seeds)) for seeds in (1, 5))

    assert 'd="" ' in one
    assert 'd="" ' not in five


def test_the_plot_of_doses_is_well_formed_with_several_lines() -> None:
    more = (*SHARES, ("propagated+1%", 20.0, 3, 30.0), ("upweight+1%", 1.0, 3, 30.0))
    card = doses_cards(probed(*more))

    assert card.count('class="lab"') == 6
    for part in card.split("<figure")[1:]:
        ET.fromstring("<figure" + part.split("</figure>")[0] + "</figure>")  # noqa: S314 (our own text)


def test_without_shares_nothing_is_drawn() -> None:
    assert doses_cards(probed()) == ""


# ---- the page, the report, the words ----


def test_the_report_holds_everything_and_asks_nothing_of_the_network() -> None:
    found = probed(*SHARES)
    page = report(found)

    assert round_page(found, CLASSES) in page
    assert "<details class=" not in page  # all is open, as for print
    assert "In words" in page
    assert "http" not in page
    assert "<script" not in page
    assert "url(" not in page


def test_the_words_name_split_n_seeds_and_interval_of_both_named_comparisons() -> None:
    words = in_words(probed())

    assert words[0].startswith("IMIL, the paper's way against control: harmful. −16.7 points")
    assert words[1].startswith("Propagated against control: shown. +26.7 points of test accuracy [")
    for sentence in words[:2]:
        assert sentence.endswith("n = 60, 5 seeds (train-on, one checkpoint).")
    assert "Recommended on validation: Propagated." in words
    assert any("worst group “token against label”" in sentence for sentence in words)
    assert any("at the threshold for 90 % sensitivity" in sentence for sentence in words)
    assert "Mask-only classifier .51 (.42–.60), n = 40, at chance." in words
    assert words[-1] == "The commonest label alone scores .50. Test set opened once."


def test_the_words_of_a_single_run_hold_no_verdict_and_no_interval() -> None:
    words = in_words(probed(seeds=1))

    assert "One run, not evidence. −16.7 points of test accuracy, balanced" in words[0]
    assert "[" not in words[0]


def test_saliency_in_words_comes_after_the_caution() -> None:
    words = in_words(probed())
    caution = words.index("Secondary: a better map is not evidence of a better model.")

    assert all("wrong-reason share" not in sentence for sentence in words[:caution])
    assert any("wrong-reason share" in sentence for sentence in words[caution:])


def test_control_alone_recommends_nothing() -> None:
    found = probed(without=ALONE)

    assert not any("ecommended" in sentence for sentence in in_words(found))
