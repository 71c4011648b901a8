"""Results as named endpoints: more seeds, the images behind the counts, maps, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from imil.app.api.given import READER
from imil.app.results.handout import export
from imil.app.results.looks_card import overlay
from imil.app.results.viewer import asked_cases
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.core.evaluation.cases import Case, confusion
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.review.readers import reader_name
from imil.report.parts import text
from imil.report.parts.markup import jpeg_url
from imil.study.library.studies import Studies
from imil.study.study import Study


def results_endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints, for `gr.api`."""

    @costs(Cost.TRAIN)
    def more_seeds(study: str, seeds: int = MIN_SEEDS, reader: str = READER) -> dict[str, int]:
        """Go on with the last comparison up to that many seeds in all; those done are kept."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.more_seeds(int(seeds), who=reader_name(reader))
            return {"done": opened.seeds_done(), "asked": opened.seeds_asked()}

    def rounds(study: str) -> list[dict[str, Any]]:
        """Return every round so far on validation: its number, masks, seeds and verdicts."""
        with errors_shown():
            return [
                {
                    "round": found.number,
                    "masked": list(found.masked),
                    "readers": list(found.readers),
                    "pooling": found.pooling,
                    "seeds": list(found.seeds),
                    "test_seen": found.test_seen,
                    "recommended": found.recommended,
                    "paired": {
                        # JSON takes keys that are plain text alone.
                        str(paired.arm): {"verdict": paired.verdict.value}
                        | {m.value: asdict(d) for m, d in paired.differences.items()}
                        for paired in found.paired
                    },
                }
                for found in studies.open(str(study)).rounds()
            ]

    def confusion_matrices(study: str) -> dict[str, list[list[int]]]:
        """Return the matrix of each arm's first seed; rows are labels, columns predictions."""
        with errors_shown():
            opened = studies.open(str(study))
            cases, classes = opened.cases(), len(opened.images.classes)
            names = () if cases is None else cases.predicted
            return {
                str(arm): [list(row) for row in confusion(cases, arm, classes=classes)]
                for arm in names
                if cases is not None
            }

    def cell_images(study: str, arm: str, label: str, said: str) -> list[dict[str, Any]]:
        """Return the images of a cell of an arm's matrix; `label` and `said` are class names."""
        with errors_shown():
            opened = studies.open(str(study))
            classes = opened.images.classes
            index = {name: i for i, name in enumerate(classes)}
            ask = {"arm": str(arm), "label": index.get(str(label)), "said": index.get(str(said))}
            return _cases(opened, ask)

    def changed_images(study: str, arm: str, changed: str) -> list[dict[str, Any]]:
        """Return the images that an arm has fixed or broken against control, first seed."""
        with errors_shown():
            return _cases(studies.open(str(study)), {"arm": str(arm), "changed": str(changed)})

    @costs(Cost.ASK)
    def looks(study: str) -> list[dict[str, Any]]:
        """Return where round 0, control and the main arm look on a few images, as JPEG URLs.

        Secondary: a better map is not evidence of a better model.
        """
        with errors_shown():
            opened = studies.open(str(study))
            classes = opened.images.classes
            return [
                {
                    "sample_id": look.sample_id,
                    "label": classes[look.label],
                    "changed": text.LOOK_FIXED if look.fixed else text.LOOK_BROKEN,
                    "models": {
                        name: {
                            "said": classes[look.predicted[name]],
                            "confidence": look.confidence[name],
                            "picture": jpeg_url(overlay(opened.picture(look.sample_id), each)),
                        }
                        for name, each in look.maps.items()
                    },
                }
                for look in opened.looks(wait=True) or ()
            ]

    @costs(Cost.EXPORT)
    def download(study: str, file: str, arm: str | None = None) -> gr.FileData:
        """Return a file: report, results_json, results_csv, images, masks, curves, model or onnx.

        Of several readers: agreement (a CSV), once they have been shown each other's masks.
        Compared or not: study (a study.zip), study_light (without images), acts_csv, acts_jsonl.
        """
        with errors_shown():
            opened = studies.open(str(study))
            return gr.FileData(path=str(export(opened, str(file), arm and str(arm))))

    def audit(study: str) -> dict[str, Any]:
        """Return every act in the study's log, and whether the chain of them is intact.

        `uncovered` says in sentences what the log does not vouch for, `waiting` how many acts are
        not in it yet.
        """
        with errors_shown():
            found = studies.open(str(study)).audit()
            return {
                "intact": found.broken is None,
                "broken": found.broken and asdict(found.broken),
                "head": found.head and asdict(found.head),
                "uncovered": list(found.uncovered),
                "waiting": found.waiting,
                "acts": [asdict(act) for act in found.acts],
            }

    def delete_study(study: str, who: str = "") -> dict[str, Any]:
        """Delete a study for good; return what is kept: when, by whom, and how its log ended."""
        with errors_shown():
            # Nobody signs in here: a study that belongs to an account is deleted on the screen.
            studies.accounts.require_owner(None, str(study))
            return asdict(studies.delete(str(study), who=str(who)))

    return (
        audit,
        delete_study,
        more_seeds,
        rounds,
        confusion_matrices,
        cell_images,
        changed_images,
        looks,
        download,
    )


def _cases(study: Study, ask: dict[str, Any]) -> list[dict[str, Any]]:
    classes = study.images.classes
    return [_case(case, classes) for case in asked_cases(study, study.cases(), ask)]


def _case(case: Case, classes: tuple[str, ...]) -> dict[str, Any]:
    named = {name: classes[getattr(case, name)] for name in ("label", "predicted", "control")}
    return asdict(case) | named
