"""The running app killed while it trains, and started again on the same home."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from imil.synthetic.films import FilmSpec, write_films
from tests.browser.serving import Server, serve

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FILMS = FilmSpec(images=48, size=48, seed=6)
# Enough that the first is under way still when the second has been asked for.
EPOCHS = 60
PLAN = {"backbone": "film_net", "size": 32, "pretrained": False, "epochs": EPOCHS}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for _ in write_films(FILMS, tmp_path / "films"):
        pass
    return Path(shutil.make_archive(str(tmp_path / "films"), "zip", tmp_path / "films"))


def planned(client: Client, archive: Path) -> str:
    """Begin a study that is ready to be trained."""
    about: dict[str, Any] = client.predict(
        handle_file(str(archive)), "films", "", api_name="/open_archive"
    )
    client.predict(about["study"], PLAN, api_name="/set_plan")
    return str(about["study"])


def training(client: Client, study: str) -> dict[str, Any]:
    status: dict[str, Any] = client.predict(study, api_name="/training_status")["training"]
    return status


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def checkpoint(server: Server, study: str) -> bytes:
    folder = server.home / "work" / "studies" / study
    (found,) = folder.rglob("first/checkpoint.safetensors")
    return found.read_bytes()


def test_visitors_wait_in_turn_and_a_killed_app_goes_on_with_both_by_itself(
    tmp_path: Path, archive: Path
) -> None:
    home = tmp_path / "home"
    with serve(home, demo=False) as server:
        client = Client(server.url, verbose=False)
        first, second = (planned(client, archive) for _ in range(2))
        client.predict(first, api_name="/train")
        until(lambda: training(client, first)["step"].startswith("first training"))
        client.predict(second, api_name="/train")
        until(lambda: training(client, second)["state"] == "queued")
        until(lambda: training(client, first)["epoch"] >= 2)
        waiting = [training(client, study) for study in (first, second)]
        server.kill()

    with serve(home, demo=False) as server:
        client = Client(server.url, verbose=False)
        # Nobody opens a study: the list of jobs goes on without its visitors.
        until(lambda: len(list(home.rglob("first/logits.npy"))) == 2)
        ended = [training(client, study) for study in (first, second)]
        undisturbed = checkpoint(server, second)

        assert [status["position"] for status in waiting] == [0, 1]
        assert [status["state"] for status in ended] == ["done"] * 2
        assert [len(status["curves"]) for status in ended] == [EPOCHS] * 2
        # The killed one and the one trained in one go are the same, to the last bit.
        assert checkpoint(server, first) == undisturbed
