"""The card that travels with a model: what it is for, what it learned from, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.report.in_words import in_words
from imil.report.parts import numbers, text

# A file in Hugging Face's format: YAML between lines of dashes, then Markdown.
HEAD = """---
library_name: imil
pipeline_tag: image-classification
tags: [medical-imaging, interactive-learning, research-only]
---
"""
LOAD = """```python
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
    data = text.CARD_DATA_WORDS.format(
        images=numbers.count(sum(counts.values())),
        name=plain(name),
        classes=", ".join(plain(each) for each in config["classes"]),
        proof=proof,
    )
    splits = text.CARD_SPLITS.format(
        **{split.value: numbers.count(number) for split, number in counts.items()}
    )
    about = text.CARD_ARM_WORDS.format(
        arm=text.arm_name(arm),
        words=text.arm_words(arm),
        masks=numbers.span(masks),
        seed=config["seed"],
    )
    limits = [words.format(size=config["size"]) for words in text.CARD_LIMITS_WORDS]
    told = [plain(text.with_arm_names(words)) for words in (*in_words(found), *found.notices)]
    parts = (
        f"# {text.CARD_TITLE.format(arm=text.arm_name(arm), study=plain(name))}",
        text.CARD_FIRST,
        f"## {text.CARD_USE}\n\n{text.CARD_USE_WORDS}",
        f"## {text.CARD_DATA}\n\n{data} {splits}",
        f"## {text.CARD_ARM}\n\n{about}",
        f"## {text.CARD_FOUND}\n\n{listed(told)}",
        f"## {text.CARD_LIMITS}\n\n{listed(limits)}",
        f"## {text.CARD_LOAD}\n\n{LOAD}",
    )
    return HEAD + "\n" + "\n\n".join(parts)


def listed(sentences: Sequence[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def plain(words: str) -> str:
    """Return what comes from outside without what Markdown or HTML would make of it."""
    flat = " ".join(words.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in flat)
