"""From a failure that a person can fix to what the screen says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from imil.errors import ImilError
from imil.ui import text
from imil.ui.markup import note

# Seconds that a message stays: what, why and fix are three sentences to read.
READING_TIME = 12


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an `ImilError` raised inside as a message; anything else is a fault and goes through.

    The only place that makes a `gr.Error`. Its text is escaped: names of files and labels come
    from outside.
    """
    try:
        yield
    except ImilError as error:
        words, lead = _told(error)
        # The traceback belongs to a fault; this is a sentence for a person.
        raise gr.Error(
            escape(words, quote=False),
            title=escape(lead, quote=False),
            duration=READING_TIME,
            print_exception=False,
        ) from error


def error_in_place(error: ImilError) -> str:
    """Return the error as a note that stands where it arose."""
    words, lead = _told(error)
    return note(words, tone="bad", lead=lead, alert=True)


def _told(error: ImilError) -> tuple[str, str]:
    """Return why and what to do, and what it is; arms by their names for people."""
    why, what = (text.with_arm_names(each) for each in (f"{error.why} {error.fix}", error.what))
    return why, what
