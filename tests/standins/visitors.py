"""Visitors without a browser: each sends what the page would send, and waits for the answer."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from imil.app.painter.painter import encode_run_lengths
from imil.core.records import Region
from imil.errors import WeightsError
from imil.jobs.pool import WorkerPool
from imil.storage.codec import decode_masks
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.standins.trained import as_if_trained

# A machine that is busy answers late; one that never answers is a fault.
PATIENCE = 120.0
# Bytes that a line of an answer may have: a film and all that goes with it.
LONGEST = 2**24


@dataclass(frozen=True, slots=True)
class Act:
    """One event of the page.

    Attributes:
        fn_index: its number in Gradio.
        trigger: the element's.
        inputs: what it sends: the study, what is painted, or a value that a new page has.
        painter: the painter's place in the answer; None where it gets none.
    """

    fn_index: int
    trigger: int
    inputs: tuple[tuple[str, Any], ...]
    painter: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser learns of the app when it opens it."""

    select: Act
    stroke: Act
    blackout: Act

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Page:
        """Find the events by the names of their elements."""
        components = {c["id"]: c for c in config["components"]}
        named = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        painter = named["painter"]

        def sent(component: int) -> tuple[str, Any]:
            if component == painter:
                return "painter", None
            about = components[component]
            kind = "study" if about["type"] == "browserstate" else "value"
            return kind, about["props"].get("value")

        def act(element: str, event: str) -> Act:
            wanted = [named[element], event]
            found = next(d for d in config["dependencies"] if wanted in d["targets"])
            outputs = found["outputs"]
            place = outputs.index(painter) if painter in outputs else None
            inputs = tuple(sent(component) for component in found["inputs"])
            return Act(found["id"], named[element], inputs, place)

        return cls(act("queue", "select"), act("painter", "stroke"), act("painter", "blackout"))


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[tuple[aiohttp.ClientSession, Page]]:
    """Open the app's page, for all visitors of one machine."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(
        url, connector=connector, timeout=timeout, read_bufsize=LONGEST, raise_for_status=True
    ) as http:
        async with http.get("/config") as answer:
            config = await answer.json()
        yield http, Page.of(config)


@dataclass
class Visitor:
    """Someone who reviews a study of their own.

    Attributes:
        http: shared by all, for one server.
        page: the app's events.
        study: their study.
        samples: films to open.
        drawn: what they have drawn and seen accepted, in order.
        opening: how long each film took to open, s.
        session: made up by the browser, as Gradio's front end does.
    """

    http: aiohttp.ClientSession
    page: Page
    study: str
    samples: tuple[str, ...]
    drawn: list[tuple[str, Region]] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)
    session: str = field(default_factory=lambda: secrets.token_hex(6))

    async def open(self, sample: str) -> dict[str, Any]:
        """Click a film of the queue; return what the painter was given."""
        began = time.perf_counter()
        answer = await self._fire(self.page.select, None, {"sample": sample})
        self.opening.append(time.perf_counter() - began)
        assert self.page.select.painter is not None
        film: dict[str, Any] = answer[self.page.select.painter]
        assert (film["study"], film["sample"]) == (self.study, sample)
        return film

    async def ask(self, film: Mapping[str, Any], irrelevant: Region | None) -> str:
        """Rest the hand after a stroke; return what the model would say, as HTML."""
        (answer,) = await self._fire(self.page.stroke, painted(film, irrelevant))
        assert answer["sample"] == film["sample"]
        return str(answer["html"])

    async def black_out(self, film: Mapping[str, Any], irrelevant: Region) -> dict[str, Any]:
        """Press “Black out & next”; return the film that opens."""
        answer = await self._fire(self.page.blackout, painted(film, irrelevant))
        assert self.page.blackout.painter is not None
        following: dict[str, Any] = answer[self.page.blackout.painter]
        assert following["study"] == self.study
        assert following["accepted"]["sample"] == film["sample"]
        self.drawn.append((film["sample"], irrelevant))
        return following

    async def _fire(
        self,
        act: Act,
        payload: Mapping[str, Any] | None,
        event_data: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        given = {"study": self.study, "painter": payload}
        body = {
            "data": [given.get(kind, value) for kind, value in act.inputs],
            "event_data": event_data,
            "fn_index": act.fn_index,
            "trigger_id": act.trigger,
            "session_hash": self.session,
        }
        async with self.http.post("/gradio_api/queue/join", json=body) as joined:
            event = (await joined.json())["event_id"]
        address = f"/gradio_api/queue/data?session_hash={self.session}"
        async with self.http.get(address) as answer:
            async for line in answer.content:
                message = json.loads(line.removeprefix(b"data: ")) if line.strip() else {}
                if message.get("msg") == "process_completed" and message["event_id"] == event:
                    assert message["success"], message["output"]
                    told: list[Any] = message["output"]["data"]
                    return told
        raise AssertionError("the server never answered")


def painted(film: Mapping[str, Any], irrelevant: Region | None) -> dict[str, Any]:
    """Return what the painter sends of a film."""
    width, height = film["size"]
    runs = [width * height] if irrelevant is None else encode_run_lengths(irrelevant)
    return {
        "study": film["study"],
        "sample": film["sample"],
        "size": film["size"],
        "runs": runs,
        "rev": 1,
        "seconds": 3.0,
        "stroke": "1",
    }


def own_mask(film: Mapping[str, Any], visitor: int, number: int) -> Region:
    """Return a mask that no other visitor draws on any film, nor this one on another film."""
    width, height = film["size"]
    irrelevant = np.zeros((height, width), np.bool_)
    irrelevant[: height // 6, : width // 6] = True
    irrelevant[height // 2, : visitor + 1] = True
    irrelevant[height // 2 + 1, : number + 1] = True
    return irrelevant


def trained_studies(home: Path, count: int, films: FilmSpec) -> list[tuple[str, tuple[str, ...]]]:
    """Leave studies in an app's home as they are after training.

    Returns:
        Each study's id, with its training images as its queue offers them.
    """
    pool = WorkerPool(home / "jobs")
    studies = Studies(
        home / "work", Services(LocalStore(home / "store"), pool, no_weights), demo=films
    )
    made = []
    for _ in range(count):
        study = studies.demo()
        study.training.set_plan(replace(study.plan, budget=0.2))
        as_if_trained(study)
        study.context.state.update(started=True)
        made.append((study.study_id, tuple(offer.sample_id for offer in study.queues.offers())))
    pool.close()
    return made


def stored_masks(home: Path) -> dict[str, list[tuple[str, Region]]]:
    """Return every mask that the app's home holds: by study, in order of time."""
    store = LocalStore(home / "store")
    found: dict[str, list[tuple[str, Region]]] = {}
    for name in sorted(store.names("data/masks/"), key=lambda name: name.rpartition("/")[2]):
        for record in decode_masks(store.read(name) or b""):
            found.setdefault(record.study, []).append((record.sample_id, record.irrelevant))
    return found


def no_weights(backbone: str) -> bytes:
    """Stand in for the Hub."""
    raise WeightsError(f"No weights for {backbone}.", why="No network.", fix="Go online.")
