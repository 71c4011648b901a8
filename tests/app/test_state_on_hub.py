"""The real app with its state on the Hub: a fresh container shows a study as it was."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from imil.storage.codec import MaskRecord, decode_masks
from imil.storage.records.runs import decode_run_rows
from tests.browser.serving import Server, serve
from tests.standins.fakehub import TOKEN, FakeHub
from tests.standins.search import found_in
from tests.standins.uploads import TELLING, telling_zip

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

REPO = "alice/state"
SIDE = 24
PLAN = {"backbone": "film_net", "size": 32, "pretrained": False, "epochs": 1, "budget": 0.2}


@dataclass(frozen=True, slots=True)
class Kept:
    """A study before its container went, after another one came, and what the Hub had."""

    before: dict[str, Any]
    after: dict[str, Any]
    masked: str
    mask: MaskRecord
    requests: tuple[str, ...]
    hub: Path
    logs: str


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Upload, agree, train, mask; lose the container; open the study in a fresh one."""
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    copy = tmp_path_factory.mktemp("hub")
    archive = handle_file(str(telling_zip(old / "brought.zip", side=SIDE)))
    Image.fromarray(np.eye(SIDE, dtype=bool)).save(old / "mask.png")
    env = {"IMIL_STATE_REPO": REPO, "HF_TOKEN": TOKEN}
    with FakeHub() as hub:
        hub.put(REPO, {}, kind="datasets", private=True)
        with serve(old, demo=False, hub=hub.endpoint, env=env) as server:
            client = Client(server.url, verbose=False)
            study = client.predict(archive, "", api_name="/open_archive")["study"]
            client.predict(study, True, api_name="/set_consent")
            client.predict(study, PLAN, api_name="/set_plan")
            client.predict(study, api_name="/train")
            until(lambda: trained(client, study))
            offers = client.predict(study, queue="random", api_name="/queue")["images"]
            sample = offers[0]["sample_id"]
            mask = handle_file(str(old / "mask.png"))
            client.predict(
                study, sample, mask, "a reader", 2.0, "random", "painted", api_name="/submit_mask"
            )
            before = client.predict(study, api_name="/open_study")
            until(lambda: len(hub.repos.get(f"models/{REPO}-models", EMPTY).files) > 1)
            end(server)
        repo = hub.repos[f"datasets/{REPO}"]
        for path, file in repo.files.items():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_bytes(file.data)
        hub.log.clear()
        with serve(new, demo=False, hub=hub.endpoint, env=env) as server:
            client = Client(server.url, verbose=False)
            client.predict(study, api_name="/open_study")
            asked = tuple(line for line in hub.log if f"datasets/{REPO}" in line)
            until(lambda: client.predict(study, api_name="/open_study")["missing_images"] == 0)
            until(lambda: trained(client, study))
            after = client.predict(study, api_name="/open_study")
            end(server)
        logs = (old / "server.log").read_text() + (new / "server.log").read_text()
    shards = copy.glob(f"data/masks/*/*-{study}.parquet")
    (record,) = [mask for shard in shards for mask in decode_masks(shard.read_bytes())]
    return Kept(before, after, sample, record, asked, copy, logs)


@dataclass(frozen=True, slots=True)
class _NoRepo:
    files: tuple[str, ...] = ()


EMPTY = _NoRepo()


def trained(client: Client, study: str) -> bool:
    state = client.predict(study, api_name="/training_status")["training"]["state"]
    return bool(state == "done")


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 240
    while not true():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.3)


def end(server: Server) -> None:
    """End the app as a Space does at a restart: what waits goes up first."""
    server.process.terminate()
    server.process.wait(60)


def test_a_fresh_container_shows_the_study_as_it_was(kept: Kept) -> None:
    same = ("name", "classes", "splits", "disjoint", "images", "plan", "near_duplicates")

    assert {key: kept.after[key] for key in same} == {key: kept.before[key] for key in same}
    assert kept.after["missing_images"] == 0
    assert kept.after["goes_to"] == REPO


def test_the_mask_is_in_the_data_set_under_a_name_that_says_nothing(kept: Kept) -> None:
    assert kept.mask.sample_id == kept.masked
    assert np.array_equal(kept.mask.irrelevant, np.eye(SIDE, dtype=bool))
    assert found_in(kept.hub, TELLING) == []


def test_with_consent_the_mask_shows_the_image_and_what_is_left_of_it(kept: Kept) -> None:
    assert kept.mask.image is not None
    assert kept.mask.edited_image is not None
    with (
        Image.open(io.BytesIO(kept.mask.image)) as image,
        Image.open(io.BytesIO(kept.mask.edited_image)) as edited,
    ):
        hidden = np.where(np.eye(SIDE, dtype=bool), 0, np.asarray(image))
        assert np.array_equal(np.asarray(edited), hidden)


def test_the_first_training_is_in_the_table_of_trainings(kept: Kept) -> None:
    (shard,) = kept.hub.glob("data/runs/2*/*.parquet")
    (row,) = decode_run_rows(shard.read_bytes())

    assert (row.round, row.arm, row.epoch, row.backbone) == (0, "first", 1, "film_net")


def test_opening_it_takes_a_handful_of_requests(kept: Kept) -> None:
    assert 0 < len(kept.requests) <= 20


def test_no_token_is_in_a_log_or_in_the_state(kept: Kept) -> None:
    assert TOKEN not in kept.logs
    assert found_in(kept.hub, (TOKEN,)) == []


def test_what_waits_its_turn_goes_up_when_the_machine_is_about_to_go(tmp_path: Path) -> None:
    archive = handle_file(str(telling_zip(tmp_path / "brought.zip", each=12, side=SIDE)))
    env = {"IMIL_STATE_REPO": REPO, "HF_TOKEN": TOKEN}
    with FakeHub() as hub:
        hub.put(REPO, {}, kind="datasets", private=True)

        def epochs(study: str) -> int | None:
            own = hub.repos[f"datasets/{REPO}"].files.get(f"studies/{study}/study.json")
            return None if own is None else int(json.loads(own.data)["plan"]["epochs"])

        with serve(tmp_path / "home", demo=False, hub=hub.endpoint, env=env) as server:
            client = Client(server.url, verbose=False)
            study = client.predict(archive, "", api_name="/open_archive")["study"]
            # The next commit is half a minute away.
            until(lambda: len(hub.repos[f"datasets/{REPO}"].history) > 1)
            client.predict(study, {"epochs": 7}, api_name="/set_plan")
            waited = epochs(study)

            end(server)

    assert waited != 7
    assert epochs(study) == 7
