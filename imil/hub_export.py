"""What leaves for the Hub at a person's wish: a model with its card, masks with theirs."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.errors import PlanError, StoreError
from imil.report.cards.data_card import ANSWERS_FILE, MASKS_FILE, data_card
from imil.report.cards.model_card import model_card
from imil.storage.codec import encode_masks
from imil.storage.hub.files import CARD, Kind, Repo, get_file, put_files
from imil.study.library.studies import Studies
from imil.study.study import Study

# What opens a pushed study elsewhere.
STUDY_FILE = "study.zip"


def push_model(study: Study, to: Repo, arm: str | None = None) -> str:
    """Put an arm's model into a model repo, with config and card; return the repo's address.

    Raises:
        PlanError: there is no finished comparison, or no such arm.
        StoreError: the token, the repo or the Hub does not allow it.
    """
    found = study.results.shown()
    if found is None:
        raise PlanError(
            "There is no model to hand over yet.",
            why="Models are those of a finished comparison.",
            fix="Test your masks first.",
        )
    name = arm or study.results.main_arm() or ""
    files = model_files(study, found, name)
    return put_files(to, files, message=f"The model of the arm {name}, by IMIL")


def push_data(study: Study, to: Repo) -> str:
    """Put a study's masks, answers and figures into a data set; return its address.

    No image is among them. What is needed to open the study elsewhere goes as `study.zip`.

    Raises:
        PlanError: the study has neither masks nor figures.
        StoreError: the token, the repo or the Hub does not allow it.
    """
    with tempfile.TemporaryDirectory(prefix="imil-push-") as folder:
        packed = Path(folder) / STUDY_FILE
        study.export(packed, whole=False)
        files: dict[str, bytes | Path] = {STUDY_FILE: packed, **data_files(study, to.repo_id)}
        return put_files(to, files, message="Masks and figures, by IMIL")


def pull_study(studies: Studies, source: Repo) -> Study:
    """Bring a study here that was pushed into a data set, as it was then, without its images.

    Raises:
        DataError: what was pushed is no study.
        StoreError: the data set is not there or out of reach, or the study was deleted here.
    """
    with tempfile.TemporaryDirectory(prefix="imil-pull-") as folder:
        packed = get_file(source, STUDY_FILE, into=Path(folder))
        if packed is None:
            raise StoreError(
                f"There is no study in {source.repo_id}.",
                why=f"It holds no {STUDY_FILE}, which a push leaves there.",
                fix="Check the data set's name, or push the study again.",
            )
        return studies.import_zip(packed)


def save_copy(study: Study, owner: str, token: str, endpoint: str | None) -> str:
    """Keep a private copy in an account of the Hub; return the address of its data set.

    Args:
        study: whose masks, figures and, after a comparison, model.
        owner: the account's name.
        token: the account's own; used here and kept nowhere.
        endpoint: the Hub's address; None for the usual one.

    Raises:
        PlanError: the study has neither masks nor figures.
        StoreError: the token or the Hub does not allow it.
    """
    # Enough to tell studies apart, too little to open one.
    short = study.study_id[:8]
    data = Repo(f"{owner}/imil-study-{short}", Kind.DATASET, token, endpoint)
    url = push_data(study, data)
    if study.results.shown() is not None:
        push_model(study, replace(data, repo_id=f"{owner}/imil-model-{short}", kind=Kind.MODEL))
    return url


def model_files(study: Study, found: Round, arm: str) -> dict[str, bytes]:
    """Return an arm's model as it is handed over: card, config and weights; PlanError."""
    weights, config = study.results.weights(arm)
    counts = {split: len(study.images.rows(split)) for split in Split}
    told = model_card(found, config, name=study.name, proof=study.proof.sentence, counts=counts)
    return {
        CARD: told.encode(),
        "config.json": json.dumps(config, indent=1).encode(),
        "model.safetensors": weights,
    }


def data_files(study: Study, repo: str) -> dict[str, bytes]:
    """Return a study as a data set: card, tables and figures.

    Raises:
        PlanError: there is nothing, or readers are blind to each other's masks.
    """
    # Whoever can see where they go could see another reader's masks there.
    study.readers.check_unblinded()
    masks, found = study.review.records(), study.results.shown()
    answers, figures, rows = (
        study.results.cases_parquet(),
        study.results.json(),
        study.results.csv(),
    )
    files = {
        MASKS_FILE: encode_masks(masks) if masks else None,
        ANSWERS_FILE: answers,
        "results.json": figures,
        "results.csv": rows,
    }
    there = {path: content for path, content in files.items() if content is not None}
    if not there:
        raise PlanError(
            "There is nothing to hand over yet.",
            why="The study has neither masks nor a finished comparison.",
            fix="Paint a mask first, on the Outliers tab.",
        )
    tables = [path for path in there if path.endswith(".parquet")]
    card = data_card(
        found,
        study.images,
        name=study.name,
        proof=study.proof.sentence,
        masks=len(masks),
        seconds=study.review.seconds_spent(),
        repo=repo,
        tables=tables,
    )
    return {CARD: card.encode(), **there}
