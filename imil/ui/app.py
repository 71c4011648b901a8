"""The screen: header, three tabs, and what each act leads to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from imil.core.records import Split
from imil.errors import ImilError, StoreError
from imil.ui import outliers_tab, results_tab, text, train_tab
from imil.ui.api import add_endpoints
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.filmstrip import page_of
from imil.ui.markup import ASSETS, icon
from imil.ui.outliers_tab import OutliersTab
from imil.ui.painter import Accepted, decode_painted
from imil.ui.plan_form import plan_for_backbone, plan_from, show_plan
from imil.ui.results_tab import SEEDS, ResultsTab
from imil.ui.shown import QUIET, Shown, html
from imil.ui.train_tab import TrainTab
from imil.workflow.studies import Studies
from imil.workflow.study import Study

# Names the reader of masks painted here, until visitors can sign in.
READER = "visitor"
# Seconds between two looks at a running training.
POLL = 1.0
# Uploaded archives and other files of Gradio's: swept every hour, gone after a day.
SWEEP = (3600, 86400)
# Encrypts the study's id in the browser; constant, so that it can be read after a restart. The id
# is no secret from the browser it is stored in.
BROWSER_SECRET = "imil"  # noqa: S105


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """All that callbacks read and change."""

    studies: Studies
    study_id: gr.BrowserState
    header: gr.HTML
    tabs: gr.Tabs
    timer: gr.Timer
    train: TrainTab
    outliers: OutliersTab
    results: ResultsTab

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        shared = [self.study_id, self.header, self.tabs, self.timer]
        return [*shared, *self.train.outputs, *self.outliers.outputs, *self.results.outputs]


def build_app(studies: Studies, *, demo: bool = True) -> gr.Blocks:
    """Return the app on those studies; `demo` opens the demo study for a new visitor."""
    with gr.Blocks(
        title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=SWEEP
    ) as app:
        header = html(_header(None), elem_id="header", js_on_load=_theme_script())
        study_id = gr.BrowserState("", storage_key="imil-study", secret=BROWSER_SECRET)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(text.TAB_TRAIN, id="train"):
                train = train_tab.build_train_tab()
            with gr.Tab(text.TAB_OUTLIERS, id="outliers") as tab:
                outliers = outliers_tab.build_outliers_tab(tab)
            with gr.Tab(text.TAB_RESULTS, id="results"):
                results = results_tab.build_results_tab()
        timer = gr.Timer(POLL, active=False)
        screen = Screen(studies, study_id, header, tabs, timer, train, outliers, results)
        app.load(
            _on_load(screen, demo=demo), study_id, screen.outputs, concurrency_limit=None, **QUIET
        )
        timer.tick(_on_tick(screen), study_id, screen.outputs, concurrency_limit=None, **QUIET)
        _wire_train(screen)
        _wire_outliers(screen)
        _wire_results(screen)
        add_endpoints(studies)
    return app  # type: ignore[no-any-return]  # Gradio's Blocks has no typed context manager


def launch_options() -> dict[str, Any]:
    """Return what `Blocks.launch` needs for looks and privacy; nothing leaves the machine."""
    plain = "var(--surface)"
    theme = gr.themes.Base(
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        **_both(
            body_background_fill="var(--bg)",
            body_text_color="var(--text)",
            body_text_color_subdued="var(--text-2)",
            background_fill_primary=plain,
            background_fill_secondary="var(--sunken)",
            block_background_fill=plain,
            block_border_color="var(--line)",
            block_info_text_color="var(--text-2)",
            block_label_text_color="var(--text-2)",
            block_title_text_color="var(--text)",
            border_color_primary="var(--line)",
            border_color_accent="var(--primary)",
            color_accent_soft="var(--primary-soft)",
            input_background_fill=plain,
            input_border_color="var(--line-strong)",
            input_border_color_focus="var(--primary)",
            input_placeholder_color="var(--text-2)",
            link_text_color="var(--primary-text)",
            button_primary_background_fill="var(--primary)",
            button_primary_background_fill_hover="var(--primary-hover)",
            button_primary_text_color="var(--on-primary)",
            button_secondary_background_fill=plain,
            button_secondary_text_color="var(--text)",
            checkbox_background_color_selected="var(--primary)",
            checkbox_border_color="var(--line-strong)",
            loader_color="var(--primary)",
        ),
        color_accent="var(--primary)",
        input_radius="6px",
        block_radius="10px",
        button_medium_radius="6px",
    )
    return {
        "theme": theme,
        "css_paths": [ASSETS / "theme.css"],
        "favicon_path": ASSETS / "logo.svg",
        "run_history": False,
        "ssr_mode": False,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "show_error": False,
        "quiet": True,
    }


def _both(**values: str) -> dict[str, str]:
    """Return the variables for the light and the dark theme: the tokens they name differ."""
    return values | {f"{name}_dark": value for name, value in values.items()}


# ---- header -------------------------------------------------------------------------------------


def _header(study: Study | None) -> str:
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    name = text.NO_STUDY if study is None else study.name
    saved = "" if study is None else f"{icon('check')}{escape(text.SAVED_HERE)}"
    return (
        f'<div class="bar"><h1 class="logo"><img alt="" src="data:image/svg+xml;base64,{logo}">'
        f'{escape(text.TITLE)}</h1><p class="value">{escape(text.VALUE)}</p>'
        f'<span class="study" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="saved" role="status">{saved}</span>'
        f'<button type="button" class="themebtn" aria-label="{escape(text.THEME)}">'
        f'{icon("theme")}</button></div><p class="ruo">{escape(text.RESEARCH_ONLY)}</p>'
    )


def _theme_script() -> str:
    return """
const dark = () => document.body.classList.contains("dark");
const set = (on) => document.body.classList.toggle("dark", on);
try { const kept = localStorage.getItem("imil-theme"); if (kept) set(kept === "dark"); } catch {}
element.addEventListener("click", (event) => {
  if (!event.target.closest(".themebtn")) return;
  set(!dark());
  try { localStorage.setItem("imil-theme", dark() ? "dark" : "light"); } catch {}
});
"""


# ---- a study opened -----------------------------------------------------------------------------


def _show_all(screen: Screen, study: Study) -> Shown:
    return {
        screen.study_id: study.study_id,
        screen.header: _header(study),
        screen.timer: gr.Timer(active=_busy(study)),
        **train_tab.show_study(screen.train, study),
        **outliers_tab.show_outliers(screen.outliers, study),
        **results_tab.show_results(screen.results, study),
    }


def _busy(study: Study) -> bool:
    return study.training_status().active or study.comparison_status().active


def _on_load(screen: Screen, *, demo: bool) -> Callable[[str], Shown]:
    def on_load(study_id: str) -> Shown:
        trouble: Shown = {}
        with errors_shown():
            if study_id:
                try:
                    return _show_all(screen, screen.studies.open(study_id))
                except StoreError as error:
                    # The page still opens; the sentence stands where a study is chosen.
                    trouble = {screen.train.trouble: error_in_place(error)}
            if demo:
                return {**_show_all(screen, screen.studies.demo()), **trouble}
        return {screen.study_id: "", **train_tab.show_nothing(screen.train), **trouble}

    return on_load


def _on_tick(screen: Screen) -> Callable[[str], Shown]:
    def on_tick(study_id: str) -> Shown:
        with errors_shown():
            study = screen.studies.open(study_id)
            if _busy(study):
                return {
                    **train_tab.show_training(screen.train, study),
                    **results_tab.show_comparison(screen.results, study),
                }
            # It has just ended: whatever ended, all that depends on it is shown anew, once.
            shown: Shown = {screen.timer: gr.Timer(active=False)}
            shown |= train_tab.show_training(screen.train, study)
            if study.comparison_status().state is None:
                shown |= outliers_tab.show_outliers(screen.outliers, study)
            return shown | results_tab.show_results(screen.results, study)

    return on_tick


# ---- train --------------------------------------------------------------------------------------


def _wire_train(screen: Screen) -> None:
    tab = screen.train

    def choose_source(source: str) -> Shown:
        demo = source == text.SOURCE_DEMO
        return {tab.demo: gr.update(visible=demo), tab.archive: gr.update(visible=not demo)}

    def open_demo() -> Shown:
        with errors_shown():
            return _show_all(screen, screen.studies.demo())

    def open_archive(file: str | None, name: str, positive: str | None) -> Shown:
        if not file:
            return {tab.trouble: error_in_place(_no_file())}
        path = Path(file)
        try:
            study = screen.studies.from_archive(
                path, name=name.strip() or path.stem, positive=positive or None
            )
        except ImilError as error:
            return {tab.trouble: error_in_place(error)}
        shown = _show_all(screen, study)
        if not positive:
            choices = ["", *study.images.classes]
            shown[tab.positive] = gr.update(choices=choices, value="", visible=True)
        return shown

    def new_file() -> Shown:
        return {tab.positive: gr.update(choices=[], value=None, visible=False), tab.trouble: ""}

    def choose_backbone(study_id: str, backbone: str) -> Shown:
        with errors_shown():
            study = screen.studies.open(study_id)
            plan = plan_for_backbone(study.plan, backbone)
            training = len(study.images.rows(Split.TRAIN))
            return show_plan(tab.form, plan, training_images=training, locked=study.started)

    def train(study_id: str, *values: Any) -> Shown:
        with errors_shown():
            study = screen.studies.open(study_id)
        try:
            if not study.started:
                study.set_plan(plan_from(study.plan, values))
            study.start_training()
        except ImilError as error:
            return {tab.plan_trouble: error_in_place(error)}
        return {**train_tab.show_locked(tab, study), screen.timer: gr.Timer(active=True)}

    def stop(study_id: str) -> Shown:
        with errors_shown():
            screen.studies.open(study_id).stop()
        return train_tab.show_stopping(tab)

    outputs = screen.outputs
    sides = [tab.demo, tab.archive]
    tab.source.input(choose_source, tab.source, sides, queue=False, **QUIET)
    tab.open_demo.click(open_demo, None, outputs, **QUIET)
    tab.file.change(new_file, None, [tab.positive, tab.trouble], **QUIET)
    tab.open_archive.click(
        open_archive,
        [tab.file, tab.name, tab.positive],
        outputs,
        show_progress="full",
        show_progress_on=tab.study,
        api_visibility="private",
    )
    tab.form.backbone.input(
        choose_backbone,
        [screen.study_id, tab.form.backbone],
        [tab.form.summary, *tab.form.fields],
        **QUIET,
    )
    tab.train.click(train, [screen.study_id, *tab.form.fields], outputs, **QUIET)
    tab.stop.click(stop, screen.study_id, tab.outputs, queue=False, **QUIET)
    tab.review.click(lambda: gr.Tabs(selected="outliers"), None, screen.tabs, **QUIET)


def _no_file() -> ImilError:
    return ImilError(
        "There is no file yet.",
        why="The images come from a zip.",
        fix="Drop a zip into the field above, then press the button again.",
    )


# ---- outliers -----------------------------------------------------------------------------------


def _wire_outliers(screen: Screen) -> None:
    tab, studies = screen.outliers, screen.studies

    def select(study_id: str, event: gr.EventData) -> Shown:
        with errors_shown():
            return outliers_tab.show_film(tab, studies.open(study_id), str(event.sample))

    def turn(study_id: str, event: gr.EventData) -> Shown:
        with errors_shown():
            return outliers_tab.show_page(tab, studies.open(study_id), int(event.page))

    def move(step: int) -> Callable[[str, Any], Shown]:
        def moved(study_id: str, payload: Any) -> Shown:
            with errors_shown():
                study, painted = studies.open(study_id), decode_painted(payload)
                queue = outliers_tab.queue_of(study)
                current = None if painted is None else painted.sample_id
                sample_id = outliers_tab.step_from(queue, current, step)
                if sample_id is None:
                    return {}
                return outliers_tab.show_film(tab, study, sample_id, page=True)

        return moved

    def black_out(payload: Any) -> Shown:
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            # The study of the mask, not of the page: another tab may have opened another study.
            study = studies.open(painted.study_id)
            study.submit_mask(
                painted.sample_id, painted.irrelevant, reader=READER, seconds=painted.seconds
            )
            accepted = Accepted(painted.sample_id, painted.rev)
            return _go_on(screen, study, painted.sample_id, accepted)

    def skip(payload: Any) -> Shown:
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            study = studies.open(painted.study_id)
            study.skip(painted.sample_id)
            return _go_on(screen, study, painted.sample_id, None)

    outputs = tab.outputs
    tab.strip.select(
        select, screen.study_id, outputs, trigger_mode="multiple", concurrency_limit=None, **QUIET
    )
    tab.strip.turn(turn, screen.study_id, tab.strip, **QUIET)
    tab.painter.blackout(black_out, tab.painter, [*outputs, *screen.results.outputs], **QUIET)
    tab.painter.skip(skip, tab.painter, [*outputs, *screen.results.outputs], **QUIET)
    for name, step in (("next", 1), ("previous", -1)):
        event = getattr(tab.painter, name)
        event(move(step), [screen.study_id, tab.painter], outputs, **QUIET)
    tab.go_train.click(lambda: gr.Tabs(selected="train"), None, screen.tabs, **QUIET)
    tab.compare.click(
        _compare(screen), [screen.study_id, screen.results.seeds], screen.outputs, **QUIET
    )


def _go_on(screen: Screen, study: Study, sample_id: str, accepted: Accepted | None) -> Shown:
    queue = outliers_tab.queue_of(study)
    following = outliers_tab.next_to_review(study, queue, after=sample_id) or sample_id
    before = [outlier.sample_id for outlier in queue]
    turned = (
        sample_id in before
        and following in before
        and page_of(before.index(sample_id)) != page_of(before.index(following))
    )
    film = outliers_tab.show_film(screen.outliers, study, following, accepted=accepted, page=turned)
    return {**film, **results_tab.show_missing(screen.results, study)}


# ---- results ------------------------------------------------------------------------------------


def _compare(screen: Screen) -> Callable[[str, str], Shown]:
    def compare(study_id: str, seeds: str) -> Shown:
        with errors_shown():
            study = screen.studies.open(study_id)
            study.start_comparison(seeds=SEEDS.get(seeds, 1))
            return {
                screen.tabs: gr.Tabs(selected="results"),
                screen.timer: gr.Timer(active=True),
                **results_tab.show_results(screen.results, study),
            }

    return compare


def _wire_results(screen: Screen) -> None:
    tab = screen.results

    def stop(study_id: str) -> Shown:
        with errors_shown():
            screen.studies.open(study_id).stop()
        return results_tab.show_stopping(tab)

    def final(study_id: str) -> Shown:
        with errors_shown():
            study = screen.studies.open(study_id)
            # A second click must not open the test set a second time.
            if study.final_results() is None:
                study.final_comparison()
            return results_tab.show_results(tab, study)

    tab.compare.click(_compare(screen), [screen.study_id, tab.seeds], screen.outputs, **QUIET)
    tab.stop.click(stop, screen.study_id, tab.outputs, queue=False, **QUIET)
    tab.final.click(final, screen.study_id, tab.outputs, **QUIET)
