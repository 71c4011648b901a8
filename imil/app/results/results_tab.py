"""Results: the verdict first, then the arms, the images behind the counts, the files."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from imil.app.predicted.predicted_sheet import PredictedSheet, build_sheet
from imil.app.results.arms_form import ArmsForm, build_arms_form
from imil.app.results.audit_card import audit_card
from imil.app.results.downloads import build_downloads, downloads_card
from imil.app.results.external_form import ExternalForm, build_external_form, show_external
from imil.app.results.final_question import (
    FinalQuestion,
    build_final_question,
    hide_final_question,
)
from imil.app.results.image_viewer import build_viewer
from imil.app.results.saliency_card import saliency_card
from imil.app.results.seeds_line import seeds_line, up_to_first_look
from imil.app.review.queue_view import finished_queue
from imil.app.server.updates import Updates, html
from imil.app.train.training_card import training_card
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import MIN_SEEDS, Verdict
from imil.core.records import Split
from imil.jobs.base import JobState
from imil.report.cards.cases_card import cases_cards, unknown_cases
from imil.report.cards.questions import VERDICT_TONES
from imil.report.cards.readers_card import MaskedImage, readers_card
from imil.report.cards.verdict_card import named_arms, verdict_card
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, data_url, empty, heading, part, remark
from imil.report.round_page import details, headline
from imil.study.study import Study

RESULTS_EMPTY_WORDS = (
    "{masked} masked. Test what that brings: the same model is trained on with and without masks."
)
RESULTS_NEEDS_MASKS = (
    "On the Outliers tab, paint over what should not matter. Then test your masks here."
)
RESULTS_NEEDS_TRAINING = "Train a model and mask some of its outliers first."
RESULTS_NEEDS_IMAGES = (
    "The images are not on this machine; what you painted is kept ({masks}). Bring the images "
    "again on the Train tab."
)
FIRST_LOOK_IN = "First look in {time}"
CHANGED_SINCE = "You changed masks or labels since. The next test is round {number}."
FINAL_COUNTED = "That opens the test set, and each opening is counted."


@dataclass(frozen=True, slots=True, eq=False)
class ResultsTab:
    """The tab's components; `seen` names what is shown, so that a tick sends only what is new."""

    said: gr.HTML
    sheet: PredictedSheet
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
    question: FinalQuestion
    trouble: gr.HTML
    asking: gr.Column
    compare: gr.Button
    compare_why: gr.HTML
    arms: ArmsForm
    running: gr.Column
    live: gr.HTML
    stop: gr.Button
    readers: gr.HTML
    tables: gr.HTML
    cases: gr.HTML
    looks: gr.HTML
    external: ExternalForm
    details: gr.HTML
    downloads: gr.HTML
    audit: gr.HTML
    viewer: gr.HTML
    handout: gr.HTML
    seen: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        groups = {"arms", "question", "sheet", "external"}
        own = [getattr(self, field.name) for field in fields(self) if field.name not in groups]
        return [
            *own,
            *self.sheet.outputs,
            *self.arms.outputs,
            *self.question.outputs,
            *self.external.outputs,
        ]

    @property
    def missing(self) -> list[Any]:
        """What a decision in the review changes: what is missing for a comparison."""
        return [self.none, self.compare, self.compare_why]

    @property
    def progress(self) -> list[Any]:
        """What changes each second while arms train."""
        return [self.running, self.live, self.stop]


def build_results_tab() -> ResultsTab:
    """Place the tab's components where Gradio stands now."""
    asks, folds = ((ASSETS / name).read_text("utf-8") for name in ("asks.js", "folds.js"))
    with gr.Column(elem_classes=["results"]):
        said = html(visible=False, elem_id="test-said")
        sheet = build_sheet()
        with gr.Column(elem_classes=["card", "emptycard"]) as frame:
            none = html(empty(text.OPENING, "", picture="bars"))
            verdict = html(visible=False, elem_id="verdict", js_on_load=asks)
            with gr.Row(elem_classes=["actrow", "nextacts"], visible=False) as acts:
                more = gr.Button("", variant="primary", size="md", elem_id="more-seeds")
                report = gr.Button("Download report", size="md", elem_id="download-report")
                following = gr.Button("", size="md", elem_id="next-round")
            with gr.Row(elem_classes=["actrow", "finalact"], visible=False) as opening:
                final = gr.Button("Confirm on the test set", size="md", elem_id="final")
                words = html(elem_id="final-words")
            question = build_final_question()
            trouble = html(elem_id="comparison-trouble")
            with gr.Column(visible=False, elem_classes=["asking"]) as asking:
                with gr.Row(elem_classes=["actrow"]):
                    compare = gr.Button(
                        text.COMPARE, variant="primary", size="md", elem_id="compare-again"
                    )
                    compare_why = html(elem_id="compare-again-why")
                arms = build_arms_form()
        with gr.Column(elem_classes=["card"], visible=False) as running:
            with gr.Row(elem_classes=["trainhead"]):
                html(heading(text.COMPARING))
                stop = gr.Button(text.STOP, variant="stop", size="md", elem_id="stop-comparison")
            live = html(elem_id="comparison")
        readers = html(visible=False, elem_id="readers", js_on_load=asks)
        tables = html(visible=False, elem_id="arms-table", js_on_load=folds)
        cases = html(visible=False, elem_id="cases", js_on_load=asks + folds)
        looks = html(visible=False, elem_id="looks", js_on_load=folds)
        external = build_external_form()
        details_ = html(visible=False, elem_id="details", js_on_load=folds)
        downloads = html(visible=False, elem_id="downloads", js_on_load=asks)
        audit = html(visible=False, elem_id="audit", js_on_load=asks)
        viewer = build_viewer(elem_id="viewer")
        handout = build_downloads(elem_id="handout")
    return ResultsTab(
        said=said,
        sheet=sheet,
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
        question=question,
        trouble=trouble,
        asking=asking,
        compare=compare,
        compare_why=compare_why,
        arms=arms,
        running=running,
        live=live,
        stop=stop,
        readers=readers,
        tables=tables,
        cases=cases,
        looks=looks,
        external=external,
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
        **_compare(tab, study, value=_compare_words(study), variant="primary"),
        tab.seen: seen,
        **show_audit(tab, study),
        tab.viewer: None,
        tab.handout: None,
        **show_readers(tab, study),
        **show_external(tab.external, study, trained=trained),
    }
    if found is None:
        parts = (tab.verdict, tab.tables, tab.cases, tab.looks, tab.details, tab.downloads)
        return {**shown, **{part: gr.update(visible=False) for part in parts}}
    return {**shown, **_found(tab, study, found, active=active)}


def show_no_results(tab: ResultsTab) -> Updates:
    """Return the tab where no study is open."""
    shown = (tab.verdict, tab.acts, tab.opening, tab.asking, tab.running, tab.readers, tab.tables)
    below = (tab.cases, tab.looks, tab.details, tab.downloads, tab.audit)
    return {
        tab.frame: gr.update(visible=True, elem_classes=["card", "emptycard"]),
        tab.none: gr.update(value=_none(RESULTS_NEEDS_TRAINING), visible=True),
        **{part: gr.update(visible=False) for part in (*shown, *below)},
        tab.seen: "",
    }


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
    return {tab.none: _none(_missing(study)), **_compare(tab, study)}


def show_audit(tab: ResultsTab, study: Study) -> Updates:
    """Return the log as it is now."""
    card = audit_card(study)
    return {tab.audit: gr.update(value=card, visible=bool(card))}


def show_comparison(tab: ResultsTab, study: Study) -> Updates:
    """Return what changes while arms train: small, for it is sent every second."""
    status = study.comparison.status()
    status = replace(status, step=_step(status.step))
    done, asked = study.comparison.seeds_done(), study.comparison.seeds_asked()
    if done:
        live = seeds_line(status, done=done, asked=asked)
    else:
        live = training_card(up_to_first_look(status, asked), ends_in=FIRST_LOOK_IN)
    return {
        tab.running: gr.update(visible=status.active or status.error is not None),
        tab.live: live,
        tab.stop: gr.update(visible=status.active, value=text.STOP, interactive=True),
    }


def _compare(tab: ResultsTab, study: Study, **shown: Any) -> Updates:
    """Return the button to compare; where there is nothing to compare, with why beside it."""
    can = study.comparison.usual.worthwhile
    return {
        tab.compare: gr.update(interactive=can, **shown),
        tab.compare_why: "" if can else remark(text.COMPARE_NEEDS_MASKS),
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
        tab.verdict: gr.update(
            value=verdict_card(found, asked=asked, opens=study.results.cases() is not None),
            visible=True,
        ),
        tab.tables: gr.update(value=headline(found, study.results.rounds()), visible=True),
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
    budget = study.review.budget()
    words = numbers.some(left, "more run", "more runs")
    opens = found.split is not Split.TEST and current and not active
    step = _next_step(found, more=more, changed=changed, left=budget.allowed - budget.painted)

    def tone(button: str) -> str:
        return "primary" if button == step and not active else "secondary"

    return {
        # Left alone while it can be answered: a look at what has changed takes no question away.
        **({} if opens else hide_final_question(tab.question)),
        tab.more: gr.update(value=f"Do {words}", visible=more, variant=tone("more")),
        tab.report: gr.update(variant=tone("report")),
        tab.following: gr.update(
            value=f"Mask more · {budget.painted} of {budget.allowed}", variant=tone("mask")
        ),
        tab.final: gr.update(visible=opens, variant=tone("final")),
        tab.words: _words(study, opens=opens),
        **_compare(
            tab, study, value=text.COMPARE if changed else "Test again", variant=tone("compare")
        ),
    }


def _next_step(found: Round, *, more: bool, changed: bool, left: int) -> str:
    """Return the one button that leads on: what was painted since is tested before all else.

    Then runs are made up to a verdict; what gained is confirmed on the test set; where nothing did,
    more images are masked while the budget lasts. After the test set it is the report.

    Args:
        found: the comparison that is shown.
        more: whether runs are missing to a verdict.
        changed: whether masks or labels changed since.
        left: images that may still be masked.
    """
    if changed:
        return "compare"
    if more:
        return "more"
    if found.split is Split.TEST:
        return "report"
    named = named_arms(found)
    gained = bool(named) and named[0].verdict in {Verdict.HELPS, Verdict.TRADE_OFF}
    return "final" if gained or left <= 0 else "mask"


def _words(study: Study, *, opens: bool) -> str:
    if not study.comparison.is_current():
        said = CHANGED_SINCE.format(number=study.comparison.round_number)
    elif not opens:
        return ""
    else:
        said = FINAL_COUNTED
        if openings := study.comparison.test_openings:
            said += f" Opened {_times(openings)} so far."
    return part("aside", said)


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
    named = named_arms(found)
    verdict = named[0].verdict if named else Verdict.NO_CLEAR_DIFFERENCE
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
