"""Results: the verdict first, then the arms, the images behind the counts, the files."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any

import gradio as gr

from imil.app.results.arms_form import ArmsForm, build_arms_form
from imil.app.results.audit_card import audit_card
from imil.app.results.downloads import build_downloads, downloads_card
from imil.app.results.image_viewer import build_viewer
from imil.app.results.saliency_card import saliency_card
from imil.app.results.seeds_line import seeds_line
from imil.app.review.queue_view import finished_queue
from imil.app.server.updates import Updates, html
from imil.app.train.training_card import training_card
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import MIN_SEEDS, Verdict
from imil.core.records import Split
from imil.jobs.base import JobState
from imil.report.cards.cases_card import cases_cards, unknown_cases
from imil.report.cards.readers_card import MaskedImage, readers_card
from imil.report.cards.verdict_card import VERDICT_TONES, main_arm, second_arm, verdict_card
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, data_url, empty, heading
from imil.report.round_page import details, headline
from imil.study.study import Study

RESULTS_EMPTY_WORDS = (
    "{masked} masked. Train on with and without the masks, from the same checkpoint."
)
RESULTS_NEEDS_MASKS = (
    "No image is masked yet. On the Outliers tab, paint over what should not matter; then train on "
    "with and without your masks."
)
RESULTS_NEEDS_TRAINING = "Train a model and mask some of its outliers first."
RESULTS_NEEDS_IMAGES = (
    "The images are not on this machine; what you painted is kept ({masks}). Bring the images "
    "again on the Train tab."
)
SEEDS_ONE = "1 seed, a first look"
SEEDS_FIVE = "5 seeds, a verdict"
CHANGED_SINCE = "You changed masks or labels since. The next comparison is round {number}."
FINAL_COUNTED = "Final comparison opens the test set, and each opening is counted."

SEED_CHOICES = {SEEDS_ONE: 1, SEEDS_FIVE: 5}


@dataclass(frozen=True, slots=True, eq=False)
class ResultsTab:
    """The tab's components; `seen` names what is shown, so that a tick sends only what is new."""

    frame: gr.Column
    none: gr.HTML
    verdict: gr.HTML
    acts: gr.Row
    more: gr.Button
    report: gr.Button
    following: gr.Button
    opening: gr.Row
    final: gr.Button
    words: gr.HTML
    trouble: gr.HTML
    asking: gr.Column
    seeds: gr.Radio
    compare: gr.Button
    arms: ArmsForm
    running: gr.Column
    live: gr.HTML
    stop: gr.Button
    readers: gr.HTML
    tables: gr.HTML
    cases: gr.HTML
    looks: gr.HTML
    details: gr.HTML
    downloads: gr.HTML
    audit: gr.HTML
    viewer: gr.HTML
    handout: gr.HTML
    seen: gr.State

    @property
    def choice(self) -> list[Any]:
        """What a comparison is asked for with: seeds, then what the form of the arms says."""
        return [self.seeds, *self.arms.chosen]

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        own = [getattr(self, field.name) for field in fields(self) if field.name != "arms"]
        return [*own, *self.arms.outputs]

    @property
    def progress(self) -> list[Any]:
        """What changes each second while arms train."""
        return [self.running, self.live, self.stop]


def build_results_tab() -> ResultsTab:
    """Place the tab's components where Gradio stands now."""
    asks = (ASSETS / "asks.js").read_text("utf-8")
    with gr.Column(elem_classes=["results"]):
        with gr.Column(elem_classes=["card", "emptycard"]) as frame:
            none = html(_none(RESULTS_NEEDS_TRAINING))
            verdict = html(visible=False, elem_id="verdict")
            with gr.Row(elem_classes=["actrow", "nextacts"], visible=False) as acts:
                more = gr.Button("", variant="primary", size="md", elem_id="more-seeds")
                report = gr.Button("Download report", size="md", elem_id="download-report")
                following = gr.Button("", size="md", elem_id="next-round")
            with gr.Row(elem_classes=["actrow", "finalact"], visible=False) as opening:
                final = gr.Button("Final comparison", size="md", elem_id="final")
                words = html(elem_id="final-words")
            trouble = html(elem_id="comparison-trouble")
            with gr.Column(visible=False, elem_classes=["asking"]) as asking:
                with gr.Row(elem_classes=["actrow"]):
                    seeds = gr.Radio(
                        list(SEED_CHOICES),
                        value=SEEDS_ONE,
                        label="Seeds",
                        elem_classes=["segments"],
                        elem_id="seeds",
                    )
                    compare = gr.Button(
                        text.COMPARE, variant="primary", size="md", elem_id="compare-again"
                    )
                arms = build_arms_form()
        with gr.Column(elem_classes=["card"], visible=False) as running:
            with gr.Row(elem_classes=["trainhead"]):
                html(heading(text.COMPARING))
                stop = gr.Button(text.STOP, variant="stop", size="md", elem_id="stop-comparison")
            live = html(elem_id="comparison")
        readers = html(visible=False, elem_id="readers", js_on_load=asks)
        tables = html(visible=False, elem_id="arms-table")
        cases = html(visible=False, elem_id="cases", js_on_load=asks)
        looks = html(visible=False, elem_id="looks")
        details_ = html(visible=False, elem_id="details")
        downloads = html(visible=False, elem_id="downloads", js_on_load=asks)
        audit = html(visible=False, elem_id="audit", js_on_load=asks)
        viewer = build_viewer(elem_id="viewer")
        handout = build_downloads(elem_id="handout")
    return ResultsTab(
        frame=frame,
        none=none,
        verdict=verdict,
        acts=acts,
        more=more,
        report=report,
        following=following,
        opening=opening,
        final=final,
        words=words,
        trouble=trouble,
        asking=asking,
        seeds=seeds,
        compare=compare,
        arms=arms,
        running=running,
        live=live,
        stop=stop,
        readers=readers,
        tables=tables,
        cases=cases,
        looks=looks,
        details=details_,
        downloads=downloads,
        audit=audit,
        viewer=viewer,
        handout=handout,
        seen=gr.State(""),
    )


def show_results(tab: ResultsTab, study: Study) -> Updates:
    """Return the whole tab for a study."""
    # Read before what it names: a seed that ends meanwhile is shown at the next tick.
    seen, active = signature(study), study.comparison.status().active
    found = study.results.shown()
    trained = finished_queue(study) is not None
    there = found is not None
    shown: Updates = {
        **show_comparison(tab, study),
        tab.frame: gr.update(
            visible=there or not active,
            elem_classes=["card", "emptycard"] if found is None else _frame_classes(found),
        ),
        tab.none: gr.update(value=_none(_missing(study)), visible=not there),
        tab.acts: gr.update(visible=there),
        tab.opening: gr.update(visible=there),
        tab.asking: gr.update(visible=trained and not active),
        tab.trouble: "",
        tab.compare: gr.update(value=_compare_words(study), variant="primary"),
        tab.seen: seen,
        **show_audit(tab, study),
        tab.viewer: None,
        tab.handout: None,
        **show_readers(tab, study),
    }
    if found is None:
        parts = (tab.verdict, tab.tables, tab.cases, tab.looks, tab.details, tab.downloads)
        return {**shown, **{part: gr.update(visible=False) for part in parts}}
    return {**shown, **_found(tab, study, found, active=active)}


def signature(study: Study) -> str:
    """Return a name for what the tab shows of a study: another name, other things to show."""
    found = study.results.shown()
    if found is None:
        return f"{study.study_id} none"
    looks = "looking" if study.comparison.finishing else "looked"
    return (
        f"{study.study_id} {found.number} {found.split} {len(found.seeds)} {looks} "
        f"{study.comparison.status().active}"
    )


def show_review_changes(tab: ResultsTab, study: Study, seen: str) -> Updates:
    """Return what a review has changed; all of the tab where other things are to be seen."""
    found = study.results.shown()
    if signature(study) != seen:
        return show_results(tab, study)
    more = {**show_audit(tab, study), **show_readers(tab, study)}
    if found is None:
        return {**show_missing(tab, study), **more}
    return {**_acts(tab, study, found, active=study.comparison.status().active), **more}


def show_readers(tab: ResultsTab, study: Study, reader: str | None = None) -> Updates:
    """Return who read the study, where several did, or where a reader was refused their masks."""
    told = readers_shown(study, reader)
    return {tab.readers: gr.update(value=told, visible=bool(told))}


def readers_shown(study: Study, reader: str | None = None) -> str:
    """Return the card of readers; `reader` was refused another's masks, None for nobody."""

    def masked(sample_id: str) -> MaskedImage:
        title, small = study.images.title(sample_id), study.pictures.thumbnail(sample_id)
        return MaskedImage(title, small, study.readers.masks_of(sample_id), study.readers.pooling)

    refused = reader is not None and study.readers.blind(reader)
    return readers_card(study.readers.reading(), masked, refused=refused)


def show_missing(tab: ResultsTab, study: Study) -> Updates:
    """Return the empty state after a mask more."""
    return {tab.none: _none(_missing(study))}


def show_audit(tab: ResultsTab, study: Study) -> Updates:
    """Return the log as it is now."""
    card = audit_card(study)
    return {tab.audit: gr.update(value=card, visible=bool(card))}


def show_comparison(tab: ResultsTab, study: Study) -> Updates:
    """Return what changes while arms train: small, for it is sent every second."""
    status = study.comparison.status()
    status = replace(status, step=_step(status.step))
    done, asked = study.comparison.seeds_done(), study.comparison.seeds_asked()
    live = seeds_line(status, done=done, asked=asked) if done else training_card(status)
    return {
        tab.running: gr.update(visible=status.active or status.error is not None),
        tab.live: live,
        tab.stop: gr.update(visible=status.active, value=text.STOP, interactive=True),
    }


def _compare_words(study: Study) -> str:
    """Return what the button to compare says: to go on, where training had to wait."""
    status = study.comparison.status()
    waits = status.state is JobState.STOPPED and status.error is not None
    return text.GO_ON if waits and study.comparison.is_current() else text.COMPARE


def show_comparison_stopping(tab: ResultsTab) -> Updates:
    """Return the stop button as pressed."""
    return {tab.stop: gr.update(value=text.STOPPING, interactive=False)}


def seeds_wanted(study: Study) -> int:
    """Return how many seeds in all the button for more of them asks for."""
    return max(MIN_SEEDS, study.comparison.seeds_asked())


def _found(tab: ResultsTab, study: Study, found: Round, *, active: bool) -> Updates:
    current = study.comparison.seeds_done() > 0
    asked = study.comparison.seeds_asked() if active and current else 0
    looks = saliency_card(study)
    return {
        tab.verdict: gr.update(value=verdict_card(found, asked=asked), visible=True),
        tab.tables: gr.update(value=headline(found), visible=True),
        tab.cases: gr.update(value=_cases(study, found), visible=True),
        tab.looks: gr.update(value=looks, visible=bool(looks)),
        tab.details: gr.update(
            value=details(found, study.images.classes, study.results.rounds()), visible=True
        ),
        tab.downloads: gr.update(value=downloads_card(study, found), visible=True),
        **_acts(tab, study, found, active=active),
    }


def _acts(tab: ResultsTab, study: Study, found: Round, *, active: bool) -> Updates:
    """Return the buttons under the verdict: one of them is what to do next."""
    # What is shown may be the comparison before one that was stopped at once.
    current = study.comparison.seeds_done() > 0
    left = seeds_wanted(study) - len(found.seeds)
    more = left > 0 and current and not active
    changed = not study.comparison.is_current() or not current
    budget, number = study.review.budget(), study.comparison.round_number
    following = f"Round {number} · {budget.painted} of {budget.allowed} masked"
    compare = f"Compare round {number}" if changed else "Compare again"
    words = numbers.some(left, "more seed", "more seeds")
    return {
        tab.more: gr.update(
            value=f"Run {words}",
            visible=more,
            variant="secondary" if changed else "primary",
        ),
        tab.report: gr.update(variant="secondary" if more or active or changed else "primary"),
        tab.following: gr.update(value=following),
        tab.final: gr.update(visible=found.split is not Split.TEST and current and not active),
        tab.words: _words(study, found),
        tab.compare: gr.update(value=compare, variant="primary" if changed else "secondary"),
        tab.seeds: SEEDS_FIVE if more else gr.skip(),
    }


def _words(study: Study, found: Round) -> str:
    if not study.comparison.is_current():
        said = CHANGED_SINCE.format(number=study.comparison.round_number)
    elif found.split is Split.TEST:
        return ""
    else:
        said = FINAL_COUNTED
        if found.test_openings:
            said += " " + f"Opened {_times(found.test_openings)} so far."
    return f'<span class="sub s13">{escape(said)}</span>'


def _times(openings: int) -> str:
    return text.ONCE if openings == 1 else text.TIMES.format(n=openings)


def _cases(study: Study, found: Round) -> str:
    cases = study.results.cases()
    if cases is None:
        return unknown_cases(found)

    def picture(sample_id: str) -> tuple[str, str]:
        return data_url(study.pictures.thumbnail(sample_id)), study.images.title(sample_id)

    return cases_cards(found, cases, study.images.classes, picture)


def _frame_classes(found: Round) -> list[str]:
    """Return the classes of the frame: its edge has the colour of the first verdict."""
    named = main_arm(found) or second_arm(found)
    verdict = Verdict.NOT_SHOWN if named is None else named.verdict
    return ["card", "verdictcard", VERDICT_TONES[verdict][0]]


def _step(step: str) -> str:
    """Return a segment's name with its arm as people call it."""
    arm, comma, rest = step.partition(",")
    return text.with_arm_names(f"“{arm}”").strip("“”") + comma + rest if comma else step


def _none(words: str) -> str:
    return empty("No comparison yet", words, picture="bars")


def _missing(study: Study) -> str:
    if study.pictures.missing:
        masks = numbers.some(study.review.budget().painted, text.MASK_ONE, text.MASK_MANY)
        return RESULTS_NEEDS_IMAGES.format(masks=masks)
    if finished_queue(study) is None:
        return RESULTS_NEEDS_TRAINING
    painted = study.review.budget().painted
    if not painted:
        return RESULTS_NEEDS_MASKS
    return RESULTS_EMPTY_WORDS.format(masked=numbers.some(painted, "image", "images"))
