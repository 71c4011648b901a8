from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from imil.app.app import build_app
from imil.app.server.rates import (
    COSTS_AT_ONCE,
    MOST_TRAINING,
    MOST_TRAINING_OF_ALL,
    RATES,
    VISITORS,
    Cost,
    Rate,
    Rates,
    cost_of,
    line_of,
)
from imil.app.server.visitors import BEHIND_AN_ADDRESS, Visitor
from imil.errors import ComputeError
from imil.study.library.studies import Studies

pytestmark = [
    # Gradio and its client leave sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


# Of Gradio, for all callbacks.
THREADS = 40


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_call_too_many_is_refused_until_the_first_is_long_ago() -> None:
    clock = Clock()
    rates = Rates({Cost.TRAIN: Rate(2, 600)}, clock)
    rates.spend(Visitor("a"), Cost.TRAIN)
    clock.now = 100
    rates.spend(Visitor("a"), Cost.TRAIN)

    with pytest.raises(ComputeError) as refused:
        rates.spend(Visitor("a"), Cost.TRAIN)
    clock.now = 600
    rates.spend(Visitor("a"), Cost.TRAIN)

    assert str(refused.value) == (
        "That is more than the app does for one visitor at a time. "
        "Within 10 min, one visitor may start trainings 2 times, so that all visitors are served. "
        "Go on in 8 min 20 s; nothing is lost."
    )


def test_one_session_takes_nothing_from_another_nor_from_other_acts() -> None:
    rates = Rates({cost: Rate(1, 60) for cost in Cost}, Clock())

    for session in ("a", "b"):
        for cost in Cost:
            rates.spend(Visitor(session), cost)

    with pytest.raises(ComputeError, match="make files to download 1 time"):
        rates.spend(Visitor("a"), Cost.EXPORT)


def test_of_countless_sessions_the_oldest_are_forgotten() -> None:
    rates = Rates({Cost.ASK: Rate(1, 60)}, Clock())

    for number in range(VISITORS + 1):
        rates.spend(Visitor(str(number)), Cost.ASK)

    rates.spend(Visitor("0"), Cost.ASK)
    with pytest.raises(ComputeError):
        rates.spend(Visitor(str(VISITORS)), Cost.ASK)


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
        "open_demo": Cost.DEMO,
        **dict.fromkeys(("open_archive", "open_hub"), Cost.BEGIN),
        **dict.fromkeys(("open_public_set", "bring_images", "fetch_images"), Cost.BEGIN),
        **dict.fromkeys(("look_at_archive", "look_at_hub"), Cost.BEGIN),
        **dict.fromkeys(("add_external_set", "add_external_hub"), Cost.BEGIN),
        **dict.fromkeys(("train", "start_out_of_fold", "compare", "more_seeds"), Cost.TRAIN),
        "final_comparison": Cost.TRAIN,
        **dict.fromkeys(("answer", "saliency", "looks"), Cost.ASK),
        **dict.fromkeys(("predictions", "predicted_mask"), Cost.ASK),
        **dict.fromkeys(("download", "predicted_masks"), Cost.EXPORT),
    }


def test_a_page_is_counted_as_endpoints_are(app: gr.Blocks) -> None:
    screen = [e for e in app.fns.values() if e.api_visibility == "private" and cost_of(e.fn)]

    assert {cost_of(event.fn) for event in screen} == set(Cost)
    assert {event.fn.__name__ for event in screen if event.fn} >= {
        *("open_demo", "open_untrained", "open_public", "open_hub", "new_file", "open_archive"),
        *("bring_again", "fetch_again", "train", "test_masks", "use", "more", "final", "use_folds"),
        *("answer", "saliency", "report", "download", "prepare", "save"),
    }


@pytest.mark.slow
def test_a_visitor_who_asks_too_often_is_told_so_in_any_session_and_others_are_not(
    studies: Studies,
) -> None:
    app = build_app(studies, demo=False, proxied=True)
    app.rates.rates[Cost.DEMO] = Rate(1, 600)
    app.rates.clock = lambda: 0.0
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_port=None)

    def client(forwarded: str) -> Client:
        return Client(url, verbose=False, headers={"x-forwarded-for": forwarded})

    eager, again, other = client("8.8.8.8"), client("9.9.9.9, 8.8.8.8"), client("8.8.4.4")
    for _ in range(BEHIND_AN_ADDRESS):
        eager.predict(api_name="/open_demo")
    with pytest.raises(AppError) as refused:
        again.predict(api_name="/open_demo")
    begun = other.predict(api_name="/open_demo")
    app.close()

    assert "for one visitor at a time" in str(refused.value.title)
    assert "Go on in 10 min" in str(refused.value.message)
    assert begun["study"]


def test_one_visitor_lets_few_studies_train_and_all_together_no_more_than_the_app_takes() -> None:
    rates, idle = Rates(), set[str]()

    def busy(study: str) -> bool:
        return study not in idle

    for number in range(MOST_TRAINING):
        rates.train(Visitor("a"), f"a{number}", busy)
    rates.train(Visitor("a"), "a0", busy)  # the same again is no further one
    with pytest.raises(ComputeError, match="3 of your studies train"):
        rates.train(Visitor("a"), "a9", busy)
    idle.add("a0")
    rates.train(Visitor("a"), "a9", busy)
    for number in range(MOST_TRAINING_OF_ALL - MOST_TRAINING):
        rates.train(Visitor(f"b{number}"), f"b{number}", busy)

    with pytest.raises(ComputeError, match="60 studies train"):
        rates.train(Visitor("c"), "c", busy)


def test_every_event_says_how_many_of_it_are_answered_at_once(app: gr.Blocks) -> None:
    # What follows a page that was closed waits in no queue, so that it has no limit to choose.
    wired = [
        event
        for event in app.fns.values()
        if event.fn is not None and not any(name == "unload" for _, name in event.targets)
    ]

    unsaid = [event.api_name for event in wired if event.concurrency_limit == "default"]

    assert unsaid == []


def test_what_costs_much_waits_in_its_line_and_all_lines_leave_threads_for_the_rest(
    app: gr.Blocks,
) -> None:
    costly = [event for event in app.fns.values() if cost_of(event.fn) is not None]

    unlimited = [event.api_name for event in costly if event.concurrency_limit is None]
    unqueued = [event.api_name for event in costly if not event.queue]

    assert unlimited == unqueued == []
    assert {event.concurrency_id for event in costly} == {line_of(cost) for cost in Cost}
    assert sum(COSTS_AT_ONCE.values()) < THREADS


def test_ordinary_work_is_far_from_every_limit() -> None:
    # A reader in a hurry: an image every 5 s with three strokes and a map each.
    asked_a_minute = 60 / 5 * 4

    assert asked_a_minute * 10 < RATES[Cost.ASK].calls
