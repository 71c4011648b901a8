"""Endpoints of results: the comparison, the images behind its counts, maps, files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import gradio as gr

from imil.app.api.parameters import API_READER
from imil.app.results.downloads import export_file
from imil.app.results.image_viewer import asked_cases
from imil.app.results.saliency_card import overlay
from imil.core.evaluation.cases import Case, arm_confusion
from imil.core.review.readers import reader_name
from imil.errors import PlanError
from imil.report.parts import text
from imil.report.parts.markup import jpeg_url
from imil.study.comparison.formats import paired_json
from imil.study.study import Study


def results(study: Study) -> dict[str, Any]:
    """Return the last finished comparison as results.json."""
    content = None if study.results.current() is None else study.results.json()
    if content is None:
        raise PlanError(
            "There is no comparison yet.",
            why="Results come from training on with and without masks.",
            fix="Call compare, and wait until training_status says done.",
        )
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def final_comparison(study: Study, reader: str = API_READER) -> dict[str, Any]:
    """Open the test set, which is counted, and return the comparison on it.

    Whoever calls has decided: the question that the page asks before is not asked here.
    """
    study.comparison.open_test_set(who=reader_name(reader))
    return results(study)


def rounds(study: Study) -> list[dict[str, Any]]:
    """Return every round so far on validation: its number, masks, seeds and verdicts."""
    return [
        {
            "round": found.number,
            "masked": list(found.masked),
            "readers": list(found.readers),
            "pooling": found.pooling,
            "seeds": list(found.seeds),
            "test_seen": found.test_seen,
            "recommended": found.recommended,
            "deployment": found.deployment.value,
            "paired": paired_json(found),
        }
        for found in study.results.rounds()
    ]


def confusion_matrices(study: Study) -> dict[str, list[list[int]]]:
    """Return the matrix of each arm's first seed; rows are labels, columns predictions."""
    cases, classes = study.results.cases(), len(study.images.classes)
    if cases is None:
        return {}
    return {
        arm: [list(row) for row in arm_confusion(cases, arm, classes=classes)]
        for arm in cases.predicted
    }


def cell_images(study: Study, arm: str, label: str, said: str) -> list[dict[str, Any]]:
    """Return the images of a cell of an arm's matrix; `label` and `said` are class names."""
    index = {name: i for i, name in enumerate(study.images.classes)}
    return _cases(study, {"arm": arm, "label": index.get(label), "said": index.get(said)})


def changed_images(study: Study, arm: str, changed: str) -> list[dict[str, Any]]:
    """Return the images that an arm has fixed or broken against control, first seed."""
    return _cases(study, {"arm": arm, "changed": changed})


def looks(study: Study) -> list[dict[str, Any]]:
    """Return where round 0, control and the main arm look on a few images, as JPEG URLs.

    Secondary: a better map is not evidence of a better model.
    """
    study.flush()
    classes = study.images.classes
    return [
        {
            "sample_id": look.sample_id,
            "label": classes[look.label],
            "changed": text.LOOK_FIXED if look.fixed else text.LOOK_BROKEN,
            "models": {
                name: {
                    "said": classes[look.predicted[name]],
                    "confidence": look.confidence[name],
                    "picture": jpeg_url(overlay(study.pictures.original(look.sample_id), each)),
                }
                for name, each in look.maps.items()
            },
        }
        for look in study.looks.read() or ()
    ]


def download(study: Study, file: str, arm: str | None = None) -> gr.FileData:
    """Return a file: report, results_json, results_csv, images, masks, curves, model or onnx.

    Of several readers: agreement (a CSV), once they have been shown each other's masks.
    Compared or not: study (a study.zip), study_light (without images), acts_csv, acts_jsonl.
    """
    return gr.FileData(path=str(export_file(study, file, arm)))


def _cases(study: Study, ask: dict[str, Any]) -> list[dict[str, Any]]:
    classes = study.images.classes
    return [_case(case, classes) for case in asked_cases(study, study.results.cases(), ask)]


def _case(case: Case, classes: tuple[str, ...]) -> dict[str, Any]:
    named = {name: classes[getattr(case, name)] for name in ("label", "predicted", "control")}
    return asdict(case) | named
