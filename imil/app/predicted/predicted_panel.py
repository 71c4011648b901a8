"""What is predicted irrelevant in the other images: agreement, a sample, and the reader's word."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from html import escape
from typing import Any

import gradio as gr

from imil.app.server.errors import error_in_place
from imil.app.server.updates import Updates
from imil.core.review.irrelevance import FEWEST_PAINTED, PredictionKind, too_few_masks_error
from imil.core.review.readers import UNNAMED
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, heading, jpeg_url, note, short_title
from imil.report.parts.overlays import painted_jpeg, picture
from imil.study.review.predictions import Learned, Predictions
from imil.study.study import Study

START_PREDICTED = "Start from the predicted mask"
PREDICTED_TITLE = "Predicted for the other images"
PREDICTED_ASIDE = "Predicted, not painted"
PREDICTED_BEFORE = (
    "From your {masks} the app can predict what is irrelevant in every other training image. "
    "Look at a sample before it is used."
)
PREDICTED_KINDS = {
    "consensus": "by consensus: the same place in every image, where most masks hide it",
    "pixel_model": "by a pixel model: learned from contrast, texture and place",
}
PREDICTED_AGREEMENT_WORDS = "consensus {consensus}, pixel model {pixel_model}; a guess reaches .50"
PREDICTED_SURE = "sure {share}"
PREDICTED_OPEN = "Not right? Open an image and correct its mask: the others follow."
PREDICTED_CONFIRMED_WORDS = (
    "By {reader}, {time} UTC, from {masks}. The comparison now has an arm that uses them, "
    "“Propagated”. A mask more withdraws this until you confirm again."
)
PREDICTED_BLIND = (
    "Predicted from your own masks alone: you are not shown what other readers painted. What arms "
    "use is predicted from all masks, and can be confirmed once readers are shown each other's."
)


@dataclass(frozen=True, slots=True, eq=False)
class PredictedPanel:
    """The panel's components; `seen` is the key of the masks whose predictions are shown."""

    frame: gr.Column
    seen: gr.State
    body: gr.HTML
    look: gr.Button
    confirm: gr.Button
    prepare: gr.Button
    download: gr.DownloadButton

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_start() -> gr.Button:
    """Place the button that begins a mask from the predicted one."""
    return gr.Button(START_PREDICTED, size="md", elem_id="start-predicted", elem_classes=["wide"])


def build_predicted_panel() -> PredictedPanel:
    """Place the panel where Gradio stands now. Its body triggers `select` (data: sample)."""
    with gr.Column(elem_classes=["card", "predicted"], visible=False) as frame:
        seen = gr.State("")
        body = gr.HTML(
            js_on_load=(ASSETS / "predicted.js").read_text("utf-8"),
            apply_default_css=False,
            elem_id="predicted",
        )
        with gr.Row(elem_classes=["actrow"]):
            look = gr.Button("Look at the predicted masks", size="md", elem_id="look-predicted")
            confirm = gr.Button(
                "These are right: use them for the other images",
                size="md",
                elem_id="confirm-predicted",
            )
            prepare = gr.Button("Prepare the download", size="md", elem_id="prepare-predicted")
            download = gr.DownloadButton(
                "Download predicted_masks.parquet",
                size="md",
                visible=False,
                elem_id="download-predicted",
            )
    return PredictedPanel(frame, seen, body, look, confirm, prepare, download)


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


def show_predicted(panel: PredictedPanel, study: Study | None, reader: str = UNNAMED) -> Updates:
    """Return the panel as it is without computing anything; hidden where there is no review.

    A reader who must not see the others' masks sees what their own predict, and confirms nothing:
    what an arm uses follows from all masks.
    """
    if study is None:
        return {panel.frame: gr.update(visible=False)}
    predictions = study.predictions.of(reader)
    learned = predictions.known()
    if learned is not None:
        return _known(panel, study, learned, reader)
    if predictions.masks >= FEWEST_PAINTED:
        return _panel(panel, _before(study, predictions), look=True)
    error = too_few_masks_error(predictions.masks)
    words = note(f"{error.why} {error.fix}", tone="info", lead=error.what)
    return _panel(panel, f"{_withdrawn(study)}{words}", look=False)


def look_at_predicted(panel: PredictedPanel, study: Study, reader: str = UNNAMED) -> Updates:
    """Return the panel with the sample, predicting it where that was not done; errors in place."""
    try:
        learned = study.predictions.of(reader).learn()
    except ImilError as error:
        return _panel(panel, error_in_place(error), look=True)
    return _known(panel, study, learned, reader)


def _known(panel: PredictedPanel, study: Study, learned: Learned, reader: str) -> Updates:
    predictions, blind = study.predictions.of(reader), study.readers.blind(reader)
    state = note(PREDICTED_BLIND, tone="info") if blind else _state(study, learned)
    body = f"{_figures(learned)}{state}{_sample(study, predictions, learned)}"
    shown = _panel(panel, body, look=False)
    return shown | {
        panel.seen: learned.key,
        panel.confirm: gr.update(visible=not blind and not study.predictions.confirmed),
        panel.prepare: gr.update(visible=not blind),
    }


def _panel(panel: PredictedPanel, body: str, *, look: bool) -> Updates:
    return {
        panel.frame: gr.update(visible=True),
        panel.seen: "",
        panel.body: f"{heading(PREDICTED_TITLE, PREDICTED_ASIDE)}{body}",
        panel.look: gr.update(visible=look),
        panel.confirm: gr.update(visible=False),
        panel.prepare: gr.update(visible=False),
        panel.download: gr.update(visible=False, value=None),
    }


def _before(study: Study, predictions: Predictions) -> str:
    words = PREDICTED_BEFORE.format(masks=_masks(predictions.masks))
    return f'{_withdrawn(study)}<p class="sub s13">{escape(words)}</p>'


def _withdrawn(study: Study) -> str:
    if study.predictions.confirmation is None or study.predictions.confirmed:
        return ""
    return note(
        "What follows from them is new. Look at it and confirm it anew.",
        tone="warn",
        lead="Confirmed before, but the masks have changed since.",
    )


def _state(study: Study, learned: Learned) -> str:
    given = study.predictions.confirmation
    if given is None or not study.predictions.confirmed:
        return _withdrawn(study)
    words = PREDICTED_CONFIRMED_WORDS.format(
        reader=given.reader,
        time=f"{datetime.fromisoformat(given.time):%Y-%m-%d %H:%M}",
        masks=_masks(learned.masks),
    )
    return note(words, tone="good", lead="Confirmed.")


def _figures(learned: Learned) -> str:
    agreement = {
        kind.value: numbers.share(learned.predictor.agreement[kind]) for kind in PredictionKind
    }
    how = f"From {_masks(learned.masks)}, {PREDICTED_KINDS[learned.kind.value]}."
    facts = (
        (
            "Agreement with painted masks that were left out",
            numbers.share(learned.agreement),
            PREDICTED_AGREEMENT_WORDS.format(**agreement),
        ),
        (
            "Mean confidence",
            numbers.share(learned.confidence),
            f"over the predicted regions of {numbers.count(learned.over)} random training images",
        ),
    )
    told = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        f'<dd class="x">{escape(words)}</dd></div>'
        for name, value, words in facts
    )
    return f'<p class="s13">{escape(how)}</p><dl class="pfacts">{told}</dl>'


def _sample(study: Study, predictions: Predictions, learned: Learned) -> str:
    pictures = "".join(
        _picture(study, predictions, learned, sample_id) for sample_id in learned.sample
    )
    return f'<div class="psample">{pictures}</div><p class="sub s13">{escape(PREDICTED_OPEN)}</p>'


def _picture(study: Study, predictions: Predictions, learned: Learned, sample_id: str) -> str:
    sure = numbers.share(predictions.confidence(learned, sample_id))
    title = study.images.title(sample_id)
    label = f"Predicted mask of {title}, sure {sure}. Open it to correct it."
    return (
        f'<button type="button" data-sample="{escape(sample_id)}" aria-label="{escape(label)}" '
        f'title="{escape(title)}">'
        f'<img src="{jpeg_url(_overlay(study, predictions, sample_id))}" alt=""><span class="p1">'
        f"{escape(short_title(study.images, sample_id))}</span>"
        f'<span class="p2">{escape(PREDICTED_SURE.format(share=sure))}</span></button>'
    )


def _overlay(study: Study, predictions: Predictions, sample_id: str) -> bytes:
    """Return the image's thumbnail as a JPEG, its predicted region under paint."""
    pixels = picture(study.pictures.thumbnail(sample_id))
    shape = (pixels.shape[0], pixels.shape[1])
    return painted_jpeg(pixels, predictions.region(sample_id, shape=shape))


def _masks(number: int) -> str:
    return numbers.some(number, text.MASK_ONE, text.MASK_MANY)
