"""What the open study's own dialog leads to: a copy, sharing, another study, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.header.account_menu import (
    account_of,
    listed_study,
    menu_value,
    refusal_value,
    success_value,
)
from imil.app.header.header import gone_studies, header
from imil.app.screen import Screen, show_all, show_no_study
from imil.app.server.input_checks import event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, Updates
from imil.errors import ImilError
from imil.hub_export import save_copy
from imil.storage.records.acts import ActKind
from imil.study.library.accounts import Account

SIGNED_OUT = "You are not signed in any more. Sign in and try again."
SHARED_NO_LONGER = "No longer shared with {name}; whoever has opened it still has its link."


@dataclass(frozen=True, slots=True, eq=False)
class AccountHandlers:
    """Callbacks of the dialog. Who has signed in comes from Gradio at each click, never from it."""

    screen: Screen
    menu: gr.HTML
    demo: bool

    def wire(self) -> None:
        """Attach the callbacks to the dialog's events."""
        menu = self.menu
        every = [*self.screen.outputs, menu]
        menu.look(self.look, None, menu, **QUIET_EVENT)
        menu.save(self.save, None, menu, **QUIET_EVENT)
        menu.grant(self.grant, None, menu, **QUIET_EVENT)
        menu.choose(self.choose, self.screen.reader, every, **QUIET_EVENT)
        menu.remove(self.remove, self.screen.reader, every, **QUIET_EVENT)

    def look(self, event: gr.EventData, profile: gr.OAuthProfile | None) -> Any:
        """Keep the open study on the account's list, and return what the dialog shows."""
        account = account_of(profile)
        study_id = event_value(event, "study", str, "")
        if account is not None and study_id:
            self._keep(account, study_id, own=event_value(event, "own", bool, usual=False))
        return menu_value(self.screen.studies, account, study_id)

    @costs(Cost.EXPORT)
    def save(
        self, event: gr.EventData, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
    ) -> Any:
        """Put a private copy into the visitor's account, with the visitor's token alone."""
        account, studies = account_of(profile), self.screen.studies
        study_id = event_value(event, "study", str)
        if account is None or token is None:
            return menu_value(studies, None, told={**success_value(SIGNED_OUT), "tone": "bad"})
        try:
            study = studies.open(study_id)
            url = save_copy(study, account.name, token.token, studies.endpoint)
            told = success_value("Your private copy is saved:", url)
        except ImilError as error:
            told = refusal_value(error)
        return menu_value(studies, account, study_id, told=told)

    def grant(self, event: gr.EventData, profile: gr.OAuthProfile | None) -> Any:
        """Share the study with one of the account's organisations, or no longer."""
        account, studies = account_of(profile), self.screen.studies
        study_id = event_value(event, "study", str)
        name = event_value(event, "organisation", str)
        shared = event_value(event, "shared", bool)
        if account is None:
            return menu_value(studies, None, told={**success_value(SIGNED_OUT), "tone": "bad"})
        try:
            study = studies.open(study_id)
            studies.accounts.share(account, listed_study(study), name, shared=shared)
            details = {"organisation": name, "shared": shared}
            study.audit.note(ActKind.SHARED, who=account.name, details=details)
            words = "Shared with {name}." if shared else SHARED_NO_LONGER
            told = success_value(words.format(name=name))
        except ImilError as error:
            told = refusal_value(error)
        return menu_value(studies, account, study_id, told=told)

    def choose(self, reader: str, event: gr.EventData, profile: gr.OAuthProfile | None) -> Updates:
        """Open a study of the account's list; one that is gone is taken off it."""
        account, studies = account_of(profile), self.screen.studies
        study_id = event_value(event, "study", str)
        try:
            shown = show_all(self.screen, studies.open(study_id), reader)
        except ImilError as error:
            if not studies.knows(study_id):
                studies.accounts.forget(account, study_id)
            return {self.menu: menu_value(studies, account, told=refusal_value(error))}
        return {**shown, self.menu: menu_value(studies, account, study_id)}

    def remove(self, reader: str, event: gr.EventData, profile: gr.OAuthProfile | None) -> Updates:
        """Delete the study, and go on with a new demo or an empty page."""
        account, studies = account_of(profile), self.screen.studies
        study_id = event_value(event, "study", str)
        try:
            studies.accounts.require_owner(account, study_id)
            studies.delete(study_id, who="" if account is None else account.name)
            studies.accounts.forget(account, study_id)
        except ImilError as error:
            told = refusal_value(error)
            return {self.menu: menu_value(studies, account, study_id, told=told)}
        told = success_value(
            "The study is deleted. A fresh demo is open now."
            if self.demo
            else "The study is deleted."
        )
        gone = gone_studies([study_id])
        if self.demo:
            study = studies.demo()
            shown = show_all(self.screen, study, reader)
            shown[self.screen.header] = header(study) | gone
        else:
            shown = {
                **show_no_study(self.screen),
                self.screen.header: header(None) | gone,
                self.screen.tabs: gr.Tabs(selected="train"),
            }
        return {**shown, self.menu: menu_value(studies, account, told=told)}

    def _keep(self, account: Account, study_id: str, *, own: bool) -> None:
        studies = self.screen.studies
        if not studies.knows(study_id):
            return
        study = studies.open(study_id)
        # Every first visit begins a demo: only one that was worked on is worth a place.
        untouched = study.source["kind"] == "demo" and not study.review.budget().painted
        if not untouched:
            studies.accounts.keep(account, listed_study(study), own=own)
