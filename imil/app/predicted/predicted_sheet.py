"""What “Test my masks” asks first: whether predicted masks are right, on eight images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html
from imil.core.arms.registry import with_weights
from imil.core.arms.variants import Variant
from imil.core.records import Split
from imil.core.review.irrelevance import (
    CHANCE_DICE,
    FEWEST_PAINTED,
    PredictionKind,
    too_few_masks_error,
)
from imil.core.review.readers import UNNAMED
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, jpeg_url, note, render
from imil.report.parts.overlays import painted_jpeg, picture
from imil.study.review.predictions import Learned, Predictions
from imil.study.study import Study

START_PREDICTED = "Start from the predicted mask"
SHEET_TITLE = "Is this what should not matter?"
SHEET_ASIDE = "Predicted from {masks}, not painted"
SHEET_WORDS = (
    "In pink: what would be hidden in the {rest} that nobody painted. Here are {shown} of them: "
    "{how}."
)
# How the images that are shown differ, by how the regions were predicted.
SHEET_HOW = {
    PredictionKind.CONSENSUS: "the same place in each, for your masks agree on it",
    PredictionKind.PIXEL_MODEL: "the least sure first",
}
SHEET_MAKING = "The other images are being predicted; they appear here by themselves."
SHEET_FOLLOWING = (
    "Next, {arms} of training on, from the same model: {names}. A first look comes after one run "
    "of each{more}."
)
PAINTED_ALONE = "So your masks are tested on the images that are painted, and on no others."
BLIND = (
    "What holds for the other images is predicted from all readers' masks, and you are not shown "
    "those yet."
)
# Seconds between two looks whether the predictions are there.
MADE_EVERY = 0.5
# From now on a click on a picture corrects it; by keys, too.
PICK = """() => {
  const sample = document.querySelector("#predicted .psample");
  sample?.parentElement.classList.add("picking");
  sample?.querySelector("button")?.focus();
}"""


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSheet:
    """The sheet's components.

    `seen` is the key of the masks whose predictions are shown, `page` which of the pages of the
    sample, `correcting` (study, sample) of the one that was opened in the painter from here.
    """

    frame: gr.Column
    seen: gr.State
    page: gr.State
    correcting: gr.State
    again: gr.Timer
    body: gr.HTML
    trouble: gr.HTML
    use: gr.Button
    correct: gr.Button
    painted: gr.Button
    others: gr.Button
    prepare: gr.Button
    download: gr.DownloadButton

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_start() -> gr.Button:
    """Place the button that begins a mask from the predicted one."""
    return gr.Button(START_PREDICTED, size="md", elem_id="start-predicted", elem_classes=["wide"])


def build_sheet() -> PredictedSheet:
    """Place the sheet where Gradio stands now. Its body triggers `select` (data: sample)."""
    with gr.Column(elem_classes=["card", "predicted"], visible=False) as frame:
        body = gr.HTML(
            js_on_load=(ASSETS / "predicted.js").read_text("utf-8"),
            apply_default_css=False,
            elem_id="predicted",
        )
        trouble = html(elem_id="predicted-trouble")
        with gr.Row(elem_classes=["actrow", "answers"]):
            use = gr.Button(
                "Looks right, use on all", variant="primary", size="md", elem_id="use-predicted"
            )
            correct = gr.Button("Correct one", size="md", elem_id="correct-predicted")
            painted = gr.Button("Only the images I painted", size="md", elem_id="use-painted")
        with gr.Row(elem_classes=["actrow", "quietacts"]):
            others = gr.Button("Show eight others", size="sm", elem_id="other-predicted")
            prepare = gr.Button("Prepare a file of all", size="sm", elem_id="prepare-predicted")
            download = gr.DownloadButton(
                "Download predicted_masks.parquet",
                size="sm",
                visible=False,
                elem_id="download-predicted",
            )
    correct.click(None, None, None, js=PICK, api_visibility="private")
    return PredictedSheet(
        frame=frame,
        seen=gr.State(""),
        page=gr.State(0),
        correcting=gr.State(("", "")),
        again=gr.Timer(MADE_EVERY, active=False),
        body=body,
        trouble=trouble,
        use=use,
        correct=correct,
        painted=painted,
        others=others,
        prepare=prepare,
        download=download,
    )


def show_start(button: gr.Button, study: Study, sample_id: str, reader: str = UNNAMED) -> Updates:
    """Return the button to begin from a predicted mask; how sure it is only where that is known."""
    predictions = study.predictions.of(reader)
    learned = predictions.known()
    label = START_PREDICTED
    if learned is not None:
        sure = numbers.share(predictions.confidence(learned, sample_id))
        label = f"Start from the predicted mask · sure {sure}"
    enough = predictions.masks >= FEWEST_PAINTED
    return {button: gr.update(value=label, interactive=enough)}


def hide_sheet(sheet: PredictedSheet) -> Updates:
    """Return the sheet put away."""
    return {
        sheet.frame: gr.update(visible=False),
        sheet.again: gr.Timer(active=False),
        sheet.correcting: ("", ""),
    }


def why_painted_alone(study: Study, reader: str) -> Markup | None:
    """Return why nothing is asked and the painted images alone are tested; None where it is asked.

    What is not known yet is no reason: it is being made.
    """
    if study.readers.blind(reader):
        return note(PAINTED_ALONE, tone="info", lead=BLIND)
    predictions = study.predictions.of()
    error = predictions.refused
    if predictions.masks < FEWEST_PAINTED:
        error = too_few_masks_error(predictions.masks)
    if error is None:
        return None
    return note(f"{error.why} {PAINTED_ALONE} {error.fix}", tone="warn", lead=error.what)


def show_sheet(
    sheet: PredictedSheet, study: Study, arms: Sequence[Variant], *, page: int = 0
) -> Updates:
    """Return the sheet as far as it is known, predicting in the background what is not.

    Args:
        sheet: the components.
        study: whose masks are tested.
        arms: what is compared once the predictions are confirmed.
        page: of the sample; after the last comes the first.
    """
    predictions = study.predictions.of()
    learned = predictions.known()
    if learned is not None:
        return _known(sheet, study, learned, arms, page % max(1, len(learned.pages)))
    error = predictions.refused
    if error is not None:
        words = note(f"{error.why} {error.fix}", tone="warn", lead=error.what)
        return _sheet(sheet, _body(study, predictions.masks, state=words), asks=False)
    return show_making(sheet, study)


def show_making(sheet: PredictedSheet, study: Study) -> Updates:
    """Return the sheet while what it shows is made; it looks by itself whether that is there."""
    predictions = study.predictions.of()
    predictions.begin()
    making = _body(study, predictions.masks, state=_withdrawn(study), making=SHEET_MAKING)
    return _sheet(sheet, making, asks=False) | {sheet.again: gr.Timer(active=True)}


def _known(
    sheet: PredictedSheet, study: Study, learned: Learned, arms: Sequence[Variant], page: int
) -> Updates:
    predictions, shown = study.predictions.of(), learned.pages[page : page + 1]
    sample = [
        _picture(study, predictions, learned, sample_id) for each in shown for sample_id in each
    ]
    rest = len(study.images.rows(Split.TRAIN)) - study.review.budget().painted
    words = SHEET_WORDS.format(
        rest=numbers.some(rest, "training image", "training images"),
        shown=len(sample),
        how=SHEET_HOW[learned.kind],
    )
    body = _body(
        study,
        learned.masks,
        state=_state(study),
        sample=sample,
        words=words,
        agreement=learned.agreement,
        following=_following(study, arms),
    )
    return _sheet(sheet, body, asks=True) | {
        sheet.seen: learned.key,
        sheet.page: page,
        sheet.others: gr.update(visible=len(learned.pages) > 1),
    }


def _sheet(sheet: PredictedSheet, body: Markup, *, asks: bool) -> Updates:
    """Return the sheet, with all of its buttons or with the one that needs no predictions."""
    asked = gr.update(visible=asks)
    return {
        sheet.frame: gr.update(visible=True),
        sheet.seen: "",
        sheet.page: 0,
        sheet.correcting: ("", ""),
        sheet.again: gr.Timer(active=False),
        sheet.body: body,
        sheet.trouble: "",
        sheet.use: asked,
        sheet.correct: asked,
        sheet.painted: gr.update(visible=True),
        sheet.others: asked,
        sheet.prepare: asked,
        sheet.download: gr.update(visible=False, value=None),
    }


def _body(study: Study, masks: int, **given: Any) -> Markup:
    """Return the sheet's text; `given` is what the template shows of it besides its heading."""
    nothing = {"sample": (), "words": "", "agreement": 0.0, "following": "", "making": ""}
    aside = SHEET_ASIDE.format(masks=numbers.some(masks, text.MASK_ONE, text.MASK_MANY))
    fixed = {"title": SHEET_TITLE, "aside": aside, "chance": CHANCE_DICE}
    return render("predicted.html", **(nothing | fixed | {"state": _state(study)} | given))


def _state(study: Study) -> Markup | str:
    given = study.predictions.confirmation
    if given is None or not study.predictions.confirmed:
        return _withdrawn(study)
    when = f"{datetime.fromisoformat(given.time):%Y-%m-%d %H:%M} UTC"
    return note(
        f"By {given.reader}, {when}. “Only the images I painted” takes it back.",
        tone="good",
        lead="Confirmed.",
    )


def _withdrawn(study: Study) -> Markup | str:
    if study.predictions.confirmation is None or study.predictions.confirmed:
        return ""
    return note(
        "What follows from them is new: look once more.",
        tone="warn",
        lead="Confirmed before, but the masks have changed since.",
    )


def _following(study: Study, arms: Sequence[Variant]) -> str:
    """Return what is trained next, in its order, and how much that is."""
    seeds = study.comparison.usual.seeds
    trainings = numbers.some(len(with_weights(arms)) * seeds, "short training", "short trainings")
    more = (
        f"; {seeds - 1} more runs follow by themselves until there is a verdict, {trainings} in "
        "all. You can stop them"
    )
    return SHEET_FOLLOWING.format(
        arms=numbers.some(len(arms), "way", "ways"),
        names=" · ".join(text.arm_name(arm) for arm in arms),
        more=more if seeds > 1 else f", {trainings} in all",
    )


def _picture(
    study: Study, predictions: Predictions, learned: Learned, sample_id: str
) -> dict[str, object]:
    """Return what is shown of one image: its predicted region under paint, class and confidence."""
    pixels = picture(study.pictures.thumbnail(sample_id))
    region = predictions.region(sample_id, shape=(pixels.shape[0], pixels.shape[1]))
    return {
        "sample_id": sample_id,
        "title": study.images.title(sample_id),
        "label": study.images.classes[study.images.sample(sample_id).label],
        "sure": predictions.confidence(learned, sample_id),
        "picture": jpeg_url(painted_jpeg(pixels, region)),
    }
