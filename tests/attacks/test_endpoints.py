"""A hostile visitor at every door: each parameter of each event of the app, as the app lists them.

A new endpoint is attacked without a line here, and so is a new parameter of an old one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio.block_function import BlockFunction
from gradio.events import EventData

from imil.app.app import build_app
from imil.app.painter.painter import encode_run_lengths
from imil.app.server.page import Page
from imil.app.server.rates import Cost, Rate
from imil.app.server.sessions import Session
from imil.core.plans import check_plan
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.idle_pool import IdlePool
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

pytestmark = [
    # Gradio and its client leave sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Seconds until an answer counts as a hang.
PATIENCE = 30.0
# Signs of the longest sentence that is still one.
LONGEST_ANSWER = 3000
# A reader of the study that is not the visitor's.
STRANGER = "Zoë Stranger"
SMALL = FilmSpec(images=40, size=64, seed=1)
# What ends a study, in which nothing else can be tried then.
ENDS = {"delete_study"}
FileData = {"_type": "gradio.FileData"}


def nested(deep: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(deep):
        made = [made]
    return made


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    float("nan"),
    float("inf"),
    10**400,
    "é",
    "a\x00\u202eb",
    "\ud800",
    "../../../etc/passwd",
    "x" * 10**6,
    nested(400),
    {"__class__": {}},
    ["imil"] * 10**4,
    {"path": "/etc/passwd", "meta": FileData},
    {"path": "http://192.0.2.1/x.zip", "meta": FileData},
)
# Ids of studies that are not there: unknown, of another shape, or meant for a file.
FOREIGN = (
    "0" * 32,
    "f" * 8,
    "é",
    "٣",
    "",
    "..",
    "../state",
    "a/b",
    "A" * 65,
    "x" * 10**5,
    "con\x00",
)


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The app with a study of the visitor's and one of a stranger's."""

    app: Page
    studies: Studies
    study: Study
    other: Study
    home: Path
    loop: asyncio.AbstractEventLoop

    def ask(self, event: BlockFunction, values: list[Any], data: Any = None) -> dict[str, Any]:
        """Send what a script would; give the answer, or what the visitor is told as `error`."""
        asked = self.app.process_api(
            event,
            values,
            state=Session(self.app),
            session_hash="hostile",
            request=gr.Request(session_hash="hostile"),
            event_data=EventData(None, data),
            simple_format=True,
        )
        try:
            return self.loop.run_until_complete(asyncio.wait_for(asked, PATIENCE))
        except gr.Error as error:
            return {"error": f"{error.title} {error.message}"}

    def usual(self, event: BlockFunction) -> list[Any]:
        """Return what an honest visitor might send."""
        names = (*signature(event.fn).parameters, *[""] * len(event.inputs)) if event.fn else ()
        known = {"study": self.mine(event), "study_id": self.mine(event), "sample": self.sample}
        return [
            known.get(name, getattr(block, "value", None))
            for name, block in zip(names, event.inputs, strict=False)
        ]

    @property
    def sample(self) -> str:
        return self.study.images.samples[0].sample_id

    def mine(self, event: BlockFunction) -> str:
        return self.studies.demo().study_id if event.api_name in ENDS else self.study.study_id


@pytest.fixture(scope="module", autouse=True)
def leftovers_of_gradio() -> Iterator[None]:
    """Collect the event loops and sockets that Gradio leaves open, before they trouble others."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("home")
    studies = studies_of(home)
    mine, other = studies.demo(), studies.demo()
    for study in (mine, other):
        study.training.set_plan(replace(study.plan, size=32, budget=0.5))
        as_if_trained(study)
    film = other.images.samples[1].sample_id
    other.review.submit(film, corner(other, film), reader=STRANGER, seconds=3.0)
    with asyncio.Runner() as runner:
        app = build_app(studies, demo=False)
        app.rates.rates = dict.fromkeys(Cost, Rate(10**9, 1.0))
        yield House(app, studies, mine, other, home, runner.get_loop())
        app.close()


def studies_of(home: Path) -> Studies:
    tools = Services(LocalStore(home / "state"), IdlePool(), no_weights)
    return Studies(home / "work", tools, demo=SMALL)


def events(app: Page) -> dict[str, BlockFunction]:
    """Return every event that a client can trigger, by name; what is wired often counts once."""
    once: dict[Callable[..., Any], tuple[str, BlockFunction]] = {}
    for event in app.fns.values():
        if event.fn is not None:
            once.setdefault(event.fn, (str(event.api_name), event))
    return dict(once.values())


def names_of(event: BlockFunction) -> tuple[str, ...]:
    return tuple(signature(event.fn).parameters) if event.fn is not None else ()


def takes_a_study(event: BlockFunction) -> bool:
    return bool({"study", "study_id"} & set(names_of(event)[: len(event.inputs)]))


def is_sound(house: House) -> None:
    """Assert that both studies open in a new process, and that their logs vouch for them."""
    house.studies.flush()
    again = studies_of(house.home)
    for study in (house.study, house.other):
        opened = again.open(study.study_id)
        assert opened.audit.check().broken is None
        assert np.isfinite(opened.review.seconds_spent())
        check_plan(opened.plan)
        for reader in opened.readers.names():
            assert len(reader) < 100
    again.flush()


def faults(
    house: House, event: BlockFunction, calls: list[tuple[str, list[Any], Any]]
) -> list[str]:
    """Return of which calls the visitor was not told in words, or was told what is not theirs."""
    found = []
    for what, values, data in calls:
        try:
            answer = house.ask(event, values, data)
        except Exception as error:  # noqa: BLE001  # any of them is a fault
            found.append(f"{what}: {type(error).__name__} {error}"[:200])
            continue
        told = json.dumps(answer, default=str)
        if len(answer.get("error", "")) > LONGEST_ANSWER:
            found.append(f"{what}: a long answer")
        if STRANGER in told or json.dumps(STRANGER)[1:-1] in told:
            found.append(f"{what}: what is another's")
    return found


def short(value: Any) -> str:
    """Return a value's name in a report."""
    return f"{type(value).__name__} {value}"[:30] if not isinstance(value, int) else "a number"


def test_every_value_of_every_event_is_answered_in_words_whatever_it_is(house: House) -> None:
    found: list[str] = []
    calls = 0
    for name, event in events(house.app).items():
        tried: list[tuple[str, list[Any], Any]] = []
        for place in range(len(event.inputs)):
            # Whoever knows a study's id may open it: in any other place it is worth nothing.
            strange = (
                ()
                if names_of(event)[place : place + 1] in {("study",), ("study_id",)}
                else (house.other.study_id,)
            )
            for value in (*HOSTILE, *strange):
                values = house.usual(event)
                values[place] = value
                tried.append((f"{name}[{place}] = {short(value)}", values, None))
        found += faults(house, event, tried)
        calls += len(tried)

    assert not found, "\n".join(found)
    assert calls > 2000
    is_sound(house)


def test_whatever_an_event_of_the_page_carries_is_answered_in_words(house: House) -> None:
    carriers = {
        name: event
        for name, event in events(house.app).items()
        if event.fn is not None
        and any(
            "EventData" in str(each.annotation) for each in signature(event.fn).parameters.values()
        )
    }
    keys = ("study", "sample", "page", "ask", "chosen", "painted", "targets", "studies", "seconds")

    found = []
    for name, event in carriers.items():
        tried = [(f"{name}({short(value)})", house.usual(event), value) for value in HOSTILE]
        for value in HOSTILE:
            sent = dict.fromkeys(keys, value)
            tried.append((f"{name}(all {short(value)})", house.usual(event), sent))
            sent = {"ask": dict.fromkeys(("arm", "label", "said", "changed", "file"), value)}
            tried.append((f"{name}(ask {short(value)})", house.usual(event), sent))
        found += faults(house, event, tried)

    assert len(carriers) > 10
    assert found == []
    is_sound(house)


def test_a_study_is_opened_by_its_own_id_alone_at_every_event(house: House) -> None:
    found, tried = [], 0
    for name, event in events(house.app).items():
        if not takes_a_study(event) or event.api_visibility == "private":
            continue
        place = next(i for i, each in enumerate(names_of(event)) if each in {"study", "study_id"})
        for foreign in FOREIGN:
            values = house.usual(event)
            values[place] = foreign
            tried += 1
            try:
                answer = house.ask(event, values)
            except Exception as error:  # noqa: BLE001  # any of them is a fault
                found.append(f"{name}({short(foreign)}): {type(error).__name__}")
                continue
            if "error" not in answer:
                found.append(f"{name}({short(foreign)}) was answered")

    assert found == []
    assert tried > 400


def test_too_few_and_too_many_values_are_answered_in_words(house: House) -> None:
    found = []
    for name, event in events(house.app).items():
        values = house.usual(event)
        tried = [(f"{name} and more", [*values, "x"], None)]
        if values:
            tried += [(f"{name} without", [], None), (f"{name} but one", values[:-1], None)]
        found += faults(house, event, tried)

    assert found == []


def payload(house: House, **changes: Any) -> dict[str, Any]:
    """Return a painter's value as the browser sends it, with changes."""
    irrelevant = corner(house.study, house.sample)
    height, width = irrelevant.shape
    sound = {
        "study": house.study.study_id,
        "sample": house.sample,
        "size": [width, height],
        "runs": encode_run_lengths(irrelevant),
        "rev": 1,
        "seconds": 2.0,
        "origin": "painted",
        "queue": "mispredicted",
        "reader": "Ada",
        "stroke": "1",
        "press": "1",
        "base": None,
    }
    return sound | changes


@pytest.mark.parametrize("act", ["black_out", "skip", "stroke", "keep"])
def test_whatever_a_page_says_was_painted_is_kept_whole_or_refused_in_words(
    house: House, act: str
) -> None:
    at = {"stroke": "answer"}.get(act, act)
    wired = [
        e for e in house.app.fns.values() if e.api_visibility == "private" and e.fn is not None
    ]
    painted = [e for e in wired if getattr(e.fn, "__name__", "") == at and len(e.inputs) > 1]
    event = painted[0]
    numbers = (1e308, -1e308, 10**18, 0.5, [float("inf")] * 3, [10**400, 1], [[1]] * 5, "1")

    tried: list[tuple[str, list[Any], Any]] = []
    for field in payload(house):
        for value in (*HOSTILE, *numbers):
            sent = payload(house, **{field: value})
            values = house.usual(event)
            if act == "keep":
                tried.append((f"{act} {field} = {short(value)}", values, {"painted": sent}))
            else:
                values[0] = sent
                tried.append((f"{act} {field} = {short(value)}", values, None))
    found = faults(house, event, tried)

    assert found == []
    is_sound(house)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve an app; give its address and a study's id."""
    studies = studies_of(tmp_path)
    app = build_app(studies, demo=False)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    yield f"{url}gradio_api", studies.demo().study_id
    app.close()


# Bodies of requests as no client writes them, around a study's id.
BODIES = {
    "infinite": '{"data": ["%s", {"budget": Infinity}, "a"]}',
    "no number": '{"data": ["%s", {"budget": NaN, "seed": -Infinity}, "a"]}',
    "huge": '{"data": ["%s", {"epochs": ' + "9" * 400 + '}, "a"]}',
    "more digits than are read": '{"data": ["%s", {"seed": ' + "9" * 5000 + '}, "a"]}',
    "deep": '{"data": ["%s", ' + "[" * 10**5 + "]" * 10**5 + "]}",
    "deep, yet read": '{"data": ["%s", ' + "[" * 400 + "]" * 400 + ', "a"]}',
    "half a sign": '{"data": ["%s", {"device": "\\ud800"}, "\\udfff"]}',
    "no list": '{"data": "%s"}',
    "no JSON": '{"data": ["%s"',
}


def test_requests_as_no_client_writes_them_are_refused_and_the_app_goes_on(
    served: tuple[str, str],
) -> None:
    url, study = served
    told = {}
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:

        def ask(endpoint: str, body: str) -> str:
            sent = {"content-type": "application/json"}
            answer = client.post(f"/call/{endpoint}", content=body, headers=sent)
            if answer.status_code != httpx.codes.OK:
                return f"refused with {answer.status_code // 100}xx"
            found = client.get(f"/call/{endpoint}/{answer.json()['event_id']}")
            return found.text

        for name, body in BODIES.items():
            told[name] = ask("set_plan", body % study)
        after = ask("open_study", json.dumps({"data": [study]}))

    assert all("event: error" in said or said == "refused with 4xx" for said in told.values()), told
    # Gradio says no more than "null" of a fault: what is refused in words is told in them.
    for name in ("infinite", "no number", "huge", "deep, yet read", "half a sign"):
        assert "data: null" not in told[name], told[name]
    assert "event: complete" in after
