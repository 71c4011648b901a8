"""The tick without which no image leaves this machine, and what leaves with it and without."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from imil.app.server.shown import Shown, html
from imil.report.parts import text
from imil.report.parts.markup import note
from imil.study.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class ConsentTick:
    """The components; they are about the study that is open."""

    part: gr.Column
    tick: gr.Checkbox
    words: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_consent_tick() -> ConsentTick:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_id="consent") as part:
        tick = gr.Checkbox(value=False, label=text.CONSENT, elem_id="consent-tick")
        words = html()
    return ConsentTick(part, tick, words)


def show_consent(parts: ConsentTick, study: Study) -> Shown:
    """Return the tick as it stands for a study; films that the app draws need none."""
    if not study.brings_images:
        return {parts.part: gr.update(visible=False), parts.words: ""}
    repo = study.goes_to
    if repo is None:
        said: tuple[str, ...] = (text.NOTHING_LEAVES,)
    elif (consent := study.consent) is not None:
        said = _to(consent.repo, text.CONSENT_GIVEN)
    else:
        said = _to(repo, text.CONSENT_WORDS)
    return {
        parts.part: gr.update(visible=True),
        parts.tick: gr.update(
            visible=repo is not None,
            value=study.consent is not None,
            label=text.CONSENT.format(repo=repo),
        ),
        parts.words: f"{_paragraphs((*said, *_kept(study)))}{_trouble(study)}",
    }


def _to(repo: str, sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.format(repo=repo) for each in sentences)


def _paragraphs(texts: tuple[str, ...]) -> str:
    return "".join(f'<p class="sub s13">{escape(each)}</p>' for each in texts)


def _kept(study: Study) -> tuple[str, ...]:
    return (text.KEPT_DAYS.format(days=study.idle_days),) if study.idle_days else ()


def _trouble(study: Study) -> str:
    error = study.keeping_trouble
    return "" if error is None else note(f"{error.why} {error.fix}", tone="warn", lead=error.what)
