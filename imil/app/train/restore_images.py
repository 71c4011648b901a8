"""Images that are not on this machine any more: what is kept, and which file to bring again."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr
from markupsafe import Markup
from PIL import Image

from imil.app.server.updates import Updates, components_of, html
from imil.report.parts import numbers, text
from imil.report.parts.markup import note, part
from imil.study.study import Study

# What is missing; what is kept; which zip to bring; which data set to fetch from.
_MISSING = (
    "{missing} of {n} are not on this machine.",
    "Classes, splits, labels, {masks} and results are kept.",
    (
        "Bring the file again that “{name}” was begun with on {day}: images are told by their "
        "pixels, whatever the files are called. What was trained is then trained again from the "
        "plan."
    ),
    "Fetch them again from {repo}; the first training is then made again from the plan.",
)
_BROUGHT = "{found} came back, {missing} still missing. {others} in the file left out."
BROUGHT_LOST = "{files} of it can’t be read."

# Masks shown of what is kept, and their largest side, px.
MASKS_SHOWN, MASK_SIDE = 12, 96


@dataclass(frozen=True, slots=True, eq=False)
class RestoreImages:
    """The components; none is seen while every image is there."""

    part: gr.Column
    words: gr.HTML
    file: gr.File
    bring: gr.Button
    fetch: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_restore_images() -> RestoreImages:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_id="bring-again") as part:
        words = html()
        file = gr.File(
            label="The zip that the study was begun with",
            file_types=[".zip"],
            height=140,
            elem_id="brought",
        )
        bring = gr.Button("Bring the images again", variant="primary", size="md", elem_id="bring")
        fetch = gr.Button(
            "Fetch the images again", variant="primary", size="md", elem_id="fetch-again"
        )
    return RestoreImages(part, words, file, bring, fetch)


def show_restore_images(parts: RestoreImages, study: Study) -> Updates:
    """Return the part for a study: what is missing, and what was kept."""
    missing = study.pictures.missing
    if not missing:
        return {parts.part: gr.update(visible=False), parts.words: "", parts.file: None}
    fetched = study.source["kind"] == "hub"
    return {
        parts.part: gr.update(visible=True),
        parts.words: _words(study, missing, fetched=fetched) + _masks(study),
        parts.file: gr.update(value=None, visible=not fetched),
        parts.bring: gr.update(visible=not fetched),
        parts.fetch: gr.update(visible=fetched),
    }


def _words(study: Study, missing: int, *, fetched: bool) -> Markup:
    what, kept, bring, fetch = _MISSING
    lead = what.format(
        missing=numbers.count(missing), n=numbers.some(len(study.images), "image", "images")
    )
    if fetched:
        how = fetch.format(repo=study.source.get("repo", ""))
    else:
        begun = datetime.fromisoformat(study.created)
        how = bring.format(name=study.name, day=f"{begun:%d %B %Y}".lstrip("0"))
    masks = numbers.some(study.review.budget().painted, text.MASK_ONE, text.MASK_MANY)
    said = note(f"{kept.format(masks=masks)} {how}", tone="warn", lead=lead)
    if (last := study.pictures.restored) is None:
        return said
    counted = _BROUGHT.format(
        found=numbers.some(last.found, "image", "images"),
        missing=numbers.count(last.missing),
        others=numbers.some(last.others, "other", "others"),
    )
    if last.unreadable:
        lost = numbers.some(last.unreadable, "file", "files")
        counted = f"{counted} {BROUGHT_LOST.format(files=lost)}"
    return note(counted, tone="info") + said


def _masks(study: Study) -> Markup:
    """Return the last masks as they were painted: white is what was hidden."""
    records = sorted(study.review.records(), key=lambda record: record.time)[-MASKS_SHOWN:]
    pictures = [(_picture(each.irrelevant), study.images.title(each.sample_id)) for each in records]
    return part("kept_masks", pictures, of="train.html")


def _picture(irrelevant: Any) -> str:
    image = Image.fromarray(irrelevant).convert("L")
    image.thumbnail((MASK_SIDE, MASK_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
