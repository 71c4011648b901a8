"""The audit trail of a study: what was done is noted here, and looked at for tampering."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from imil.errors import ImilError, StoreError
from imil.jobs.training.task import TrainingTask, machines
from imil.storage.base import RECORDS, Store
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import (
    LONGEST_DETAIL,
    PROGRAM,
    Act,
    ActKind,
    Chain,
    ChainBreak,
    ChainFlaw,
    ChainHead,
    acts_folder,
    files_of,
    read_act,
)
from imil.storage.records.runs import save_runs
from imil.storage.records.studies import listing_file
from imil.study.audit.act_log import SETTLING, ActLog, broken_content
from imil.study.audit.verification import (
    contradiction,
    named_at_once,
    other_answers,
    uncovered,
    untold,
)
from imil.study.context import StudyContext
from imil.study.first_model import MaskAnswer
from imil.study.runs import first_rows
from imil.study.workspace import read_curves


@dataclass(frozen=True, slots=True)
class Audit:
    """A study's log as it was found just now.

    Attributes:
        acts: every act that can be read, in order.
        broken: the first sign of tampering; None where there is none.
        uncovered: what the log does not vouch for, a sentence each.
        waiting: how many acts are not in the log yet.
        whole: when (UTC) the whole log, and every file that it names, was last read and checked.
    """

    acts: tuple[Act, ...]
    broken: ChainBreak | None
    uncovered: tuple[str, ...] = ()
    waiting: int = 0
    whole: datetime | None = None

    @property
    def head(self) -> ChainHead | None:
        """The last act; None for an empty log."""
        return self.acts[-1].head if self.acts else None


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A study's log as its data set had it.

    Attributes:
        repo: the data set.
        acts: how many acts were there.
        head: the last of them; None for none.
        asked: when (UTC).
        trouble: why it could not be asked; None where it was.
    """

    repo: str
    acts: int
    head: ChainHead | None
    asked: datetime
    trouble: ImilError | None = None


class AuditTrail:
    """The log of what was done to a study.

    An act is written after what it tells of is on disk, never instead, and before anybody is told
    that it was done: where the log can't be written, the study goes on, and the log tells of the
    gap. What a mask does to the model's answer, where that is not known yet, is an act of its own,
    written in the background: nobody waits for a forward pass.
    """

    def __init__(self, context: StudyContext) -> None:
        self._context = context
        masks, store = context.masks, context.store
        # What was there when the study was opened, of which the log may not tell.
        self._before = masks.every()
        self._figures = (
            *(name for name in masks.others if name.startswith(f"{RECORDS}runs/")),
            *store.names(f"studies/{context.log_id}/rounds/"),
        )
        # The last audit, which the next look goes on from.
        self._audited: Audit | None = None
        self._finish_noted = False
        self._published: PublishedLog | None = None
        self._log = ActLog(store, context.log_id, catch_up=self._unseen, known=context.record.head)
        context.state.log_head = lambda: self._log.head

    @property
    def behind(self) -> bool:
        """Whether acts could not be written yet, of which the next one will tell."""
        return self._log.behind

    @property
    def published(self) -> PublishedLog | None:
        """The log as the data set had it when it was last asked; None before, or without one."""
        return self._published

    def compare_published(self) -> PublishedLog | None:
        """Ask the data set for its copy of the log, which `check` then compares ours with.

        A data set that can't be asked is told of in the answer; what was known before is kept.
        """
        store, study_id, asked = self._context.store, self._context.study_id, self._context.now()
        repo = store.saved(study_id).repo
        if repo is None:
            return None
        last = self._published
        try:
            there = store.published(study_id)
        except ImilError as error:
            acts, head = (0, None) if last is None else (last.acts, last.head)
            self._published = PublishedLog(repo, acts, head, asked, error)
            return self._published
        folder = acts_folder(self._context.log_id)
        acts_there = [read_act(each) for name, each in there.items() if name.startswith(folder)]
        known = sorted((act for act in acts_there if act is not None), key=lambda act: act.seq)
        self._published = PublishedLog(repo, len(known), known[-1].head if known else None, asked)
        return self._published

    def image_of_mask(self, name: str) -> str | None:
        """Return the image that a mask was saved for, by the log; None where it does not tell."""
        try:
            acts = self._log.read().acts
        except ImilError:
            return None
        there = {sample.sample_id for sample in self._context.images.samples}
        named = (act.sample_id for act in acts if act.details.get("mask") == name)
        return next((each for each in named if each in there), None)

    def check(self, known: Sequence[ChainHead] = (), *, whole: bool = True) -> Audit:
        """Return the log as it is in the store now, and the first sign of tampering in it.

        The chain is checked, also against what `compare_published` has found; then the list of
        images, masks, trainings and comparisons that its acts name by their digests, and what the
        study's own file says.

        Args:
            known: last acts that were kept elsewhere, which the log must still contain.
            whole: check all of it. Otherwise only what came after the last audit is checked, so
                that a look costs the same however long the log is; the first look checks all.

        Raises:
            StoreError: the log can't be read, or was written by a newer version.
        """
        self.note_finished()
        self._log.catch_up(begin=bool(self._before or self._figures))
        there = None if self._published is None else self._published.head
        heads = [head for head in (self._context.record.head, there) if head is not None]
        store, last = self._context.store, self._audited
        if whole:
            self._log.flush()
        if whole or last is None or last.broken is not None:
            chain = self._log.read((*known, *heads))
            found = self._compared(audit_chain(store, chain, self._context.now()))
        else:
            chain = self._log.read((*known, *heads), whole=False)
            found = audit_chain(store, chain, last.whole, after=len(last.acts))
            found = replace(found, uncovered=last.uncovered)
        self._audited = replace(found, waiting=self._log.waiting)
        return self._audited

    def flush(self, timeout: float = SETTLING) -> bool:
        """Wait until every act is written; not for ever, where one can't be. Return whether so."""
        return self._log.flush(timeout)

    def note(
        self,
        what: ActKind,
        *,
        who: str = "",
        sample_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an act that was done just now."""
        self.note_finished()
        now = self._context.now().isoformat()
        self._log.append(Act(what, now, _bounded(who), sample_id, details or {}))

    def note_mask(
        self,
        name: str,
        record: MaskRecord,
        known: MaskAnswer,
        ask: Callable[[TrainingTask], MaskAnswer],
    ) -> None:
        """Write an accepted mask into the log; then, in the background, what the model says.

        Args:
            name: of the mask in the store.
            record: the mask.
            known: what is known of the model's answer.
            ask: asks the model of the first training, where that is not known.
        """
        self.note_finished()
        first = self._context.first
        details = {
            "mask": name,
            "queue": record.queue,
            "origin": record.origin,
            "selection": record.selection,
            "round": record.round,
            **({"source": record.source} if record.source else {}),
            "files": self.digests((name,)),
        }
        act = Act(
            ActKind.MASK_ACCEPTED,
            record.time.isoformat(),
            record.reader,
            record.sample_id,
            details,
            known.model,
            known.before,
            known.after,
            float(record.seconds),
        )
        self._log.append(act)
        if known.after is not None:
            return
        answered = Act(
            ActKind.ANSWERED, act.time, PROGRAM, record.sample_id, {"mask": name}, known.model
        )

        def make() -> Act:
            said, now = ask(first), self._context.now().isoformat()
            return replace(
                answered, time=now, model=said.model, p_before=said.before, p_after=said.after
            )

        self._log.later(answered, make)

    def note_finished(self) -> None:
        """Note that the first training has ended, once; nobody presses anything when it does.

        A training that is shipped with the program was not done here: the study's first act names
        it.
        """
        context = self._context
        if self._finish_noted or not context.record.started or context.is_shipped:
            return
        with context.state.lock:
            if not self._finish_noted and context.first.finished:
                self._finish_noted = True
                self._note_finished()

    def digests(self, names: Sequence[str]) -> dict[str, str]:
        """Return the SHA-256 of files in the store; one that can't be read is left out."""
        found = {}
        for name in names:
            try:
                content = self._context.store.read(name)
            except ImilError:
                continue
            if content is not None:
                found[name] = hashlib.sha256(content).hexdigest()
        return found

    # ---- inside ---------------------------------------------------------------------------------

    def _compared(self, found: Audit) -> Audit:
        """Return an audit with what differs between the log and what the study has now."""
        if found.broken is not None or not found.acts:
            return found
        context, acts = self._context, found.acts
        with context.state.lock:  # nothing is decided, and told of, meanwhile
            now = self._log.read(whole=False).acts
            broken = contradiction(now, context.record)
        folder, version_of = context.workspace.folder, context.services.models.version_of
        other, remade = other_answers(acts, folder, context.first, version_of)
        return replace(found, broken=broken or other, uncovered=(*uncovered(acts), *remade))

    def _note_finished(self) -> None:
        context = self._context
        first = context.first
        ended = datetime.fromtimestamp(first.logits.stat().st_mtime, UTC).isoformat()
        act = Act(ActKind.TRAINING_FINISHED, ended, PROGRAM)

        def make() -> Act:
            kept: tuple[str, ...] = ()
            with suppress(StoreError):  # tried again with the first comparison
                kept = save_runs(context.store, context.log_id, first_rows(context))
            details = training_told(first) | {"files": self.digests(kept)}
            model = context.services.models.version_of(first.checkpoint)
            return replace(act, details=details, model=model)

        if not self._told_of(ActKind.TRAINING_FINISHED):
            self._log.append(act, make)

    def _told_of(self, what: ActKind) -> bool:
        try:
            return any(act.what is what for act in self._log.read(whole=False).acts)
        except ImilError:
            return True  # a log that can't be read is not written to either

    def _unseen(self, acts: tuple[Act, ...]) -> tuple[Act, ...]:
        """Return what the log must first catch up with: the beginning, and what it missed."""
        context, record, missed = self._context, self._context.record, []
        now, images = context.now().isoformat(), context.images
        listing = self.digests((listing_file(context.log_id),))
        if not acts:
            counts = {"images": len(images), "classes": list(images.classes)}
            details = {"source": dict(record.source), **counts, "files": listing}
            if context.is_shipped:  # the plan of a training that was not done here
                details["plan"] = asdict(record.plan)
            missed.append(Act(ActKind.STUDY_BEGUN, record.created, PROGRAM, details=details))
        told = {act.details.get("mask") for act in acts}
        told |= {name for act in (*acts, *missed) for name in files_of(act)}
        lost = [name for name in self._before if name not in told]
        for some in named_at_once(lost):
            details = {"why": "masks were kept and no act told of it", "files": self.digests(some)}
            missed.append(Act(ActKind.GAP, now, PROGRAM, details=details))
        # Studies of older versions, and figures of a comparison that a kill has ended.
        files = [name for name in (*listing, *self._figures) if name not in told]
        for some in named_at_once(files):
            details = {"why": "files were kept and no act told of it", "files": self.digests(some)}
            missed.append(Act(ActKind.FILES_NOTED, now, PROGRAM, details=details))
        missed += [Act(ActKind.GAP, now, PROGRAM, details=each) for each in untold(acts, record)]
        return tuple(missed)


def audit_chain(
    store: Store, chain: Chain, whole: datetime | None = None, *, after: int = 0
) -> Audit:
    """Return a log with the first sign of tampering: in the chain, else in what it names.

    Args:
        store: where the files are that its acts name.
        chain: the log.
        whole: when all of it was last checked.
        after: how many of its acts need no check any more of what they name.
    """
    if chain.broken is not None:
        return Audit(chain.acts, chain.broken, whole=whole)
    changed = broken_content(store, chain.acts[after:])
    if changed is None:
        return Audit(chain.acts, None, whole=whole)
    seq, name = changed
    return Audit(chain.acts, ChainBreak(seq, ChainFlaw.CHANGED, _told(seq, name)), whole=whole)


def _told(seq: int, name: str) -> str:
    kinds = {"data/masks/": "mask", "data/runs/": "record of trainings"}
    kind = next((kind for start, kind in kinds.items() if name.startswith(start)), "file")
    kind = "list of images" if name.endswith("/listing.json") else kind
    return f"The {kind} that act {seq} tells of is not the one that was kept: {name}."


def _bounded(who: str) -> str:
    """Return a name as an act can hold it, whatever was given as one."""
    return who.encode("utf-8", "replace").decode()[:LONGEST_DETAIL]


def training_told(task: TrainingTask) -> dict[str, Any]:
    """Return what an act tells of a finished training: where it ran, and what came out."""
    curves = read_curves(task)
    return {
        "plan": asdict(task.plan),
        "machines": list(machines(task)),
        "scores": hashlib.sha256(task.logits.read_bytes()).hexdigest(),
        **({"last_epoch": asdict(curves[-1])} if curves else {}),
    }
