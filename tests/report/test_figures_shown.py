"""Figures that would mislead if they were wrong, read off the page: each is the comparison's."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.verdict import McNemar
from imil.core.records import Split
from imil.report.cards.arms_table import arms_table
from imil.report.cards.cases_card import cases_cards, changes_in_words
from imil.report.cards.figures_cards import figures_card, mcnemar_words
from imil.report.cards.verdict_card import key_arms, verdict_card
from imil.report.parts import text
from imil.report.round_page import round_page
from imil.report.sentences import in_words
from tests.report.fabricated import make_round, probed
from tests.report.golden import Page
from tests.report.test_golden import CLASSES, cases_of_all, report, shot

NAMES = CLASSES[:2]


def lines(html: str) -> dict[str, list[str]]:
    """Return the lines of a page by their first cells, the first of each name."""
    found: dict[str, list[str]] = {}
    for line in Page(html).words:
        name, *cells = line.split(" | ")
        found.setdefault(name, cells)
    return found


def test_the_facts_of_a_comparison() -> None:
    # Control is right on 150 of 200 images, the arm on 180; 40 of 1,000 training images are masked.
    card = lines(verdict_card(make_round(30)))

    assert card["Accuracy, points"] == ["+15.0", "balanced +15.0 [+8.0, +22.0]"]
    assert card["95 % interval"] == ["+8.0 to +22.0", "paired, above 0"]
    assert card["Validation patients"] == ["100", "200 images"]
    assert card["Seeds"] == ["5", "train-on, one checkpoint"]
    assert card["Masked"] == ["40 images", "4 % of training"]


@pytest.mark.parametrize(
    ("gained", "word", "where"),
    [
        (30, "SHOWN", "paired, above 0"),
        (0, "NOT SHOWN", "paired, spans 0"),
        (-30, "HARMFUL", "paired, below 0"),
    ],
)
def test_the_word_follows_the_verdict(gained: int, word: str, where: str) -> None:
    page = verdict_card(make_round(gained))

    assert f"{word}Round 1" in Page(page).words
    assert lines(page)["95 % interval"][1] == where


def test_every_arm_has_its_own_figures_in_its_row() -> None:
    table = Page(arms_table(probed())).words
    cells = {line.split(" | ")[0]: line.split(" | ")[1:] for line in table}

    # Right on 30, 56, 42 and 40 of 60 images.
    points = {name[:10]: (row[0][:3], row[1].split()[0]) for name, row in cells.items() if row[1:]}
    assert points["IMIL, the "] == (".50", "\N{MINUS SIGN}16.7")
    assert points["Propagated"] == (".93", "+26.7")
    assert points["Same image"] == (".70", "+3.3")
    assert points["ControlThe"] == (".67", "reference")


def test_a_few_runs_have_no_verdict_and_one_run_no_interval_whatever_its_points() -> None:
    one, few = make_round(30, seeds=1), make_round(30, seeds=3)
    page = " ".join(Page(verdict_card(one) + arms_table(one)).words)

    assert "[" not in page
    assert lines(verdict_card(one))["95 % interval"][0] == "none"
    for found in (one, few):
        assert "SHOWN" not in verdict_card(found)
        assert not any("shown" in sentence for sentence in in_words(found))


def test_each_named_comparison_has_facts_of_its_own() -> None:
    first, second = verdict_card(probed()).split('class="vs good second"')

    assert lines(first)["Accuracy, points"][0] == "\N{MINUS SIGN}16.7"
    assert lines(first)["Masked"] == ["10 images", "3.3 % of training · 2 min"]
    assert lines(second)["Accuracy, points"][0] == "+26.7"
    assert lines(second)["Masked"] == ["12 images", "4 % of training · 2 min 30 s"]


def test_figures_stand_under_the_arm_that_they_are_of() -> None:
    found = probed()
    table = lines(figures_card(found, key_arms(found)))

    assert table["Figure"] == ["Control", "IMIL, the paper's way", "Propagated"]
    assert [cell[:3] for cell in table["Accuracy"]] == [".67", ".50", ".93"]


def test_the_words_name_split_n_seeds_and_interval_of_both_named_comparisons() -> None:
    words = in_words(probed())

    assert words[0].startswith("IMIL, the paper's way against control: harmful. −16.7 points")
    assert words[1].startswith("Propagated against control: shown. +26.7 points of test accuracy [")
    for sentence in words[:2]:
        assert sentence.endswith("n = 60, 5 seeds (train-on, one checkpoint).")


def test_saliency_in_words_comes_after_the_caution() -> None:
    words = in_words(probed())
    caution = words.index("Secondary: a better map is not evidence of a better model.")

    assert all("wrong-reason share" not in sentence for sentence in words[:caution])
    assert any("wrong-reason share" in sentence for sentence in words[caution:])


def test_images_fixed_and_broken_are_counted_and_each_count_opens_them() -> None:
    found, cases = probed(split=Split.VALIDATION), cases_of_all()

    page = cases_cards(found, cases, NAMES, shot)
    counted = lines(changes_in_words(found, cases))
    asks = [json.loads(unescape(ask)) for ask in re.findall(r'data-ask="([^"]*)"', page)]

    # Control is right on 40, imil on the first 30 of them, propagated on 56, upweight on 42.
    assert counted["IMIL, the paper's way"] == ["0", "10"]
    assert counted["Propagated"] == ["16", "0"]
    assert counted["Same images, no masks"] == ["2", "0"]
    assert {"arm": "propagated", "changed": "fixed"} in asks
    cells = [ask for ask in asks if "said" in ask]
    assert len(cells) == 4 * 4
    assert {ask["arm"] for ask in cells} == {"control", "imil", "propagated", "upweight"}


def test_the_report_and_the_screen_tell_the_same_and_the_report_has_all_open() -> None:
    found = probed()
    page = report(found)

    assert round_page(found, NAMES) in page
    assert "<details class=" not in page


def test_names_from_outside_are_never_markup() -> None:
    page = report(probed()) + cases_cards(probed(), cases_of_all(), NAMES, shot)

    assert "<b>finding" not in page
    assert "<b>with" not in page
    assert "said no &lt;b&gt;finding&lt;/b&gt;" in page
    assert "token &lt;b&gt;with&lt;/b&gt; label" in page


def test_p_values_are_written_without_a_leading_nought_and_never_as_nought() -> None:
    assert mcnemar_words(McNemar(30, 0, 1e-9)) == "+30 \N{MINUS SIGN}0, p < .001"
    assert mcnemar_words(McNemar(0, 0, 1.0)) == "+0 \N{MINUS SIGN}0, p 1"


def named(word: str) -> str:
    return text.arm_name(parse_variant(word))


def test_a_variant_is_named_by_its_settings_and_is_not_called_the_papers_way() -> None:
    assert named("imil+noise+append") == "IMIL · noise fill · originals kept"
    assert named("imil+1%") == "IMIL · first 1 %"
    assert named("right_reason+grad_cam+100") == "Right reason · Grad-CAM · weight 100"
    assert named("imil+high_loss") == "IMIL · high loss queue"
    assert text.arm_words(parse_variant("imil+noise")) == "Otherwise as “IMIL, the paper's way”"
