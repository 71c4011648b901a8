"""Many visitors at once: none sees or loses what is another's, and none waits much longer."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from gradio_client import Client

from imil.synthetic.films import FilmSpec
from tests.browser.serving import Server, serve
from tests.standins.visitors import (
    Page,
    Visitor,
    own_mask,
    stored_masks,
    trained_studies,
    visiting,
)

pytestmark = [
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Record = Callable[[dict[str, Any]], None]
SMALL = FilmSpec(images=60, size=48, shortcut=0.9, seed=5)
# A training that outlives the measurement, on one core like any other of the app's.
ENDLESS = {"epochs": 1000}

# Seconds between two films of a visitor; of these films, every third is masked.
PACE = 10.0
MASK_EVERY = 3
# One visitor alone is watched at a quicker pace, or too few films would be opened for a p95.
PACE_ALONE = 0.7
# Seconds of each phase; both take turns, so that what else the machine does hits both.
PHASE = 60.0
TURNS = 3
# How much longer 95 % of films may take to open than for one visitor.
MOST = 2.0


async def connected(
    server: Server, act: Callable[[aiohttp.ClientSession, Page], Awaitable[None]]
) -> None:
    async with visiting(server.url) as (http, page):
        await act(http, page)


def together(server: Server, act: Callable[[aiohttp.ClientSession, Page], Awaitable[None]]) -> None:
    # What this process has imported is no visitor's: looking through it for garbage would stop
    # all of them for half a second.
    gc.collect()
    gc.freeze()
    try:
        # In a thread of its own: a browser may run its loop in this one.
        with ThreadPoolExecutor() as thread:
            thread.submit(asyncio.run, connected(server, act)).result()
    finally:
        gc.unfreeze()


def train_one(server: Server, study: str) -> None:
    client = Client(server.url, verbose=False)
    client.predict(study, ENDLESS, api_name="/set_plan")
    client.predict(study, api_name="/train")


def reviewable(client: Client) -> tuple[str, tuple[str, ...]]:
    """Begin a demo study, which is trained already; return its id and its queue."""
    study = client.predict(api_name="/open_demo")["study"]
    offers = client.predict(study, api_name="/queue")["images"]
    return study, tuple(offer["sample_id"] for offer in offers)


def assert_each_has_exactly_its_own(server: Server, visitors: Sequence[Visitor]) -> None:
    stored = stored_masks(server.home)
    drew = {visitor.study: visitor.drawn for visitor in visitors if visitor.drawn}
    assert {s: [name for name, _ in kept] for s, kept in stored.items()} == {
        s: [name for name, _ in drawn] for s, drawn in drew.items()
    }
    for study, drawn in drew.items():
        for (_, wanted), (_, kept) in zip(drawn, stored[study], strict=True):
            assert np.array_equal(wanted, kept)


async def review(visitor: Visitor, number: int, films: int) -> None:
    """Open films, look at the answers, and mask every other one."""
    for turn, sample in enumerate(visitor.samples[:films]):
        film = await visitor.open(sample)
        irrelevant = own_mask(film, number, turn)
        assert await visitor.ask(film, irrelevant)
        if turn % 2 == 0:
            await visitor.black_out(film, irrelevant)


@pytest.mark.slow
def test_five_visitors_at_once_end_with_exactly_their_own_masks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    studies = trained_studies(home, 5, SMALL)
    visitors: list[Visitor] = []

    async def all_review(http: aiohttp.ClientSession, page: Page) -> None:
        visitors.extend(Visitor(http, page, study, samples) for study, samples in studies)
        await asyncio.gather(*(review(v, n, 6) for n, v in enumerate(visitors)))

    with serve(home, demo=False) as server:
        together(server, all_review)
        assert_each_has_exactly_its_own(server, visitors)

    assert [len(visitor.drawn) for visitor in visitors] == [3] * 5


@pytest.mark.soak
def test_fifty_visitors_wait_at_most_twice_as_long_as_one(tmp_path: Path, record: Record) -> None:
    visitors: list[Visitor] = []
    alone: list[float] = []

    async def phases(http: aiohttp.ClientSession, page: Page) -> None:
        visitors.extend(Visitor(http, page, study, samples) for study, samples in studies)
        first, *others = visitors
        await in_turn([opened_once(v) for v in visitors])
        for _ in range(TURNS):
            first.opening.clear()
            await visit(first, 0, pace=PACE_ALONE, seconds=PHASE)
            alone.extend(first.opening)
            await asyncio.gather(
                *(visit(v, n, pace=PACE, seconds=PHASE) for n, v in enumerate(others, 1))
            )

    with serve(tmp_path / "home") as server:
        until_drawn(server)
        # A session each, as visitors have: what one page may begin is bounded.
        studies = [reviewable(Client(server.url, verbose=False)) for _ in range(51)]
        client = Client(server.url, verbose=False)
        training = client.predict(False, api_name="/open_demo")["study"]
        train_one(server, training)
        together(server, phases)
        status = client.predict(training, api_name="/training_status")["training"]
        assert_each_has_exactly_its_own(server, visitors)

    among = [seconds for visitor in visitors[1:] for seconds in visitor.opening[1:]]
    record(
        {
            "visitors": len(visitors) - 1,
            "opened": {"alone": len(alone), "together": len(among)},
            "masks": sum(len(visitor.drawn) for visitor in visitors),
            "open_ms": {"alone": told(alone), "together": told(among)},
            "ratio_p95": round(p95(among) / p95(alone), 2),
            "training": status["state"],
        }
    )
    assert status["state"] == "running"
    assert p95(among) <= MOST * p95(alone)


def until_drawn(server: Server) -> None:
    """Wait until the server has drawn the demo's films, as it does once after its first start."""
    for _ in range(600):
        if list((server.home / "work" / "demo").glob("*/working-*.npy")):
            return
        time.sleep(0.5)
    raise AssertionError("the demo's films are not drawn")


async def in_turn(acts: Sequence[Coroutine[Any, Any, None]]) -> None:
    for act in acts:
        await act


async def opened_once(visitor: Visitor) -> None:
    """Open a film before anything is measured: a study is read from disk once."""
    await visitor.open(visitor.samples[0])


async def visit(visitor: Visitor, number: int, *, pace: float, seconds: float) -> None:
    """Open a film every `pace` seconds, see what the model says, and mask some."""
    chance = random.Random(number)
    loop = asyncio.get_running_loop()
    begin = loop.time() + chance.uniform(0, pace)
    for turn in range(int(seconds / pace)):
        await asyncio.sleep(max(0.0, begin + turn * pace - loop.time()))
        sample = visitor.samples[len(visitor.opening) % len(visitor.samples)]
        film = await visitor.open(sample)
        await asyncio.sleep(min(0.15, pace / 4))
        await visitor.ask(film, None)
        if pace == PACE and turn % MASK_EVERY == 0:
            await asyncio.sleep(chance.uniform(1, 3))
            irrelevant = own_mask(film, number, len(visitor.drawn))
            await visitor.ask(film, irrelevant)
            following = await visitor.black_out(film, irrelevant)
            await visitor.ask(following, None)


def p95(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 95))


def told(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(1000 * float(np.median(seconds)), 1),
        "p95": round(1000 * p95(seconds), 1),
        "max": round(1000 * max(seconds), 1),
    }
