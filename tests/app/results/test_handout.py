from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
import yaml
from PIL import Image

from imil.app.results.downloads import download_value, downloads_card, export_file, make_file
from imil.app.results.image_viewer import asked_cases, large_picture, viewer_page
from imil.app.results.saliency_card import overlay, saliency_card
from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.rounds import Round
from imil.core.images import open_cache
from imil.core.training.fit import predict
from imil.errors import DataError, PlanError
from imil.hub_export import data_files, model_files, push_data, push_model
from imil.jobs.pool import WorkerPool
from imil.models.load import load_model
from imil.storage.codec import decode_masks
from imil.storage.hub.files import Kind, Repo
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.fakehub import TOKEN, FakeHub
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import corner
from tests.standins.visitors import no_weights
from tests.study.conftest import finish

pytestmark = pytest.mark.slow


# The real client of data sets, in a process of its own: it reads its environment when imported.
LOADED = """
import json, datasets
datasets.config.USE_PARQUET_EXPORT = False
masks = datasets.load_dataset("alice/masks", split="train")
answers = datasets.load_dataset("alice/masks", "answers", split="train")
kinds = {name: type(masks.features[name]).__name__ for name in ("mask", "label", "seconds")}
sizes = {row["image_name"]: row["mask"].size for row in masks}
print(json.dumps({"types": kinds, "masks": sizes, "arms": sorted(set(answers["arm"]))}))
"""


def shown(study: Study) -> Round:
    found = study.results.shown()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A small study with a finished comparison of two seeds."""
    home = tmp_path_factory.mktemp("home")
    pool = WorkerPool(home / "jobs")
    demo = FilmSpec(images=60, size=48, shortcut=0.9, seed=2)
    studies = Studies(home / "work", Services(MemoryStore(), pool, no_weights), demo=demo)
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    made.training.start()
    finish(made.training.status)
    for offer in made.queues.offers()[:3]:
        made.review.submit(offer.sample_id, corner(made, offer.sample_id), reader="r", seconds=4)
    made.comparison.start(arms=("control", "imil"), seeds=2)
    finish(made.comparison.status)
    yield made
    pool.close()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_model_of_an_arm_loads_and_answers_as_in_the_comparison(
    study: Study, tmp_path: Path
) -> None:
    name, content = make_file(study, "model", "imil")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    cases, found = study.results.cases(), load_model(tmp_path)
    assert cases is not None

    rows = [study.images.position(sample_id) for sample_id in cases.sample_ids]
    said = predict(found.model, open_cache(study.training.task.images)[rows])

    assert said.argmax(1).tolist() == cases.predicted[IMIL][0].tolist()
    confidence = said.softmax(1).max(1).values
    np.testing.assert_allclose(confidence, cases.confidence[IMIL][0], atol=1e-5)
    assert name == "model-imil.zip"
    config = found.config
    assert (config["arm"], config["seed"], config["size"]) == ("imil", 0, 32)
    assert config["normalisation"] == {"mean": [0.35], "std": [0.2]}
    weights = safetensors.numpy.load((tmp_path / "model.safetensors").read_bytes())
    assert not any(key.startswith("optimiser") for key in weights)


def test_a_result_can_be_shown_as_one_picture_which_names_no_study(study: Study) -> None:
    name, content = make_file(study, "picture")

    with Image.open(io.BytesIO(content)) as picture:
        assert (name, picture.format, picture.size) == ("result.png", "PNG", (1200, 630))
        assert not picture.info.keys() & {"Software", "Title", "Author", "Comment"}
    assert study.name.encode() not in content


def test_the_model_card_says_what_it_is_for_what_was_found_and_what_it_is_not(
    study: Study,
) -> None:
    card = unzipped(make_file(study, "model", "imil")[1])["README.md"].decode()

    assert card.startswith("---\nlibrary_name: imil\n")
    for words in (
        "not for diagnosis",
        "## Intended use",
        "## Data",
        "IMIL, the paper's way: Your masks, black fill",
        "too early to say (2 of 5 runs)",
        "## Limits",
        "Test set not opened.",
    ):
        assert words in card


def test_a_data_set_holds_masks_answers_and_figures_under_a_card(study: Study) -> None:
    files = data_files(study, "alice/masks")

    card = files["README.md"].decode()
    about = yaml.safe_load(card.split("---\n")[1])
    assert [config["config_name"] for config in about["configs"]] == ["masks", "answers"]
    assert about["configs"][0] == {
        "config_name": "masks",
        "data_files": "data/masks/*.parquet",
        "default": True,
    }
    assert {m.sample_id for m in decode_masks(files["data/masks/masks.parquet"])} == {
        record.sample_id for record in study.review.records()
    }
    assert 'load_dataset("alice/masks", "masks", split="train")' in card
    for words in (
        "not for diagnosis",
        "3 images of the",
        "too early to say (2 of 5 runs)",
        "## Limits",
    ):
        assert words in card


def test_a_model_is_downloaded_as_onnx_where_that_is_installed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    images = open_cache(study.training.task.images)[:9].astype(np.float32) / 255

    name, content = make_file(study, "onnx", "imil")

    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": images})
    assert (name, found.shape) == ("model.onnx", (9, 2))
    assert "Model as ONNX" in downloads_card(study, shown(study))
    monkeypatch.setattr("imil.app.results.downloads.installed", lambda: False)
    assert "Model as ONNX" not in downloads_card(study, shown(study))


def test_a_pushed_model_loads_back_from_the_hub_with_equal_answers(
    study: Study, tmp_path: Path
) -> None:
    with FakeHub() as hub:
        to = Repo("alice/lungs", Kind.MODEL, TOKEN, hub.endpoint)

        url = push_model(study, to, "imil")

        assert url == f"{hub.endpoint}/alice/lungs"
        found = load_model("alice/lungs", endpoint=hub.endpoint, token=TOKEN)
        assert b"not for diagnosis" in hub.repos["models/alice/lungs"].files["README.md"].data
    for name, content in model_files(study, shown(study), "imil").items():
        (tmp_path / name).write_bytes(content)
    images = open_cache(study.training.task.images)[:20]
    assert torch.equal(predict(found.model, images), predict(load_model(tmp_path).model, images))


def test_pushed_masks_are_a_data_set_of_typed_columns(study: Study, tmp_path: Path) -> None:
    with FakeHub() as hub:
        push_data(study, Repo("alice/masks", Kind.DATASET, TOKEN, hub.endpoint))

        read = subprocess.run(
            [sys.executable, "-c", LOADED],
            env=os.environ
            | {
                "HF_ENDPOINT": hub.endpoint,
                "HF_TOKEN": TOKEN,
                "HF_HOME": str(tmp_path),
                "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)
    assert found["types"] == {"mask": "Image", "label": "Value", "seconds": "Value"}
    assert found["masks"] == {record.sample_id: [48, 48] for record in study.review.records()}
    assert found["arms"] == ["control", "imil"]


def test_masks_come_as_pictures_named_like_the_images_and_as_a_table(study: Study) -> None:
    files = unzipped(make_file(study, "masks")[1])

    pictures = [name for name in files if name.endswith(".png")]
    assert len(pictures) == study.review.budget().painted == 3
    assert {name.removesuffix(".png") for name in pictures} == {
        record.sample_id for record in study.review.records()
    }
    table = decode_masks(files["masks.parquet"])
    assert {mask.sample_id for mask in table} == {r.sample_id for r in study.review.records()}
    assert all(mask.irrelevant[:10, :10].all() for mask in table)


def test_curves_hold_every_arm_seed_and_epoch(study: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(make_file(study, "curves")[1].decode())))

    assert [(row["arm"], row["seed"], row["epoch"]) for row in rows] == [
        ("control", "0", "1"),
        ("control", "1", "1"),
        ("imil", "0", "1"),
        ("imil", "1", "1"),
    ]


def test_results_and_report_are_those_of_the_round(study: Study) -> None:
    found = json.loads(make_file(study, "results_json")[1])
    report = make_file(study, "report")[1].decode()

    assert found["seeds"] == [0, 1]
    assert make_file(study, "results_csv")[1].decode().startswith("arm,metric,split,seed,value\n")
    assert make_file(study, "images")[1][:4] == b"PAR1"
    assert "too early to say (2 of 5 runs)" in report
    for outside in ("http", "<script", "url(", "<link", "@import", "src=", "srcset"):
        assert outside not in report


def test_a_file_has_an_address_that_nobody_guesses_in_a_private_folder(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    one, two = export_file(study, "results_csv"), export_file(study, "results_csv")

    assert one != two
    assert len(one.parent.name) == 32
    assert one.parent.parent.parent == tmp_path
    assert oct(one.parent.stat().st_mode)[-3:] == "700"
    assert download_value(one)["url"].endswith(f"{one.parent.name}/results.csv")


def test_what_is_not_there_is_refused(study: Study) -> None:
    with pytest.raises(PlanError, match=r"no file “secrets”"):
        make_file(study, "secrets")
    with pytest.raises(PlanError, match=r"no model of the arm “mixup”.*control, imil"):
        make_file(study, "model", "mixup")
    with pytest.raises(PlanError, match=r"“mixup” was not compared"):
        asked_cases(study, study.results.cases(), {"arm": "mixup", "changed": "fixed"})
    arm = {"arm": "imil"}
    for ask in (arm, arm | {"label": 0, "said": 7}, arm | {"label": "x", "said": 0}):
        with pytest.raises(PlanError, match=r"no such cell"):
            asked_cases(study, study.results.cases(), ask)
    with pytest.raises(DataError, match=r"There is no image"):
        large_picture(study, "")


def test_before_a_comparison_there_is_nothing_to_open_or_download(study: Study) -> None:
    with pytest.raises(PlanError, match=r"no images to open yet"):
        asked_cases(study, None, {"arm": "imil", "changed": "fixed"})


def test_a_page_of_the_viewer_holds_the_cell(study: Study) -> None:
    cases = study.results.cases()
    assert cases is not None
    label, said = int(cases.labels[0]), int(cases.predicted[CONTROL][0, 0])

    page = viewer_page(study, {"arm": "control", "label": label, "said": said}, 0)

    ids = [item["id"] for item in page["items"]]
    assert cases.sample_ids[0] in ids
    same = (cases.labels == label) & (cases.predicted[CONTROL][0] == said)
    assert len(ids) == int(same.sum())
    assert page["title"].startswith("Control: label ")
    assert large_picture(study, ids[0])["picture"].startswith("data:image/jpeg;base64,")


def test_maps_are_made_once_beside_the_page_and_kept(study: Study) -> None:
    study.flush()
    looks = study.looks.read()
    assert looks is not None

    card = saliency_card(study)

    assert not study.comparison.finishing
    for look in looks:
        assert list(look.maps) == ["first", "control", "imil"]
        assert all(each.shape == (32, 32) for each in look.maps.values())
        control, arm = look.predicted["control"], look.predicted["imil"]
        assert (arm == look.label, control == look.label) == (look.fixed, not look.fixed)
    if looks:
        assert card.count("<img") == 3 * len(looks)
    again = study.looks.read()
    assert again is not None
    assert [look.sample_id for look in again] == [look.sample_id for look in looks]


def test_a_map_brightens_where_the_model_looks() -> None:
    pixels = np.full((40, 60), 100, np.uint8)
    saliency = np.zeros((8, 8), np.uint8)
    saliency[0, 7] = 255

    with Image.open(io.BytesIO(overlay(pixels, saliency))) as drawn:
        shown = np.asarray(drawn.convert("RGB"), int)

    assert shown[8, -8, 0] > 200
    assert abs(int(shown[-8, 8].mean()) - 100) < 6
