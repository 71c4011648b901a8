"""What leaves this machine only where a visitor agreed: the images, and the first checkpoint.

It goes once, in the background; and where it is lost here it comes back without being asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from imil.errors import ImilError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.base import new_record
from imil.storage.records.acts import ActKind
from imil.storage.records.images import (
    ImageRecord,
    Shard,
    decode_images,
    encode_images,
    load_shards,
    save_shards,
)
from imil.storage.records.studies import Consent
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext
from imil.study.image_files import ImageFiles
from imil.study.library.visits import expiry_failed

# Bytes of images in one record: a few seconds to send, and as much memory.
SHARD_BYTES = 32 * 2**20


class RemoteBackup:
    """Copies of one study's images and first training, where a visitor agreed to that.

    `send` and `bring_back` return at once.

    Args:
        context: of the study.
        audit: its log.
        files: of its images; None where the app draws them, so that none are sent.
    """

    def __init__(self, context: StudyContext, audit: AuditTrail, files: ImageFiles | None) -> None:
        self._context = context
        self._audit = audit
        self._files = files
        self._busy = threading.Lock()
        # Why the last try failed; None where it did not.
        self.trouble: ImilError | None = None

    @property
    def consent(self) -> Consent | None:
        """Who agreed that the images leave this machine; None where nobody did.

        Nor does it count where the study goes to another repo by now than was told then.
        """
        given = self._context.record.consent
        return given if given is not None and given.repo == self._context.goes_to else None

    def give_consent(self, who: str) -> None:
        """Let a copy of the images, and of the first checkpoint, leave this machine.

        Raises:
            PlanError: there is nowhere to send them, or the app draws them itself.
        """
        context = self._context
        with context.state.lock:
            saved = context.store.saved(context.study_id)
            repo = saved.repo
            if repo is None or self._files is None:
                nowhere = "No Hub repo is set." if saved.trouble is None else saved.trouble.what
                raise PlanError(
                    "These images can't be kept anywhere else.",
                    why=nowhere if repo is None else "The app draws them itself.",
                    fix="Nothing is to be done: nothing leaves this machine.",
                )
            if self.consent is None:
                context.state.update(consent=Consent(repo, who, context.now().isoformat()))
                self._audit.note(ActKind.CONSENT_GIVEN, who=who, details={"repo": repo})
            self.send()

    def withdraw_consent(self, *, who: str = "") -> None:
        """Let no further image leave this machine; what is kept elsewhere stays until deleted.

        `who` asked for it.
        """
        with self._context.state.lock:
            if self.consent is not None:
                self._context.state.update(consent=None)
                self._context.store.hide(self._context.study_id)
                self._audit.note(ActKind.CONSENT_WITHDRAWN, who=who)

    def end(self) -> None:
        """Withdraw the consent, if there is one, and wait until nothing is on its way."""
        if self.consent is not None:
            self.withdraw_consent()
            with self._busy:
                return

    def send(self) -> None:
        """Send what is not sent yet: images that are left, and the first training once finished."""
        if self.consent is not None and self._files is not None:
            self._begin(self.send_now)

    def bring_back(self, then: Callable[[], None]) -> bool:
        """Fetch what was sent and is not here any more; return whether that was begun.

        Args:
            then: called when all images are there.
        """
        files = self._files
        if files is None or self._context.record.consent is None:
            return False

        def bring() -> None:
            self.bring_back_now()
            if not files.missing:
                then()

        self._begin(bring)
        return True

    def send_now(self) -> None:
        """As `send`, but return when it is done; StoreError."""
        store, study_id = self._context.store, self._context.study_id
        with self._busy:
            shards = list(load_shards(store, study_id))
            done = sum(shard.images for shard in shards)
            for records in self._shards(done):
                # Asked again, since the tick may have been taken away meanwhile.
                if self.consent is None:
                    return
                name = new_record("images", study_id, records[0].time)
                store.add(name, encode_images(records))
                shards.append(Shard(name, len(records)))
                save_shards(store, study_id, shards)
            self._send_first(self._context.first)

    def bring_back_now(self) -> None:
        """As `bring_back`, but return when it is done; StoreError."""
        with self._busy:
            if self._files is not None and self._files.missing:
                for shard in load_shards(self._context.store, self._context.study_id):
                    content = self._context.store.read(shard.name)
                    for record in () if content is None else decode_images(content):
                        self._files.put(record.sample_id, record.content)
            self._bring_first(self._context.first)

    def _bring_first(self, first: TrainingTask) -> None:
        kept = self._context.services.checkpoints
        if kept is None or first.finished:
            return
        folder, last = self._folder(first), first.logits.name
        # Last the scores: a segment with scores is finished.
        for name in sorted(kept.names(folder), key=lambda name: (name.endswith(last), name)):
            kept.get(name, first.folder / name.removeprefix(folder))

    def _send_first(self, first: TrainingTask) -> None:
        kept = self._context.services.checkpoints
        if kept is None or not first.finished or self.consent is None:
            return
        if kept.names(self._folder(first)):
            return
        epochs = range(1, first.plan.epochs + 1)
        made = [first.checkpoint, first.logits, *(first.dynamics(epoch) for epoch in epochs)]
        kept.put(
            {
                self._folder(first) + path.relative_to(first.folder).as_posix(): path
                for path in made
                if path.exists()
            }
        )

    def _folder(self, first: TrainingTask) -> str:
        return f"{self._context.study_id}/first-{first.plan.seed}/"

    def _shards(self, done: int) -> Iterator[list[ImageRecord]]:
        """Yield the images after the first `done`, as many at a time as fit a record."""
        records: list[ImageRecord] = []
        context, size = self._context, 0
        for sample in context.images.samples[done:]:
            if self._files is None or self.consent is None:
                return
            content = self._files.content(sample.sample_id)
            records.append(
                ImageRecord(
                    context.study_id,
                    sample.sample_id,
                    content,
                    context.images.classes[sample.label],
                    sample.split,
                    context.now(),
                )
            )
            size += len(content)
            if size >= SHARD_BYTES:
                yield records
                records, size = [], 0
        if records:
            yield records

    def _begin(self, act: Callable[[], None]) -> None:
        def run() -> None:
            try:
                act()
                self.trouble = None
            except ImilError as error:
                self.trouble = error
            except Exception as error:  # noqa: BLE001  # said by the study's id, and tried again later
                expiry_failed(self._context.study_id, error)

        threading.Thread(target=run, daemon=True).start()
