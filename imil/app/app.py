"""The screen: header, three tabs, and coming back to a study."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from imil.app.api.endpoints import add_endpoints
from imil.app.header.account_handlers import AccountHandlers
from imil.app.header.account_menu import account_of, build_account_menu, link_script
from imil.app.header.guide import build_guide
from imil.app.header.header import build_header
from imil.app.header.header_handlers import HeaderHandlers
from imil.app.header.job_line import build_job_line
from imil.app.header.space_link import build_space_link
from imil.app.header.stage import StageHandlers, build_stage
from imil.app.painter.object_select import ObjectSelect
from imil.app.painter.reader_field import kept_name
from imil.app.painter.waiting_masks import WaitingMasks
from imil.app.predicted.predicted_handlers import PredictedHandlers
from imil.app.predicted.sheet_handlers import SheetHandlers
from imil.app.results import results_tab
from imil.app.results.external_handlers import ExternalHandlers
from imil.app.results.results_handlers import ResultsHandlers
from imil.app.review import outliers_tab
from imil.app.review.label_handlers import LabelHandlers
from imil.app.review.outliers_handlers import OutliersHandlers
from imil.app.screen import Screen, is_trained, show_all, show_news, show_no_study, show_progress
from imil.app.server.errors import error_in_place
from imil.app.server.page import Page
from imil.app.server.served_files import Uploads, forget_downloads
from imil.app.server.updates import QUIET_EVENT, Updates, kept_text
from imil.app.train import train_tab
from imil.app.train.source_handlers import SourceHandlers
from imil.app.train.source_picker import build_reading_watch
from imil.app.train.train_handlers import TrainHandlers
from imil.core.review.readers import reader_name
from imil.errors import StoreError
from imil.models.objects import ObjectModel
from imil.report.parts import text
from imil.study.library.imports import Imports
from imil.study.library.studies import Studies
from imil.study.study import Study

# Seconds between two looks at a running training, and until what one has found is shown.
_POLL, _NEWS = 1.0, 0.25
# Whatever else Gradio lays down: swept every hour, gone after a day.
SWEEP = (3600, 86400)


@dataclass(frozen=True, slots=True, eq=False)
class PageVisits:
    """Callbacks of a page: it opens, and it looks how far a training is."""

    screen: Screen
    demo: bool

    def wire(self, app: gr.Blocks) -> None:
        """Attach the callbacks."""
        screen = self.screen
        opened = [screen.study_id, screen.reader]
        app.load(self.on_load, opened, screen.outputs, js=link_script(), **QUIET_EVENT)
        looked = [screen.study_id, screen.results.seen]
        screen.timer.tick(self.on_tick, looked, screen.progress, **QUIET_EVENT)
        screen.news.tick(self.on_news, opened, screen.outputs, **QUIET_EVENT)

    def on_load(self, study_id: str, reader: str, profile: gr.OAuthProfile | None) -> Updates:
        """Open the visitor's study again; else the demo, where there is one.

        Whoever has signed in reads under the account's name, unless another was given.
        """
        account = account_of(profile)
        if not reader and account is not None:
            reader = kept_name(reader_name(account.name))
            return {**self._opened(study_id, reader), self.screen.reader: reader}
        return self._opened(study_id, reader)

    def _opened(self, study_id: str, reader: str) -> Updates:
        trouble: Updates = {}
        if study_id:
            try:
                study = self.screen.studies.open(study_id)
            except StoreError as error:
                # The page still opens; the sentence stands where a study is chosen.
                trouble = {
                    self.screen.train.trouble: error_in_place(error),
                    self.screen.tabs: gr.Tabs(selected="train"),
                }
            else:
                return {**self._begun(study), **show_all(self.screen, study, reader)}
        if self.demo:
            study = self.screen.studies.demo()
            begun = {**self._begun(study), **trouble}
            return {**show_all(self.screen, study, reader), **begun}
        return {**show_no_study(self.screen), **trouble}

    def _begun(self, study: Study) -> Updates:
        """Return the tab that a study begins with, where it is not the page's own.

        With a demo a page begins with the images to mask, and stays where a visitor has gone to
        meanwhile.
        """
        if not self.demo or is_trained(study):
            return {}
        return {self.screen.tabs: gr.Tabs(selected="train")}

    def on_tick(self, study_id: str, seen: str) -> Updates:
        """Show how far a training is."""
        return show_progress(self.screen, self.screen.studies.open(study_id), seen)

    def on_news(self, study_id: str, reader: str) -> Updates:
        """Show what a training has brought."""
        return show_news(self.screen, self.screen.studies.open(study_id), reader)


def build_app(
    studies: Studies,
    *,
    demo: bool = True,
    sign_in: bool = False,
    uploads: Uploads | None = None,
    proxied: bool = False,
    objects: ObjectModel | None = None,
    space_id: str | None = None,
) -> Page:
    """Return the app on those studies.

    Args:
        studies: what it shows.
        uploads: what visitors bring; whoever calls may sweep them.
        demo: open the demo study for a new visitor.
        sign_in: visitors can sign in with Hugging Face; only where a Space has OAuth set up.
        proxied: requests come through a proxy in front of the app, as on a Space.
        objects: answers the tool Select; None: brightness and colour do.
        space_id: the Space that this is, which visitors may duplicate; None elsewhere.
    """
    uploads = uploads or Uploads()
    studies.when_gone(forget_downloads)
    with Page(
        title=text.TITLE,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=SWEEP,
        busy=studies.busy,
        proxied=proxied,
    ) as app:
        top = build_header(elem_id="header", sign_in=sign_in)
        menu = build_account_menu(elem_id="account", sign_in=sign_in)
        if sign_in:
            # Only its presence counts: Gradio then answers where the dialog's own links lead.
            gr.LoginButton(visible=False)
        study_id = kept_text("imil-study")
        reader = kept_text("imil-reader")
        watch = build_reading_watch()
        build_guide(elem_id="guide")
        job_line = build_job_line(elem_id="job-line")
        stage = build_stage(elem_id="stage")
        # Where the demo begins, so that a newcomer's page does not jump when it is there.
        with gr.Tabs(elem_id="tabs", selected="outliers" if demo else "train") as tabs:
            with gr.Tab("Train", id="train"):
                train = train_tab.build_train_tab(watch)
            with gr.Tab(text.TAB_OUTLIERS, id="outliers") as tab:
                outliers = outliers_tab.build_outliers_tab(tab, asks=objects is not None)
            with gr.Tab("Results", id="results") as place:
                results = results_tab.build_results_tab()
        build_space_link(space_id, elem_id="space-link")
        clocks = gr.Timer(_POLL, active=False), gr.Timer(_NEWS, active=False)
        screen = Screen(
            studies, study_id, reader, top, tabs, *clocks, train, outliers, results, job_line
        )
        # First, so that the endpoints have the plain names; the screen's own events are private.
        add_endpoints(studies, uploads)
        PageVisits(screen, demo).wire(app)
        HeaderHandlers(screen).wire()
        AccountHandlers(screen, menu, demo).wire()
        StageHandlers(screen, stage).wire()
        TrainHandlers(screen).wire()
        SourceHandlers(screen, Imports(), uploads).wire(app)
        OutliersHandlers(screen).wire()
        if objects is not None:
            ObjectSelect(studies, outliers.painter, objects).wire()
        WaitingMasks(studies).place()
        LabelHandlers(screen).wire()
        PredictedHandlers(screen).wire()
        SheetHandlers(screen).wire()
        ResultsHandlers(screen).wire(place)
        ExternalHandlers(screen, uploads).wire(app)
    return app  # type: ignore[no-any-return]  # Gradio's Blocks has no typed context manager
