"""What files and patients are called is nowhere after an upload; and what a restart leaves."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.browser.serving import serve
from tests.standins.search import found_in
from tests.standins.uploads import TELLING, telling_zip

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIDE = 24
PLAN = {
    "backbone": "film_net",
    "size": 32,
    "pretrained": False,
    "epochs": 1,
    "epochs_after": 1,
    "budget": 0.2,
}
FILES = ("report", "results_json", "results_csv", "images", "masks", "curves", "model")
ZIP = "Roe_Richard.zip"


@dataclass(frozen=True, slots=True)
class Told:
    """What a visitor was told of a study, and what the disk had, before and after it was lost."""

    begun: dict[str, Any]
    answers: str
    home: Path
    before: dict[str, Any]
    after: dict[str, Any]
    results: tuple[Any, Any]
    brought: dict[str, Any]
    notices: list[str]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Upload, train, mask, compare, download; kill the app, lose its work folder, go on."""
    folder, home = tmp_path_factory.mktemp("brought"), tmp_path_factory.mktemp("home")
    archive = handle_file(str(telling_zip(folder / ZIP, side=SIDE)))
    Image.fromarray(np.eye(SIDE, dtype=bool)).save(folder / "mask.png")
    mask = handle_file(str(folder / "mask.png"))
    with serve(home, demo=False) as server:
        client = Client(server.url, verbose=False)
        begun = client.predict(archive, "", api_name="/open_archive")
        study = begun["study"]
        client.predict(study, PLAN, api_name="/set_plan")
        client.predict(study, api_name="/train")
        wait(client, study, "training")
        offers = client.predict(study, queue="random", api_name="/queue")["images"]
        sample = offers[0]["sample_id"]
        given = (study, sample, mask, "a reader", 2.0, "random", "painted")
        client.predict(*given, api_name="/submit_mask")
        client.predict(study, api_name="/compare")
        wait(client, study, "comparison")
        answers = [client.predict(study, api_name=f"/{end}") for end in ("rounds", "results")]
        answers += [begun | {"skipped": None}, offers]
        answers += [client.predict(study, sample, api_name="/image")]
        for file in FILES:
            kept = Path(client.predict(study, file, api_name="/download"))
            shutil.copy(kept, home / f"downloaded-{kept.name}")
        before = client.predict(study, api_name="/open_study")
        results = client.predict(study, api_name="/results")
        server.kill()
    (home / "server.log").rename(home / "first.log")
    shutil.rmtree(home / "work")
    with serve(home, demo=False) as server:
        client = Client(server.url, verbose=False)
        after = client.predict(study, api_name="/open_study")
        again = client.predict(study, api_name="/results")
        brought = client.predict(study, archive, api_name="/bring_images")
        wait(client, study, "training")
        notices = client.predict(study, api_name="/open_study")["notices"]
    # Gradio's own copy of what was sent; it is swept, and nobody else can fetch it.
    shutil.rmtree(home / "uploads")
    said = json.dumps([*answers, before | {"skipped": None}, after])
    return Told(begun, said, home, before, after, (results, again), brought, notices)


def wait(client: Client, study: str, job: str) -> None:
    end = time.monotonic() + 240
    while client.predict(study, api_name="/training_status")[job]["state"] != "done":
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)


def test_only_the_report_to_the_one_who_uploaded_names_a_file(told: Told) -> None:
    skipped = told.begun["skipped"]

    assert [skip["name"] for skip in skipped] == ["Roe_Richard.png"]
    assert told.begun["name"].startswith("Study of ")
    assert [word for word in TELLING if word in told.answers] == []


def test_no_file_of_the_app_no_log_and_no_download_has_a_name(told: Told) -> None:
    # That the search finds what is there.
    (told.home / "planted").mkdir()
    telling_zip(told.home / "planted" / "found.zip", each=1)
    words = {word for word, _ in found_in(told.home / "planted", TELLING)}
    shutil.rmtree(told.home / "planted")

    assert words == set(TELLING)
    assert found_in(told.home, TELLING) == []


def test_after_its_disk_was_lost_a_study_says_what_is_missing_and_shows_the_rest(
    told: Told,
) -> None:
    kept = ("name", "classes", "splits", "disjoint", "images", "plan", "near_duplicates")

    assert told.before["missing_images"] == 0
    assert told.after["missing_images"] == told.after["images"] == 48
    assert {key: told.after[key] for key in kept} == {key: told.before[key] for key in kept}
    assert told.results[0] == told.results[1]
    assert [skip["name"] for skip in told.after["skipped"]] == [""]


def test_the_file_brought_again_makes_it_whole(told: Told) -> None:
    assert told.brought == {"found": 48, "missing": 0, "others": 1, "unreadable": 0}
    assert "made again from the plan" in told.notices[0]
