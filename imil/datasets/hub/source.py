"""A Hub data set as `datasets` opens it: its configurations, splits, columns and rows.

Imported by the process of `imil.datasets.hub.rows` alone. Only the library's readers of image
folders and of Parquet run: no script of a data set, and no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import datasets
import fsspec

# The library's readers that may run.
ROW_READERS = ("imagefolder", "parquet")

# Columns that hold the label or the patient where none of the right type stands out.
_LABELS = ("label", "labels", "class", "diagnosis", "dx", "finding", "target", "category")
_PATIENTS = ("patient_id", "patient", "subject_id", "subject", "person_id", "case_id", "lesion_id")

# Bytes of one encoded image; a larger one is left out.
MAX_HUB_BYTES = 100 * 2**20


class SourceRefusal(Exception):  # noqa: N818  # it names what the parent makes an error of
    """What the parent says in words: `kind` is one of its own, `facts` what it fills in."""

    def __init__(self, kind: str, **facts: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts


@dataclass(frozen=True)
class Source:
    """A data set on the Hub at one commit, with what `hub_process.HubRequest` chooses of it."""

    repo: str
    commit: str
    token: str | None
    config: str | None
    splits: tuple[str, ...]
    image: str | None
    label: str | None

    @cached_property
    def configs(self) -> list[str]:
        """Names of the configurations."""
        return [
            str(name)
            for name in datasets.get_dataset_config_names(
                self.repo, revision=self.commit, token=self._token
            )
        ]

    @cached_property
    def chosen_config(self) -> str:
        """The configuration to read: the one asked for, the only one, or the default."""
        if self.config in self.configs:
            return self.config
        if self.config is None and len(self.configs) == 1:
            return self.configs[0]
        if self.config is None and "default" in self.configs:
            return "default"
        raise SourceRefusal("config", asked=self.config, there=self.configs)

    @cached_property
    def builder(self) -> Any:
        """The library's reader, which must be one of `ROW_READERS`."""
        found = datasets.load_dataset_builder(
            self.repo, self.chosen_config, revision=self.commit, token=self._token
        )
        module = type(found).__module__.rpartition(".")[2]
        if module not in ROW_READERS:
            raise SourceRefusal("reader", reader=module)
        return found

    @property
    def is_parquet(self) -> bool:
        """Whether columns can be read apart."""
        return type(self.builder).__module__.endswith(".parquet")

    @cached_property
    def all_splits(self) -> dict[str, Any]:
        """Every split, as a stream."""
        return dict(self.stream())

    @cached_property
    def chosen_splits(self) -> tuple[str, ...]:
        """The splits to read: those asked for, or all."""
        unknown = [name for name in self.splits if name not in self.all_splits]
        if unknown:
            raise SourceRefusal("split", asked=unknown[0], there=list(self.all_splits))
        return self.splits or tuple(self.all_splits)

    @cached_property
    def features(self) -> Mapping[str, Any]:
        """Columns and their types."""
        first = self.all_splits[next(iter(self.all_splits))]
        found = first.features
        if found is None:
            found = first._resolve_features().features  # noqa: SLF001  # the library's only way
        return dict(found)

    @property
    def images(self) -> list[str]:
        """Columns that hold images."""
        return [name for name, kind in self.features.items() if _is_image(kind)]

    @property
    def labels(self) -> list[str]:
        """Columns that could hold labels, the likeliest first."""
        classes = [n for n, k in self.features.items() if isinstance(k, datasets.ClassLabel)]
        plain = [
            name
            for name, kind in self.features.items()
            if isinstance(kind, datasets.Value)
            and kind.dtype in {"string", "large_string", "bool", "int64", "int32", "int8", "uint8"}
        ]
        named = [name for name in _LABELS if name in (*classes, *plain)]
        return list(dict.fromkeys([*named, *classes, *plain]))

    @property
    def chosen_image(self) -> str:
        """The column of images."""
        if self.image in self.images:
            return self.image
        if self.image is None and self.images:
            return "image" if "image" in self.images else self.images[0]
        raise SourceRefusal("image", there=list(self.features))

    @property
    def chosen_label(self) -> str:
        """The column of labels: the one asked for, or one that is meant for it."""
        if self.label in self.labels:
            return self.label
        if self.label is None:
            meant = [
                name
                for name in self.labels
                if isinstance(self.features[name], datasets.ClassLabel) or name in _LABELS
            ]
            if meant:
                return meant[0]
        raise SourceRefusal("label", asked=self.label, there=self.labels)

    @property
    def patient(self) -> str | None:
        """The column that says whose image it is; None where none is named so."""
        return next((name for name in _PATIENTS if name in self.features), None)

    def stream(self, **options: Any) -> Any:
        """Return the splits as streams of rows whose images are not decoded."""
        opened = datasets.load_dataset(
            self.repo,
            self.chosen_config,
            revision=self.commit,
            token=self._token,
            streaming=True,
            **options,
        )
        return {name: rows.decode(False) for name, rows in opened.items()}  # noqa: FBT003  # its only argument

    def said(self, value: Any) -> str | None:
        """Return a row's label as a name; None where it has none."""
        kind = self.features[self.chosen_label]
        if value is None:
            return None
        if isinstance(kind, datasets.ClassLabel) and not isinstance(value, str):
            # -1 is how sets without published test labels are stored.
            return None if value < 0 else str(kind.int2str(value))
        return str(value).strip() or None

    def bytes_of(self, image: Mapping[str, Any] | str) -> bytes:
        """Return an encoded image; where the row only names a file, it is fetched now."""
        if isinstance(image, Mapping) and image.get("bytes"):
            return bytes(image["bytes"])
        path = str(image["path"] if isinstance(image, Mapping) else image)
        # Only files of this very data set: a row may name any address.
        if not path.startswith(f"hf://datasets/{self.repo}@"):
            raise SourceRefusal("path")
        options = {"endpoint": datasets.config.HF_ENDPOINT, "token": self._token}
        with fsspec.open(path, "rb", **options) as file:
            return bytes(file.read(MAX_HUB_BYTES + 1))

    @property
    def _token(self) -> str | bool:
        # False: not even one that the client would find on this machine.
        return self.token or False


def _is_image(kind: Any) -> bool:
    # A Parquet written without the library has the struct that its own Image is stored as.
    is_struct = isinstance(kind, dict) and {"bytes", "path"} <= set(kind)
    return isinstance(kind, datasets.Image) or is_struct
