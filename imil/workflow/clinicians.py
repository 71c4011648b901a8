"""Who masks in a run without a screen: reference masks, or a folder of drawn ones."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from imil.core.images import ImageSet
from imil.core.masks import check_mask
from imil.core.records import Region
from imil.errors import MaskError, PlanError
from imil.sources.pixels import read_region
from imil.workflow.masksets import Clinician


def clinician_of(masks: str | Path | None, images: ImageSet) -> Clinician:
    """Return who masks.

    Args:
        masks: "reference" for the simulated clinician, a folder of PNGs by image name (white =
            hide), or None for nobody.
        images: the study's.

    Raises:
        PlanError: there is no such folder.
        MaskError: a mask belongs to no image, or can't be used on its image.
    """
    if masks is None:
        return lambda _: None
    if masks == "reference":
        return _reference(images)
    return _drawn(Path(masks), images)


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


def _drawn(folder: Path, images: ImageSet) -> Clinician:
    """Return a clinician whose masks lie in a folder, as PNGs named like the images."""
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
    return masks.get
