from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest

from imil.ui import outliers_tab, results_tab, train_tab
from imil.ui.results_acts import ResultsActs
from imil.ui.screen import Screen
from imil.ui.shown import html
from imil.workflow.studies import Studies

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PAPER = ("Own choice", ["imil"], False, "black", "replace", "input_gradients")


@pytest.fixture
def acts(studies: Studies) -> Iterator[ResultsActs]:
    with gr.Blocks():
        header, study_id = html(), gr.BrowserState("")
        with gr.Tabs() as tabs, gr.Tab("x") as place:
            train = train_tab.build_train_tab()
            outliers = outliers_tab.build_outliers_tab(place)
            results = results_tab.build_results_tab()
        timer = gr.Timer(1, active=False)
        screen = Screen(studies, study_id, header, tabs, timer, train, outliers, results)
        yield ResultsActs(screen)


def test_what_cannot_be_compared_is_said_where_it_was_asked(
    acts: ResultsActs, studies: Studies
) -> None:
    study = studies.demo()

    shown = acts.compare(study.study_id, "1 seed, a first look", *PAPER)

    assert list(shown) == [acts.screen.results.trouble]
    said = shown[acts.screen.results.trouble]
    assert "<b>There is nothing to review yet.</b>" in said
    assert "Train a model first" in said


def test_a_preset_shows_its_arms_and_what_they_cost(acts: ResultsActs, studies: Studies) -> None:
    study, form = studies.demo(), acts.screen.results.arms

    shown = acts.choose(study.study_id, "5 seeds, a verdict", "Recommended", *PAPER[1:])

    assert shown[form.arms] == ["imil", "counterexample", "propagated", "upweight"]
    assert "5 arms × 5 seeds: 25 short trainings" in shown[form.cost]


def test_an_arm_more_is_ones_own_choice(acts: ResultsActs, studies: Studies) -> None:
    study, form = studies.demo(), acts.screen.results.arms

    shown = acts.choose_arms(
        study.study_id, "1 seed, a first look", "The paper", ["imil", "cutmix"], *PAPER[2:]
    )

    assert shown[form.preset] == "Own choice"
    assert "3 arms × 1 seed: 3 short trainings" in shown[form.cost]


def test_every_component_of_the_form_can_be_changed_by_a_callback(acts: ResultsActs) -> None:
    tab = acts.screen.results

    assert set(tab.arms.outputs) <= set(tab.outputs)
    assert tab.choice == [tab.seeds, *tab.arms.chosen]


def test_without_a_study_there_is_nothing_to_choose(acts: ResultsActs) -> None:
    shown = acts.choose("", "1 seed, a first look", *PAPER)

    assert shown == {acts.screen.results.arms.cost: ""}
