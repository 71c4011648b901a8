"""How long a round takes, from “train on” to its verdict, and how the page answers meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from gradio_client import Client

from tests.browser.serving import Server, serve
from tests.soak.test_visitors import opened_once, p95, reviewable, together, until_drawn, visit
from tests.standins.visitors import Page, Visitor, own_mask

pytestmark = [
    pytest.mark.soak,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# The demo's own plan: 8 epochs of 1,000 films an arm, of which 40 may be masked.
MASKS = 10
SECONDS, CLICKS_AT_MOST = 30.0, 2.0
# Between two clicks, s; and how long they are watched before anything trains.
PACE, IDLE = 0.7, 25.0
# A click is watched so long at a time, while a round trains.
WATCH = 3.5


def processor_seconds(server: Server) -> tuple[float, float]:
    """Return what the app and the processes that it started have used so far."""
    own, others = 0.0, 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        own += used if int(stat.parent.name) == server.process.pid else 0
        others += used if int(fields[1]) == server.process.pid else 0
    return own, others


def compared(server: Server, study: str) -> tuple[float, float, dict[str, Any]]:
    """Train on; return seconds until it was trained and until its figures were there, and these."""
    client = Client(server.url, verbose=False)
    began = time.perf_counter()
    client.predict(study, 1, ["control", "imil"], api_name="/compare")
    while True:
        status = client.predict(study, api_name="/training_status")["comparison"]
        if status["state"] not in {"queued", "running"}:
            break
        time.sleep(0.3)
    trained = time.perf_counter() - began
    assert status["state"] == "done"
    found = client.predict(study, api_name="/results")
    return trained, time.perf_counter() - began, found


def test_a_round_of_the_demo_takes_half_a_minute_and_the_page_answers_meanwhile(
    tmp_path: Path, record: Callable[[dict[str, Any]], None]
) -> None:
    told: dict[str, Any] = {}

    async def phases(http: aiohttp.ClientSession, page: Page) -> None:
        reader, other = (Visitor(http, page, *study) for study in studies)
        await opened_once(other)
        await visit(other, 0, pace=PACE, seconds=IDLE)
        idle = list(other.opening)
        for number, sample in enumerate(reader.samples[:MASKS]):
            film = await reader.open(sample)
            await reader.black_out(film, own_mask(film, 0, number))
        other.opening.clear()
        before = processor_seconds(server)
        training = asyncio.create_task(asyncio.to_thread(compared, server, reader.study))
        while not training.done():
            await visit(other, 0, pace=PACE, seconds=WATCH)
        trained, seconds, found = await training
        used = np.subtract(processor_seconds(server), before)
        told.update(
            seconds={"trained": round(trained, 1), "with_figures": round(seconds, 1)},
            processor_seconds={"app": round(used[0], 1), "training": round(used[1], 1)},
            click_ms={
                name: {
                    "median": round(1000 * float(np.median(each))),
                    "p95": round(1000 * p95(each)),
                    "clicks": len(each),
                }
                for name, each in (("idle", idle), ("while_training", other.opening))
            },
            clicks_ratio_p95=round(p95(other.opening) / p95(idle), 2),
            verdict=found["paired"]["imil"]["accuracy"]["verdict"],
            plan={name: found["plan"][name] for name in ("backbone", "epochs_after", "threads")},
        )

    with serve(tmp_path / "home") as server:
        until_drawn(server)
        client = Client(server.url, verbose=False)
        studies = [reviewable(client) for _ in range(2)]
        together(server, phases)

    record(
        told
        | {
            "masks": MASKS,
            "arms": ["control", "imil"],
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
    )
    assert told["seconds"]["with_figures"] <= SECONDS
    assert told["clicks_ratio_p95"] <= CLICKS_AT_MOST
