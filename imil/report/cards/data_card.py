"""The card that travels with a study's masks: whose, of what, how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from imil.core.evaluation.rounds import Round
from imil.core.images import ImageSet
from imil.report.cards.model_card import bullet_list, escape_markdown
from imil.report.parts import numbers, text
from imil.report.sentences import in_words

DATA_CARD_TITLE = "Masks of “{study}”"
CARD_FIRST_DATA = (
    "Regions that a clinician painted as irrelevant for a classifier of medical images, made with "
    "IMIL. The images themselves are not among these files. **Research use only, not for "
    "diagnosis.**"
)
DATA_CARD_WORDS = (
    "Masks on {masks} of the {images} images of “{name}” (classes: {classes}), painted in "
    "{minutes} min."
)
DATA_CARD_COLUMN_WORDS = (
    "`mask`: an image, white = irrelevant; `image_name`: the image it belongs to.",
    "`label`, `prediction`, `confidence`: its class, and what the model said when it was offered.",
    "`reader`, `seconds`, `time`: who painted, for how long, when (UTC).",
    "`queue`, `selection`, `origin`, `source`, `round`: how image and mask came about.",
)
DATA_CARD_LIMITS = (
    "A mask says what a reader found irrelevant for this task; it outlines no organ or finding.",
    "Masks were painted on images that one model got wrong, not on a sample of all images.",
)

# Where tables lie, so that the data set's viewer and `load_dataset` find each under its name.
MASKS_FILE = "data/masks/masks.parquet"
ANSWERS_FILE = "data/answers/answers.parquet"
_HEAD = """---
pretty_name: IMIL masks
tags: [medical-imaging, interactive-learning, research-only]
{configs}---
"""
_LOAD = """```python
from datasets import load_dataset

masks = load_dataset("{repo}", "masks", split="train")
masks[0]["mask"]  # an image, white = irrelevant, at the size of the image it belongs to
```"""


def data_card(
    found: Round | None,
    images: ImageSet,
    *,
    name: str,
    proof: str,
    masks: int,
    seconds: float,
    repo: str,
    tables: Sequence[str],
) -> str:
    """Return the card as Markdown.

    Args:
        found: the study's finished comparison, if there is one.
        images: the study's.
        name: the study's, for people.
        proof: the sentence on patients in two splits.
        masks: how many there are.
        seconds: that went into them.
        repo: "owner/name", where the card will stand.
        tables: paths of the Parquet files beside it.
    """
    about = DATA_CARD_WORDS.format(
        masks=numbers.some(masks, "image", "images"),
        images=numbers.count(len(images)),
        name=escape_markdown(name),
        classes=", ".join(escape_markdown(each) for each in images.classes),
        minutes=numbers.count(round(seconds / 60)),
    )
    parts = [
        f"# {DATA_CARD_TITLE.format(study=escape_markdown(name))}",
        CARD_FIRST_DATA,
        f"## {text.CARD_DATA}\n\n{about} {escape_markdown(proof)}",
        f"## Columns of the masks\n\n{bullet_list(DATA_CARD_COLUMN_WORDS)}",
    ]
    if found is not None:
        told = [
            escape_markdown(text.with_arm_names(each))
            for each in (*in_words(found), *found.notices)
        ]
        parts.append(f"## {text.CARD_FOUND}\n\n{bullet_list(told)}")
    parts.append(f"## {text.CARD_LIMITS}\n\n{bullet_list(DATA_CARD_LIMITS)}")
    if MASKS_FILE in tables:
        parts.append(f"## {text.CARD_LOAD}\n\n{_LOAD.format(repo=repo)}")
    return _HEAD.format(configs=_configs(tables)) + "\n" + "\n\n".join(parts) + "\n"


def _configs(tables: Sequence[str]) -> str:
    if not tables:
        return ""
    lines = ["configs:"]
    for path in tables:
        name = path.split("/")[1]
        lines += [f"- config_name: {name}", f"  data_files: data/{name}/*.parquet"]
        lines += ["  default: true"] if path == MASKS_FILE else []
    return "\n".join(lines) + "\n"
