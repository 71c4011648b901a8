"""What the acts on the source picker lead to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from imil.errors import DataError, ImilError
from imil.sources.public_sets import public_set
from imil.ui import text
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.markup import note
from imil.ui.screen import Screen, show_all
from imil.ui.shown import QUIET, Shown
from imil.ui.source_picker import (
    SourcePicker,
    facts_of,
    fetch_words,
    hub_request,
    show_choice,
    show_read,
    show_reading,
)
from imil.workflow.imports import Imports
from imil.workflow.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class SourceActs:
    """Callbacks of the source picker. Reading goes on without the page that began it."""

    screen: Screen
    imports: Imports

    @property
    def picker(self) -> SourcePicker:
        """The components."""
        return self.screen.train.picker

    def wire(self, app: gr.Blocks) -> None:
        """Attach the callbacks to their components."""
        screen, picker = self.screen, self.picker
        begun = [*picker.outputs, screen.train.trouble]
        picker.source.input(
            self.choose_source, picker.source, list(picker.sides.values()), queue=False, **QUIET
        )
        picker.open_demo.click(self.open_demo, None, screen.outputs, **QUIET)
        picker.open_untrained.click(self.open_untrained, None, screen.outputs, **QUIET)
        shown = [picker.public_facts, picker.open_public]
        picker.public_set.input(self.choose_public, picker.public_set, shown, queue=False, **QUIET)
        picker.open_public.click(self.open_public, picker.public_set, begun, **QUIET)
        picker.file.change(self.new_file, None, [picker.positive, screen.train.trouble], **QUIET)
        zipped = [picker.file, picker.name, picker.positive]
        picker.open_archive.click(self.open_archive, zipped, begun, **QUIET)
        picker.hub_look.click(self.look, picker.hub_choice, begun, **QUIET)
        asked = [picker.hub_id, picker.hub_positive, *picker.hub_choice[1:]]
        picker.open_hub.click(self.open_hub, asked, begun, **QUIET)
        picker.stop.click(self.stop, picker.reading, picker.stop, queue=False, **QUIET)
        free = {"concurrency_limit": None, **QUIET}
        picker.timer.tick(self.look_on, picker.reading, screen.outputs, **free)
        app.load(self.come_back, picker.reading, begun, **free)

    def choose_source(self, source: str) -> Shown:
        """Show the fields of a source."""
        sides = self.picker.sides.items()
        return {side: gr.update(visible=name == source) for name, side in sides}

    def open_demo(self) -> Shown:
        """Begin a demo study, trained where a training is shipped."""
        with errors_shown():
            return show_all(self.screen, self.screen.studies.demo())

    def open_untrained(self) -> Shown:
        """Begin a demo study whose plan can still be changed."""
        with errors_shown():
            return show_all(self.screen, self.screen.studies.demo(trained=False))

    def choose_public(self, repo: str) -> Shown:
        """Tell what a public set is."""
        with errors_shown():
            known = public_set(repo)
        return {
            self.picker.public_facts: facts_of(known),
            self.picker.open_public: fetch_words(known),
        }

    def open_public(self, repo: str, request: gr.Request) -> Shown:
        """Fetch a sample of a public set."""

        def make(tell: Callable[[int, int], None]) -> Study:
            known = public_set(repo)
            return self.screen.studies.from_hub(known.request, name=known.name, on_progress=tell)

        return self._begin((request.session_hash, repo), make)

    def new_file(self) -> Shown:
        """Forget what was said about another file."""
        forgotten = gr.update(choices=[], value=None, visible=False)
        return {self.picker.positive: forgotten, self.screen.train.trouble: ""}

    def open_archive(
        self, file: str | None, name: str | None, positive: str | None, request: gr.Request
    ) -> Shown:
        """Begin a study of the images in a zip; what is wrong with it is said beside it."""
        try:
            path = _uploaded(file)
        except ImilError as error:
            return self._trouble(error)
        named = (name or "").strip() or path.stem

        def make(tell: Callable[[int, int], None]) -> Study:
            studies = self.screen.studies
            return studies.from_archive(
                path, name=named, positive=positive or None, on_progress=tell
            )

        return self._begin((request.session_hash, file, named, positive or None), make)

    def look(self, hub_id: str, *values: Any) -> Shown:
        """Show what a Hub data set has to choose from."""
        try:
            # What was picked for another set means nothing in this one.
            asked = replace(hub_request(hub_id, values), config=None, splits=(), label=None)
            choice = self.screen.studies.look_at_hub(asked)
        except ImilError as error:
            return self._trouble(error)
        return {self.screen.train.trouble: "", **show_choice(self.picker, asked.repo, choice)}

    def open_hub(self, request: gr.Request, hub_id: str, positive: str, *values: Any) -> Shown:
        """Fetch a sample of a Hub data set."""
        try:
            asked = hub_request(hub_id, values)
        except ImilError as error:
            return self._trouble(error)
        label = (positive or "").strip() or None

        def make(tell: Callable[[int, int], None]) -> Study:
            return self.screen.studies.from_hub(asked, positive=label, on_progress=tell)

        return self._begin((request.session_hash, asked, label), make)

    def stop(self, import_id: str) -> gr.Button:
        """Stop reading at the next image."""
        self.imports.stop(import_id or "")
        return gr.Button(interactive=False)

    def come_back(self, import_id: str) -> Shown:
        """Show a reading again that went on while the page was closed."""
        if not import_id:
            return show_read(self.picker)
        status = self.imports.status(import_id)
        if status is None:
            what, rest = text.READING_GONE
            gone = note(rest, tone="warn", lead=what)
            return {**show_read(self.picker), self.picker.progress: gone}
        # What came of it is shown by the first tick.
        return show_reading(self.picker, import_id, status)

    def look_on(self, import_id: str) -> Shown:
        """Show how far a reading is, and at its end the study, or why there is none."""
        if not import_id:
            return show_read(self.picker)
        status = self.imports.status(import_id)
        if status is None:
            return self.come_back(import_id)
        if status.active:
            return show_reading(self.picker, import_id, status)
        if status.error is not None:
            return self._trouble(status.error)
        with errors_shown():
            study = self.screen.studies.open(status.study_id or "")
            shown = {**show_all(self.screen, study), **show_read(self.picker)}
        if study.positive is None:
            # Only now are the labels known.
            kind = study.images_from["kind"]
            field = self.picker.positive if kind == "archive" else self.picker.hub_positive
            choices = ["", *study.images.classes]
            shown[field] = gr.update(choices=choices, value="", visible=True)
        return shown

    def _begin(self, key: Hashable, make: Callable[[Callable[[int, int], None]], Study]) -> Shown:
        import_id = self.imports.begin(key, make)
        status = self.imports.status(import_id)
        shown = {} if status is None else show_reading(self.picker, import_id, status)
        return {self.screen.train.trouble: "", **shown}

    def _trouble(self, error: ImilError) -> Shown:
        return {self.screen.train.trouble: error_in_place(error), **show_read(self.picker)}


def _uploaded(file: str | None) -> Path:
    if not file:
        raise DataError(
            "There is no file yet.",
            why="The images come from a zip.",
            fix="Drop a zip into the field above, then press the button again.",
        )
    return Path(file)
