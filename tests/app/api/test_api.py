from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from imil.storage.codec import decode_masks
from imil.synthetic.films import FilmSpec, write_films
from tests.browser.serving import Server, serve

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FILMS = FilmSpec(images=80, size=64, shortcut=0.9, label_noise=0.1, seed=3)
SMALL = {"backbone": "film_net", "size": 32, "epochs": 1, "epochs_after": 1, "budget": 0.1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("home"), demo=False) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


@pytest.fixture(scope="module")
def study(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("films")
    for _ in write_films(FILMS, folder / "films"):
        pass
    archive = shutil.make_archive(str(folder / "films"), "zip", folder / "films")
    about = client.predict(handle_file(archive), "films", "", api_name="/open_archive")
    assert about["splits"]["train"] == 80
    client.predict(about["study"], SMALL | {"pretrained": False}, api_name="/set_plan")
    client.predict(about["study"], api_name="/train")
    wait(client, about["study"], "training")
    return str(about["study"])


def wait(client: Client, study: str, job: str) -> None:
    for _ in range(300):
        status = client.predict(study, api_name="/training_status")[job]
        if status["state"] == "done":
            return
        assert status["state"] in ("queued", "running"), status
        time.sleep(0.2)
    raise AssertionError("it takes too long")


def mask_file(folder: Path, irrelevant: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    path = folder / "mask.png"
    Image.fromarray(irrelevant.astype(np.uint8) * 255).save(path)
    return handle_file(str(path))


def test_a_program_goes_the_whole_way(client: Client, study: str, tmp_path: Path) -> None:
    queue = client.predict(study, api_name="/queue")["images"]
    first, second = queue[0]["sample_id"], queue[1]["sample_id"]
    picture = client.predict(study, first, api_name="/image")
    image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    irrelevant = np.zeros((image.height, image.width), bool)
    irrelevant[:8, :8] = True

    mask = mask_file(tmp_path, irrelevant)
    budget = client.predict(study, first, mask, "reader 1", 12.5, api_name="/submit_mask")
    client.predict(study, second, api_name="/skip")
    client.predict(study, "elsewhere", api_name="/set_deployment")
    client.predict(study, 1, ["imil"], api_name="/compare")
    wait(client, study, "comparison")
    results = client.predict(study, api_name="/results")
    final = client.predict(study, api_name="/final_comparison")

    assert image.size == (64, 64)
    assert budget == {"share": 0.1, "allowed": 8, "painted": 1}
    reviews = {
        o["sample_id"]: o["review"] for o in client.predict(study, api_name="/queue")["images"]
    }
    assert (reviews[first], reviews[second]) == ("masked", "skipped")
    assert set(results["arms"]) == {"control", "imil"}
    assert results["test_openings"] == 0
    assert final["test_openings"] == 1
    assert client.predict(study, api_name="/open_study")["deployment"] == "elsewhere"
    with pytest.raises(AppError, match="Begin a new study to answer otherwise"):
        client.predict(study, "same", api_name="/set_deployment")


def test_a_program_reads_every_queue_and_decides_on_labels(client: Client, study: str) -> None:
    suspects = client.predict(study, "label_suspect", api_name="/queue")["images"]
    random = client.predict(study, "random", api_name="/queue")["images"]
    first = random[0]["sample_id"]
    classes = client.predict(study, api_name="/open_study")["classes"]

    triaged = client.predict(study, first, classes[1 - random[0]["label"]], api_name="/relabel")
    excluded = client.predict(study, random[1]["sample_id"], api_name="/exclude")
    kept = client.predict(study, first, api_name="/keep_label")
    cost = client.predict(study, api_name="/out_of_fold_cost")
    persistent = client.predict(study, "persistent", api_name="/select")

    assert len(random) == 80
    assert all(offer["predicted"] != offer["label"] for offer in suspects)
    assert [t["decision"] for t in triaged] == ["relabel"]
    assert {t["sample_id"] for t in excluded} == {first, random[1]["sample_id"]}
    assert [t["sample_id"] for t in kept] == [random[1]["sample_id"]]
    assert len(client.predict(study, "random", api_name="/queue")["images"]) == 79
    assert (cost["trainings"], cost["epochs"]) == (3, 2)
    assert persistent == "persistent"
    client.predict(study, "in_sample", api_name="/select")
    client.predict(study, random[1]["sample_id"], api_name="/keep_label")


def test_a_program_looks_at_a_queue_by_class_by_cell_and_in_another_order(
    client: Client, study: str
) -> None:
    matrix = client.predict(study, api_name="/confusion")
    first, second = matrix["classes"]
    whole = client.predict(study, api_name="/queue")
    of_class = client.predict(study, label=second, sort="name", api_name="/queue")
    right = client.predict(study, cell=[first, first], api_name="/queue")

    assert sum(map(sum, matrix["counts"])) == 80
    assert len(whole["images"]) == whole["found"] == matrix["counts"][0][1] + matrix["counts"][1][0]
    names = [image["title"] for image in of_class["images"]]
    assert set(names) == {o["title"] for o in whole["images"] if o["label"] == 1}
    assert names == sorted(names, key=lambda name: int(name.removeprefix("Image ")))
    assert len(right["images"]) == matrix["counts"][0][0]
    assert {(image["label"], image["predicted"]) for image in right["images"]} == {(0, 0)}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"queue": "best"}, "There are mispredicted, high_loss"),
        ({"sort": "prettiest"}, "There are worst, least_sure"),
        ({"label": "unicorn"}, "The classes are"),
        ({"cell": ["unicorn"]}, "The classes are"),
        ({"cell": []}, "is a label and a prediction"),
        ({"cell": "no finding"}, "is a label and a prediction"),
        ({"label": "finding", "cell": ["finding", "finding"]}, "is of one class already"),
    ],
)
def test_a_view_that_there_is_not_is_refused(
    client: Client, study: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(AppError, match=told):
        client.predict(study, **asked, api_name="/queue")


def test_a_program_adds_seeds_opens_images_and_takes_files_away(
    client: Client, server: Server, study: str
) -> None:
    client.predict(study, 1, api_name="/compare")
    wait(client, study, "comparison")
    asked = client.predict(study, 2, api_name="/more_seeds")
    wait(client, study, "comparison")
    classes = client.predict(study, api_name="/open_study")["classes"]

    matrices = client.predict(study, api_name="/confusion_matrices")
    cell = client.predict(study, "imil", classes[1], classes[0], api_name="/cell_images")
    fixed = client.predict(study, "imil", "fixed", api_name="/changed_images")
    looks = client.predict(study, api_name="/looks")
    rounds = client.predict(study, api_name="/rounds")
    curves = client.predict(study, "curves", api_name="/download")

    assert asked["asked"] == 2
    assert client.predict(study, api_name="/results")["seeds"] == [0, 1]
    assert len(cell) == matrices["imil"][1][0]
    assert all((case["label"], case["predicted"]) == (classes[1], classes[0]) for case in cell)
    assert all(case["predicted"] == case["label"] != case["control"] for case in fixed)
    assert all(set(look["models"]) == {"first", "control", "imil"} for look in looks)
    assert rounds[-1]["seeds"] == [0, 1]
    assert Path(curves).read_text().startswith("arm,seed,epoch,")
    for wrong in ({"file": "secrets"}, {"file": "model", "arm": "mixup"}):
        with pytest.raises(AppError):
            client.predict(study, api_name="/download", **wrong)
    # What lies in the study's folder, or under a guessed name, is not served.
    kept = next((server.home / "store").rglob("study.json"))
    for path in (kept, server.home / "uploads" / ("0" * 32) / "curves.csv"):
        with pytest.raises(HTTPError, match=r"40[34]"):
            urlopen(f"{server.url}/gradio_api/file={path}", timeout=30)  # noqa: S310 (our own server)


def test_a_program_asks_what_the_model_would_say(
    client: Client, study: str, tmp_path: Path
) -> None:
    sample = client.predict(study, api_name="/queue")["images"][3]["sample_id"]
    irrelevant = np.zeros((64, 64), bool)
    irrelevant[:, :48] = True

    as_it_is = client.predict(study, sample, None, api_name="/answer")
    hidden = client.predict(study, sample, mask_file(tmp_path, irrelevant), api_name="/answer")

    assert as_it_is["before"] == as_it_is["after"] == hidden["before"]
    assert hidden["after"] != hidden["before"]
    assert sum(hidden["after"].values()) == pytest.approx(1)
    assert hidden["coverage"] == 0.75
    checked = hidden["fall"] is not None and hidden["chance"] is not None
    assert hidden["may_hide_finding"] is (checked and hidden["fall"] > hidden["chance"])


def test_a_program_asks_where_the_model_looks(client: Client, study: str, tmp_path: Path) -> None:
    offer = client.predict(study, api_name="/queue")["images"][3]
    irrelevant = np.zeros((64, 64), bool)
    irrelevant[:, :48] = True

    as_it_is = client.predict(study, offer["sample_id"], None, api_name="/saliency")
    mask = mask_file(tmp_path, irrelevant)
    hidden = client.predict(study, offer["sample_id"], mask, api_name="/saliency")

    classes = client.predict(study, api_name="/open_study")["classes"]
    looked = Image.open(io.BytesIO(base64.b64decode(as_it_is["map"].partition(",")[2])))
    assert (looked.size, looked.mode) == ((32, 32), "L")
    assert np.asarray(looked).max() == 255
    assert as_it_is["target"] == classes[offer["predicted"]]
    assert (as_it_is["zero"], as_it_is["words"]) == (False, "")
    assert as_it_is["explainers"][-1] == "integrated_gradients"
    assert hidden["map"] != as_it_is["map"]


def test_a_program_confirms_predicted_masks_and_compares_with_them(
    client: Client, study: str, tmp_path: Path
) -> None:
    samples = [o["sample_id"] for o in client.predict(study, api_name="/queue")["images"][-3:]]
    irrelevant = np.zeros((64, 64), bool)
    irrelevant[:12, 50:] = True
    for sample in samples[:2]:
        mask = mask_file(tmp_path, irrelevant)
        client.predict(study, sample, mask, "reader 1", 3, api_name="/submit_mask")
    with pytest.raises(AppError) as refused:
        client.predict(study, 1, ["propagated"], api_name="/compare")
    assert "confirmed" in refused.value.title

    about = client.predict(study, api_name="/predictions")
    predicted = client.predict(study, samples[2], api_name="/predicted_mask")
    path = tmp_path / "predicted.png"
    path.write_bytes(base64.b64decode(predicted.partition(",")[2]))
    client.predict(
        study,
        samples[2],
        handle_file(path),
        "reader 1",
        3,
        "mispredicted",
        "predicted",
        api_name="/submit_mask",
    )
    confirmed = client.predict(study, about["key"], "reader 1", api_name="/confirm_predictions")
    exported = client.predict(study, api_name="/predicted_masks")
    client.predict(study, 1, ["propagated"], api_name="/compare")
    wait(client, study, "comparison")

    assert about["masks"] == confirmed["masks"]
    assert not about["confirmed"]
    assert confirmed["confirmed"]
    assert confirmed["confirmation"]["reader"] == "reader 1"
    assert len(decode_masks(Path(exported).read_bytes())) == 80
    assert "propagated" in client.predict(study, api_name="/results")["arms"]


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/open_study", ["nobody"], "nobody"),
        ("/train", ["../../etc"], "etc"),
        ("/image", ["{study}", "../../secret.png"], "secret"),
        ("/skip", ["{study}", "gone"], "gone"),
        ("/set_plan", ["{study}", {"epoch": 3}], "epoch"),
        ("/set_plan", ["{study}", {"epochs": "3"}], "epochs"),
        ("/set_deployment", ["{study}", "mars"], "mars"),
        ("/queue", ["{study}", "hard"], "There is no queue “hard”"),
        ("/select", ["{study}", "magic"], "There is no selection “magic”"),
        ("/relabel", ["{study}", "gone", "finding"], "gone"),
        ("/compare", ["{study}", 0], "seed"),
        ("/compare", ["{study}", "many"], "whole number"),
        ("/answer", ["{study}", "gone", None], "gone"),
        ("/answer", ["nobody", "gone", None], "nobody"),
        ("/saliency", ["{study}", "gone", None], "gone"),
        ("/predicted_mask", ["{study}", "gone"], "gone"),
        ("/confirm_predictions", ["{study}", "0123456789ab", "r"], "changed since you looked"),
    ],
)
def test_what_is_not_known_is_answered_with_a_sentence(
    client: Client, study: str, endpoint: str, arguments: list[Any], sentence: str
) -> None:
    given = [study if a == "{study}" else a for a in arguments]

    with pytest.raises(AppError) as refused:
        client.predict(*given, api_name=endpoint)

    assert sentence in f"{refused.value.title} {refused.value.message}"


@pytest.mark.parametrize("shape", [(64, 60), (64, 64)])
def test_a_mask_of_another_size_or_an_empty_one_is_refused(
    client: Client, study: str, tmp_path: Path, shape: tuple[int, int]
) -> None:
    sample = client.predict(study, api_name="/queue")["images"][2]["sample_id"]
    mask = mask_file(tmp_path, np.zeros(shape, bool))

    with pytest.raises(AppError):
        client.predict(study, sample, mask, "", 0, api_name="/submit_mask")


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_a_path_that_was_not_uploaded_is_refused(
    server: Server, study: str, meta: dict[str, Any]
) -> None:
    # Not even one of the server's own files, and however it is dressed.
    inside = {"path": str(server.home / "server.log")} | meta
    body = json.dumps({"data": [study, "x", inside, "", 0]}).encode()
    request = Request(  # noqa: S310 (our own server)
        f"{server.url}/gradio_api/call/submit_mask",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 (our own server)
            event = json.loads(answer.read())["event_id"]
        address = f"{server.url}/gradio_api/call/submit_mask/{event}"
        with urlopen(address, timeout=10) as answer:  # noqa: S310 (our own server)
            told = answer.read().decode()
    except HTTPError as refused:
        told = f"event: error {refused.code}"

    assert "event: error" in told
    assert "film" not in told
    assert "mask" not in told
