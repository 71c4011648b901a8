"""The masks that an arm uses, one an image: one reader's, or several readers' pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imil.core.records import Queue, Region
from imil.core.review.readers import Pooling, is_usable, pool_masks
from imil.storage.codec import MaskRecord
from imil.study.review.mask_book import reader_label

POOLED_BY = {
    Pooling.UNION: "a pixel is hidden where any of them hides it",
    Pooling.INTERSECTION: "a pixel is hidden where all who masked its image hide it",
    Pooling.MAJORITY: "a pixel is hidden where more than half of those who masked its image do",
}


@dataclass(frozen=True, slots=True, eq=False)
class PooledMasks:
    """Masks as they are used, by sample id, in the order in which the images were first painted.

    Attributes:
        regions: (H, W), True = hide.
        opened: the queue from which each image was opened: of several, mispredicted if any reader
            opened it from there, else the first; None where it was chosen.
        seconds: what each cost all of its readers.
        readers: who painted.
        alone: images that one of several readers masked.
        left_out: images of which the pooled mask hides nothing, or leaves too little.
    """

    regions: Mapping[str, Region] = field(default_factory=dict)
    opened: Mapping[str, Queue | None] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    readers: tuple[str, ...] = ()
    alone: int = 0
    left_out: int = 0


def pool_records(records: Sequence[MaskRecord], pooling: str) -> PooledMasks:
    """Return what is used of masks, one a reader and image.

    Args:
        records: in any order.
        pooling: a `Pooling`; "" where there is one mask an image.
    """
    ordered = sorted(records, key=lambda record: record.time)
    by_image: dict[str, list[MaskRecord]] = {}
    for record in ordered:
        by_image.setdefault(record.sample_id, []).append(record)
    pooled = {
        sample_id: pool_masks([each.irrelevant for each in own], Pooling(pooling or Pooling.UNION))
        for sample_id, own in by_image.items()
    }
    # One mask alone was checked when it was handed in.
    kept = {i: region for i, region in pooled.items() if len(by_image[i]) == 1 or is_usable(region)}
    return PooledMasks(
        regions=kept,
        opened={sample_id: _opened(by_image[sample_id]) for sample_id in kept},
        seconds={i: sum(each.seconds for each in by_image[i]) for i in kept},
        readers=tuple(dict.fromkeys(reader_label(record) for record in ordered)),
        alone=sum(len(own) == 1 for own in by_image.values()),
        left_out=len(pooled) - len(kept),
    )


def pool_readings(readings: Mapping[str, Mapping[str, Region]], pooling: Pooling) -> PooledMasks:
    """Return what is used of readers' masks, by reader and sample id, where nothing else is known.

    `opened` and `seconds` stay empty.
    """
    ids = sorted({sample_id for masks in readings.values() for sample_id in masks})
    votes = {i: [masks[i] for masks in readings.values() if i in masks] for i in ids}
    every = {sample_id: pool_masks(own, pooling) for sample_id, own in votes.items()}
    kept = {i: region for i, region in every.items() if len(votes[i]) == 1 or is_usable(region)}
    return PooledMasks(
        regions=kept,
        readers=tuple(readings),
        alone=sum(len(own) == 1 for own in votes.values()),
        left_out=len(every) - len(kept),
    )


def pooled_notices(found: PooledMasks, pooling: str) -> tuple[str, ...]:
    """Return what has to be said beside figures of several readers' masks; nothing of one's."""
    if not pooling:
        return ()
    who = f"{len(found.readers)} readers ({', '.join(found.readers)})"
    told = [f"Masks of {who}, pooled by {pooling}: {POOLED_BY[Pooling(pooling)]}."]
    if found.alone:
        one = "1 image was" if found.alone == 1 else f"{found.alone} images were"
        told.append(f"{one} masked by one reader alone, whose mask is used as it is.")
    if found.left_out:
        one = "1 image counts" if found.left_out == 1 else f"{found.left_out} images count"
        told.append(f"{one} as not masked: the pooled mask hides nothing, or nearly everything.")
    return tuple(told)


def _opened(own: Sequence[MaskRecord]) -> Queue | None:
    queues = [record.queue for record in own]
    return Queue.MISPREDICTED if Queue.MISPREDICTED in queues else queues[0]
