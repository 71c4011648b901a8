"""Every step that a visitor can take, as a named endpoint for gradio_client.

Values are JSON; files are uploaded as Gradio does it. Each endpoint checks what it is given and
answers a mistake with the sentences that the screen would show.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api
from PIL import Image

from imil.app.api.archive import add_archive_endpoints
from imil.app.api.assist import add_saliency
from imil.app.api.given import READER, choice, whole
from imil.app.api.predictions import prediction_endpoints
from imil.app.api.queues import offer_json, queue_endpoints
from imil.app.api.readers import reader_endpoints
from imil.app.api.results import results_endpoints
from imil.app.api.sources import source_endpoints
from imil.app.painter.painter import read_mask_png
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import Uploads
from imil.core.plans import precision_of
from imil.core.records import Origin, Plan, Queue, Selection
from imil.core.review.counterfactual import Answer
from imil.core.review.readers import reader_name
from imil.errors import PlanError
from imil.report.parts import text
from imil.study.library.studies import Studies
from imil.study.status import TrainingStatus
from imil.study.study import Study


def add_endpoints(studies: Studies, uploads: Uploads) -> None:
    """Add every endpoint to the Blocks being built."""
    for endpoint in _endpoints(studies):
        api(endpoint, concurrency_limit=None)
    for endpoint in (
        *queue_endpoints(studies),
        *prediction_endpoints(studies),
        *reader_endpoints(studies),
        *source_endpoints(studies, _about),
    ):
        api(endpoint, concurrency_limit=None)
    for endpoint in results_endpoints(studies):
        api(endpoint, concurrency_limit=None)
    _add_uploads(studies, uploads)
    add_archive_endpoints(studies, uploads, _about, _uploaded)
    add_saliency(studies)


def _endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:  # noqa: C901, PLR0915 (a list)
    @costs(Cost.DEMO)
    def open_demo(trained: bool = True) -> dict[str, Any]:
        """Begin a study of the demo's synthetic films, after or before its first training."""
        with errors_shown():
            return _about(studies.demo(trained=bool(trained)))

    def open_study(study: str) -> dict[str, Any]:
        """Return a study's images, splits and plan."""
        with errors_shown():
            return _about(studies.open(str(study)))

    def set_plan(study: str, plan: dict[str, Any], reader: str = READER) -> dict[str, Any]:
        """Change settings of the plan by name; the others stay."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.set_plan(_changed(opened.plan, plan), who=reader_name(reader))
            return asdict(opened.plan)

    @costs(Cost.TRAIN)
    def train(study: str, reader: str = READER) -> dict[str, Any]:
        """Start the first training, or go on with it."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.start_training(who=reader_name(reader))
            return _progress(opened.training_status())

    def training_status(study: str) -> dict[str, Any]:
        """Return how far the first training, the comparison and the folds are."""
        with errors_shown():
            opened = studies.open(str(study))
            return {
                "training": _progress(opened.training_status()),
                "comparison": _progress(opened.comparison_status()),
                "out_of_fold": _progress(opened.out_of_fold_status()),
            }

    def stop(study: str, reader: str = READER) -> dict[str, Any]:
        """Stop whatever trains, within one batch."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.stop(who=reader_name(reader))
            return _progress(opened.training_status())

    def outliers(
        study: str, queue: str = Queue.MISPREDICTED.value, reader: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the training images of a queue, first things first: mispredicted by default.

        `review` is what that reader did with each; without one, what any reader did.
        """
        with errors_shown():
            opened, who = studies.open(str(study)), reader and reader_name(reader)
            offers = opened.queue(choice(Queue, queue))
            return [offer_json(opened, offer, who) for offer in offers]

    def select(study: str, selection: str, reader: str = READER) -> str:
        """Find the mispredicted in another way: in_sample, out_of_fold or persistent."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.select(choice(Selection, selection), who=reader_name(reader))
            return opened.selection.value

    def out_of_fold_cost(study: str) -> dict[str, Any]:
        """Return what out-of-fold answers would cost."""
        with errors_shown():
            return asdict(studies.open(str(study)).out_of_fold_cost())

    @costs(Cost.TRAIN)
    def start_out_of_fold(study: str, reader: str = READER) -> dict[str, Any]:
        """Train the folds; training_status says how far they are."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.start_out_of_fold(who=reader_name(reader))
            return _progress(opened.out_of_fold_status())

    def relabel(study: str, sample: str, label: str, reader: str = READER) -> list[dict[str, Any]]:
        """Say which class a training image should carry; return all that is triaged."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.relabel(str(sample), str(label), reader=str(reader))
            return [asdict(triage) for triage in opened.triaged()]

    def exclude(study: str, sample: str, reader: str = READER) -> list[dict[str, Any]]:
        """Say that a training image should not be learned from; return all that is triaged."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.exclude(str(sample), reader=str(reader))
            return [asdict(triage) for triage in opened.triaged()]

    def keep_label(study: str, sample: str, reader: str = READER) -> list[dict[str, Any]]:
        """Say that a label is right, or take a decision back; return all that is triaged."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.keep_label(str(sample), reader=str(reader))
            return [asdict(triage) for triage in opened.triaged()]

    def image(study: str, sample: str, stored: bool = False) -> str:
        """Return an image at its own size and 8 bits, or as `stored`, as a PNG data URL."""
        with errors_shown():
            opened = studies.open(str(study))
            kept = opened.images.original(str(sample))
            picture = kept if stored else opened.picture(str(sample))
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    def skip(study: str, sample: str, reader: str = READER) -> dict[str, Any]:
        """Pass over an image; return the budget."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.skip(str(sample), reader=str(reader))
            return asdict(opened.budget())

    @costs(Cost.TRAIN)
    def compare(
        study: str,
        seeds: int = 1,
        arms: list[str] | None = None,
        pooling: str | None = None,
        reader: str = READER,
    ) -> dict[str, Any]:
        """Train on with and without the masks; `arms` names what to compare with control.

        An arm of one reader's masks alone is named after them, as imil@Ada; `pooling` is how those
        of several become one an image: union, intersection or majority.
        """
        with errors_shown():
            opened = studies.open(str(study))
            named = None if arms is None else [str(arm) for arm in arms]
            pooled = None if pooling is None else str(pooling)
            opened.start_comparison(
                arms=named,
                seeds=whole("seeds", seeds),
                pooling=pooled,
                who=reader_name(reader),
            )
            return _progress(opened.comparison_status())

    def results(study: str) -> dict[str, Any]:
        """Return the last finished comparison as results.json."""
        with errors_shown():
            return _results(studies.open(str(study)))

    @costs(Cost.TRAIN)
    def final_comparison(study: str, reader: str = READER) -> dict[str, Any]:
        """Open the test set, which is counted, and return the comparison on it."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.final_comparison(who=reader_name(reader))
            return _results(opened)

    return (
        open_demo,
        open_study,
        set_plan,
        train,
        training_status,
        stop,
        outliers,
        select,
        out_of_fold_cost,
        start_out_of_fold,
        relabel,
        exclude,
        keep_label,
        image,
        skip,
        compare,
        results,
        final_comparison,
    )


def _add_uploads(studies: Studies, uploads: Uploads) -> None:
    """Add the endpoints that take files.

    They go through `gr.File`, which refuses a path that was not uploaded: `gr.api` would not.
    """

    @costs(Cost.BEGIN)
    def open_archive(archive: str | None, name: str, positive: str | None = None) -> dict[str, Any]:
        """Begin a study of the images in a zip; `positive` makes it that label against the rest."""
        with errors_shown(), uploads.reading(archive):
            path = _uploaded(archive)
            return _about(
                studies.from_archive(
                    path, name=(name or "").strip() or None, positive=positive or None
                )
            )

    def submit_mask(
        study: str,
        sample: str,
        mask: str | None,
        reader: str = READER,
        seconds: float = 0.0,
        queue: str = Queue.MISPREDICTED.value,
        origin: str = Origin.PAINTED,
    ) -> dict[str, Any]:
        """Keep a mask, an image of the film's own size that is white where the film is hidden.

        `queue` names the queue from which the film was taken, of which nothing is kept where that
        queue does not hold it; `origin` is painted, corrected or predicted.
        """
        with errors_shown():
            opened = studies.open(study or "")
            budget = opened.submit_mask(
                sample or "",
                read_mask_png(_uploaded(mask)),
                reader=reader or READER,
                seconds=max(0.0, float(seconds or 0)),
                queue=choice(Queue, queue or Queue.MISPREDICTED),
                origin=_origin(origin),
            )
            return asdict(budget)

    @costs(Cost.ASK)
    def answer(study: str, sample: str, mask: str | None = None) -> dict[str, Any]:
        """Return what the model says to an image as it is, and with the mask blacked out."""
        with errors_shown():
            opened = studies.open(study or "")
            irrelevant = read_mask_png(Path(mask)) if mask else None
            return answer_json(opened.answer(sample or "", irrelevant), opened.images.classes)

    @costs(Cost.BEGIN)
    def bring_images(study: str, archive: str | None) -> dict[str, Any]:
        """Bring the images of a study again that lost them: found, missing, and others in it."""
        with errors_shown(), uploads.reading(archive):
            opened = studies.open(study or "")
            return asdict(opened.bring_images(_uploaded(archive)))

    file, mask, asked, brought = (gr.File(visible=False) for _ in range(4))
    words = [gr.Textbox(visible=False) for _ in range(8)]
    queue = gr.Textbox(Queue.MISPREDICTED.value, visible=False)
    seconds, origin = gr.Number(0, visible=False), gr.Textbox(Origin.PAINTED, visible=False)
    answers = [gr.JSON(visible=False) for _ in range(4)]
    gr.Button(visible=False).click(
        open_archive, [file, words[0], words[1]], answers[0], concurrency_limit=None
    )
    gr.Button(visible=False).click(
        submit_mask,
        [words[2], words[3], mask, words[4], seconds, queue, origin],
        answers[1],
        concurrency_limit=None,
    )
    gr.Button(visible=False).click(
        answer, [words[5], words[6], asked], answers[2], concurrency_limit=None
    )
    gr.Button(visible=False).click(
        bring_images, [words[7], brought], answers[3], concurrency_limit=None
    )


def answer_json(answer: Answer, classes: Sequence[str]) -> dict[str, Any]:
    """Return an answer with class names instead of numbers."""
    return {
        "label": classes[answer.label],
        "before": dict(zip(classes, answer.before, strict=True)),
        "after": dict(zip(classes, answer.after, strict=True)),
        "predicted_before": classes[answer.predicted_before],
        "predicted_after": classes[answer.predicted_after],
        "coverage": answer.coverage,
        "flips": answer.flips,
        "evidence_falls": answer.evidence_falls,
        "may_hide_finding": answer.may_hide_finding,
    }


def _origin(name: str | None) -> Origin:
    try:
        return Origin(name or Origin.PAINTED)
    except ValueError:
        raise PlanError(
            f"A mask can't be of origin “{name}”.",
            why="It is kept with each mask, so that predicted ones stay marked.",
            fix=f"Send one of: {', '.join(Origin)}.",
        ) from None


def _uploaded(path: str | None) -> Path:
    if not path:
        raise PlanError(
            "There is no file.",
            why="This step needs one.",
            fix="Send it with gradio_client's handle_file().",
        )
    if not Path(path).exists():
        raise PlanError(
            "The file is not there any more.",
            why="An upload is deleted as soon as it was read, or when nobody reads it for long.",
            fix="Send it again with gradio_client's handle_file().",
        )
    return Path(path)


def _about(study: Study) -> dict[str, Any]:
    report = study.report
    return {
        "study": study.study_id,
        "name": study.name,
        "classes": list(study.images.classes),
        "images": len(study.images),
        "missing_images": study.missing_images,
        "goes_to": study.goes_to,
        "consent": None if study.consent is None else asdict(study.consent),
        "splits": {split.value: len(study.images.rows(split)) for split in text.SPLITS},
        "disjoint": study.proof.sentence,
        "taken": report.taken,
        "skipped": [asdict(skip) for skip in report.skipped],
        "more_skipped": report.more_skipped,
        "notes": list(report.notes),
        "near_duplicates": None if report.twins is None else asdict(report.twins),
        "notices": list(study.notices),
        "plan": asdict(study.plan),
    }


def _progress(status: TrainingStatus) -> dict[str, Any]:
    error = status.error
    return {
        "state": None if status.state is None else status.state.value,
        "position": status.position,
        "step": status.step,
        "epoch": status.epoch,
        "epochs": status.epochs,
        "share": status.share,
        "seconds_left": status.seconds_left,
        "curves": [asdict(epoch) for epoch in status.curves],
        "error": error and {"what": error.what, "why": error.why, "fix": error.fix},
    }


def _results(study: Study) -> dict[str, Any]:
    content = None if study.results() is None else study.results_json()
    if content is None:
        raise PlanError(
            "There is no comparison yet.",
            why="Results come from training on with and without masks.",
            fix="Call compare, and wait until training_status says done.",
        )
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def _changed(plan: Plan, changes: Any) -> Plan:
    kinds = {field.name: type(getattr(plan, field.name)) for field in fields(plan)}
    kinds["precision"] = str
    if not isinstance(changes, dict):
        changes = {"plan": changes}
    for name, value in changes.items():
        if name not in kinds:
            raise PlanError(
                f"The plan has no setting “{name}”.",
                why=f"Its settings are {', '.join(kinds)}.",
                fix="Leave it out, or correct its name.",
            )
        fits = isinstance(value, kinds[name]) or (kinds[name] is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and kinds[name] is not bool):
            raise PlanError(
                f"The plan's {name} is {value!r}.",
                why=f"It must be of type {kinds[name].__name__}.",
                fix="Send a value of that type.",
            )
    return replace(
        plan, **{**changes, "precision": precision_of(changes.get("precision", plan.precision))}
    )
