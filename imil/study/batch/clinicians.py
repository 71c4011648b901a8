"""Who masks in a run without a screen: reference masks, or drawn ones of one or more readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from imil.core.images import ImageSet
from imil.core.records import Region
from imil.core.review.masks import check_mask
from imil.core.review.readers import Pooling, reader_name, usual_pooling
from imil.datasets.files.pixels import read_region
from imil.errors import MaskError, PlanError
from imil.study.review.mask_sets import Clinician
from imil.study.review.pooling import pool_readings, pooled_notices


@dataclass(frozen=True, slots=True, eq=False)
class Clinicians:
    """Who masks.

    Attributes:
        together: the masks that arms are given: one clinician's, or several readers' pooled.
        readings: each reader's own masks, by name; empty where one clinician masks.
        pooling: how several readers' masks are pooled; "" for one clinician.
        notices: what has to be said beside figures of several readers' masks.
    """

    together: Clinician
    readings: Mapping[str, Mapping[str, Region]] = field(default_factory=dict)
    pooling: str = ""
    notices: tuple[str, ...] = ()

    def of(self, reader: str | None) -> Clinician:
        """Return one reader, or all together; PlanError for an unknown one."""
        if reader is None:
            return self.together
        if reader not in self.readings:
            raise PlanError(
                f"Nobody named “{reader}” has masked anything.",
                why="An arm such as imil@Ada uses the masks in the folder of that name.",
                fix=f"Name one of: {', '.join(self.readings) or 'nobody, the masks are of one'}.",
            )
        return self.readings[reader].get


def clinician_of(
    masks: str | Path | None, images: ImageSet, pooling: str | None = None
) -> Clinicians:
    """Return who masks.

    Args:
        masks: "reference" for the simulated clinician, a folder of PNGs by image name (white =
            hide) or of such folders, one a reader, or None for nobody.
        images: the study's.
        pooling: how several readers' masks become one an image, a `Pooling`; None as is usual.

    Raises:
        PlanError: there is no such folder, or it holds masks beside folders of readers.
        MaskError: a mask belongs to no image, or can't be used on its image.
    """
    if masks is None:
        return Clinicians(lambda _: None)
    if masks == "reference":
        return Clinicians(_reference(images))
    folder = Path(masks)
    readers = _reader_folders(folder)
    if not readers:
        return Clinicians(_drawn(folder, images).get)
    readings = {name: _drawn(own, images) for name, own in readers.items()}
    if len(readings) == 1:
        (own,) = readings.values()
        return Clinicians(own.get, readings)
    way = Pooling(pooling or usual_pooling(len(readings)))
    found = pool_readings(readings, way)
    return Clinicians(found.regions.get, readings, way.value, pooled_notices(found, way.value))


def readers_in(masks: str) -> tuple[str, ...]:
    """Return the readers whose folders of masks lie in a folder; none where one reader masked."""
    readers = () if masks == "reference" else tuple(_reader_folders(Path(masks)))
    return readers if len(readers) > 1 else ()


def _reader_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of readers by the readers' names; none where masks lie in the folder."""
    inside = sorted(path for path in folder.glob("*/") if any(path.glob("*.png")))
    if inside and any(folder.glob("*.png")):
        raise PlanError(
            f"The folder “{folder.name}” holds masks beside folders of masks.",
            why="A folder in it is a reader, so it is not clear whose the others are.",
            fix="Put them into a folder of their reader too.",
        )
    return {reader_name(path.name): path for path in inside}


def _reference(images: ImageSet) -> Clinician:
    """Return the simulated clinician: hides all that the reference mask calls irrelevant.

    Passes over an image without reference mask, and one whose mask no clinician could submit
    (nothing or nearly everything hidden).
    """

    def draw(sample_id: str) -> Region | None:
        relevant = images.reference_relevant(sample_id)
        try:
            return None if relevant is None else check_mask(~relevant, relevant.shape[:2])
        except MaskError:
            return None

    return draw


def _drawn(folder: Path, images: ImageSet) -> dict[str, Region]:
    """Return the masks that lie in a folder, as PNGs named like the images, by sample id."""
    if not folder.is_dir():
        raise PlanError(
            f"There is no folder of masks “{folder.name}”.",
            why="--masks takes “reference” or a folder of PNGs named like the images.",
            fix="Check the path.",
        )
    by_stem = {PurePosixPath(sample.sample_id).stem: sample.sample_id for sample in images.samples}
    masks = {}
    for path in sorted(folder.glob("*.png")):
        sample_id = by_stem.get(path.stem)
        if sample_id is None:
            raise MaskError(
                f"The mask “{path.name}” belongs to no image.",
                why="A mask is matched to the image of the same name.",
                fix="Name each mask like its image, and leave the others out.",
            )
        shape = images.original(sample_id).shape[:2]
        try:
            masks[sample_id] = check_mask(read_region(path), shape)
        except MaskError as error:
            what = f"The mask “{path.name}” can't be used. {error.what}"
            raise MaskError(what, why=error.why, fix=error.fix) from error
    return masks
