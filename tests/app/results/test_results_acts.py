from __future__ import annotations

from dataclasses import replace

import pytest

from imil.app.predicted.sheet_handlers import SheetHandlers
from imil.app.results.arms_form import PRESET_REVIEWED
from imil.app.results.results_handlers import ResultsHandlers
from imil.app.screen import Screen, show_all, show_news, show_progress
from imil.core.evaluation.rounds import Round
from imil.core.records import Queue, Split
from imil.jobs.base import JobState, JobStatus
from imil.report.parts.text import with_arm_names
from imil.study.comparison.comparisons import Comparisons
from imil.study.comparison.results import Results
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.report.fabricated import make_round
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

USUAL = (PRESET_REVIEWED, ["imil"], False, "black", "replace", "input_gradients", None, True)
PAPER = ("Own choice", ["imil"], False, "black", "replace", "input_gradients", None, True)


@pytest.fixture
def acts(screen: Screen) -> ResultsHandlers:
    return ResultsHandlers(screen)


@pytest.fixture
def button(screen: Screen) -> SheetHandlers:
    return SheetHandlers(screen)


def test_what_cannot_be_compared_is_said_where_it_was_asked(
    button: SheetHandlers, studies: Studies
) -> None:
    study = studies.demo()

    shown = button.test_masks(study.study_id, "", *PAPER)

    said = shown[button.screen.results.trouble]
    assert "<b>There is nothing to review yet.</b>" in said
    assert "Train a model first" in said


def test_an_arm_without_its_masks_is_refused_by_its_name_for_people(
    button: SheetHandlers, studies: Studies
) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.queues.offers(Queue.RANDOM)[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="visitor", seconds=1)

    shown = button.test_masks(study.study_id, "", "Own choice", ["propagated"], *PAPER[2:])

    said = shown[button.screen.results.trouble]
    assert "“Masks on all images” needs 2 masked images, and there are 1" in said
    assert "propagated" not in said


def test_without_a_comparison_no_seeds_are_added_and_the_test_set_stays_closed(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study, tab = as_if_trained(studies.demo()), acts.screen.results

    assert "no comparison to add seeds to" in acts.more(study.study_id, "")[tab.trouble]
    assert "no comparison to open the test set for" in acts.final(study.study_id, "")[tab.trouble]


def test_the_test_set_is_not_opened_by_asking_nor_by_saying_not_yet(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study, question = as_if_trained(studies.demo()), acts.screen.results.question

    asked = acts.ask_final(study.study_id)
    refused = acts.not_yet()

    assert "opening 1 of this study" in asked[question.words]
    assert "a verdict needs 5" in asked[question.words]
    assert asked[question.part]["visible"]
    assert not refused[question.part]["visible"]
    assert study.comparison.test_openings == 0


def test_arms_in_sentences_have_their_names_for_people() -> None:
    settled = "right_reason: weight 10 of 1, 10, 100, chosen on validation."
    assert with_arm_names(settled).startswith("Right reason: weight 10")
    assert with_arm_names("“mixup” is refused") == "“MixUp” is refused"
    assert with_arm_names("imil+noise, seed 1") == "IMIL · noise fill, seed 1"
    english = "Drop it: control has no masks, and other_words stay."
    assert with_arm_names(english) == english


def test_a_preset_shows_its_arms_and_what_they_cost(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study, form = studies.demo(), acts.screen.results.arms

    shown = acts.choose(study.study_id, "Recommended", *PAPER[1:])

    assert shown[form.arms] == ["imil", "counterexample", "propagated", "upweight"]
    assert "5 arms × 5 seeds: 25 short trainings" in shown[form.cost]


def test_an_arm_more_is_ones_own_choice(acts: ResultsHandlers, studies: Studies) -> None:
    study, form = studies.demo(), acts.screen.results.arms

    shown = acts.choose_arms(study.study_id, "The paper", ["imil", "cutmix"], *PAPER[2:])

    assert shown[form.preset] == "Own choice"
    assert "3 arms × 5 seeds: 15 short trainings" in shown[form.cost]


def test_every_component_of_the_form_can_be_changed_by_a_callback(acts: ResultsHandlers) -> None:
    tab = acts.screen.results

    assert set(tab.arms.outputs) <= set(tab.outputs)


def test_without_a_study_there_is_nothing_to_choose(acts: ResultsHandlers) -> None:
    shown = acts.choose("", *PAPER)

    assert shown == {acts.screen.results.arms.cost: ""}


def test_a_comparison_that_ends_while_it_is_drawn_is_drawn_once_more(
    acts: ResultsHandlers, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, found = as_if_trained(studies.demo()), make_round(3)
    running = JobStatus(state=JobState.RUNNING, step="imil, seed 4")
    status, seeds = [running], [4]

    def four_then_ended(_: Results) -> Round:
        round_ = replace(found, seeds=found.seeds[: seeds[0]])
        status[0], seeds[0] = replace(running, state=JobState.DONE), 5
        return round_

    monkeypatch.setattr(Comparisons, "status", lambda _: status[0])
    monkeypatch.setattr(Results, "shown", four_then_ended)

    drawn = show_all(acts.screen, study, "")
    assert drawn[acts.screen.timer].active, "nothing would ever draw the fifth seed"

    looked = show_progress(acts.screen, study, drawn[acts.screen.results.seen])
    assert looked[acts.screen.news].active
    again = show_news(acts.screen, study)
    assert again[acts.screen.results.seen] != drawn[acts.screen.results.seen]
    assert not again[acts.screen.timer].active


def test_after_the_final_comparison_the_page_follows_what_is_still_being_made(
    acts: ResultsHandlers, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, found = as_if_trained(studies.demo()), make_round(3, split=Split.TEST)
    monkeypatch.setattr(Results, "final", lambda _: found)
    monkeypatch.setattr(Results, "shown", lambda _: found)

    shown = acts.final(study.study_id, "")

    assert shown[acts.screen.timer].active
    assert "Test set opened once" in shown[acts.screen.results.verdict]["value"]


def test_looking_at_the_tab_while_a_comparison_ends_does_not_stop_the_page_from_following_it(
    acts: ResultsHandlers, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, timer = as_if_trained(studies.demo()), acts.screen.timer
    running = JobStatus(state=JobState.RUNNING, step="imil, seed 0")
    asked = (*PAPER, "")

    monkeypatch.setattr(Comparisons, "status", lambda _: running)
    assert acts.look_again(study.study_id, *asked)[timer].active
    monkeypatch.setattr(Comparisons, "status", lambda _: replace(running, state=JobState.DONE))
    assert timer not in acts.look_again(study.study_id, *asked)


@pytest.fixture
def masked(studies: Studies) -> Study:
    """A study of which four images are masked."""
    study = studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs_after=1, budget=0.5))
    as_if_trained(study)
    for offer in study.queues.offers(Queue.RANDOM)[:4]:
        study.review.submit(
            offer.sample_id, corner(study, offer.sample_id), reader="visitor", seconds=1
        )
    return study


def arms(study: Study) -> tuple[str, ...]:
    asked = study.context.record.comparison
    assert asked is not None
    return asked.arms


def test_two_presses_lead_from_masks_to_all_four_arms_and_five_seeds(
    button: SheetHandlers, masked: Study
) -> None:
    learned, sheet = masked.predictions.of().learn(), button.screen.results.sheet

    asked = button.test_masks(masked.study_id, "", *USUAL)
    assert asked[sheet.frame]["visible"]
    assert masked.comparison.seeds_asked() == 0
    started = button.use(masked.study_id, "", asked[sheet.seen], *USUAL)
    masked.stop()

    assert asked[sheet.seen] == learned.key
    assert not started[sheet.frame]["visible"]
    assert arms(masked) == ("control", "imil", "propagated", "upweight")
    assert masked.comparison.seeds_asked() == 5


def test_whoever_has_confirmed_is_not_asked_again_until_another_mask_comes(
    button: SheetHandlers, masked: Study
) -> None:
    masked.predictions.confirm(masked.predictions.of().learn().key, reader="visitor")
    sheet = button.screen.results.sheet

    started = button.test_masks(masked.study_id, "", *USUAL)
    masked.stop()
    other = masked.queues.offers(Queue.RANDOM)[5].sample_id
    masked.review.submit(other, corner(masked, other), reader="visitor", seconds=1)
    masked.predictions.of().learn()
    again = button.test_masks(masked.study_id, "", *USUAL)

    assert not started[sheet.frame]["visible"]
    assert "propagated" in arms(masked)
    assert again[sheet.frame]["visible"]


def test_the_painted_images_alone_can_be_tested(button: SheetHandlers, masked: Study) -> None:

    button.use_painted(masked.study_id, "", *USUAL)
    masked.stop()

    assert arms(masked) == ("control", "imil", "upweight")
    assert not masked.predictions.confirmed


def test_from_one_mask_the_test_starts_without_asking_and_says_why(
    button: SheetHandlers, studies: Studies
) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.queues.offers(Queue.RANDOM)[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="visitor", seconds=1)

    shown = button.test_masks(study.study_id, "", *USUAL)
    study.stop()

    assert "Only one image is painted." in shown[button.screen.results.said]["value"]
    assert arms(study) == ("control", "imil", "upweight")


def test_masks_painted_while_seeds_are_trained_are_tested_at_the_next_press(
    button: SheetHandlers, masked: Study
) -> None:
    button.use_painted(masked.study_id, "", *USUAL)
    other = masked.queues.offers(Queue.RANDOM)[5].sample_id
    masked.review.submit(other, corner(masked, other), reader="visitor", seconds=1)

    button.use_painted(masked.study_id, "", *USUAL)
    current = masked.comparison.is_current()
    masked.stop()

    assert current
