"""From a failure that a person can fix to what the screen says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr
from markupsafe import Markup

from imil.core.disk import is_disk_refusal, not_saved_error
from imil.errors import ImilError
from imil.report.parts import text
from imil.report.parts.markup import note

# Seconds that a message stays: what, why and fix are three sentences to read.
READING_TIME = 12


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an `ImilError` raised inside, or a full disk, as a message; faults go through.

    The only place that makes a `gr.Error`. Its text is escaped: names of files and labels come
    from outside.
    """
    try:
        yield
    except ImilError as error:
        raise _shown(error) from error
    except OSError as error:
        # Wherever it was that the disk refused a file: that is for people to mend, and no fault.
        if not is_disk_refusal(error):
            raise
        raise _shown(not_saved_error("This", error)) from error


def _shown(error: ImilError) -> gr.Error:
    words, lead = _told(error)
    # The traceback belongs to a fault; this is a sentence for a person.
    return gr.Error(
        escape(words, quote=False),
        title=escape(lead, quote=False),
        duration=READING_TIME,
        print_exception=False,
    )


def error_in_place(error: ImilError) -> Markup:
    """Return the error as a note that stands where it arose."""
    words, lead = _told(error)
    return note(words, tone="bad", lead=lead, alert=True)


def _told(error: ImilError) -> tuple[str, str]:
    """Return why and what to do, and what it is; arms by their names for people."""
    why, what = (text.with_arm_names(each) for each in (f"{error.why} {error.fix}", error.what))
    return why, what
