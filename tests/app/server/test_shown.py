from __future__ import annotations

import pytest

from imil.app.review.outliers_tab import show_film
from imil.app.screen import Screen, show_news, show_progress
from imil.app.server.shown import kept_text
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from tests.standins.trained import as_if_trained

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_what_a_browser_keeps_can_be_emptied() -> None:
    kept = kept_text("imil-test")

    told = kept.postprocess("")

    assert told, "Gradio's page stores no empty text, so that the one before would come back"
    assert kept.preprocess(told) == ""
    assert kept.preprocess(None) == ""
    assert kept.preprocess(kept.postprocess("Ann")) == "Ann"


def test_a_film_changes_only_what_its_events_name(screen: Screen, studies: Studies) -> None:
    study, tab = as_if_trained(studies.demo()), screen.outliers
    sample = study.queue()[0].sample_id

    shown = show_film(tab, study, View(), sample, page=True)

    assert set(shown) <= set(tab.film)


def test_a_training_changes_only_what_each_look_at_it_names(
    screen: Screen, studies: Studies
) -> None:
    study = studies.demo()

    assert set(show_progress(screen, study)) <= set(screen.progress)
    as_if_trained(study)
    assert set(show_progress(screen, study)) <= set(screen.progress)
    assert set(show_news(screen, study)) <= set(screen.outputs)
