"""How a data set was understood: images, masks, what is left out, and the questions about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imil.errors import DataError

# Classes and columns that a question or an error names; more are counted.
MOST_CHOICES = 60


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image and what is known of it; None where nothing is.

    Its region is what any of its masks marks.
    """

    file: str
    label: str
    split: str | None = None
    patient: str | None = None
    masks: tuple[str, ...] = ()
    group: str | None = None
    reference_label: str | None = None
    frame: str | None = None


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask, and the image that it belongs to."""

    file: str
    of: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a table's row that is not taken, and why, in one sentence."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Question:
    """A decision that a person can take; `chosen` is None where the evidence does not decide it."""

    id: str
    text: str
    choices: tuple[str, ...]
    chosen: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What is taken of a data set, why, and what is open.

    Attributes:
        images: by file name; labels are provisional while a question is open.
        masks: images of regions, by file name.
        left_out: files and rows that are not taken.
        classes: how many images each label has.
        evidence: one sentence for each decision.
        questions: every decision with its choices; open ones have nothing chosen.
        tables: those that were read.
    """

    images: tuple[ImageFile, ...]
    masks: tuple[MaskFile, ...]
    left_out: tuple[LeftOut, ...]
    evidence: tuple[str, ...]
    questions: tuple[Question, ...]
    classes: Mapping[str, int] = field(default_factory=dict)
    tables: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Question, ...]:
        """The questions that have to be answered before the images are read."""
        return tuple(question for question in self.questions if question.chosen is None)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "images": [
                {"file": i.file, "label": i.label, "split": i.split, "patient": i.patient}
                for i in self.images
            ],
            "masks": [{"file": m.file, "of": m.of} for m in self.masks],
            "left_out": [{"file": left.file, "why": left.why} for left in self.left_out],
            "classes": dict(self.classes),
            "evidence": list(self.evidence),
            "questions": [
                {"id": q.id, "text": q.text, "choices": list(q.choices), "chosen": q.chosen}
                for q in self.questions
            ],
        }


@dataclass(slots=True)
class Decisions:
    """Answers of a person, and what was decided so far, with its evidence."""

    answers: Mapping[str, str]
    questions: list[Question] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)

    def decide(self, key: str, text: str, choices: Sequence[str], likely: str | None) -> str | None:
        """Return the answer that was given, else the likely choice; None leaves it open.

        Raises:
            DataError: the answer is none of the choices.
        """
        chosen, choices = likely, tuple(dict.fromkeys(choices))
        if key in self.answers:
            written = self.answers[key].strip()
            chosen = _among(written, choices)
            if chosen is None:
                some = ", ".join(f"“{choice}”" for choice in choices[:MOST_CHOICES])
                raise DataError(
                    f"“{written}” answers no question “{key}”.",
                    why=f"Its choices are {some}." if choices else "Nothing there is to choose.",
                    fix="Pick one of the choices.",
                    question=key,
                )
        self.questions.append(Question(key, text, choices[:MOST_CHOICES], chosen))
        return chosen

    def tell(self, sentence: str) -> None:
        """Add a sentence of evidence, once."""
        if sentence not in self.evidence:
            self.evidence.append(sentence)

    def require_known(self) -> None:
        """Refuse answers to questions that nobody asked."""
        known = {question.id for question in self.questions}
        for key in sorted(set(self.answers) - known):
            raise DataError(
                f"There is no question “{key}”.",
                why=f"The questions are {', '.join(sorted(known)) or 'none'}.",
                fix="Take that answer back, or answer one of these.",
            )


def require_answered(reading: Reading) -> None:
    """Refuse to read on while a question is open; DataError names the answer that mends it."""
    for question in reading.open:
        some = ", ".join(f"“{choice}”" for choice in question.choices)
        raise DataError(
            question.text,
            why=f"The names and tables do not decide it. The choices are {some}.",
            fix=f"Pick one under “How the zip is read”, or give --answer "
            f"“{question.id}={question.choices[0]}”.",
            question=question.id,
        )


def counted(labels: Sequence[str]) -> dict[str, int]:
    """Return how many images each label has, by label."""
    return dict(sorted(Counter(labels).items()))


def _among(written: str, choices: Sequence[str]) -> str | None:
    if written in choices:
        return written
    folded = [choice for choice in choices if choice.casefold() == written.casefold()]
    return folded[0] if len(folded) == 1 else None
