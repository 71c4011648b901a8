"""How much anybody may ask for: upper bounds, each our choice, and the checks that use them.

The bounds are far above what a study needs. They keep a mistyped number or a hostile one from
filling the disk, the memory or a night.
"""

from __future__ import annotations

import math
import unicodedata
from typing import TypeGuard

from imil.errors import PlanError

# The largest seed: what torch and numpy both take.
LARGEST_SEED = 2**31 - 1
# A verdict needs five seeds.
MOST_SEEDS = 50
# Arms and variants of one comparison, control among them; there are 18 arms.
MOST_ARMS = 100
# Arms times seeds of one comparison.
MOST_TRAININGS = 1000
# Threads of one training.
MOST_THREADS = 256
# Processes that train side by side.
MOST_WORKERS = 99
# Frames of one file, and views of it.
MOST_FRAMES = 1_000_000
# The largest weight of a penalty in the loss; the arms offer up to 1000.
LARGEST_WEIGHT = 1e6
# Training films of one synthetic set.
MOST_FILMS = 100_000
# Texts in one list that a page or a program sends.
MOST_AT_ONCE = 1000
# Seconds that one mask takes; what a page says beyond is time that nobody painted.
LONGEST_PAINTING = 24 * 3600.0
# Seconds that one mask can have taken, for a page that was left open: what counts is that the
# times of all masks can be added up. The painter hands in at most `LONGEST_PAINTING`.
MOST_SECONDS = 30 * 24 * 3600.0
# The largest whole number that every browser counts exactly; no number that is sent is larger.
LARGEST_SENT = 2**53 - 1

# In signs; for readers' names see `imil.core.review.readers`.
LONGEST_STUDY_NAME = 120
# Names of classes, splits, columns, data sets and what else is named in a line.
LONGEST_LINE = 200
# Any other text that a program may send: a token, a pattern, a list of columns.
LONGEST_TEXT = 2000
# What an error quotes of a value that can't be used.
LONGEST_QUOTE = 60


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number that a float can hold; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`; PlanError for anything else."""
    if not is_whole(value) or not low <= value <= high:
        raise _unfit(name, value, f"a whole number from {low} to {high}")
    return value


def check_seed(seed: object) -> int:
    """Return a seed; PlanError for anything else."""
    return check_whole("seed", seed, 0, LARGEST_SEED)


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return a finite number from `low` to `high`; PlanError for anything else."""
    if not is_number(value) or not low <= value <= high:
        raise _unfit(name, value, f"a number from {low:g} to {high:g}")
    return value


def check_above(name: str, value: object, low: float, high: float) -> float:
    """Return a finite number above `low` and at most `high`; PlanError for anything else."""
    if not is_number(value) or not low < value <= high:
        raise _unfit(name, value, f"a number above {low:g} and at most {high:g}")
    return value


def check_flag(name: str, value: object) -> bool:
    """Return True or False; PlanError for anything else."""
    if not isinstance(value, bool):
        raise _unfit(name, value, "true or false")
    return value


def check_text(name: str, value: object, *, longest: int = LONGEST_TEXT) -> str:
    """Return a text of at most `longest` signs that can be stored; PlanError for anything else."""
    if not isinstance(value, str):
        raise _unfit(name, value, "a text")
    if len(value) > longest:
        raise _unfit(name, value, f"a text of at most {longest} signs")
    if not value.isascii() and not _can_be_stored(value):
        raise _unfit(name, value, "a text without halves of signs")
    return value


def one_line(written: str) -> str:
    """Return a text as one line: blanks single, no control signs, none that change direction."""
    signs = (" " if sign.isspace() else sign for sign in unicodedata.normalize("NFC", written))
    return " ".join("".join(s for s in signs if unicodedata.category(s)[0] != "C").split())


def study_name(written: object) -> str:
    """Return a study's name as it is kept: one line; PlanError if it is no text, or too long."""
    return one_line(check_text("name of the study", written, longest=LONGEST_STUDY_NAME))


def quoted(value: object) -> str:
    """Return a value as an error quotes it: short, in one line, whatever it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Python writes no whole number of more than 4300 digits.
        return f"{value:.15g}" if is_number(value) or isinstance(value, float) else "a huge number"
    if isinstance(value, str):
        line = one_line(value[: 2 * LONGEST_QUOTE])
        return f"“{line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + '…'}”"
    if isinstance(value, bool):
        return str(value).lower()
    return "empty" if value is None else f"of type {type(value).__name__}"


def _can_be_stored(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of UTF-16
        return False
    return True


def _unfit(name: str, value: object, allowed: str) -> PlanError:
    # A secret is not repeated, not even to whoever sent it: errors are copied and sent around.
    given = "not usable" if "token" in name else quoted(value)
    return PlanError(
        f"The {name} is {given}.",
        why=f"It must be {allowed}.",
        fix=f"Change the {name} and try again.",
    )
