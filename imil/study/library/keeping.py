"""What leaves this machine only where a visitor agreed: the images, and the first checkpoint.

It goes once, in the background; and where it is lost here it comes back without being asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imil.core.images import ImageSet
from imil.errors import ImilError
from imil.jobs.training.task import TrainingTask
from imil.storage.base import new_record
from imil.storage.records.images import (
    ImageRecord,
    Shard,
    decode_images,
    encode_images,
    load_shards,
    save_shards,
)
from imil.study.library.idle import tell_failed
from imil.study.library.stock import Stock
from imil.study.tools import Tools

# Bytes of images in one record: a few seconds to send, and as much memory.
SHARD_BYTES = 32 * 2**20


@dataclass(slots=True)
class Keeping:
    """Copies of one study's images and first training; its calls return at once.

    Attributes:
        study_id: whose.
        images: the study's images.
        stock: their files.
        tools: store and models.
        agreed: asked before each image leaves.
        trouble: why the last try failed; None where it did not.
    """

    study_id: str
    images: ImageSet
    stock: Stock
    tools: Tools
    agreed: Callable[[], bool]
    trouble: ImilError | None = None
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, first: TrainingTask) -> None:
        """Send what is not sent yet: images that are left, and the first training once finished."""
        self._begin(lambda: self.keep_now(first))

    def bring_back(self, first: TrainingTask, then: Callable[[], None]) -> None:
        """Fetch what was kept and is not here any more; `then` is called when images are."""

        def bring() -> None:
            self.bring_back_now(first)
            if not self.stock.missing:
                then()

        self._begin(bring)

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        with self._busy:
            return

    def keep_now(self, first: TrainingTask) -> None:
        """As `keep`, but return when it is done; StoreError."""
        with self._busy:
            shards = list(load_shards(self.tools.store, self.study_id))
            done = sum(shard.images for shard in shards)
            for records in self._shards(done):
                # Asked again, since the tick may have been taken away meanwhile.
                if not self.agreed():
                    return
                name = new_record("images", self.study_id, records[0].time)
                self.tools.store.add(name, encode_images(records))
                shards.append(Shard(name, len(records)))
                save_shards(self.tools.store, self.study_id, shards)
            self._keep_first(first)

    def bring_back_now(self, first: TrainingTask) -> None:
        """As `bring_back`, but return when it is done; StoreError."""
        with self._busy:
            if self.stock.missing:
                for shard in load_shards(self.tools.store, self.study_id):
                    content = self.tools.store.read(shard.name)
                    for record in () if content is None else decode_images(content):
                        self.stock.put(record.sample_id, record.content)
            self._bring_first(first)

    def _bring_first(self, first: TrainingTask) -> None:
        kept = self.tools.checkpoints
        if kept is None or first.finished:
            return
        folder, last = self._folder(first), first.logits.name
        # Last the scores: a segment with scores is finished.
        for name in sorted(kept.names(folder), key=lambda name: (name.endswith(last), name)):
            kept.get(name, first.folder / name.removeprefix(folder))

    def _keep_first(self, first: TrainingTask) -> None:
        kept = self.tools.checkpoints
        if kept is None or not first.finished or not self.agreed():
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
        return f"{self.study_id}/first-{first.plan.seed}/"

    def _shards(self, done: int) -> Iterator[list[ImageRecord]]:
        """Yield the images after the first `done`, as many at a time as fit a record."""
        records: list[ImageRecord] = []
        size = 0
        for sample in self.images.samples[done:]:
            if not self.agreed():
                return
            content = self.stock.content(sample.sample_id)
            records.append(
                ImageRecord(
                    self.study_id,
                    sample.sample_id,
                    content,
                    self.images.classes[sample.label],
                    sample.split,
                    self.tools.now(),
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
                tell_failed(self.study_id, error)

        threading.Thread(target=run, daemon=True).start()
