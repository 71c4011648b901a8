"""The card that travels with a model: what it is for, what it learned from, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.report.parts import numbers, text
from imil.report.sentences import in_words

CARD_TITLE = "{arm} · {study}"
CARD_FIRST = (
    "An image classifier trained with IMIL, in which a clinician shows a classifier what to "
    "ignore. **Research use only, not for diagnosis.**"
)
CARD_USE_WORDS = (
    "To study what masks change in what a classifier learns, on images like those it was trained "
    "on. It is no medical device, nobody has approved it, and no decision on a patient may rest "
    "on it."
)
CARD_ARM_WORDS = (
    "{arm}: {words}. {masks} training images were masked for it. Trained on from one checkpoint "
    "under the same plan as control; these are the weights of seed {seed}."
)
CARD_LIMITS_WORDS = (
    "Every figure is of the split that it names; validation follows training, shortcut included.",
    "The figures say nothing about other scanners, hospitals or patients.",
    "Images are resized to a square of {size} px, without keeping their proportions.",
    "A map of where the model looks is not evidence of a better model.",
    "Probabilities may be badly calibrated; see the calibration error in the report.",
)

# A file in Hugging Face's format: YAML between lines of dashes, then Markdown.
_HEAD = """---
library_name: imil
pipeline_tag: image-classification
tags: [medical-imaging, interactive-learning, research-only]
---
"""
_LOAD = """```python
from imil.models.load import load_model

found = load_model("owner/name")  # or the folder that this card lies in
found.model  # takes (N, channels, size, size), float32 in 0-1, and normalises inside
found.classes  # in the order of its logits
```
"""


def model_card(
    found: Round,
    config: Mapping[str, Any],
    *,
    name: str,
    proof: str,
    counts: Mapping[Split, int],
) -> str:
    """Return the card as Markdown.

    Args:
        found: the comparison that the model is of.
        config: of `Reporting.model`.
        name: the study's, for people.
        proof: the sentence on patients in two splits.
        counts: images a split.
    """
    arm = parse_variant(str(config["arm"]))
    masks = next(each.masks for each in found.arms if each.arm == arm)
    data = "{images} images of “{name}”, classes: {classes}. {proof}".format(
        images=numbers.count(sum(counts.values())),
        name=escape_markdown(name),
        classes=", ".join(escape_markdown(each) for each in config["classes"]),
        proof=proof,
    )
    splits = "Training {train}, validation {validation}, test {test}.".format(
        **{split.value: numbers.count(number) for split, number in counts.items()}
    )
    about = CARD_ARM_WORDS.format(
        arm=text.arm_name(arm),
        words=text.arm_words(arm),
        masks=numbers.span(masks),
        seed=config["seed"],
    )
    limits = [words.format(size=config["size"]) for words in CARD_LIMITS_WORDS]
    told = [
        escape_markdown(text.with_arm_names(words)) for words in (*in_words(found), *found.notices)
    ]
    parts = (
        f"# {CARD_TITLE.format(arm=text.arm_name(arm), study=escape_markdown(name))}",
        CARD_FIRST,
        f"## Intended use\n\n{CARD_USE_WORDS}",
        f"## {text.CARD_DATA}\n\n{data} {splits}",
        f"## What this arm is\n\n{about}",
        f"## {text.CARD_FOUND}\n\n{bullet_list(told)}",
        f"## {text.CARD_LIMITS}\n\n{bullet_list(limits)}",
        f"## {text.CARD_LOAD}\n\n{_LOAD}",
    )
    return _HEAD + "\n" + "\n\n".join(parts)


def bullet_list(sentences: Sequence[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def escape_markdown(words: str) -> str:
    """Return what comes from outside without what Markdown or HTML would make of it."""
    flat = " ".join(words.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in flat)
