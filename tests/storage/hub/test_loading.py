"""The data set as anybody reads it: `load_dataset` of the real client, against the stand-in."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from imil.core.records import Split
from imil.storage.base import new_record
from imil.storage.codec import MaskRecord, encode_png
from imil.storage.hub.card import laid_out
from imil.storage.hub.store import HubStore
from imil.storage.records.images import ImageRecord, encode_images
from imil.storage.records.runs import RunRow, save_runs
from imil.study.review.mask_book import MaskBook
from tests.standins.fakehub import TOKEN, FakeHub
from tests.storage.hub_disks import REPO, files, hub_store, until

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
FILM = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
IRRELEVANT = np.eye(6, 8, dtype=np.bool_)
MASK = MaskRecord("abc", "film", IRRELEVANT, "ill", "well", 0.75, "Ada", 4.5, 1, NOON)
RUN = RunRow("abc", 1, "imil", 3, 2, 0.5, 0.75, 0.25, 1.0, "film_net", 7, NOON)
# In a process of its own: the library reads the Hub's address when it is imported.
READER = """
import datasets, json, numpy, sys
datasets.config.USE_PARQUET_EXPORT = False  # asks another host
told = {}
for name in datasets.get_dataset_config_names(sys.argv[1]):
    table = datasets.load_dataset(sys.argv[1], name, split="train")
    told[name] = [
        {k: numpy.asarray(v).tolist() if hasattr(v, "size") else v for k, v in row.items()}
        for row in table
    ]
print(json.dumps(told))
"""


def loaded(hub: FakeHub, cache: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table that the card names, pictures as pixels."""
    env = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", READER, REPO],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def sent(store: HubStore) -> None:
    until(lambda: store.saved("abc").waiting == 0 and store.saved("abc").ago is not None)


def configs(hub: FakeHub) -> list[str]:
    """Return the tables that the card names."""
    front = files(hub)["README.md"].decode().split("---\n")[1]
    return [each["config_name"] for each in yaml.safe_load(front)["configs"]]


@pytest.mark.slow
def test_masks_pictures_and_trainings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    edited = np.where(IRRELEVANT, 0, FILM).astype(np.uint16)
    pictured = replace(MASK, image=encode_png(FILM), edited_image=encode_png(edited))
    image = ImageRecord("abc", "film", encode_png(FILM), "ill", Split.TRAIN, NOON)
    with FakeHub() as hub:
        with hub_store(hub, tmp_path / "a") as store:
            store.write("studies/abc/study.json", b"{}")
            book = MaskBook(store, "abc")
            book.add(MASK)
            sent(store)
            only_masks = configs(hub)
            book.add(replace(MASK, sample_id="shown"), shown=replace(pictured, sample_id="shown"))
            save_runs(store, "abc", [RUN, replace(RUN, epoch=1)])
            store.add(new_record("images", "abc", NOON), encode_images([image]))
            sent(store)

        found = loaded(hub, tmp_path / "cache")

    assert only_masks == ["masks"]
    assert sorted(found) == ["images", "masks", "runs"]
    hidden, shown = found["masks"]
    assert hidden["mask"] == shown["mask"] == IRRELEVANT.tolist()
    assert (hidden["label"], hidden["prediction"], hidden["confidence"]) == ("ill", "well", 0.75)
    assert (hidden["reader"], hidden["seconds"], hidden["round"]) == ("Ada", 4.5, 1)
    assert (hidden["image"], hidden["edited_image"]) == (None, None)
    assert (shown["image"], shown["edited_image"]) == (FILM.tolist(), edited.tolist())
    (only,) = found["images"]
    assert (only["image"], only["label"], only["split"]) == (FILM.tolist(), "ill", "train")
    assert [(row["arm"], row["seed"], row["epoch"]) for row in found["runs"]] == [
        ("imil", 3, 2),
        ("imil", 3, 1),
    ]
    assert found["runs"][0]["validation_accuracy"] == 1.0


def test_a_mask_is_read_back_without_its_pictures_and_as_it_was_named(tmp_path: Path) -> None:
    with FakeHub() as hub:
        with hub_store(hub, tmp_path / "a") as store:
            store.write("studies/abc/study.json", b"{}")
            name = MaskBook(store, "abc").add(MASK, shown=replace(MASK, image=b"a picture"))
            kept = store.read(name)
            sent(store)
        with hub_store(hub, tmp_path / "b") as again:
            back = again.read(name)
        on_hub = files(hub)[name]

    assert back == kept
    assert kept is not None
    assert b"a picture" not in kept
    assert b"a picture" in on_hub


def test_pictures_that_wait_do_not_go_once_the_consent_is_taken_back(tmp_path: Path) -> None:
    with FakeHub() as hub, hub_store(hub, tmp_path) as store:
        hub.commit_seconds = 0.3
        store.write("studies/abc/study.json", b"{}")
        book = MaskBook(store, "abc")
        book.add(MASK)
        until(lambda: any("/preupload/" in call for call in hub.log))
        name = book.add(MASK, shown=replace(MASK, image=b"a picture"))

        store.hide("abc")

        sent(store)
        assert b"a picture" not in files(hub)[name]
        assert files(hub)[name] == store.read(name)


@pytest.mark.parametrize(
    "front",
    [
        "configs:\n  - config_name: masks # ours\n    data_files: x\nlicense: mit\n",
        "license: mit\nconfigs:\n- config_name: masks\n  data_files: x\n",
    ],
)
def test_a_table_is_added_to_a_card_that_a_person_edited_and_nothing_else_is_touched(
    tmp_path: Path, front: str
) -> None:
    with FakeHub() as hub, hub_store(hub, tmp_path) as store:
        store.write("studies/abc/study.json", b"{}")
        MaskBook(store, "abc").add(MASK)
        sent(store)
        kept = {path: data for path, data in files(hub).items() if path != "README.md"}
        card = f"---\n{front}---\n# Ours\n".encode()
        hub.put(REPO, {**kept, "README.md": card}, kind="datasets", private=True)

        save_runs(store, "abc", [RUN])

        sent(store)
        assert configs(hub) == ["runs", "masks"]
        left = files(hub)["README.md"].decode()
        assert all(line in left for line in (*front.splitlines(), "# Ours"))


@pytest.mark.slow
def test_a_table_whose_last_rows_were_deleted_is_named_no_more_until_it_has_rows_again(
    tmp_path: Path,
) -> None:
    other = replace(RUN, study="other")
    with FakeHub() as hub, hub_store(hub, tmp_path / "a") as store:
        for study_id in ("abc", "other"):
            store.write(f"studies/{study_id}/study.json", b"{}")
        MaskBook(store, "abc").add(MASK)
        save_runs(store, "abc", [RUN])
        save_runs(store, "other", [other])
        sent(store)
        until(lambda: store.saved("other").waiting == 0)
        card = files(hub)["README.md"].replace(b"# State of IMIL", b"# Ours, of IMIL")
        card = card.replace(b"tags:\n", b"license: mit # ours\ntags:\n")
        kept = {path: data for path, data in files(hub).items() if path != "README.md"}
        hub.put(REPO, {**kept, "README.md": card}, kind="datasets", private=True)

        store.forget("abc")

        until(lambda: not any("-abc." in path for path in files(hub)))
        left = files(hub)["README.md"].decode()
        found = loaded(hub, tmp_path / "cache")
        store.write("studies/third/study.json", b"{}")
        MaskBook(store, "third").add(replace(MASK, study="third"))
        until(lambda: "masks" in configs(hub))
        again = loaded(hub, tmp_path / "again")

    assert list(found) == ["runs"]
    assert [row["study"] for row in found["runs"]] == ["other"]
    assert "license: mit # ours" in left
    assert "# Ours, of IMIL" in left
    assert {name: len(rows) for name, rows in again.items()} == {"masks": 1, "runs": 1}


def test_where_nothing_is_left_the_card_is_that_of_the_beginning(tmp_path: Path) -> None:
    with FakeHub() as hub, hub_store(hub, tmp_path) as store:
        store.write("studies/abc/study.json", b"{}")
        MaskBook(store, "abc").add(MASK)
        sent(store)
        beginning = files(hub)["README.md"]
        save_runs(store, "abc", [RUN])
        until(lambda: "runs" in configs(hub))

        store.forget("abc")

        until(lambda: configs(hub) == ["masks"])
        assert files(hub)["README.md"] == beginning


def test_a_table_takes_the_place_of_the_last_one_whose_rows_go() -> None:
    there = laid_out(REPO, None, None, {"runs"})
    left = there | laid_out(REPO, there["imil.json"], there["README.md"], {"runs"})

    last = left | laid_out(REPO, left["imil.json"], left["README.md"], ())

    named = [yaml.safe_load(each["README.md"].split(b"---")[1])["configs"] for each in (left, last)]
    assert [[each["config_name"] for each in configs] for configs in named] == [["runs"], ["masks"]]
    assert list(json.loads(last["imil.json"])["columns"]) == ["masks"]


@pytest.mark.parametrize(
    "config",
    [
        "- config_name: runs\n  description: ours\n  data_files: data/runs/**/*.parquet\n",
        "- config_name: runs\n  default: false\n  data_files:\n  - path: data/runs/**/*.parquet\n",
    ],
)
def test_a_table_that_a_person_described_stays_named_when_its_rows_go(
    tmp_path: Path, config: str
) -> None:
    card = f"---\nconfigs:\n- config_name: masks\n  data_files: x\n{config}---\n".encode()
    with FakeHub() as hub, hub_store(hub, tmp_path) as store:
        store.write("studies/abc/study.json", b"{}")
        MaskBook(store, "abc").add(MASK)
        save_runs(store, "abc", [RUN])
        sent(store)
        kept = {path: data for path, data in files(hub).items() if path != "README.md"}
        hub.put(REPO, {**kept, "README.md": card}, kind="datasets", private=True)

        store.forget("abc")

        until(lambda: not any("-abc." in path for path in files(hub)))
        assert files(hub)["README.md"] == card


def test_a_card_that_names_tables_in_a_way_of_its_own_is_left_alone(tmp_path: Path) -> None:
    card = b"---\nconfigs: [{config_name: masks, data_files: x}]\n---\n# Ours\n"
    with FakeHub() as hub:
        hub.put(REPO, {"README.md": card}, kind="datasets", private=True)
        with hub_store(hub, tmp_path) as store:
            store.write("studies/abc/study.json", b"{}")
            save_runs(store, "abc", [RUN])
            sent(store)

        assert files(hub)["README.md"] == card


def test_a_training_is_kept_once(tmp_path: Path) -> None:
    with FakeHub() as hub, hub_store(hub, tmp_path) as store:
        store.write("studies/abc/study.json", b"{}")
        save_runs(store, "abc", [RUN])
        save_runs(store, "abc", [RUN, replace(RUN, seed=4)])
        save_runs(store, "abc", [RUN, replace(RUN, seed=4)])

        assert len(store.of_study("abc")) == 2


def test_pixels_keep_their_depth_as_a_picture() -> None:
    with Image.open(io.BytesIO(encode_png(FILM))) as picture:
        assert np.array_equal(np.asarray(picture), FILM)
