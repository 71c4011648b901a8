"""What the classes are: labels of several values, empty or unsure ones, numbers, and renaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from imil.datasets.layout import words
from imil.datasets.layout.candidates import (
    MOST_NUMBERS,
    LabelHypothesis,
    atoms_of,
    reads_as_number,
)
from imil.datasets.layout.decisions.draft import Draft
from imil.datasets.layout.decisions.relabel import apply_rules, parse_rules

_TOGETHER = "each combination"
_AS_THEY_ARE = "as they are"
LEFT_OUT, OWN_CLASS = "left out", "a class of its own"
# Signs that may part several labels in a cell, and what stands for none of them.
_SIGNS, _NO_SIGN = ("|", ";", ",", "/", "+", "&"), "one label a cell"
# Labels that are offered, and named in a sentence.
_OFFERED, _NAMED = 20, 4
# Numbers that say yes, no and uncertain.
_MINUS, _YES_OR_NO = frozenset({"-1", "-1.0"}), frozenset({"-1", "-1.0", "0", "0.0", "1", "1.0"})


def decide_labels(
    draft: Draft, label: LabelHypothesis | None, splits: Mapping[str, str]
) -> dict[str, str]:
    """Return each image's label as it is to be called.

    Cells of several labels, empty ones, numbers and labels that say that nothing is sure follow
    what is decided about them; a person's rules rename, merge or leave out.

    Args:
        draft: what was found so far.
        label: what the label is.
        splits: of the images, where they are known.
    """
    if label is None:
        return {}
    found = _filled(draft, label, _single(draft, label))
    found = _cut(draft, found)
    return _unsure(draft, _relabelled(draft, found, splits)) if found else found


def _single(draft: Draft, label: LabelHypothesis) -> dict[str, str]:
    """Return each image's label, cells of several labels by what was decided about them."""
    values = {n: label.values[n] for n in draft.names if n in label.values}
    atoms = {n: a for n, a in _parted(draft, label, values).items() if n in values}
    if any(len(parts) > 1 for parts in atoms.values()):
        single = sorted({atom for parts in atoms.values() for atom in parts})
        counts = Counter(values.values())
        few = all(count > 1 for count in counts.values()) and len(counts) <= 2 * len(single)
        chosen = draft.decisions.decide(
            "several",
            f"{sum(len(p) > 1 for p in atoms.values())} images have several labels. What are "
            "the classes?",
            (_TOGETHER, *single),
            _TOGETHER if few else None,
        )
        if chosen not in (None, _TOGETHER):
            return {n: chosen if chosen in a else f"not {chosen}" for n, a in atoms.items()}
        draft.decisions.tell("label: a cell of several labels is a class of its own.")
    return values


def _parted(
    draft: Draft, label: LabelHypothesis, values: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """Return the single labels of each cell, by the sign that a person picked, if any."""
    used = [sign for sign in _SIGNS if any(sign in value for value in values.values())]
    if not used or label.where in ("folders", "file names"):
        return label.atoms
    several = any(len(parts) > 1 for parts in label.atoms.values())
    likely = used[0] if several else _NO_SIGN
    sign = draft.decisions.decide(
        "separator",
        "Which sign parts several labels in one cell?",
        (_NO_SIGN, *used),
        likely,
    )
    if sign == likely:
        return label.atoms
    return {} if sign == _NO_SIGN else atoms_of(values, sign or "")


def _filled(draft: Draft, label: LabelHypothesis, values: dict[str, str]) -> dict[str, str]:
    """Return labels with those of empty cells, as a person says."""
    empty = [name for name in draft.names if name in label.empty]
    if not empty:
        return values
    kinds = [kind for kind, _ in Counter(values.values()).most_common(_OFFERED)]
    chosen = draft.decisions.decide(
        "empty",
        f"The cell of {len(empty)} images is empty. What does that mean?",
        (LEFT_OUT, *sorted(kinds), OWN_CLASS),
        LEFT_OUT,
    )
    if chosen in (None, LEFT_OUT):
        return values
    meant = "empty" if chosen == OWN_CLASS else chosen
    draft.decisions.tell(f"label: {len(empty)} images with an empty cell are “{meant}”.")
    return {**values, **dict.fromkeys(empty, meant)}


def _cut(draft: Draft, labels: dict[str, str]) -> dict[str, str]:
    """Return labels that are many numbers as two classes, below a bound and from it on."""
    kinds = set(labels.values())
    if len(kinds) <= MOST_NUMBERS or not all(map(reads_as_number, kinds)):
        return labels
    ruled = "values" in draft.decisions.answers
    middle = median(float(value) for value in labels.values())
    at_median = f"at the median, {middle:g}"
    chosen = draft.decisions.decide(
        "cut",
        f"The label is a number of {len(kinds)} values. Where do the classes part?",
        (at_median, _AS_THEY_ARE),
        _AS_THEY_ARE if ruled else at_median,
    )
    if chosen != at_median:
        return labels
    draft.decisions.tell(f"label: numbers are parted at their median, {middle:g}.")
    return {
        name: f"below {middle:g}" if float(value) < middle else f"{middle:g} or more"
        for name, value in labels.items()
    }


def _relabelled(draft: Draft, labels: dict[str, str], splits: Mapping[str, str]) -> dict[str, str]:
    """Return the labels as a person's rules rename, merge or leave them out.

    It is asked where a class is in the test or validation images and not in those for training.
    """
    written = draft.decisions.answers.get("values", "").strip()
    strange = _not_trained(labels, splits)
    merged = _merging(labels, splits, strange)
    text = "Should labels be renamed, merged or left out?"
    if strange:
        named = ", ".join(f"“{label}”" for label in strange[:_NAMED])
        draft.decisions.tell(f"label: no training image has the label {named}, others have.")
        text = f"No training image is {named}. Are these called otherwise there?"
    draft.decisions.decide(
        "values",
        text,
        tuple(dict.fromkeys(c for c in (merged, _AS_THEY_ARE, written) if c)),
        None if strange else _AS_THEY_ARE,
    )
    if written in ("", _AS_THEY_ARE):
        return labels
    kept, out = apply_rules(labels, parse_rules(written))
    draft.leave({name: f"Its label “{was}” is left out." for name, was in out.items()})
    renamed = sum(kept[name] != labels[name] for name in kept)
    draft.decisions.tell(f"label: {renamed} images renamed by your rules, {len(out)} left out.")
    return kept


def _not_trained(labels: Mapping[str, str], splits: Mapping[str, str]) -> list[str]:
    """Return the labels that other splits have and the training images do not."""
    trained = {label for name, label in labels.items() if splits.get(name) == "train"}
    others = {label for name, label in labels.items() if splits.get(name, "train") != "train"}
    return sorted(others - trained) if trained else []


def _merging(labels: Mapping[str, str], splits: Mapping[str, str], strange: Sequence[str]) -> str:
    """Return rules that call training labels as the other splits do, where one begins as theirs."""
    trained = sorted({label for name, label in labels.items() if splits.get(name) == "train"})
    others = {label for name, label in labels.items() if splits.get(name, "train") != "train"}
    rules = []
    for label in strange:
        begun = [t for t in trained if t not in others and _begins(t, label)]
        if len(begun) != 1:
            return ""
        rules.append(f"{begun[0]} = {label}")
    return "; ".join(rules)


def _begins(one: str, other: str) -> bool:
    short, long = sorted((words.plain_word(one), words.plain_word(other)), key=len)
    return bool(short) and long.startswith(short)


def _unsure(draft: Draft, labels: dict[str, str]) -> dict[str, str]:
    """Return labels without those that say that nothing is sure, unless these are a class."""
    kinds = set(labels.values())
    minus = kinds & _MINUS if kinds <= _YES_OR_NO and len(kinds) > 2 else frozenset[str]()
    spoken = {k for k in kinds if words.plain_word(k) in words.UNSURE_WORDS}
    found = sorted(minus | spoken)
    if not found or len(kinds) - len(found) < 2:
        return labels
    count = sum(label in found for label in labels.values())
    named = ", ".join(f"“{kind}”" for kind in found)
    rest = [kind for kind in sorted(kinds) if kind not in found][:_OFFERED]
    chosen = draft.decisions.decide(
        "unsure",
        f"{count} images have the label {named}. What becomes of them?",
        (LEFT_OUT, OWN_CLASS, *rest),
        None if spoken else LEFT_OUT,
    )
    if chosen in (None, OWN_CLASS):
        return labels
    if chosen != LEFT_OUT:
        draft.decisions.tell(f"label: {count} images of {named} count as “{chosen}”.")
        return {name: chosen if label in found else label for name, label in labels.items()}
    draft.decisions.tell(f"label: {count} images of {named} are left out.")
    why = {
        n: f"Its label “{label}” says that it is not sure."
        for n, label in labels.items()
        if label in found
    }
    draft.leave(why)
    return {name: label for name, label in labels.items() if name not in why}
