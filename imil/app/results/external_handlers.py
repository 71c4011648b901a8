"""What the acts on another hospital's images lead to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from imil.app.results.external_form import ExternalForm, show_added, show_external
from imil.app.screen import Screen
from imil.app.server.errors import error_in_place
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import Uploads
from imil.app.server.updates import QUIET_EVENT, SLOW_EVENT, Updates
from imil.core.review.readers import reader_name
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import parse_hub_id
from imil.errors import DataError, ImilError
from imil.study.study import Study

_FORM = "external"


@dataclass(frozen=True, slots=True, eq=False)
class ExternalHandlers:
    """Callbacks of the form of external sets."""

    screen: Screen
    uploads: Uploads

    @property
    def form(self) -> ExternalForm:
        """The components."""
        return self.screen.results.external

    def wire(self, app: gr.Blocks) -> None:
        """Attach the callbacks to their components."""
        form, by = self.form, [self.screen.study_id, self.screen.reader]
        form.file.change(self.new_file, form.file, None, queue=False, **QUIET_EVENT)
        form.add.click(self.add, [*by, *form.given], form.outputs, **SLOW_EVENT)
        form.remove.click(self.remove, [*by, form.which], form.outputs, **QUIET_EVENT)
        app.unload(self.leave)

    def new_file(self, file: str | None, request: gr.Request) -> None:
        """Note the file that a page shows."""
        self.uploads.show((request.session_hash, _FORM), file)

    def leave(self, request: gr.Request) -> None:
        """Delete what a page showed that is closed, unless it is being read."""
        self.uploads.show((request.session_hash, _FORM))

    @costs(Cost.BEGIN)
    def add(
        self,
        request: gr.Request,
        study_id: str,
        reader: str,
        name: str | None,
        rules: str | None,
        file: str | None,
        hub_id: str | None,
    ) -> Updates:
        """Add a set, and tell what it is like; what is wrong with it is said in place."""
        form = self.form
        try:
            study = self.screen.studies.open(study_id)
            if file:
                self.uploads.begin(file)
                try:
                    self._add_archive(study, reader, name or "", rules or "", file)
                finally:
                    self.uploads.end((request.session_hash, _FORM), file)
            else:
                repo, revision = parse_hub_id((hub_id or "").strip())
                study.external.add_hub(
                    HubRequest(repo, revision),
                    name=name or "",
                    rules=rules or "",
                    who=reader_name(reader),
                )
        except ImilError as error:
            # A file that was read is deleted, whatever came of it.
            return {form.trouble: error_in_place(error), form.file: None}
        study.comparison.ask_external()
        return show_added(form, study)

    def _add_archive(self, study: Study, reader: str, name: str, rules: str, file: str) -> None:
        path = Path(file)
        if not path.exists():
            raise DataError(
                "The zip of the external set is not here any more.",
                why="An upload is deleted once it was read, or when nobody reads it for long.",
                fix="Drop it into its field again.",
            )
        study.external.add_archive(path, name=name, rules=rules, who=reader_name(reader))

    def remove(self, study_id: str, reader: str, name: str | None) -> Updates:
        """Remove a set; what the models did on it stays in the results that have it."""
        study = self.screen.studies.open(study_id)
        try:
            study.external.remove(name or "", who=reader_name(reader))
        except ImilError as error:
            return {self.form.trouble: error_in_place(error)}
        return show_external(self.form, study, trained=True)
