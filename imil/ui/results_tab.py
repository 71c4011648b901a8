"""Results: the verdict first, then the arms, the figures, the curves."""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from imil.compute.pool import JobState
from imil.core.records import Split
from imil.core.rounds import Round
from imil.core.verdict import MIN_SEEDS
from imil.ui import numbers, text
from imil.ui.arms_form import ArmsForm, build_arms_form
from imil.ui.markup import empty, heading
from imil.ui.outliers_tab import finished_queue
from imil.ui.round_page import round_page
from imil.ui.shown import Shown, html
from imil.ui.training_card import training_card
from imil.ui.verdict_card import verdict_card
from imil.workflow.study import Study

SEEDS = {text.SEEDS_ONE: 1, text.SEEDS_FIVE: 5}


@dataclass(frozen=True, slots=True, eq=False)
class ResultsTab:
    """The tab's components."""

    running: gr.Column
    live: gr.HTML
    stop: gr.Button
    frame: gr.Column
    none: gr.HTML
    verdict: gr.HTML
    acts: gr.Row
    seeds: gr.Radio
    compare: gr.Button
    final: gr.Button
    downloads: gr.HTML
    trouble: gr.HTML
    asking: gr.Column
    arms: ArmsForm
    tables: gr.HTML

    @property
    def choice(self) -> list[Any]:
        """What a comparison is asked for with: seeds, then what the form of the arms says."""
        return [self.seeds, *self.arms.chosen]

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        own = [getattr(self, field.name) for field in fields(self) if field.name != "arms"]
        return [*own, *self.arms.outputs]


def build_results_tab() -> ResultsTab:
    """Place the tab's components where Gradio stands now."""
    with gr.Column(elem_classes=["results"]):
        with gr.Column(elem_classes=["card"], visible=False) as running:
            with gr.Row(elem_classes=["trainhead"]):
                html(heading(text.COMPARING))
                stop = gr.Button(text.STOP, variant="stop", size="md", elem_id="stop-comparison")
            live = html(elem_id="comparison")
        with gr.Column(elem_classes=["card", "emptycard"]) as frame:
            none = html(_none(text.RESULTS_NEEDS_TRAINING))
            verdict = html(visible=False, elem_id="verdict")
            with gr.Row(elem_classes=["actrow"], visible=False) as acts:
                seeds = gr.Radio(
                    list(SEEDS),
                    value=text.SEEDS_ONE,
                    label=text.SEEDS,
                    elem_classes=["segments"],
                    elem_id="seeds",
                )
                compare = gr.Button(
                    text.COMPARE, variant="primary", size="md", elem_id="compare-again"
                )
                final = gr.Button(text.FINAL, size="md", visible=False, elem_id="final")
                downloads = html(elem_id="downloads")
            trouble = html(elem_id="comparison-trouble")
            with gr.Column(visible=False, elem_classes=["armsform"]) as asking:
                arms = build_arms_form()
        tables = html(visible=False, elem_classes=["results"])
    return ResultsTab(
        running,
        live,
        stop,
        frame,
        none,
        verdict,
        acts,
        seeds,
        compare,
        final,
        downloads,
        trouble,
        asking,
        arms,
        tables,
    )


def show_results(tab: ResultsTab, study: Study) -> Shown:
    """Return the whole tab for a study."""
    found = study.final_results() or study.results()
    progress = show_comparison(tab, study)
    active = study.comparison_status().active
    trained = finished_queue(study) is not None
    shown: Shown = {
        **progress,
        tab.frame: gr.update(
            visible=not active,
            elem_classes=["card", "emptycard"] if found is None else ["plain"],
        ),
        tab.none: gr.update(value=_none(_missing(study)), visible=found is None),
        tab.acts: gr.update(visible=trained),
        tab.asking: gr.update(visible=trained),
        tab.trouble: "",
        tab.verdict: gr.update(visible=found is not None),
        tab.tables: gr.update(visible=found is not None and not active),
        tab.final: gr.update(visible=False),
        tab.compare: gr.update(value=text.COMPARE, variant="primary"),
        tab.downloads: "",
    }
    return shown if found is None else {**shown, **_found(tab, study, found, active=active)}


def show_missing(tab: ResultsTab, study: Study) -> Shown:
    """Return the empty state after a mask more."""
    return {tab.none: _none(_missing(study))}


def show_comparison(tab: ResultsTab, study: Study) -> Shown:
    """Return what changes while arms train: small, for it is sent every second."""
    status = study.comparison_status()
    return {
        tab.running: gr.update(visible=status.active or status.state is JobState.FAILED),
        tab.live: training_card(status),
        tab.stop: gr.update(visible=status.active, value=text.STOP, interactive=True),
    }


def show_stopping(tab: ResultsTab) -> Shown:
    """Return the stop button as pressed."""
    return {tab.stop: gr.update(value=text.STOPPING, interactive=False)}


def _found(tab: ResultsTab, study: Study, found: Round, *, active: bool) -> Shown:
    content = study.results_json()
    classes = study.images.classes
    # A single run is no evidence: the next act is to run more.
    unsure = len(found.seeds) < MIN_SEEDS
    return {
        tab.verdict: gr.update(value=verdict_card(found), visible=True),
        tab.tables: gr.update(
            value=round_page(found, classes),
            visible=not active,
        ),
        tab.compare: gr.update(
            value=text.COMPARE_AGAIN, variant="primary" if unsure else "secondary"
        ),
        tab.seeds: text.SEEDS_FIVE if unsure else gr.skip(),
        tab.final: gr.update(visible=found.split is not Split.TEST),
        tab.downloads: _downloads(found, content),
    }


def _downloads(found: Round, content: bytes | None) -> str:
    opened = text.ONCE if found.test_openings == 1 else text.TIMES.format(n=found.test_openings)
    words = "" if found.split is Split.TEST else text.FINAL_WORDS.format(times=opened)
    link = ""
    if content is not None:
        # In the page itself: no file that others could ask for.
        address = "data:application/json;base64," + base64.b64encode(content).decode()
        link = (
            f'<a class="imil-btn" href="{address}" download="results.json">'
            f"{escape(text.DOWNLOAD_RESULTS)}</a>"
        )
    return f'<div class="actline"><span class="sub s13">{escape(words)}</span>{link}</div>'


def _none(words: str) -> str:
    return empty(text.RESULTS_EMPTY, words, picture="bars")


def _missing(study: Study) -> str:
    if finished_queue(study) is None:
        return text.RESULTS_NEEDS_TRAINING
    masked = numbers.some(study.budget().painted, "image", "images")
    return text.RESULTS_EMPTY_WORDS.format(masked=masked)
