"""What the acts on the source picker lead to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import gradio as gr

from imil.app.screen import Screen, show_all, show_demo
from imil.app.server.errors import error_in_place
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import Uploads
from imil.app.server.updates import QUIET_EVENT, Updates, unchanged
from imil.app.train.consent_checkbox import show_consent
from imil.app.train.given_answers import GivenAnswers
from imil.app.train.source_picker import (
    SourcePicker,
    hub_request,
    show_public,
    show_read,
    show_reading,
    show_side,
    show_source_choice,
)
from imil.app.train.zip_options import (
    QUESTIONS,
    Answers,
    choices_of,
    classes_of,
    show_look,
    show_mending,
    show_no_look,
)
from imil.core.review.readers import reader_name
from imil.datasets.choices import Choices
from imil.datasets.public_sets import public_set
from imil.errors import DataError, ImilError
from imil.report.parts.markup import note
from imil.study.library.imports import Imports
from imil.study.study import Study

READING_GONE = (
    "Reading the images was interrupted.",
    "The app restarted meanwhile, and kept nothing of it. Please start again.",
)

# The field of the positive label before a zip was looked into.
NO_CLASSES = gr.update(choices=[], value=None, visible=False)


@dataclass(frozen=True, slots=True, eq=False)
class SourceHandlers:
    """Callbacks of the source picker. Reading goes on without the page that began it."""

    screen: Screen
    imports: Imports
    uploads: Uploads = field(default_factory=Uploads)
    given: GivenAnswers = field(default_factory=GivenAnswers)

    @property
    def picker(self) -> SourcePicker:
        """The components."""
        return self.screen.train.picker

    def wire(self, app: gr.Blocks) -> None:
        """Attach the callbacks to their components."""
        screen, picker = self.screen, self.picker
        begun = [*picker.outputs, screen.train.trouble]
        picker.source.input(
            self.choose_source,
            picker.source,
            list(picker.sides.values()),
            queue=False,
            **QUIET_EVENT,
        )
        picker.open_demo.click(self.open_demo, screen.reader, screen.outputs, **QUIET_EVENT)
        picker.open_untrained.click(
            self.open_untrained, screen.reader, screen.outputs, **QUIET_EVENT
        )
        shown = [picker.public_facts, picker.open_public]
        picker.public_set.input(
            self.choose_public, picker.public_set, shown, queue=False, **QUIET_EVENT
        )
        picker.open_public.click(self.open_public, picker.public_set, begun, **QUIET_EVENT)
        looked = [picker.positive, screen.train.trouble, *picker.zip.outputs]
        files = [picker.file, picker.zip.table_file]
        app.unload(self.leave)
        picker.file.upload(self.new_file, files, looked, **QUIET_EVENT)
        picker.file.change(self.no_file, files, looked, queue=False, **QUIET_EVENT)
        picker.zip.table_file.change(self.new_file, files, looked, **QUIET_EVENT)
        for key, control in zip(QUESTIONS, picker.zip.questions, strict=True):
            given = [*files, picker.zip.answers, control]
            control.input(self.answer_of(key), given, looked, **QUIET_EVENT)
        zipped = [picker.file, picker.name, picker.positive, *picker.zip.inputs]
        picker.open_archive.click(self.open_archive, zipped, begun, **QUIET_EVENT)
        picker.hub_look.click(self.look, picker.hub_choice, begun, **QUIET_EVENT)
        asked = [picker.hub_id, picker.hub_positive, *picker.hub_choice[1:]]
        picker.open_hub.click(self.open_hub, asked, begun, **QUIET_EVENT)
        bring, consent = screen.train.bring, screen.train.consent
        brought = [screen.study_id, bring.file]
        picked = [*begun, *bring.outputs]
        bring.bring.click(self.bring_again, brought, picked, **QUIET_EVENT)
        bring.file.change(self.new_brought, bring.file, None, queue=False, **QUIET_EVENT)
        bring.fetch.click(self.fetch_again, screen.study_id, picked, **QUIET_EVENT)
        ticked = [screen.study_id, screen.reader, consent.tick]
        consent.tick.input(self.agree, ticked, consent.outputs, **QUIET_EVENT)
        picker.stop.click(self.stop, picker.reading, picker.stop, queue=False, **QUIET_EVENT)
        looked = [picker.reading, screen.reader]
        picker.timer.tick(self.look_on, looked, screen.outputs, **QUIET_EVENT)
        app.load(self.come_back, picker.reading, [*begun, screen.tabs], **QUIET_EVENT)

    def choose_source(self, source: str) -> Updates:
        """Show the fields of a source."""
        return show_side(self.picker, source)

    @costs(Cost.DEMO)
    def open_demo(self, reader: str) -> Updates:
        """Begin a demo study, trained where a training is shipped."""
        return show_demo(self.screen, reader)

    @costs(Cost.DEMO)
    def open_untrained(self, reader: str) -> Updates:
        """Begin a demo study whose plan can still be changed."""
        return show_all(self.screen, self.screen.studies.demo(trained=False), reader)

    def choose_public(self, repo: str) -> Updates:
        """Tell what a public set is."""
        return show_public(self.picker, public_set(repo))

    @costs(Cost.BEGIN)
    def open_public(self, repo: str, request: gr.Request) -> Updates:
        """Fetch a sample of a public set."""

        def make(tell: Callable[[int, int], None]) -> Study:
            known = public_set(repo)
            return self.screen.studies.from_hub(known.request, name=known.name, on_progress=tell)

        return self._begin((request.session_hash, repo), make)

    @costs(Cost.BEGIN)
    def new_file(self, file: str | None, table: str | None, request: gr.Request) -> Updates:
        """Forget what was said about another file, and tell what this one seems to hold."""
        if not file:
            return self.no_file(file, table, request)
        self.uploads.show((request.session_hash, "zip"), file, table)
        self.given.forget(request.session_hash)
        return self._look(file, table, ())

    def answer_of(self, key: str) -> Callable[..., Updates]:
        """Return the handler of one question's control."""

        @costs(Cost.BEGIN)
        def answer(
            file: str | None,
            table: str | None,
            answers: Answers,
            picked: str | None,
            request: gr.Request,
        ) -> Updates:
            """Tell how a zip is read with one more answer; earlier ones that no longer fit go."""
            if not file or not picked:
                return unchanged()
            with self.given.turn(request.session_hash, (file, table), answers or ()) as given:
                kept = tuple(each for each in given.answers if each[0] != key)
                shown = self._look(file, table, (*kept, (key, picked)), (key, picked))
                given.answers = shown.get(self.picker.zip.answers, given.answers)
                return shown

        return answer

    def _look(
        self, file: str, table: str | None, answers: Answers, newest: tuple[str, str] | None = None
    ) -> Updates:
        picker, trouble = self.picker, self.screen.train.trouble
        try:
            choices = Choices(answers=answers, table_file=_there(table))
            try:
                look = self.screen.studies.look_into(_there(file), choices)
            except DataError:
                if newest is None or answers == (newest,):
                    raise
                answers = (newest,)
                look = self.screen.studies.look_into(
                    _there(file), replace(choices, answers=answers)
                )
        except ImilError as error:
            if newest is not None:
                return {trouble: error_in_place(error), **show_mending(picker.zip, error)}
            told = {trouble: error_in_place(error), picker.positive: NO_CLASSES}
            return {**told, **show_no_look(picker.zip)}
        labels = classes_of(look)
        classes = gr.update(choices=["", *labels], value="", visible=bool(labels))
        return {trouble: "", picker.positive: classes, **show_look(picker.zip, look, answers)}

    def no_file(self, file: str | None, table: str | None, request: gr.Request) -> Updates:
        """Forget a file that is shown no more; what was wrong with it may still stand there."""
        self.uploads.show((request.session_hash, "zip"), file, table)
        if file:
            return unchanged()
        return {self.picker.positive: NO_CLASSES, **show_no_look(self.picker.zip)}

    def new_brought(self, file: str | None, request: gr.Request) -> None:
        """Note the file that a page shows to bring images again."""
        self.uploads.show((request.session_hash, "again"), file)

    def leave(self, request: gr.Request) -> None:
        """Delete what a page showed that is closed, unless it is being read."""
        self.given.forget(request.session_hash)
        for form in ("zip", "again"):
            self.uploads.show((request.session_hash, form))

    @costs(Cost.BEGIN)
    def open_archive(
        self,
        request: gr.Request,
        file: str | None,
        name: str | None,
        positive: str | None,
        *values: Any,
    ) -> Updates:
        """Begin a study of the images in a zip; what is wrong with it is said beside it."""
        try:
            path = _uploaded(file)
        except ImilError as error:
            return self._trouble(error)
        choices = choices_of(values)
        named = (name or "").strip() or None

        def make(tell: Callable[[int, int], None]) -> Study:
            studies = self.screen.studies
            return studies.from_archive(
                path,
                name=named,
                positive=positive or None,
                choices=choices,
                on_progress=tell,
            )

        key = (request.session_hash, file, named, positive or None, choices)
        form, files = (request.session_hash, "zip"), (file, choices.table_file)
        self.uploads.begin(*files)
        return self._begin(key, make, ended=partial(self.uploads.end, form, *files))

    @costs(Cost.BEGIN)
    def look(self, hub_id: str, *values: Any) -> Updates:
        """Show what a Hub data set has to choose from."""
        try:
            # What was picked for another set means nothing in this one.
            asked = replace(hub_request(hub_id, values), config=None, splits=(), label=None)
            choice = self.screen.studies.look_at_hub(asked)
        except ImilError as error:
            return self._trouble(error)
        return {
            self.screen.train.trouble: "",
            **show_source_choice(self.picker, asked.repo, choice),
        }

    @costs(Cost.BEGIN)
    def open_hub(self, request: gr.Request, hub_id: str, positive: str, *values: Any) -> Updates:
        """Fetch a sample of a Hub data set."""
        try:
            asked = hub_request(hub_id, values)
        except ImilError as error:
            return self._trouble(error)
        label = (positive or "").strip() or None

        def make(tell: Callable[[int, int], None]) -> Study:
            return self.screen.studies.from_hub(asked, positive=label, on_progress=tell)

        return self._begin((request.session_hash, asked, label), make)

    @costs(Cost.BEGIN)
    def bring_again(self, study_id: str, file: str | None, request: gr.Request) -> Updates:
        """Take the missing images of the open study out of a zip."""
        try:
            path = _uploaded(file)
        except ImilError as error:
            return self._trouble(error)

        def make(tell: Callable[[int, int], None]) -> Study:
            study = self.screen.studies.open(study_id)
            study.pictures.restore(path, on_progress=tell)
            return study

        form = (request.session_hash, "again")
        self.uploads.begin(file)
        return self._begin((study_id, file), make, ended=partial(self.uploads.end, form, file))

    @costs(Cost.BEGIN)
    def fetch_again(self, study_id: str) -> Updates:
        """Fetch the missing images of the open study from where they came."""

        def make(tell: Callable[[int, int], None]) -> Study:
            study = self.screen.studies.open(study_id)
            study.pictures.fetch(on_progress=tell)
            return study

        return self._begin((study_id, "again"), make)

    def agree(self, study_id: str, reader: str, agreed: bool) -> Updates:
        """Let a copy of the images leave this machine, or no further one."""
        study = self.screen.studies.open(study_id)
        if agreed:
            study.backup.give_consent(reader_name(reader))
        else:
            study.backup.withdraw_consent(who=reader_name(reader))
        return show_consent(self.screen.train.consent, study)

    def stop(self, import_id: str) -> gr.Button:
        """Stop reading at the next image."""
        self.imports.stop(import_id or "")
        return gr.Button(interactive=False)

    def come_back(self, import_id: str) -> Updates:
        """Show a reading again, on its tab, that went on while the page was closed."""
        if not import_id:
            return unchanged()  # by now the visitor may have begun one
        return {self.screen.tabs: gr.Tabs(selected="train"), **self._reading_on(import_id)}

    def _reading_on(self, import_id: str) -> Updates:
        status = self.imports.status(import_id)
        if status is None:
            what, rest = READING_GONE
            gone = note(rest, tone="warn", lead=what)
            return {**show_read(self.picker), self.picker.progress: gone}
        # What came of it is shown by the first tick.
        return show_reading(self.picker, import_id, status)

    def look_on(self, import_id: str, reader: str, request: gr.Request) -> Updates:
        """Show how far a reading is, and at its end the study, or why there is none."""
        if not import_id:
            return show_read(self.picker)
        status = self.imports.status(import_id)
        if status is None:
            return self._reading_on(import_id)
        if status.active:
            return show_reading(self.picker, import_id, status)
        if status.error is not None:
            return {**self._trouble(status.error), **self._without_files(request)}
        study = self.screen.studies.open(status.study_id or "")
        shown = {**show_all(self.screen, study, reader), **show_read(self.picker)}
        shown |= self._without_files(request)
        # What was asked has been answered: what comes next stands nearer to the top of a phone.
        boxes = (self.picker.zip.box, self.picker.hub_options)
        shown |= {box: gr.update(open=False) for box in boxes}
        if (
            study.source["kind"] == "hub"
            and study.positive is None
            and study.pictures.restored is None
        ):
            # Only now are the labels known.
            choices = ["", *study.images.classes]
            shown[self.picker.hub_positive] = gr.update(choices=choices, value="", visible=True)
        return shown

    def _without_files(self, request: gr.Request) -> Updates:
        """Return the forms without what was read, which was deleted; a newer file stays."""
        zipped, bring = self.picker, self.screen.train.bring
        shown: Updates = {}
        if not self.uploads.shows((request.session_hash, "zip")):
            shown |= {zipped.file: None, zipped.zip.table_file: None}
        if not self.uploads.shows((request.session_hash, "again")):
            shown |= {bring.file: None}
        return shown

    def _begin(
        self,
        key: Hashable,
        make: Callable[[Callable[[int, int], None]], Study],
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> Updates:
        import_id = self.imports.begin(key, make, ended=ended)
        status = self.imports.status(import_id)
        shown = {} if status is None else show_reading(self.picker, import_id, status)
        return {self.screen.train.trouble: "", **shown}

    def _trouble(self, error: ImilError) -> Updates:
        return {
            self.screen.train.trouble: error_in_place(error),
            **show_read(self.picker),
            **show_mending(self.picker.zip, error),
        }


def _uploaded(file: str | None) -> Path:
    if not file:
        raise DataError(
            "There is no file yet.",
            why="The images come from a zip.",
            fix="Drop a zip into the field above, then press the button again.",
        )
    return _there(file)


@overload
def _there(file: str) -> Path: ...
@overload
def _there(file: str | None) -> Path | None: ...
def _there(file: str | None) -> Path | None:
    """Return where an upload lies; DataError where it was deleted meanwhile."""
    if not file:
        return None
    if not Path(file).exists():
        raise DataError(
            "The file is not here any more.",
            why="An upload is deleted once it was read, or when nothing is done with it for long.",
            fix="Drop the file into its field again.",
        )
    return Path(file)
