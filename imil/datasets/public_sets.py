"""Public medical data sets that are one click away: what they are, and on what terms.

Ids, columns, counts, licences and citations are those of the sets' own cards on the Hub. A set is
listed only where its card states a licence that allows research.
"""

from __future__ import annotations

from dataclasses import dataclass

from imil.datasets.hub.process import HubRequest
from imil.errors import DataError


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public data set and the sample of it that one click fetches.

    Attributes:
        name: for people.
        repo: its id on the Hub.
        licence: as its card names it.
        citation: whom to cite.
        images: how many it has in all.
        shows: what is on the images, in a few words.
        image: the column of images.
        label: the column of labels.
        splits: those that are read.
        limit: images of the sample, fewer of sets with large files.
        remark: what a reader should know of the set itself.
    """

    name: str
    repo: str
    licence: str
    citation: str
    images: int
    shows: str
    image: str
    label: str
    splits: tuple[str, ...]
    limit: int
    remark: str

    @property
    def request(self) -> HubRequest:
        """What to ask the Hub for."""
        return HubRequest(
            self.repo, splits=self.splits, image=self.image, label=self.label, limit=self.limit
        )


PUBLIC_SETS = (
    PublicSet(
        name="Chest X-rays, pneumonia",
        repo="hf-vision/chest-xray-pneumonia",
        licence="CC BY 4.0",
        citation="Kermany, Zhang, Goldbaum: Labeled Optical Coherence Tomography (OCT) and Chest "
        "X-Ray Images for Classification, Mendeley Data V2, 2018, doi:10.17632/rscbjbr9sj.2",
        images=5856,
        shows="children's chest films, normal or pneumonia",
        image="image",
        label="label",
        # Its validation set has 16 images: too few to tell anything, so the app takes its own out
        # of train.
        splits=("train", "test"),
        limit=600,
        remark="Patients are not named, so one patient may be in train and validation.",
    ),
    PublicSet(
        name="Lymph node patches, metastasis",
        repo="1aurent/PatchCamelyon",
        licence="CC0 1.0",
        citation="Veeling, Linmans, Winkens, Cohen, Welling: Rotation Equivariant CNNs for Digital "
        "Pathology, 2018, arXiv:1806.03962",
        images=327_680,
        shows="microscopy patches of 96 px, with or without metastatic tissue",
        image="image",
        label="label",
        splits=("train", "valid", "test"),
        limit=1500,
        remark="Slides and patients are not named.",
    ),
)


def public_set(repo: str) -> PublicSet:
    """Return the public set of that id; DataError if it is not in the table."""
    found = next((known for known in PUBLIC_SETS if known.repo == repo), None)
    if found is None:
        raise DataError(
            f"“{repo}” is not among the public sets offered here.",
            why=f"Offered are {', '.join(known.repo for known in PUBLIC_SETS)}.",
            fix="Pick one of them, or open any other set by its id.",
        )
    return found
