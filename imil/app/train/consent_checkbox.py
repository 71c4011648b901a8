"""The tick without which no image leaves this machine, and what leaves with it and without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html
from imil.report.parts.markup import hint, note
from imil.study.study import Study

CONSENT = "Keep a copy of the images in {repo} (private)"
CONSENT_WORDS = (
    (
        "Without the tick no image leaves this server. Masks, labels, predictions, times and "
        "codes that stand for the images go to {repo}; file names go nowhere."
    ),
    (
        "With it we also send the images, written again from their pixels alone, and the first "
        "model, to a private repo beside it. Then a restart asks you for nothing."
    ),
)
CONSENT_GIVEN = (
    (
        "Images are kept in {repo}, and the first model in a private repo beside it. File names "
        "go nowhere."
    ),
    (
        "Take the tick away and no further image leaves this machine; what is there stays until "
        "the study is deleted."
    ),
)
NOTHING_LEAVES = (
    "Your images, masks and results stay on this server. We discard file names and metadata."
)
KEPT_DAYS = (
    "{days} days after its last visit the study's images and models are deleted from this machine, "
    "unless it is on an account's list. What was drawn, decided and found stays, and the study "
    "then says which file to bring. One in which nothing was drawn or decided is deleted whole."
)


@dataclass(frozen=True, slots=True, eq=False)
class ConsentCheckbox:
    """The components; they are about the study that is open."""

    part: gr.Column
    tick: gr.Checkbox
    words: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_consent_checkbox() -> ConsentCheckbox:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_id="consent") as part:
        tick = gr.Checkbox(value=False, label=CONSENT, elem_id="consent-tick")
        words = html()
    return ConsentCheckbox(part, tick, words)


def show_consent(parts: ConsentCheckbox, study: Study) -> Updates:
    """Return the tick as it stands for a study; films that the app draws need none."""
    if not study.pictures.uploaded:
        return {parts.part: gr.update(visible=False), parts.words: ""}
    repo = study.goes_to
    if repo is None:
        said: tuple[str, ...] = (NOTHING_LEAVES,)
    elif (consent := study.backup.consent) is not None:
        said = _to(consent.repo, CONSENT_GIVEN)
    else:
        said = _to(repo, CONSENT_WORDS)
    return {
        parts.part: gr.update(visible=True),
        parts.tick: gr.update(
            visible=repo is not None,
            value=study.backup.consent is not None,
            label=CONSENT.format(repo=repo),
        ),
        parts.words: Markup().join((*map(hint, (*said, *_kept(study))), _trouble(study))),
    }


def _to(repo: str, sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.format(repo=repo) for each in sentences)


def _kept(study: Study) -> tuple[str, ...]:
    return (KEPT_DAYS.format(days=study.idle_days),) if study.idle_days else ()


def _trouble(study: Study) -> Markup:
    error = study.backup.trouble
    if error is None:
        return Markup()
    return note(f"{error.why} {error.fix}", tone="warn", lead=error.what)
