from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.cases import Cases, cases_of
from imil.core.records import Plan, Sample, Split
from imil.report.cards.cases_card import cases_cards, changes_in_words, unknown_cases
from imil.report.cards.rounds_card import rounds_card
from imil.report.report import report_html
from tests.app.fabricated import IMAGES, USUAL, probed, scores

CLASSES = ("no <b>finding", "finding")
LABELS = np.arange(IMAGES) % 2
SAMPLES = tuple(Sample(f"p{n}/i{n}.png", int(LABELS[n]), Split.VALIDATION) for n in range(IMAGES))


@pytest.fixture
def cases() -> Cases:
    every = {
        parse_variant(name): (scores(right, LABELS),) * 2 for name, (right, *_) in USUAL.items()
    }
    return cases_of(every, SAMPLES, (0, 1))


def shot(sample_id: str) -> tuple[str, str]:
    return "data:,", f"Image {sample_id[1:2]}"


def asks(card: str) -> list[dict[str, object]]:
    return [json.loads(html.unescape(a)) for a in re.findall(r'data-ask="([^"]*)"', card)]


def test_every_count_that_is_not_nought_opens_and_says_what_it_opens(cases: Cases) -> None:
    found = probed(split=Split.VALIDATION)

    card = cases_cards(found, cases, CLASSES, shot)

    cells = [ask for ask in asks(card) if "said" in ask]
    assert {ask["arm"] for ask in cells} == {"control", "imil", "propagated", "upweight"}
    assert len(cells) == 4 * 4
    assert "20 with label finding of which Control said finding. Open them." in card
    assert "<b>finding" not in card.replace("&lt;b&gt;", "")
    assert "First seed · a cell opens its images" in card


def test_fixed_and_broken_are_counted_and_all_of_them_can_be_opened(cases: Cases) -> None:
    card = cases_cards(probed(split=Split.VALIDATION), cases, CLASSES, shot)

    # Control is right on 40, imil on the first 30 of them, propagated on 56.
    assert "0 fixed" in card
    assert "10 broken" in card
    assert "16 fixed" in card
    assert "Show all 16" in card
    assert {"arm": "propagated", "changed": "fixed"} in asks(card)
    assert "Validation images fixed and broken" in card


def test_the_pictures_carry_what_both_say(cases: Cases) -> None:
    card = cases_cards(probed(split=Split.VALIDATION), cases, CLASSES, shot)

    assert re.search(r"Open Image \d: said finding .95, label finding, control no", card)


def test_the_report_gives_counts_and_no_image(cases: Cases) -> None:
    found = probed()

    page = report_html(
        found,
        name="study",
        classes=CLASSES,
        plan=Plan(),
        proof="None shared.",
        versions={},
        cases=cases,
    )

    assert changes_in_words(found, cases) in page
    assert "<img" not in page
    assert "data-ask" not in page


def test_a_round_whose_answers_are_gone_says_so() -> None:
    assert "made by an older version" in unknown_cases(probed())


def test_several_rounds_stand_in_a_table_and_a_single_one_does_not() -> None:
    first = probed(split=Split.VALIDATION)
    second = replace(first, number=2, test_seen=True)

    table = rounds_card((first, second))

    assert rounds_card((first,)) == ""
    assert table.count("<tr>") == 1 + 4
    assert table.count("test set seen") == 2
