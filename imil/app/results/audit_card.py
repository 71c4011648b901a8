"""The audit trail: the last acts of a study, whether its log is intact, and what to take along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from markupsafe import Markup

from imil.app.results.downloads import file_rows
from imil.app.server.errors import error_in_place
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, closed_card, note, part, remark, short_title, stacked
from imil.storage.records.acts import Act, ActKind
from imil.study.audit.trail import Audit
from imil.study.study import Study

AUDIT_TITLE = "Audit trail"
AUDIT_WORDS = (
    "Everything that is done is written down at once, each entry with a fingerprint of the one "
    "before it. Whoever changes, removes or inserts one later breaks the chain."
)
AUDIT_ACT = "act"
AUDIT_ACTS = "acts"
AUDIT_CHAIN = (
    "The list of images, masks, trainings and comparisons are the ones that the acts tell of. All "
    "of it was checked on {time} UTC, and since then what came after."
)
AUDIT_BROKEN = "Chain broken"
AUDIT_BROKEN_WORDS = (
    "Somebody, or a fault of the disk, changed the study outside of this app, or another app went "
    "on with it. Its figures prove nothing until that is explained."
)
AUDIT_ALONE = (
    "No copy of the log leaves this machine, so nothing tells whether all of it was written anew."
)
AUDIT_NOT_ASKED = "Not compared with the copy in {repo} on the Hub. {why} Try again later."
AUDIT_COMPARED = (
    "Compared with the copy in {repo} on the Hub: {acts}, head {digest}, asked on {time} UTC."
)
ACTS = {
    ActKind.STUDY_BEGUN: "Study begun",
    ActKind.PLAN_SET: "Plan set",
    ActKind.DEPLOYMENT_SET: "Where the model will work answered",
    ActKind.TRAINING_STARTED: "Training started",
    ActKind.ARITHMETIC_CHOSEN: "Precision chosen",
    ActKind.TRAINING_STOPPED: "Training stopped",
    ActKind.TRAINING_FINISHED: "Training finished",
    ActKind.MASK_ACCEPTED: "Mask accepted",
    ActKind.MASK_COPIED: "Mask copied",
    ActKind.ANSWERED: "Model answered to a mask",
    ActKind.SKIPPED: "Image skipped",
    ActKind.RELABELLED: "Label changed",
    ActKind.EXCLUDED: "Image excluded",
    ActKind.LABEL_KEPT: "Label found right",
    ActKind.SELECTION_SET: "Way of finding outliers set",
    ActKind.FOLDS_STARTED: "Out-of-fold training started",
    ActKind.PREDICTIONS_CONFIRMED: "Predicted masks confirmed",
    ActKind.PREDICTIONS_DECLINED: "Painted masks alone wanted",
    ActKind.COMPARISON_ASKED: "Comparison asked for",
    ActKind.COMPARISON_STOPPED: "Comparison stopped",
    ActKind.COMPARISON_FINISHED: "Comparison finished",
    ActKind.TEST_OPENED: "Test set opened",
    ActKind.EXTERNAL_ADDED: "External set added",
    ActKind.EXTERNAL_REMOVED: "External set removed",
    ActKind.UNBLINDED: "Readers shown each other's masks",
    ActKind.CONSENT_GIVEN: "Consent given",
    ActKind.CONSENT_WITHDRAWN: "Consent withdrawn",
    ActKind.SHARED: "Study shared",
    ActKind.EXPORTED: "Study exported",
    ActKind.IMPORTED: "Study imported",
    ActKind.IMAGES_REMOVED: "Images and models removed, long unvisited",
    ActKind.FILES_NOTED: "Fingerprints of files taken",
    ActKind.GAP: "Gap: something was not written down",
}

# Acts in the table; all of them are in the files.
_SHOWN = 12
# Sentences on what a log does not vouch for; the rest are counted.
_NAMED = 5
# Digits of a digest that are shown: enough to compare by eye.
DIGITS = 12
# A moment, for people.
TIME = "%d %b %Y, %H:%M:%S"
_HEAD = (
    "No.",
    "Time (UTC)",
    "Who",
    "What",
    "Image",
    "Label’s probability",
    "Spent",
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
        found = study.audit.check(whole=whole)
    except ImilError as error:
        return closed_card(AUDIT_TITLE, error_in_place(error))
    if not found.acts and found.broken is None:
        return Markup()
    called = partial(short_title, study.images)
    drawn = study.source["kind"] == "demo"
    files = {
        name: each
        for name, each in text.RECORD_FILES.items()
        if not (drawn and name == "study_light")
    }
    parts = (
        remark(AUDIT_WORDS),
        _state(found),
        _limits(found),
        _beside(study, found),
        acts_table(found.acts[-_SHOWN:][::-1], called),
        _more(found),
        file_rows(files),
    )
    body = Markup().join(parts)
    if found.broken is not None:
        broken = badge(AUDIT_BROKEN, tone="bad", picture="x")
        return closed_card(AUDIT_TITLE, body, mark=broken, opened=True)
    return closed_card(AUDIT_TITLE, body, aside=chain_words(found), opened=opened)


def chain_words(found: Audit) -> str:
    """Return in a few words whether the log is intact."""
    if found.broken is not None:
        return AUDIT_BROKEN
    digest = "" if found.head is None else found.head.digest[:DIGITS]
    acts = numbers.some(len(found.acts), AUDIT_ACT, AUDIT_ACTS)
    return f"Log verified: {acts}, ends in {digest}"


def acts_table(acts: Sequence[Act], called: Callable[[str], str]) -> Markup:
    """Return the acts as a table; `called` is what people call an image."""
    return stacked(_HEAD, [_row(act, called) for act in acts], kind="small trail")


def _state(found: Audit) -> Markup:
    if found.broken is None:
        checked = "" if found.whole is None else f"{found.whole:{TIME}}"
        words = AUDIT_CHAIN.format(time=checked)
        return note(words, tone="good", lead=f"{chain_words(found)}.")
    return note(AUDIT_BROKEN_WORDS, tone="bad", lead=found.broken.told, alert=True)


def _limits(found: Audit) -> Markup:
    """Return what the log does not vouch for, and what is not in it yet."""
    told = Markup()
    if found.uncovered:
        more = len(found.uncovered) - _NAMED
        rest = [f"And {numbers.count(more)} more."] if more > 0 else []
        words = " ".join([*found.uncovered[:_NAMED], *rest])
        told = note(words, tone="info", lead="What the log does not vouch for:")
    if found.waiting:
        acts = numbers.some(found.waiting, AUDIT_ACT, AUDIT_ACTS)
        told += remark(f"{acts} not in the log yet.")
    return told


def _beside(study: Study, found: Audit) -> Markup:
    """Return whether the log was compared with its data set's copy, and the button that does it."""
    there, repo = study.audit.published, study.goes_to
    check = part("act", "check", "Check everything again")
    if repo is None:
        return remark(AUDIT_ALONE) + check
    if there is None:
        told = f"Not compared yet with the copy in {repo} on the Hub."
    elif there.trouble is not None:
        told = AUDIT_NOT_ASKED.format(repo=repo, why=there.trouble.what)
    elif there.head is None:
        told = f"{repo} on the Hub has no act of this study yet."
    else:
        told = AUDIT_COMPARED.format(
            repo=repo,
            acts=numbers.some(there.acts, AUDIT_ACT, AUDIT_ACTS),
            digest=there.head.digest[:DIGITS],
            time=f"{there.asked:{TIME}}",
        )
        if found.broken is None:
            told += " " + "All of it is in this log."
    return remark(told) + part("act", "compare", "Compare with the Hub") + check


def _more(found: Audit) -> Markup:
    left = len(found.acts) - _SHOWN
    return remark(f"{left} earlier acts are in the files.") if left > 0 else Markup()


def _row(act: Act, called: Callable[[str], str]) -> list[str]:
    moment = datetime.fromisoformat(act.time)
    return [
        str(act.seq),
        f"{moment:{TIME}}",
        act.who or "visitor",
        ACTS[act.what],
        called(act.sample_id) if act.sample_id else "",
        _answer(act),
        "" if act.seconds is None else f"{act.seconds:.0f} s",
    ]


def _answer(act: Act) -> str:
    if act.p_before is None or act.p_after is None:
        return ""
    return f"{numbers.share(act.p_before)} → {numbers.share(act.p_after)}"
