"""Everything to take away: files made when they are asked for, for the one who asks."""

from __future__ import annotations

import io
import secrets
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from gradio_client.utils import encode_file_path
from markupsafe import Markup

from imil.app.server.served_files import download_folder
from imil.core.evaluation.rounds import Round
from imil.errors import PlanError
from imil.hub_export import model_files
from imil.jobs.training.machine import versions
from imil.models.onnx import installed
from imil.report.parts import text
from imil.report.parts.markup import ASSETS, card, remark, render
from imil.report.report import report_html
from imil.report.share_picture import share_picture
from imil.storage.codec import MaskRecord, encode_masks, encode_region
from imil.storage.records.acts import Act, acts_csv, acts_jsonl
from imil.storage.sheets import csv_text
from imil.study.review.mask_book import reader_label
from imil.study.review.predicted_regions import EXPORT_FILE
from imil.study.study import Study

FILES = {
    "report": ("Report", "HTML, plots inside, works without a network"),
    "picture": ("Picture of the result", "PNG to show or post; no image and no study's name in it"),
    "results_json": ("Every figure", "results.json, for programs"),
    "results_csv": ("Results per seed", "results.csv, one row per arm, metric and seed"),
    "images": ("Predictions per image", "Parquet: what each arm and seed predicts for each image"),
    "masks": ("Masks", "One PNG per image and Parquet, zipped"),
    "curves": ("Curves", "curves.csv: loss and accuracy by epoch, arm and seed"),
    "model": ("Model", "safetensors, config and model card, zipped"),
    "onnx": ("Model as ONNX", "For programs without torch; checked against it"),
}

# Files of one arm: which is chosen beside the button.
OF_AN_ARM = ("model", "onnx")
# One moment for all that is zipped, so that the same content is the same file.
_MOMENT = (1980, 1, 1, 0, 0, 0)
# Files that every study has, compared or not: itself, with or without images, and its log.
_WHOLE = {"study": True, "study_light": False}
LOGS: Mapping[str, tuple[str, Callable[[Iterable[Act]], bytes]]] = {
    "acts_csv": ("acts.csv", acts_csv),
    "acts_jsonl": ("acts.jsonl", acts_jsonl),
}
README_MASKS = (
    "One PNG per image at its own size, white where it is hidden; one folder per reader where "
    "several masked. The file masks.parquet holds the same with label, prediction, reader, "
    "seconds, queue and time.\n"
)


def downloads_card(study: Study, found: Round) -> Markup:
    """Return the card of files; each button asks for one by `data-ask`."""
    files = {what: each for what, each in FILES.items() if what != "onnx" or installed()}
    arms = [(arm.arm, text.arm_name(arm.arm)) for arm in found.arms]
    rows = file_rows(files, arms=arms, main=study.results.main_arm())
    return card(
        "Downloads",
        rows + remark("Made from what this page shows, when you ask. No image is in them."),
    )


def file_rows(
    files: Mapping[str, tuple[str, str]],
    *,
    arms: Sequence[tuple[str, str]] = (),
    main: str | None = None,
) -> Markup:
    """Return a row a file, with the button that asks for it.

    Args:
        files: name and words of each, by what is asked for.
        arms: those whose model may be asked for, each with its name for people.
        main: the one that is asked for unless another is chosen.
    """
    rows = [
        {"what": what, "name": name, "words": words, "choice": what in OF_AN_ARM}
        for what, (name, words) in files.items()
    ]
    return render("files.html", files=rows, arms=arms, main=main)


def build_downloads(**kwargs: Any) -> gr.HTML:
    """Place what hands a file to the browser; its value is `download_value`'s. It shows nothing."""
    return gr.HTML(
        html_template="<span></span>",
        js_on_load=(ASSETS / "handout.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def download_value(path: Path) -> dict[str, str]:
    """Return what makes the browser download a file of `export_file`."""
    # Beside the page, wherever that is served.
    address = f"gradio_api/file={encode_file_path(str(path))}"
    return {"url": address, "name": path.name, "time": secrets.token_hex(4)}


def export_file(
    study: Study, what: str, arm: str | None = None, *, reader: str | None = None
) -> Path:
    """Write a file where Gradio may serve it from, for a while, under a name that nobody guesses.

    Args:
        study: whose results.
        what: a key of `FILES` or `text.RECORD_FILES`.
        arm: whose model; the main one by default.
        reader: who asks; None for one who may be any of them.

    Raises:
        PlanError: there is no such file, no finished comparison, no such arm, or others' masks that
            the reader must not see yet.
    """
    folder = download_folder(study.study_id)
    try:
        if what in _WHOLE:
            study.readers.check_unblinded(reader)
            # Written piece by piece: it may hold every image.
            path = folder / "study.zip"
            study.export(path, whole=_WHOLE[what])
            return path
        name, content = make_file(study, what, arm, reader=reader)
        path = folder / name
        path.write_bytes(content)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # on a full disk its room is missed
        raise
    return path


def export_predictions(study: Study) -> Path:
    """Write the predicted masks of all training images, as `export_file` writes its files."""
    path = download_folder(study.study_id) / EXPORT_FILE
    study.predictions.export(path)
    return path


def make_file(
    study: Study, what: str, arm: str | None = None, *, reader: str | None = None
) -> tuple[str, bytes]:
    """Return a file's name and content; see `export_file`."""
    if what in LOGS:
        name, write = LOGS[what]
        return name, write(study.audit.check().acts)
    if what == "agreement":
        return "agreement.csv", study.readers.agreement_csv()
    if what == "masks":
        study.readers.check_unblinded(reader)
    found = study.results.shown()
    if found is None:
        raise PlanError(
            "There is nothing to download yet.",
            why="Files are made of a finished comparison.",
            fix="Test your masks first.",
        )
    makers: Mapping[str, Callable[[], tuple[str, bytes | None]]] = {
        "report": lambda: ("report.html", _report(study, found)),
        "picture": lambda: ("result.png", share_picture(found)),
        "results_json": lambda: ("results.json", study.results.json()),
        "results_csv": lambda: ("results.csv", study.results.csv()),
        "images": lambda: ("images.parquet", study.results.cases_parquet()),
        "masks": lambda: ("masks.zip", _masks(study.review.records())),
        "curves": lambda: ("curves.csv", _curves(study)),
        "model": lambda: _model(study, found, arm or study.results.main_arm() or ""),
        "onnx": lambda: ("model.onnx", study.results.onnx(arm or study.results.main_arm() or "")),
    }
    if what not in makers:
        raise PlanError(
            f"There is no file “{what}”.",
            why="A finished comparison has a few kinds of files.",
            fix=f"Ask for one of: {', '.join((*makers, *_WHOLE, *LOGS))}.",
        )
    name, content = makers[what]()
    if content is None:
        raise PlanError(
            "The answers to each image are not known.",
            why=text.MATRICES_UNKNOWN,
            fix="Compare again to have them.",
        )
    return name, content


def _report(study: Study, found: Round) -> bytes:
    return report_html(
        found,
        name=study.name,
        classes=study.images.classes,
        plan=study.plan,
        proof=study.proof.sentence,
        versions=versions(),
        cases=study.results.cases(),
        rounds=study.results.rounds(),
        readers=study.readers.reading(),
    ).encode()


def _masks(records: tuple[MaskRecord, ...]) -> bytes:
    ids = {record.sample_id for record in records}
    stems = Counter(PurePosixPath(sample_id).stem for sample_id in ids)
    files = {"README.txt": README_MASKS.encode()}
    folders = reader_folders([reader_label(record) for record in records])
    for record in records:
        path = PurePosixPath(record.sample_id)
        # Named like the images, as `--masks` reads them; whole where two would be the same.
        name = path.stem if stems[path.stem] == 1 else "_".join(path.parts)
        files[f"{folders[reader_label(record)]}{name}.png"] = encode_region(record.irrelevant)
    files["masks.parquet"] = encode_masks(records)
    return _zipped(files)


def reader_folders(readers: Sequence[str]) -> dict[str, str]:
    """Return a folder a reader, with "/" at its end; none where one reader masked all.

    A name may hold signs that no folder can; two that become the same are told apart by a number.
    """
    names = list(dict.fromkeys(readers))
    if len(names) < 2:
        return dict.fromkeys(names, "")
    plain = [
        "".join(s if s.isalnum() or s in " ._-" else "-" for s in n).strip(" .") for n in names
    ]
    return {
        name: f"{own or 'reader'}{f' {i + 1}' if plain.count(own) > 1 else ''}/"
        for i, (name, own) in enumerate(zip(names, plain, strict=True))
    }


def _model(study: Study, found: Round, arm: str) -> tuple[str, bytes]:
    files = model_files(study, found, arm)
    name = "".join(letter if letter.isalnum() else "-" for letter in arm)
    return f"model-{name}.zip", _zipped(files)


def _curves(study: Study) -> bytes:
    figures = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    rows: list[tuple[object, ...]] = [("arm", "seed", "epoch", *figures)]
    for arm, seeds in study.results.curves().items():
        for seed, epochs in seeds.items():
            for epoch in epochs:
                values = (f"{getattr(epoch, name):.6f}" for name in figures)
                rows.append((arm, seed, epoch.epoch, *values))
    return csv_text(rows).encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()
