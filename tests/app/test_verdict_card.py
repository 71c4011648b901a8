from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from imil.core.arms.variants import IMIL
from imil.core.evaluation.rounds import Advice, Round
from imil.core.records import Split
from imil.report.cards.arms_table import arms_table
from imil.report.cards.verdict_card import advice_line, key_arms, verdict_card
from tests.app.fabricated import ABOVE_CHANCE, probed


@pytest.mark.parametrize(
    ("gained", "word", "sentence", "where"),
    [
        (30, "SHOWN", "Your masks made the model better on images", "paired, above 0"),
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


def test_the_recommended_arm_stands_second_with_a_verdict_and_figures_of_its_own() -> None:
    card = verdict_card(probed())
    first, second = card.split('class="vs good second"')

    assert "</svg>HARMFUL<span" in first
    assert "</svg>SHOWN<span" in second
    assert "Propagated against control: the same extra epochs without masks" in second
    assert "This arm made the model better" in second
    assert "Your masks" not in card
    assert second.count("<dt>Seeds</dt><dd>5</dd>") == 1
    assert "train-on, one checkpoint" in second
    assert "<dd>12 images</dd>" in second
    assert "4 % of training · 2 min 30 s" in second
    assert "Chosen on validation: +33.3 [+" in second


def test_on_validation_the_recommended_arms_figures_are_said_to_flatter() -> None:
    assert "its figures flatter until the final comparison" in verdict_card(
        probed(split=Split.VALIDATION)
    )
    assert "flatter" not in verdict_card(probed())


def test_the_recommended_arm_of_a_few_runs_is_no_evidence_either() -> None:
    card = verdict_card(probed(seeds=1))

    assert card.count("One run, not evidence") == 2
    assert card.count("<dd>none</dd>") == 2
    assert "[" not in card


def test_control_recommended_is_said_plainly() -> None:
    card = verdict_card(probed(without=("propagated", "upweight")))

    assert "train on without masks. No arm was better than control on validation." in card
    assert "second" not in card


def test_the_papers_arm_recommended_is_one_comparison() -> None:
    found = probed(without=("propagated", "upweight"))
    assert found.advice is not None
    chosen = replace(found.advice.chosen, name=IMIL)

    card = verdict_card(replace(found, advice=replace(found.advice, chosen=chosen)))

    assert "Recommended on validation: IMIL, the paper&#x27;s way" in card
    assert card.count('<dl class="facts">') == 1


def test_no_recommendation_is_said_and_the_note_says_why(round_of: Callable[..., Round]) -> None:
    plain = round_of(0)
    noted = replace(plain, notices=("No arm is recommended: that takes two masks.",))

    assert "nothing could be predicted to choose it by" in verdict_card(plain)
    card = verdict_card(noted)
    assert "No arm is recommended for this round; the notes say why." in card
    assert "No arm is recommended: that takes two masks." in card


def test_a_round_without_a_comparison_named_beforehand_has_no_verdict() -> None:
    found = replace(probed(without=("imil", "propagated")), advice=None)

    card = verdict_card(found)
    assert "No comparison of this round was named beforehand" in card
    assert "SHOWN" not in card
    assert "facts" not in card


def test_an_arm_that_was_recommended_once_but_not_compared_has_no_figures() -> None:
    found = probed(without=("upweight",))
    gone = replace(found, paired=tuple(p for p in found.paired if p.arm != "propagated"))

    assert "Recommended on validation: Propagated." in verdict_card(gone)


def test_masks_that_do_not_tell_the_class_are_said_to_be_at_chance() -> None:
    card = verdict_card(probed())

    assert "Mask-only classifier .51 (.42–.60), n = 40, at chance." in card
    assert "note warn" not in card


def test_masks_that_give_the_class_away_are_a_warning() -> None:
    card = verdict_card(probed(mask_only=ABOVE_CHANCE))

    assert '<div class="note warn">' in card
    assert "<b>The masks give the class away.</b>" in card
    assert "a balanced accuracy of .80 (.70–.90), n = 40; chance is .50" in card
    assert "at chance" not in card


def test_too_few_masks_to_tell_are_said() -> None:
    assert "too few masks of each class to tell" in verdict_card(probed(mask_only=None))


def test_details_come_first_for_control_the_papers_and_the_recommended_arm() -> None:
    assert [arm.arm for arm in key_arms(probed())] == ["control", "imil", "propagated"]


def test_up_to_three_arms_all_come_first() -> None:
    found = probed(without=("imil", "propagated"))

    assert [arm.arm for arm in key_arms(found)] == ["control", "upweight"]


def test_the_recommendation_in_a_line() -> None:
    found = probed()
    assert advice_line(found) == "Recommended on validation: Propagated."
    assert isinstance(found.advice, Advice)
