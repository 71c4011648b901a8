"""The open study's own dialog: its link, the visitor's account, sharing, a copy, deletion."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from typing import Any

import gradio as gr

from imil.errors import ImilError
from imil.report.parts import text
from imil.report.parts.markup import ASSETS, icon
from imil.storage.records.accounts import ListedStudy
from imil.study.library.accounts import Account, Organisation
from imil.study.library.studies import Studies
from imil.study.study import Study

LINK = "Link"
LINK_WORDS = "Private by default: whoever has this link can see the study and work on it."
NO_SIGN_IN = (
    "Nobody can sign in on this machine: the study is in this browser's list and on this server."
)
SIGN_IN = "Sign in with Hugging Face"
SIGN_IN_WORDS = (
    "Signed in, you find your studies in every browser, can share them with your organisations and "
    "keep a private copy in your own account."
)
KEEP_COPY = "Save a private copy to my account"
KEEP_COPY_WORDS = (
    "Masks, answers and figures as a private data set, the model of a finished comparison as a "
    "private model repo. No image is sent. Your token is used once and not kept."
)
SHARE_WORDS = "Share with an organisation: its members who sign in find the study in their list."
DELETE_WORDS = "Removes images, masks, models and results, here and in the app's data set."
DELETE_ASK = "Delete “{name}” for good?"
DELETE_GONE = (
    "Images, masks, models and results are removed for everybody who has the link, and can't be "
    "brought back. Only when it was deleted is kept, and how its log ended. Copies that were saved "
    "to an account or downloaded stay."
)

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
        html_template=_markup(sign_in=sign_in),
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


def _markup(*, sign_in: bool) -> str:
    """Return the template. It names no value, so it is rendered once and never touched again."""
    account = _account() if sign_in else f'<p class="sub">{escape(NO_SIGN_IN)}</p>'
    return f"""
<dialog class="menu" aria-labelledby="menu-title" data-saving-word="Saving a copy…"
  data-copied-word="The link is copied." data-deleting-word="Deleting…"
  data-ask-word="{escape(DELETE_ASK)}">
 <header><h2 id="menu-title">{escape(text.MENU)}</h2><button type="button" class="imil-btn"
  data-act="close" aria-label="{escape(text.CLOSE)}" title="{escape(text.CLOSE)}">{icon("x")}
  </button></header>
 <p class="sub named" data-study></p><p class="told" role="status" hidden></p>
 <section data-study><h3>{escape(LINK)}</h3><p class="sub">{escape(LINK_WORDS)}</p>
  <div class="menuacts"><input class="link" readonly aria-label="{escape(LINK)}">
  <button type="button" class="imil-btn" data-act="copy">Copy link</button></div>
 </section>
 <section><h3>Account</h3>{account}</section>
 <section data-study><h3>Deletion</h3><p class="sub">{escape(DELETE_WORDS)}</p>
  <div class="menuacts"><button type="button" class="imil-btn bad" data-act="ask">{icon("trash")}
  <span>Delete this study…</span></button></div></section>
</dialog>
<dialog class="menu ask" aria-labelledby="ask-title"><h2 id="ask-title"></h2>
 <p>{escape(DELETE_GONE)}</p><div class="menuacts end">
 <button type="button" class="imil-btn" data-act="close">Keep it</button>
 <button type="button" class="imil-btn bad" data-act="remove">Delete for good
 </button></div></dialog>"""


def _account() -> str:
    out = SIGN_IN_WORDS
    return f"""
<div data-out><p class="sub">{escape(out)}</p><div class="menuacts">
 <a class="imil-btn primary" href="login/huggingface?_target_url=/">{escape(SIGN_IN)}</a></div>
</div><div data-in hidden><div class="menuacts"><b class="whose"></b>
 <a class="imil-btn" href="logout?_target_url=/">Sign out</a></div>
 <div data-study><p class="sub">{escape(KEEP_COPY_WORDS)}</p><div class="menuacts">
 <button type="button" class="imil-btn" data-act="save">{escape(KEEP_COPY)}</button></div>
 <div class="orgs" hidden><p class="sub">{escape(SHARE_WORDS)}</p><div class="orglist"></div>
 </div></div><div class="own" hidden><h3>Your other studies</h3><ul></ul></div></div>"""
