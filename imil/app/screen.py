"""All that callbacks read and change, and a study shown on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.header.header import header
from imil.app.header.job_line import job_line
from imil.app.predicted.predicted_sheet import hide_sheet, show_sheet, why_painted_alone
from imil.app.results import results_tab
from imil.app.results.arms_form import chosen_arms, chosen_pooling, is_usual, needs_confirmed
from imil.app.results.final_question import hide_final_question
from imil.app.results.results_tab import ResultsTab
from imil.app.review import outliers_tab
from imil.app.review.outliers_tab import OutliersTab
from imil.app.review.queue_picker import show_folds
from imil.app.review.queue_view import finished_queue
from imil.app.server.updates import Updates
from imil.app.train import train_tab
from imil.app.train.deployment_question import show_deployment
from imil.app.train.train_tab import TrainTab
from imil.core.review.readers import reader_name
from imil.jobs.base import JobState
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from imil.study.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """The studies, and the components that show one of them.

    `study_id` lives in the browser: it is what brings a visitor back to a study, and to a training
    that went on meanwhile. `reader` lives there too: the name that goes with what is painted, ""
    for none. `timer` ticks only while something trains; once it has brought something, `news`
    does. Both are on no tab: Gradio makes a tab when it is first opened, and a timer ticks only
    once it is made.
    """

    studies: Studies
    study_id: gr.BrowserState
    reader: gr.BrowserState
    header: gr.HTML
    tabs: gr.Tabs
    timer: gr.Timer
    news: gr.Timer
    train: TrainTab
    outliers: OutliersTab
    results: ResultsTab
    job_line: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        shared = [self.study_id, self.reader, self.header, self.tabs, self.timer, self.news]
        shared.append(self.job_line)
        return [*shared, *self.train.outputs, *self.outliers.outputs, *self.results.outputs]

    @property
    def comparison(self) -> list[Any]:
        """What a comparison changes that begins, on whichever tab."""
        shared = [self.tabs, self.timer, *self.train.deployment.outputs]
        return [*shared, *self.results.outputs]

    @property
    def progress(self) -> list[Any]:
        """What changes each second while something trains."""
        picker = self.outliers.picker
        own = [*self.train.progress, *self.results.progress, self.news, self.job_line]
        return [*own, picker.folds, picker.use_folds]


def show_all(screen: Screen, study: Study, reader: str) -> Updates:
    """Return everything for a study that has just been opened by a reader."""
    # Asked before, too: what ends while it is being shown is shown ended at the next tick.
    was_busy = busy(study)
    return {
        screen.study_id: study.study_id,
        screen.header: header(study),
        screen.job_line: job_line(study),
        **train_tab.show_study(screen.train, study),
        **outliers_tab.show_outliers(screen.outliers, study, _first_view(reader)),
        **results_tab.show_results(screen.results, study),
        **_say(screen),
        **hide_sheet(screen.results.sheet),
        **hide_final_question(screen.results.question),
        # And last: what was shown may have begun to be computed.
        screen.timer: gr.Timer(active=was_busy or busy(study)),
    }


def show_no_study(screen: Screen) -> Updates:
    """Return everything where no study is open."""
    return {
        screen.study_id: "",
        screen.header: header(None),
        **train_tab.show_nothing(screen.train),
        **outliers_tab.show_no_queue(screen.outliers),
        **results_tab.show_no_results(screen.results),
    }


def show_demo(screen: Screen, reader: str) -> Updates:
    """Return everything for a new demo study, on the tab where one begins with it."""
    study = screen.studies.demo()
    first = "outliers" if is_trained(study) else "train"
    return {screen.tabs: gr.Tabs(selected=first), **show_all(screen, study, reader)}


def is_trained(study: Study) -> bool:
    """Return whether there is a model, and so images to mask."""
    return study.training.status().state is JobState.DONE


def show_progress(screen: Screen, study: Study, seen: str = "") -> Updates:
    """Return what a second of training changes, and whether there is more to show.

    Args:
        screen: what shows it.
        study: the study.
        seen: what the Results tab shows, so that a seed more is shown at once.
    """
    news = not busy(study) or results_tab.signature(study) != seen
    return {
        **train_tab.show_training(screen.train, study),
        **results_tab.show_comparison(screen.results, study),
        **_show_folds(screen, study),
        screen.job_line: job_line(study),
        screen.news: gr.Timer(active=news),
    }


def show_news(screen: Screen, study: Study, reader: str = "") -> Updates:
    """Return what training has brought; when it has ended, all that depends on it."""
    ended = not busy(study)
    shown = {
        **train_tab.show_training(screen.train, study),
        **results_tab.show_results(screen.results, study),
        **_show_folds(screen, study),
        screen.job_line: job_line(study),
        screen.news: gr.Timer(active=False),
    }
    if not ended:
        return shown
    after = (study.comparison.status(), study.training.out_of_fold_status())
    if all(status.state is None for status in after):
        # Only the first training changes the queue; a film being painted is left alone.
        shown |= outliers_tab.show_outliers(screen.outliers, study, _first_view(reader))
    # Last: what was shown may have begun to be computed.
    return {**shown, screen.timer: gr.Timer(active=busy(study))}


def _first_view(reader: str) -> View:
    return View(reader=reader_name(reader))


def _show_folds(screen: Screen, study: Study) -> Updates:
    """Return how far the folds are, where they were asked for; the film is left alone."""
    if study.training.out_of_fold_status().state is None:
        return {}
    return show_folds(screen.outliers.picker, study, study.queues.selection)


def test_masks(screen: Screen, study: Study, reader: str, chosen: Sequence[Any]) -> Updates:
    """Start the comparison, or ask first whether the predicted masks are right.

    Nothing is asked where they are not used, are confirmed, or nothing can be predicted.

    Args:
        screen: what shows it.
        study: whose masks are tested.
        reader: who asked for it.
        chosen: the values of `ArmsForm.chosen`.

    Raises:
        ImilError: as `start_comparison`.
    """
    arms = chosen_arms(study, chosen, predicted=True)
    runs = study.comparison.status().active and study.comparison.is_current()
    if runs or study.predictions.confirmed or not needs_confirmed(arms):
        return start_comparison(screen, study, reader, chosen)
    alone = why_painted_alone(study, reader)
    if alone is None and finished_queue(study) is not None:
        sheet = show_sheet(screen.results.sheet, study, arms)
        return {screen.tabs: gr.Tabs(selected="results"), **_say(screen), **sheet}
    # Who has named an arm that needs predictions is told why there are none.
    predicted = False if is_usual(chosen) else None
    return {
        **start_comparison(screen, study, reader, chosen, predicted=predicted),
        **_say(screen, alone or ""),
    }


def start_comparison(
    screen: Screen,
    study: Study,
    reader: str,
    chosen: Sequence[Any],
    *,
    predicted: bool | None = None,
) -> Updates:
    """Start the comparison and return the screen on its way.

    Args:
        screen: what shows it.
        study: whose masks are compared.
        reader: who asked for it.
        chosen: the values of `ArmsForm.chosen`.
        predicted: as in `chosen_arms`.

    Raises:
        ImilError: as `Comparisons.start`.
    """
    study.comparison.start(
        arms=chosen_arms(study, chosen, predicted=predicted),
        seeds=study.comparison.usual.seeds,
        pooling=chosen_pooling(study, chosen),
        who=reader,
    )
    return {
        screen.tabs: gr.Tabs(selected="results"),
        screen.timer: gr.Timer(active=True),
        **_say(screen),
        **hide_sheet(screen.results.sheet),
        **show_deployment(screen.train.deployment, study),
        **results_tab.show_results(screen.results, study),
    }


def _say(screen: Screen, words: str = "") -> Updates:
    """Return why a test was started without asking; by default nothing."""
    return {screen.results.said: gr.update(value=words, visible=bool(words))}


def busy(study: Study) -> bool:
    """Return whether anything of the study trains, or is being computed to be shown."""
    jobs = (study.training.status(), study.comparison.status(), study.training.out_of_fold_status())
    return study.comparison.finishing or any(status.active for status in jobs)
