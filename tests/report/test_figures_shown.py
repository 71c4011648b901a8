"""Figures that would mislead if they were wrong, read off the page: each is the comparison's."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape

import pytest

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import Change, McNemar, Verdict
from imil.core.records import Split
from imil.report.cards.arms_table import arms_table
from imil.report.cards.cases_card import cases_cards, changes_in_words
from imil.report.cards.figures_cards import figures_card, mcnemar_words
from imil.report.cards.questions import meaning
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


def asked(html: str, question: str) -> list[str]:
    """Return a question's line of the first comparison: its cells, and the answer's word."""
    words = Page(html).words
    place = next(i for i, line in enumerate(words) if line.startswith(question))
    return [*words[place].split(" | ")[1:], words[place + 1]]


def test_both_questions_of_a_comparison() -> None:
    # Control is right on 40 of 60 images and, with the region of another class, on 30; the arm on
    # 56 and 54. Half of what such a region takes is what the model reads off it.
    card = verdict_card(probed(without=("imil",)))

    without, alike = asked(card, "Without the shortcut"), asked(card, "On images like these")
    assert without[:2] == [".58", ".92"]
    assert without[2].startswith("+33.3 [")
    assert without[-1] == "Better"
    assert alike[:2] == [".67", ".93"]
    assert alike[2].startswith("+26.7 [")
    assert alike[-1] == "Better"


def test_a_comparison_says_on_what_it_rests() -> None:
    # 40 of 1,000 training images are masked.
    words = " ".join(Page(verdict_card(make_round(30))).words)

    assert "200 validation images, 100 patients · 5 runs, same starting model" in words
    assert "40 images masked (4 % of training)" in words


@pytest.mark.parametrize(
    ("gained", "word", "answer"),
    [
        (30, "Helps", "Better"),
        (0, "No clear difference", "No clear difference"),
        (-30, "Harmful", "Worse"),
    ],
)
def test_the_word_follows_the_verdict(gained: int, word: str, answer: str) -> None:
    page = verdict_card(make_round(gained))

    assert word in Page(page).words
    assert asked(page, "On images like these")[-1] == answer


def test_a_question_that_could_not_be_asked_says_so_and_says_why() -> None:
    page = verdict_card(make_round(30))

    assert asked(page, "Without the shortcut") == ["Not measured"]
    assert "masks on two images" in page


def test_every_arm_has_its_own_figures_in_its_row() -> None:
    table = Page(arms_table(probed())).words
    cells = {line.split(" | ")[0]: line.split(" | ")[1:] for line in table}

    # Right on 30, 56, 42 and 40 of 60 images.
    accuracies = {name[:10]: row[0][:3] for name, row in cells.items() if row}
    assert accuracies["IMIL, the "] == ".50"
    assert accuracies["Masks on a"] == ".93"
    assert accuracies["Same image"] == ".70"
    assert accuracies["ControlThe"] == ".67"
    told = " ".join(table)
    for points in ("\N{MINUS SIGN}16.7", "+26.7", "+3.3", "+33.3"):
        assert points in told


def test_a_few_runs_have_no_verdict_and_one_run_no_interval_whatever_its_points() -> None:
    one, few = make_round(30, seeds=1), make_round(30, seeds=3)
    page = " ".join(Page(verdict_card(one) + arms_table(one)).words)

    assert "[" not in page
    for found, runs in ((one, "1 of 5"), (few, "3 of 5")):
        words = " ".join(Page(verdict_card(found)).words)
        assert f"Too early to say ({runs} runs)" in words
        assert "Helps" not in words
        assert "Better" not in words
        assert not any("helps" in sentence for sentence in in_words(found))


def test_each_named_comparison_has_figures_of_its_own() -> None:
    recommended, paper = verdict_card(probed()).split(" second ")

    assert "+26.7 [" in recommended
    assert "12 images masked (4 % of training, 2 min 30 s)" in recommended
    assert "\N{MINUS SIGN}16.7 [" in paper
    assert "10 images masked (3.3 % of training, 2 min)" in paper


def test_an_arm_that_is_control_is_told_so_and_no_size_of_nought() -> None:
    found = make_round(0)

    assert "0.0" not in meaning(found, found.paired[0])


def test_a_trade_off_gives_both_numbers_and_leaves_the_choice() -> None:
    found = probed(("imil", -16.7, 10, None))
    paired = replace(
        found.paired[-1],
        verdict=Verdict.TRADE_OFF,
        independent=Change(20.0, 15.0, 25.0),
        differences=dict.fromkeys((Metric.ACCURACY, Metric.BALANCED_ACCURACY), Change(-5, -8, -2)),
    )

    said = meaning(replace(found, paired=(*found.paired[:-1], paired)), paired)

    assert "5.0 points" in said


def test_figures_stand_under_the_arm_that_they_are_of() -> None:
    found = probed()
    table = lines(figures_card(found, key_arms(found)))

    assert table["Figure"] == ["Control", "IMIL, the paper's way", "Masks on all images"]
    assert [cell[:3] for cell in table["Accuracy"]] == [".67", ".50", ".93"]


def test_the_words_name_split_n_seeds_and_interval_of_both_named_comparisons() -> None:
    words = in_words(probed())

    assert words[0].startswith("Masks on all images against control: helps. ")
    assert words[1].startswith("IMIL, the paper's way against control: harmful. ")
    for sentence in words[:2]:
        assert "Without the shortcut: .58 to " in sentence
        assert "On images like these: .67 to " in sentence
        assert sentence.count("[") == 3
        assert "Test, n = 60, 5 seeds (same starting model)." in sentence


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
    assert counted["Masks on all images"] == ["16", "0"]
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


def test_the_arm_that_is_recommended_leads_and_its_figures_are_the_headline() -> None:
    card = Page(verdict_card(probed())).words

    assert card[0] == "Helps: .58 → .92 without the shortcut"


def test_the_images_of_the_worst_group_can_be_opened_where_they_are_known() -> None:
    found = probed()

    assert "data-ask" in verdict_card(found, opens=True)
    assert "data-ask" not in verdict_card(found)
    assert any(
        line.startswith(f"Images “{found.worst_group}”") for line in Page(verdict_card(found)).words
    )
