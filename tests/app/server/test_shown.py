from __future__ import annotations

import pytest

from imil.app.review.outliers_tab import show_image
from imil.app.screen import Screen, show_news, show_progress
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from tests.standins.trained import as_if_trained

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_a_film_changes_only_what_its_events_name(screen: Screen, studies: Studies) -> None:
    study, tab = as_if_trained(studies.demo()), screen.outliers
    sample = study.queues.offers()[0].sample_id

    shown = show_image(tab, study, View(), sample, page=True)

    assert set(shown) <= set(tab.film)


def test_a_training_changes_only_what_each_look_at_it_names(
    screen: Screen, studies: Studies
) -> None:
    study = studies.demo()

    assert set(show_progress(screen, study)) <= set(screen.progress)
    as_if_trained(study)
    assert set(show_progress(screen, study)) <= set(screen.progress)
    assert set(show_news(screen, study)) <= set(screen.outputs)
