from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from imil.errors import ComputeError
from imil.ui.app import build_app
from imil.ui.rates import RATES, SESSIONS, Cost, Rate, Rates, cost_of
from imil.workflow.studies import Studies

pytestmark = [
    # Gradio and its client leave sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_call_too_many_is_refused_until_the_first_is_long_ago() -> None:
    clock = Clock()
    rates = Rates({Cost.TRAIN: Rate(2, 600)}, clock)
    rates.spend("a", Cost.TRAIN)
    clock.now = 100
    rates.spend("a", Cost.TRAIN)

    with pytest.raises(ComputeError) as refused:
        rates.spend("a", Cost.TRAIN)
    clock.now = 600
    rates.spend("a", Cost.TRAIN)

    assert str(refused.value) == (
        "That is more than the app does for one visitor at a time. "
        "Within 10 min, one page may start trainings 2 times, so that all visitors are served. "
        "Go on in 8 min 20 s; nothing is lost."
    )


def test_one_session_takes_nothing_from_another_nor_from_other_acts() -> None:
    rates = Rates({cost: Rate(1, 60) for cost in Cost}, Clock())

    for session in ("a", "b"):
        for cost in Cost:
            rates.spend(session, cost)

    with pytest.raises(ComputeError, match="make files to download 1 time"):
        rates.spend("a", Cost.EXPORT)


def test_of_countless_sessions_the_oldest_are_forgotten() -> None:
    rates = Rates(clock=Clock())

    for number in range(SESSIONS + 5):
        rates.spend(str(number), Cost.ASK)

    assert len(rates._asked) == SESSIONS


@pytest.fixture
def app(studies: Studies) -> Iterator[gr.Blocks]:
    made = build_app(studies, demo=False)
    yield made
    made.close()


def test_whatever_begins_trains_asks_or_exports_is_counted(app: gr.Blocks) -> None:
    counted = {
        event.api_name: cost_of(event.fn)
        for event in app.fns.values()
        if event.api_visibility != "private" and cost_of(event.fn) is not None
    }

    assert counted == {
        **dict.fromkeys(("open_demo", "open_archive", "open_images", "open_hub"), Cost.BEGIN),
        **dict.fromkeys(("open_public_set", "bring_images", "fetch_images"), Cost.BEGIN),
        **dict.fromkeys(("look_at_archive", "look_at_hub"), Cost.BEGIN),
        **dict.fromkeys(("train", "start_out_of_fold", "compare", "more_seeds"), Cost.TRAIN),
        "final_comparison": Cost.TRAIN,
        **dict.fromkeys(("answer", "saliency", "similar", "looks"), Cost.ASK),
        **dict.fromkeys(("predictions", "predicted_mask"), Cost.ASK),
        **dict.fromkeys(("download", "predicted_masks"), Cost.EXPORT),
    }


def test_a_page_is_counted_as_endpoints_are(app: gr.Blocks) -> None:
    screen = [e for e in app.fns.values() if e.api_visibility == "private" and cost_of(e.fn)]

    assert {cost_of(event.fn) for event in screen} == set(Cost)
    assert {event.fn.__name__ for event in screen if event.fn} >= {
        *("open_demo", "open_untrained", "open_public", "open_hub", "new_file", "open_archive"),
        *("bring_again", "fetch_again", "train", "compare", "more", "final", "use_folds"),
        *("answer", "saliency", "report", "download", "prepare", "save"),
    }


@pytest.mark.slow
def test_a_visitor_who_asks_too_often_is_told_when_to_go_on_and_others_are_not(
    studies: Studies,
) -> None:
    app = build_app(studies, demo=False)
    app.rates.rates[Cost.BEGIN] = Rate(2, 600)
    app.rates.clock = lambda: 0.0
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    eager, other = Client(url, verbose=False), Client(url, verbose=False)

    for _ in range(2):
        eager.predict(api_name="/open_demo")
    with pytest.raises(AppError) as refused:
        eager.predict(api_name="/open_demo")
    begun = other.predict(api_name="/open_demo")
    app.close()

    assert "for one visitor at a time" in str(refused.value.title)
    assert "Go on in 10 min" in str(refused.value.message)
    assert begun["study"]


def test_ordinary_work_is_far_from_every_limit() -> None:
    # A reader in a hurry: an image every 5 s with three strokes and a map each.
    asked_a_minute = 60 / 5 * 4

    assert asked_a_minute * 10 < RATES[Cost.ASK].calls
