"""Who reads: a name that goes with each mask, asked for where masks are painted."""

from __future__ import annotations

from typing import Any

import gradio as gr

from imil.core.review.readers import LONGEST_NAME, UNNAMED
from imil.report.parts import numbers, text
from imil.study.study import Study

READER_INFO = "Saved with each mask. You see only your own masks."


def build_reader_field() -> gr.Textbox:
    """Place the field where Gradio stands now. Empty stands for the unnamed reader."""
    return gr.Textbox(
        label="Reader",
        placeholder=UNNAMED,
        max_length=LONGEST_NAME,
        info=READER_INFO,
        elem_id="reader",
        elem_classes=["field", "readerfield"],
    )


def kept_name(reader: str) -> str:
    """Return what the browser keeps of a reader's name: "" for the unnamed one."""
    return "" if reader == UNNAMED else reader


def show_reader(study: Study, reader: str) -> Any:
    """Return the field with a reader's name; of masks painted without one it says where they are.

    Args:
        study: whose masks they are.
        reader: as `reader_name` gives it.
    """
    info, unnamed = READER_INFO, study.review.budget(UNNAMED).painted
    if reader != UNNAMED and unnamed:
        count = numbers.some(unnamed, text.MASK_ONE, text.MASK_MANY)
        info = f"{count} painted without a name. Empty this field to see them."
    return gr.update(value=kept_name(reader), info=info)
