"""The images behind a count: a dialog of pictures, a page at a time, one of them large."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from PIL import Image

from imil.core.arms.variants import Variant, parse_variant
from imil.core.evaluation.cases import Case, Cases, broken, fixed, in_cell, in_group
from imil.errors import DataError, PlanError
from imil.report.cards.cases_card import case_words
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, data_url, jpeg_url, render
from imil.study.study import Study

CASES_PAGE = "{first}–{last} of {n}"

# Pictures a page, and the largest side of the one that is opened, px. Our choice.
VIEWER_PAGE = 48
LARGE = 1024


def build_viewer(**kwargs: Any) -> gr.HTML:
    """Place the dialog where Gradio stands now; it is closed until it has a value.

    Its value is `viewer_page`'s, its prop `large` is `large_picture`'s. It triggers `turn` (data:
    ask, page) and `look` (data: sample).
    """
    return gr.HTML(
        html_template=str(render("viewer.html")),
        js_on_load=(ASSETS / "viewer.js").read_text("utf-8"),
        apply_default_css=False,
        large=None,
        **kwargs,
    )


def asked_cases(study: Study, cases: Cases | None, ask: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the images that were asked for: a cell of an arm's matrix, or what it changed.

    Args:
        study: whose.
        cases: its answers.
        ask: {"arm", "label", "said"} for a cell; {"arm", "changed": "fixed" or "broken"};
            {"arm", "group"} for the images of a group.

    Raises:
        PlanError: no finished comparison, no such arm, or nothing that can be asked for.
    """
    if cases is None:
        raise PlanError(
            "There are no images to open yet.",
            why="They are those of a finished comparison.",
            fix="Test your masks first.",
        )
    arm = next((each for each in cases.predicted if each == ask.get("arm")), None)
    if arm is None:
        raise PlanError(
            f"The arm “{ask.get('arm')}” was not compared.",
            why=f"The comparison has {', '.join(cases.predicted)}.",
            fix="Ask for one of these.",
        )
    kinds = {"fixed": fixed, "broken": broken}
    changed = ask.get("changed")
    if isinstance(changed, str) and changed in kinds:
        return kinds[changed](cases, arm)
    if isinstance(group := ask.get("group"), str):
        ids = [sample.sample_id for sample in study.images.samples if sample.group == group]
        return in_group(cases, arm, ids)
    label, said = ask.get("label"), ask.get("said")
    known = range(len(study.images.classes))
    if not isinstance(label, int) or not isinstance(said, int) or {label, said} - set(known):
        raise PlanError(
            "There is no such cell.",
            why=f"A label and what was said are numbers from 0 to {len(known) - 1}.",
            fix="Ask for a cell of the matrix, or for what was fixed or broken.",
        )
    return in_cell(cases, arm, label=label, predicted=said)


def viewer_page(study: Study, ask: Mapping[str, Any], page: int) -> dict[str, Any]:
    """Return a page of the images that were asked for; a page beyond the ends is the nearest.

    Raises:
        PlanError: as `asked_cases`.
    """
    found = asked_cases(study, study.results.cases(), ask)
    pages = max(1, -(-len(found) // VIEWER_PAGE))
    page = min(max(0, page), pages - 1)
    first, classes, arm = page * VIEWER_PAGE, study.images.classes, parse_variant(str(ask["arm"]))
    shown = found[first : first + VIEWER_PAGE]
    span = CASES_PAGE.format(
        first=numbers.count(min(first + 1, len(found))),
        last=numbers.count(first + len(shown)),
        n=numbers.count(len(found)),
    )
    return {
        # The same cell asked for again opens again.
        "time": secrets.token_hex(4),
        "title": _title(ask, arm, classes),
        "span": span,
        "page": page,
        "pages": pages,
        "ask": {
            key: ask[key] for key in ("arm", "label", "said", "changed", "group") if key in ask
        },
        "items": [_item(study, case, arm, classes) for case in shown],
        "open": str(ask["sample"]) if "sample" in ask else "",
    }


def large_picture(study: Study, sample_id: str) -> dict[str, str]:
    """Return an image as large as it is, up to `LARGE` px; DataError if there is none."""
    if not sample_id:
        raise DataError("There is no image.", why="None was named.", fix="Pick one.")
    image = Image.fromarray(study.pictures.original(sample_id))
    image.thumbnail((LARGE, LARGE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return {
        "id": sample_id,
        "picture": jpeg_url(file.getvalue()),
        "time": secrets.token_hex(4),
    }


def _item(study: Study, case: Case, arm: Variant, classes: Sequence[str]) -> dict[str, str]:
    said, label, control = case_words(case, arm, classes)
    return {
        "id": case.sample_id,
        "title": study.images.title(case.sample_id),
        "picture": data_url(study.pictures.thumbnail(case.sample_id)),
        "said": said,
        "label": label,
        "control": control,
    }


def _title(ask: Mapping[str, Any], arm: Variant, classes: Sequence[str]) -> str:
    name = text.arm_name(arm)
    if "group" in ask:
        return f"{name}: images “{ask['group']}”"
    if "label" not in ask:
        titles = {
            "fixed": "{arm}: fixed, now right",
            "broken": "{arm}: broken, now wrong",
        }
        return titles[ask["changed"]].format(arm=name)
    return "{arm}: label {label}, said {said}".format(
        arm=name, label=classes[int(ask["label"])], said=classes[int(ask["said"])]
    )
