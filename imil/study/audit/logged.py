"""The log's half of a study: what was done is noted here, and looked at for tampering."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from imil.core.images import ImageSet
from imil.core.records import Plan, Region
from imil.errors import ImilError, StoreError
from imil.jobs.training.task import TrainingTask, machines
from imil.storage.base import RECORDS, Saved, Store
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import (
    LONGEST,
    PROGRAM,
    Act,
    Break,
    Chain,
    Flaw,
    Head,
    What,
    acts_folder,
    files_of,
    read_act,
)
from imil.storage.records.runs import FIRST, RunRow, save_runs
from imil.storage.records.studies import Consent, StudyRecord, listing_file
from imil.storage.study_store import StudyStore
from imil.study.audit.acts import ActLog, broken_content
from imil.study.audit.vouching import (
    contradiction,
    named_at_once,
    other_answers,
    uncovered,
    untold,
)
from imil.study.review.maskbook import MaskBook
from imil.study.tools import Tools
from imil.study.workspace import Workspace, read_curves


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
    broken: Break | None
    uncovered: tuple[str, ...] = ()
    waiting: int = 0
    whole: datetime | None = None

    @property
    def head(self) -> Head | None:
        """The last act; None for an empty log."""
        return self.acts[-1].head if self.acts else None


@dataclass(frozen=True, slots=True)
class Published:
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
    head: Head | None
    asked: datetime
    trouble: ImilError | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a trained model says of an image's label, as far as that is known.

    Attributes:
        model: first 12 hex digits of the SHA-256 of its checkpoint; "" where it can't be read.
        before: probability of the image's label as it is, 0-1; None where nobody knows.
        after: the same with a mask blacked out.
    """

    model: str = ""
    before: float | None = None
    after: float | None = None


class Logged:
    """A study's state and the log of what was done to it; `Reviewing` and others build on it.

    An act is written after what it tells of is on disk, never instead, and before anybody is told
    that it was done: where the log can't be written, the study goes on, and the log tells of the
    gap. What a mask does to the model's answer, where that is not known yet, is an act of its own,
    written in the background: nobody waits for a forward pass.
    """

    def __init__(self, record: StudyRecord, workspace: Workspace, tools: Tools) -> None:
        self._record = record
        self._workspace = workspace
        # All that the study reads and writes goes through here, and it is the study's own.
        self._store = StudyStore(tools.store, record.study_id, record.log_id)
        self._tools = replace(tools, store=self._store)
        self._lock = threading.RLock()
        self._masks = MaskBook(self._store, record.log_id)
        # What was there when the study was opened, of which the log may not tell.
        self._before = self._masks.every()
        self._figures = (
            *(name for name in self._masks.others if name.startswith(f"{RECORDS}runs/")),
            *self._store.names(f"studies/{record.log_id}/rounds/"),
        )
        # The last audit, which the next look goes on from.
        self._audited: Audit | None = None
        self._finish_noted = False
        self._published: Published | None = None
        self._acts = ActLog(self._store, record.log_id, catch_up=self._unseen, known=record.head)

    @property
    def study_id(self) -> str:
        """The study's random id."""
        return self._record.study_id

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self._workspace.images

    @property
    def plan(self) -> Plan:
        """How the study trains."""
        return self._record.plan

    @property
    def first_task(self) -> TrainingTask:
        """The first training, and where it leaves its files."""
        return self._first

    @property
    def saved(self) -> Saved:
        """How far the study's state has got beyond this machine."""
        return self._tools.store.saved(self.study_id)

    @property
    def goes_to(self) -> str | None:
        """The Hub repo that masks and results go to; None where all stays on this machine."""
        return self.saved.repo

    @property
    def consent(self) -> Consent | None:
        """Who agreed that the images leave this machine; None where nobody did.

        Nor does it count where the study goes to another repo by now than was told then.
        """
        given = self._record.consent
        return given if given is not None and given.repo == self.goes_to else None

    @property
    def damaged_masks(self) -> tuple[str, ...]:
        """Names in the store of masks whose files are damaged; they count for nothing."""
        return self._masks.damaged

    def image_of_mask(self, name: str) -> str | None:
        """Return the image that a mask was saved for, by the log; None where it does not tell."""
        try:
            acts = self._acts.read().acts
        except ImilError:
            return None
        there = {sample.sample_id for sample in self.images.samples}
        named = (act.sample_id for act in acts if act.details.get("mask") == name)
        return next((each for each in named if each in there), None)

    @property
    def published(self) -> Published | None:
        """The log as the data set had it when it was last asked; None before, or without one."""
        return self._published

    def compare_log(self) -> Published | None:
        """Ask the data set for its copy of the log, which `audit` then compares ours with.

        A data set that can't be asked is told of in the answer; what was known before is kept.
        """
        repo, asked = self.goes_to, self._tools.now()
        if repo is None:
            return None
        last = self._published
        try:
            there = self._tools.store.published(self.study_id)
        except ImilError as error:
            acts, head = (0, None) if last is None else (last.acts, last.head)
            self._published = Published(repo, acts, head, asked, error)
            return self._published
        folder = acts_folder(self._log_id)
        acts_there = [read_act(each) for name, each in there.items() if name.startswith(folder)]
        known = sorted((act for act in acts_there if act is not None), key=lambda act: act.seq)
        self._published = Published(repo, len(known), known[-1].head if known else None, asked)
        return self._published

    def audit(self, known: Sequence[Head] = (), *, whole: bool = True) -> Audit:
        """Return the log as it is in the store now, and the first sign of tampering in it.

        The chain is checked, also against what `compare_log` has found; then the list of images,
        masks, trainings and comparisons that its acts name by their digests, and what the study's
        own file says.

        Args:
            known: last acts that were kept elsewhere, which the log must still contain.
            whole: check all of it. Otherwise only what came after the last audit is checked, so
                that a look costs the same however long the log is; the first look checks all.

        Raises:
            StoreError: the log can't be read, or was written by a newer version.
        """
        self._note_finished()
        self._acts.catch_up(begin=bool(self._before or self._figures))
        there = None if self._published is None else self._published.head
        heads = (*known, *(head for head in (self._record.head, there) if head is not None))
        last = self._audited
        if whole:
            self._acts.settle()
        if whole or last is None or last.broken is not None:
            chain = self._acts.read(heads)
            found = audited(self._tools.store, chain, self._tools.now())
            found = self._compared(found)
        else:
            chain = self._acts.read(heads, whole=False)
            found = audited(self._tools.store, chain, last.whole, after=len(last.acts))
            found = replace(found, uncovered=last.uncovered)
        self._audited = replace(found, waiting=self._acts.waiting)
        return self._audited

    def settle(self) -> None:
        """Wait until every act is written; not for ever, where one can't be."""
        self._acts.settle()

    # ---- inside ---------------------------------------------------------------------------------

    def _compared(self, found: Audit) -> Audit:
        """Return an audit with what differs between the log and what the study has now."""
        if found.broken is not None or not found.acts:
            return found
        acts, first = found.acts, self._first
        with self._lock:  # nothing is decided, and told of, meanwhile
            now = self._acts.read(whole=False).acts
            broken = contradiction(now, self._record)
        other, remade = other_answers(
            acts, self._workspace.folder, first, self._tools.models.version_of
        )
        return replace(found, broken=broken or other, uncovered=(*uncovered(acts), *remade))

    @property
    def _log_id(self) -> str:
        """The id that the study's own files use; see `StudyRecord.origin_id`."""
        return self._record.log_id

    @property
    def _first(self) -> TrainingTask:
        return self._workspace.first_task(self.plan)

    def _note(
        self,
        what: What,
        *,
        who: str = "",
        sample_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an act that was done just now."""
        self._note_finished()
        now = self._tools.now().isoformat()
        self._acts.append(Act(what, now, _bounded(who), sample_id, details or {}))

    def _note_mask(self, name: str, record: MaskRecord, known: Said) -> None:
        """Write an accepted mask into the log; then, in the background, what the model says.

        Args:
            name: of the mask in the store.
            record: the mask.
            known: what is known of the model's answer, by `_known_answer`.
        """
        self._note_finished()
        first = self._first
        details = {
            "mask": name,
            "queue": record.queue,
            "origin": record.origin,
            "selection": record.selection,
            "round": record.round,
            **({"source": record.source} if record.source else {}),
            "files": self._digests((name,)),
        }
        act = Act(
            What.MASK_ACCEPTED,
            record.time.isoformat(),
            record.reader,
            record.sample_id,
            details,
            known.model,
            known.before,
            known.after,
            float(record.seconds),
        )
        self._acts.append(act)
        if known.after is not None:
            return
        answered = Act(
            What.ANSWERED, act.time, PROGRAM, record.sample_id, {"mask": name}, known.model
        )

        def make() -> Act:
            said = self._answered(first, record.sample_id, record.irrelevant)
            now = self._tools.now().isoformat()
            return replace(
                answered, time=now, model=said.model, p_before=said.before, p_after=said.after
            )

        self._acts.later(answered, make)

    def _note_finished(self) -> None:
        """Note that the first training has ended, once; nobody presses anything when it does.

        A training that is shipped with the program was not done here: the study's first act names
        it.
        """
        if self._finish_noted or not self._record.started or "trained" in self._record.source:
            return
        first = self._first
        if not first.finished:
            return
        self._finish_noted = True
        ended = datetime.fromtimestamp(first.logits.stat().st_mtime, UTC).isoformat()

        act = Act(What.TRAINING_FINISHED, ended, PROGRAM)

        def make() -> Act:
            kept: tuple[str, ...] = ()
            with suppress(StoreError):  # tried again with the first comparison
                kept = save_runs(self._tools.store, self._log_id, self._first_runs())
            details = training_told(first) | {"files": self._digests(kept)}
            return replace(act, details=details, model=self._model(first))

        if not self._told_of(What.TRAINING_FINISHED):
            self._acts.append(act, make)

    def _first_runs(self) -> tuple[RunRow, ...]:
        """Return how the first training went; nothing where it was not done here."""
        if "trained" in self._record.source:
            return ()
        return self._runs((self._first,), arm=FIRST, number=0, masks=0)

    def _runs(
        self, tasks: Sequence[TrainingTask], *, arm: str, number: int, masks: int
    ) -> tuple[RunRow, ...]:
        """Return how finished trainings of an arm went, an epoch a row."""
        now = self._tools.now()
        return tuple(
            RunRow(
                study=self._log_id,
                round=number,
                arm=arm,
                seed=task.plan.seed,
                **asdict(epoch),
                backbone=task.plan.backbone,
                masks=masks,
                time=now,
            )
            for task in tasks
            for epoch in read_curves(task)
        )

    def _told_of(self, what: What) -> bool:
        try:
            return any(act.what is what for act in self._acts.read(whole=False).acts)
        except ImilError:
            return True  # a log that can't be read is not written to either

    def _unseen(self, acts: tuple[Act, ...]) -> tuple[Act, ...]:
        """Return what the log must first catch up with: the beginning, and what it missed."""
        record, now, missed = self._record, self._tools.now().isoformat(), []
        listing = self._digests((listing_file(self._log_id),))
        if not acts:
            counts = {"images": len(self.images), "classes": list(self.images.classes)}
            details = {"source": dict(record.source), **counts, "files": listing}
            if "trained" in record.source:  # the plan of a training that was not done here
                details["plan"] = asdict(record.plan)
            missed.append(Act(What.STUDY_BEGUN, record.created, PROGRAM, details=details))
        told = {act.details.get("mask") for act in acts}
        told |= {name for act in (*acts, *missed) for name in files_of(act)}
        lost = [name for name in self._before if name not in told]
        for some in named_at_once(lost):
            details = {"why": "masks were kept and no act told of it", "files": self._digests(some)}
            missed.append(Act(What.GAP, now, PROGRAM, details=details))
        # Studies of older versions, and figures of a comparison that a kill has ended.
        files = [name for name in (*listing, *self._figures) if name not in told]
        for some in named_at_once(files):
            details = {"why": "files were kept and no act told of it", "files": self._digests(some)}
            missed.append(Act(What.FILES_NOTED, now, PROGRAM, details=details))
        missed += [Act(What.GAP, now, PROGRAM, details=each) for each in untold(acts, record)]
        return tuple(missed)

    def _digests(self, names: Sequence[str]) -> dict[str, str]:
        """Return the SHA-256 of files in the store; one that can't be read is left out."""
        found = {}
        for name in names:
            try:
                content = self._tools.store.read(name)
            except ImilError:
                continue
            if content is not None:
                found[name] = hashlib.sha256(content).hexdigest()
        return found

    def _answered(self, first: TrainingTask, sample_id: str, irrelevant: Region) -> Said:
        """Return the model and the label's probability before and after; none that can't be had."""
        try:
            answer = self._tools.models.answer(self._workspace, first, sample_id, irrelevant)
            before, after = answer.before[answer.label], answer.after[answer.label]
            return Said(self._model(first), round(before, 6), round(after, 6))
        except Exception:  # noqa: BLE001  # the act is written all the same, without the figures
            return Said()

    def _known_answer(self, sample_id: str, irrelevant: Region) -> Said:
        """Return what is known of the model's answer without asking it.

        Call it without the study's lock: it may have to read the checkpoint.
        """
        first, models = self._first, self._tools.models
        try:
            known = models.known_answer(first, sample_id, irrelevant)
            plain = known or models.answer(self._workspace, first, sample_id, None)
            before = round(plain.before[plain.label], 6)
            after = None if known is None else round(known.after[known.label], 6)
            return Said(self._model(first), before, after)
        except Exception:  # noqa: BLE001  # the act is written all the same, without the figures
            return Said()

    def _model(self, task: TrainingTask) -> str:
        return self._tools.models.version_of(task.checkpoint)


def audited(store: Store, chain: Chain, whole: datetime | None = None, *, after: int = 0) -> Audit:
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
    return Audit(chain.acts, Break(seq, Flaw.CHANGED, _told(seq, name)), whole=whole)


def _told(seq: int, name: str) -> str:
    kinds = {"data/masks/": "mask", "data/runs/": "record of trainings"}
    kind = next((kind for start, kind in kinds.items() if name.startswith(start)), "file")
    kind = "list of images" if name.endswith("/listing.json") else kind
    return f"The {kind} that act {seq} tells of is not the one that was kept: {name}."


def _bounded(who: str) -> str:
    """Return a name as an act can hold it, whatever was given as one."""
    return who.encode("utf-8", "replace").decode()[:LONGEST]


def training_told(task: TrainingTask) -> dict[str, Any]:
    """Return what an act tells of a finished training: where it ran, and what came out."""
    curves = read_curves(task)
    return {
        "plan": asdict(task.plan),
        "machines": list(machines(task)),
        "scores": hashlib.sha256(task.logits.read_bytes()).hexdigest(),
        **({"last_epoch": asdict(curves[-1])} if curves else {}),
    }
