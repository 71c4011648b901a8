"""Endpoints that look into a zip, and read it as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from imil.app.api.given import whole
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import Uploads
from imil.datasets.choices import Choices, parse_columns
from imil.study.library.studies import Studies
from imil.study.study import Study


def add_archive_endpoints(
    studies: Studies,
    files: Uploads,
    about: Callable[[Study], dict[str, Any]],
    uploaded: Callable[[str | None], Path],
) -> None:
    """Add them to the Blocks being built; `about` says what a study consists of.

    They go through `gr.File`, which refuses a path that was not uploaded: `gr.api` would not.
    """

    @costs(Cost.BEGIN)
    def look_at_archive(archive: str | None) -> dict[str, Any]:
        """Return what a zip holds: images, tables, what columns and file names seem to mean."""
        with errors_shown(), files.reading(archive):
            return asdict(studies.look_into(uploaded(archive)))

    @costs(Cost.BEGIN)
    def open_images(
        archive: str | None,
        name: str,
        positive: str | None = None,
        columns: str | None = None,
        patient_pattern: str | None = None,
        frame: int = 0,
        view: int = 1,
        black_corners: bool = False,
        answers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Begin a study of the images in a zip, its columns and patients told.

        `answers` are to the questions of `look_at_archive`, by their ids; `columns` is as in
        “file=image,label=dx”; `frame` of DICOM files with several counts from 1,
        0 for none; `view` is which of their windows, 0 for none.
        """
        with errors_shown(), files.reading(archive):
            path = uploaded(archive)
            choices = Choices(
                answers=(
                    *(parse_columns(columns) if columns else ()),
                    *((("patient", patient_pattern),) if patient_pattern else ()),
                    *(answers or {}).items(),
                ),
                frame=whole("frame", frame or 0) or None,
                preset=whole("view", view or 0),
                black_corners=bool(black_corners),
            )
            return about(
                studies.from_archive(
                    path,
                    name=(name or "").strip() or None,
                    positive=positive or None,
                    choices=choices,
                )
            )

    looked, file = (gr.File(visible=False) for _ in range(2))
    words = [gr.Textbox(visible=False) for _ in range(4)]
    frame, view = (gr.Number(n, precision=0, visible=False) for n in (0, 1))
    black = gr.Checkbox(visible=False)
    answers = [gr.JSON(visible=False) for _ in range(2)]
    given = gr.JSON(visible=False)
    gr.Button(visible=False).click(look_at_archive, looked, answers[0], concurrency_limit=None)
    gr.Button(visible=False).click(
        open_images, [file, *words, frame, view, black, given], answers[1], concurrency_limit=None
    )
