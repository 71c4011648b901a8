from __future__ import annotations

from dataclasses import replace

import pytest

from imil.app.results.results_handlers import ResultsHandlers
from imil.app.screen import Screen, show_all, show_news, show_progress
from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.jobs.base import JobState, JobStatus
from imil.report.parts.text import with_arm_names
from imil.study.comparison.comparisons import Comparisons
from imil.study.comparison.results import Results
from imil.study.library.studies import Studies
from tests.report.fabricated import make_round
from tests.standins.trained import as_if_trained

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PAPER = ("Own choice", ["imil"], False, "black", "replace", "input_gradients", None, True)


@pytest.fixture
def acts(screen: Screen) -> ResultsHandlers:
    return ResultsHandlers(screen)


def test_what_cannot_be_compared_is_said_where_it_was_asked(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study = studies.demo()

    shown = acts.compare(study.study_id, "", "1 seed, a first look", *PAPER)

    assert list(shown) == [acts.screen.results.trouble]
    said = shown[acts.screen.results.trouble]
    assert "<b>There is nothing to review yet.</b>" in said
    assert "Train a model first" in said


def test_an_arm_without_its_masks_is_refused_by_its_name_for_people(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study = as_if_trained(studies.demo())

    shown = acts.compare(
        study.study_id, "", "1 seed, a first look", "Own choice", ["propagated"], *PAPER[2:]
    )

    said = shown[acts.screen.results.trouble]
    assert "“Propagated” needs 2 masked images, and there are 0" in said
    assert "propagated" not in said


def test_without_a_comparison_no_seeds_are_added_and_the_test_set_stays_closed(
    acts: ResultsHandlers, studies: Studies
) -> None:
    study, tab = as_if_trained(studies.demo()), acts.screen.results

    assert "no comparison to add seeds to" in acts.more(study.study_id, "")[tab.trouble]
    assert "no comparison to open the test set for" in acts.final(study.study_id, "")[tab.trouble]


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

    shown = acts.choose(study.study_id, "5 seeds, a verdict", "Recommended", *PAPER[1:])

    assert shown[form.arms] == ["imil", "counterexample", "propagated", "upweight"]
    assert "5 arms × 5 seeds: 25 short trainings" in shown[form.cost]


def test_an_arm_more_is_ones_own_choice(acts: ResultsHandlers, studies: Studies) -> None:
    study, form = studies.demo(), acts.screen.results.arms

    shown = acts.choose_arms(
        study.study_id, "1 seed, a first look", "The paper", ["imil", "cutmix"], *PAPER[2:]
    )

    assert shown[form.preset] == "Own choice"
    assert "3 arms × 1 seed: 3 short trainings" in shown[form.cost]


def test_every_component_of_the_form_can_be_changed_by_a_callback(acts: ResultsHandlers) -> None:
    tab = acts.screen.results

    assert set(tab.arms.outputs) <= set(tab.outputs)
    assert tab.choice == [tab.seeds, *tab.arms.chosen]


def test_without_a_study_there_is_nothing_to_choose(acts: ResultsHandlers) -> None:
    shown = acts.choose("", "1 seed, a first look", *PAPER)

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
    assert looked[acts.screen.train.news].active
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
    asked = ("1 seed, a first look", *PAPER, "")

    monkeypatch.setattr(Comparisons, "status", lambda _: running)
    assert acts.look_again(study.study_id, *asked)[timer].active
    monkeypatch.setattr(Comparisons, "status", lambda _: replace(running, state=JobState.DONE))
    assert timer not in acts.look_again(study.study_id, *asked)
