"""The open study's own dialog: its link, the visitor's account, sharing, a copy, deletion."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import gradio as gr

from imil.errors import ImilError
from imil.report.parts.markup import ASSETS, render
from imil.storage.records.accounts import ListedStudy
from imil.study.library.accounts import Account, Organisation
from imil.study.library.studies import Studies
from imil.study.study import Study

# From a link with a study in it to the study that the page opens; takes it out of the address.
OPEN_LINK = "link.js"


def build_account_menu(*, sign_in: bool, **kwargs: Any) -> gr.HTML:
    """Place the dialog, which the header's button opens; it shows nothing by itself.

    Its value is `menu_value`'s. It triggers `look` (data: study, own) to hear of account and lists,
    `save`, `remove` (study), `grant` (study, organisation, shared) and `choose` (study).

    Args:
        sign_in: whether visitors can sign in here.
        kwargs: of the component.
    """
    return gr.HTML(
        None,
        html_template=str(render("menu.html", sign_in=sign_in)),
        js_on_load=(ASSETS / "account.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def link_script() -> str:
    """Return the script that opens the study of a link when the page loads."""
    return (ASSETS / OPEN_LINK).read_text("utf-8")


def account_of(profile: gr.OAuthProfile | None) -> Account | None:
    """Return who has signed in; None where nobody has."""
    if profile is None:
        return None
    organisations = tuple(
        Organisation(str(each["sub"]), str(each.get("preferred_username") or each.get("name")))
        for each in profile.get("orgs") or ()
        if each.get("sub")
    )
    return Account(str(profile["sub"]), profile.username, organisations)


def listed_study(study: Study) -> ListedStudy:
    """Return how a study stands in a list."""
    return ListedStudy(study.study_id, study.name, study.created)


def menu_value(
    studies: Studies,
    account: Account | None,
    study_id: str = "",
    *,
    told: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the dialog's value.

    Args:
        studies: whose lists.
        account: who has signed in.
        study_id: the open study; "" for none.
        told: what an act has led to, of `success_value` or `refusal_value`.
    """
    shown: dict[str, Any] = {"told": told, "time": secrets.token_hex(4), "account": None}
    if account is None:
        return shown
    shared = studies.accounts.shared_with(account, study_id) if study_id else ()
    return shown | {
        "account": account.name,
        "studies": [asdict(each) for each in studies.accounts.studies(account)],
        "organisations": [
            {"name": each.name, "shared": each.name in shared} for each in account.organisations
        ],
    }


def success_value(words: str, url: str = "") -> dict[str, str]:
    """Return that an act has done what it should; `url` is where to."""
    return {"tone": "good", "words": words, "url": url}


def refusal_value(error: ImilError) -> dict[str, str]:
    """Return why an act could not be done."""
    return {"tone": "bad", "words": str(error), "url": ""}
