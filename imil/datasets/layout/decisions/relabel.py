"""Rules by which a person renames labels, merges them, or leaves their images out."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imil.datasets.layout.reading import MOST_CHOICES
from imil.errors import DataError

# Rules that are read, far more than a set has labels.
MOST_RULES = 500
_RULE = re.compile(r"\s*(?:(>=|<=|>|<)\s*(-?[\d.]+)|([^=<>]+?))\s*=\s*(.*?)\s*$")
_BY_SIGN: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a label: `new` is its class, "" to leave its images out.

    Either `old` is the label, or `sign` and `bound` say which numbers are meant.
    """

    new: str
    old: str = ""
    sign: str = ""
    bound: float = 0.0

    def fits(self, label: str) -> bool:
        """Return whether the rule is about this label; the case of letters does not matter."""
        if not self.sign:
            return label.strip().casefold() == self.old.casefold()
        try:
            value = float(label.replace(",", "."))
        except ValueError:
            return False
        return _BY_SIGN[self.sign](value, self.bound)


def parse_rules(written: str) -> tuple[Rule, ...]:
    """Return the rules in “nevus=benign; ?=; >=3=severe”, the first one that fits counts.

    Raises:
        DataError: a part is no rule.
    """
    parts = [part for part in re.split(r"[;\n]", written) if part.strip()]
    return tuple(_rule(part) for part in parts[:MOST_RULES])


def apply_rules(
    labels: Mapping[str, str], rules: Collection[Rule]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return each image's class by the rules, and the labels of the images left out.

    Labels that no rule is about stay as they are.

    Raises:
        DataError: a rule is about no label.
    """
    kinds = sorted(set(labels.values()))
    for rule in rules:
        if not any(rule.fits(kind) for kind in kinds):
            what = rule.old or f"{rule.sign} {rule.bound:g}"
            some = ", ".join(f"“{kind}”" for kind in kinds[:MOST_CHOICES])
            raise DataError(
                f"No label is “{what}”.",
                why=f"The labels are {some}.",
                fix="Check the spelling, or take that rule back.",
                question="values",
            )
    new = {
        kind: next((rule.new for rule in rules if rule.fits(kind)), kind or None) for kind in kinds
    }
    kept = {name: found for name, label in labels.items() if (found := new[label])}
    return kept, {name: label for name, label in labels.items() if name not in kept}


def _rule(part: str) -> Rule:
    found = _RULE.match(part)
    number = None
    if found is not None and found[1]:
        try:
            number = float(found[2])
        except ValueError:
            found = None
    if found is None:
        raise DataError(
            f"“{part.strip()}” is no rule for labels.",
            why="A rule is a label and its new name, with “=” between them.",
            fix="Write “old = new”, “old =” to leave images out, or “>= 3 = severe” for numbers; "
            "put “;” between rules.",
            question="values",
        )
    sign, _, old, new = found.groups()
    return Rule(new, old or "", sign or "", number or 0.0)
