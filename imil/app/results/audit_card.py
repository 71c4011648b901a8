"""The audit trail: the last acts of a study, whether its log is intact, and what to take along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from markupsafe import Markup

from imil.app.results.handout import file_rows
from imil.app.server.errors import error_in_place
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, closed_card, note, part, remark, short_title, stacked
from imil.storage.records.acts import Act
from imil.study.audit.logged import Audit
from imil.study.study import Study

# Acts in the table; all of them are in the files.
SHOWN = 12
# Sentences on what a log does not vouch for; the rest are counted.
NAMED = 5
# Digits of a digest that are shown: enough to compare by eye.
DIGITS = 12
# A moment, for people.
TIME = "%d %b %Y, %H:%M:%S"
HEAD = (
    text.AUDIT_NUMBER,
    text.AUDIT_TIME,
    text.AUDIT_WHO,
    text.AUDIT_WHAT,
    text.AUDIT_IMAGE,
    text.AUDIT_ANSWER,
    text.AUDIT_SECONDS,
)


def audit_card(study: Study, *, opened: bool = False, whole: bool = False) -> Markup:
    """Return the card, closed until asked for; "" for a study in which nothing was done yet.

    A broken chain stands open.

    Its buttons carry `data-ask`: {"act": "compare"}, {"act": "check"}, or {"file": one of the
    files}. A log that can't be read is said to be so: the rest of the tab does not depend on it.

    Args:
        study: whose log.
        opened: whether the card is open.
        whole: check all of it again, not only what came after the last look.
    """
    try:
        found = study.audit(whole=whole)
    except ImilError as error:
        return closed_card(text.AUDIT_TITLE, error_in_place(error))
    if not found.acts and found.broken is None:
        return Markup()
    called = partial(short_title, study.images)
    drawn = study.images_from["kind"] == "demo"
    files = {
        name: each
        for name, each in text.RECORD_FILES.items()
        if not (drawn and name == "study_light")
    }
    parts = (
        remark(text.AUDIT_WORDS),
        _state(found),
        _limits(found),
        _beside(study, found),
        acts_table(found.acts[-SHOWN:][::-1], called),
        _more(found),
        file_rows(files),
    )
    body = Markup().join(parts)
    if found.broken is not None:
        broken = badge(text.AUDIT_BROKEN, tone="bad", picture="x")
        return closed_card(text.AUDIT_TITLE, body, mark=broken, opened=True)
    return closed_card(text.AUDIT_TITLE, body, aside=chain_words(found), opened=opened)


def chain_words(found: Audit) -> str:
    """Return in a few words whether the log is intact."""
    if found.broken is not None:
        return text.AUDIT_BROKEN
    digest = "" if found.head is None else found.head.digest[:DIGITS]
    acts = numbers.some(len(found.acts), text.AUDIT_ACT, text.AUDIT_ACTS)
    return text.AUDIT_INTACT.format(acts=acts, digest=digest)


def acts_table(acts: Sequence[Act], called: Callable[[str], str]) -> Markup:
    """Return the acts as a table; `called` is what people call an image."""
    return stacked(HEAD, [_row(act, called) for act in acts], kind="small trail")


def _state(found: Audit) -> Markup:
    if found.broken is None:
        checked = "" if found.whole is None else f"{found.whole:{TIME}}"
        words = text.AUDIT_CHAIN.format(time=checked)
        return note(words, tone="good", lead=f"{chain_words(found)}.")
    return note(text.AUDIT_BROKEN_WORDS, tone="bad", lead=found.broken.told, alert=True)


def _limits(found: Audit) -> Markup:
    """Return what the log does not vouch for, and what is not in it yet."""
    told = Markup()
    if found.uncovered:
        more = len(found.uncovered) - NAMED
        rest = [text.AUDIT_UNCOVERED_MORE.format(n=numbers.count(more))] if more > 0 else []
        words = " ".join([*found.uncovered[:NAMED], *rest])
        told = note(words, tone="info", lead=f"{text.AUDIT_UNCOVERED}:")
    if found.waiting:
        acts = numbers.some(found.waiting, text.AUDIT_ACT, text.AUDIT_ACTS)
        told += remark(text.AUDIT_WAITING.format(acts=acts))
    return told


def _beside(study: Study, found: Audit) -> Markup:
    """Return whether the log was compared with its data set's copy, and the button that does it."""
    there, repo = study.published, study.goes_to
    check = part("act", "check", text.AUDIT_CHECK)
    if repo is None:
        return remark(text.AUDIT_ALONE) + check
    if there is None:
        told = text.AUDIT_NOT_COMPARED.format(repo=repo)
    elif there.trouble is not None:
        told = text.AUDIT_NOT_ASKED.format(repo=repo, why=there.trouble.what)
    elif there.head is None:
        told = text.AUDIT_NONE_THERE.format(repo=repo)
    else:
        told = text.AUDIT_COMPARED.format(
            repo=repo,
            acts=numbers.some(there.acts, text.AUDIT_ACT, text.AUDIT_ACTS),
            digest=there.head.digest[:DIGITS],
            time=f"{there.asked:{TIME}}",
        )
        if found.broken is None:
            told += " " + text.AUDIT_AGREES
    return remark(told) + part("act", "compare", text.AUDIT_COMPARE) + check


def _more(found: Audit) -> Markup:
    left = len(found.acts) - SHOWN
    return remark(text.AUDIT_MORE.format(n=left)) if left > 0 else Markup()


def _row(act: Act, called: Callable[[str], str]) -> list[str]:
    moment = datetime.fromisoformat(act.time)
    return [
        str(act.seq),
        f"{moment:{TIME}}",
        act.who or text.AUDIT_NOBODY,
        text.ACTS[act.what],
        called(act.sample_id) if act.sample_id else "",
        _answer(act),
        "" if act.seconds is None else f"{act.seconds:.0f} s",
    ]


def _answer(act: Act) -> str:
    if act.p_before is None or act.p_after is None:
        return ""
    return f"{numbers.share(act.p_before)} → {numbers.share(act.p_after)}"
