"""Where images come from: the demo, a public set, a zip, or a data set on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html, kept_text
from imil.app.train.zip_options import ZIP_QUESTIONS, ZipOptions, build_zip_options
from imil.datasets.hub.process import LIMIT, HubRequest
from imil.datasets.hub.read import MOST_HUB_IMAGES, HubChoice, parse_hub_id
from imil.datasets.public_sets import PUBLIC_SETS, PublicSet
from imil.report.parts import numbers, text
from imil.report.parts.markup import hint, part
from imil.study.library.imports import ImportStatus

DEMO_WORDS = (
    "Synthetic chest films. In 95 % of the training films an “L” in the corner gives the answer "
    "away. We planted it: can you make the model stop using it?"
)
DEMO_CHOICE = "Ready to paint: the model is trained. Train it yourself: you can change its plan."
ZIP_WORDS = (
    "A zip of pictures or DICOM files with one folder per class, with train, validation and test "
    "folders, or with a table of labels. We skip and list files that can't be read. "
    "A study.zip exported here opens as a study of its own. We delete the zip once it is read."
)
ZIP_POSITIVE = "Label that counts as positive"
ZIP_POSITIVE_INFO = (
    "Leave empty to keep all classes; one label makes it that label against the rest."
)
SOURCES = {
    "demo": ("Demo films", "Synthetic, at once"),
    "public": ("Public set", "Real images, one click"),
    "zip": ("Your own zip", "Folders or table"),
    "hub": ("Hub id", "Any image data set"),
}
PUBLIC_FACTS = (
    "{repo} · licence {licence} · a sample of {limit} of {images} images: {shows}. {remark}"
)
PUBLIC_CARD = "{shown}\n{n} images, {licence}"
PUBLIC_DRAWINGS = "The pictures are drawings, not images of the sets."
HUB_WORDS = (
    "An image folder or Parquet with images and labels. Images are written again without their "
    "metadata; no script of the data set is run."
)
HUB_HAS = "{repo} · licence {licence} · {splits}. Label: {label}. Patients: {patient}."

# What a page looks at while images are read, seconds.
READING_POLL = 0.7
_PUBLIC = {known.repo: known for known in PUBLIC_SETS}


@dataclass(frozen=True, slots=True, eq=False)
class SourcePicker:
    """The components; `reading` lives in the browser, and brings a page back to a reading.

    `fold` holds them all, and closes once images are read.
    """

    fold: gr.Accordion
    source: gr.Radio
    demo: gr.Column
    open_demo: gr.Button
    open_untrained: gr.Button
    public: gr.Column
    public_set: gr.Radio
    public_facts: gr.HTML
    open_public: gr.Button
    archive: gr.Column
    file: gr.File
    name: gr.Textbox
    positive: gr.Dropdown
    zip: ZipOptions
    open_archive: gr.Button
    hub: gr.Column
    hub_id: gr.Textbox
    hub_look: gr.Button
    hub_has: gr.HTML
    hub_options: gr.Accordion
    hub_config: gr.Dropdown
    hub_splits: gr.Dropdown
    hub_label: gr.Dropdown
    hub_positive: gr.Dropdown
    hub_limit: gr.Number
    hub_frame: gr.Textbox
    hub_token: gr.Textbox
    hub_black: gr.Checkbox
    open_hub: gr.Button
    progress: gr.HTML
    stop: gr.Button
    reading: gr.BrowserState
    timer: gr.Timer

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        own = components_of(self, but={"zip"})
        return [*own, *self.zip.outputs]

    @property
    def sides(self) -> dict[str, gr.Column]:
        """What belongs to each source."""
        return {"demo": self.demo, "public": self.public, "zip": self.archive, "hub": self.hub}

    @property
    def openers(self) -> list[gr.Button]:
        """The buttons that begin a study."""
        return [
            self.open_demo,
            self.open_untrained,
            self.open_public,
            self.open_archive,
            self.open_hub,
        ]

    @property
    def hub_choice(self) -> list[Any]:
        """What `hub_request` is made of, in its order."""
        return [
            self.hub_id,
            self.hub_config,
            self.hub_splits,
            self.hub_label,
            self.hub_limit,
            self.hub_token,
            self.hub_black,
            self.hub_frame,
        ]


@dataclass(frozen=True, slots=True, eq=False)
class ReadingWatch:
    """What a page needs to come back to a reading, whichever tab it opens on: no part of a tab.

    Gradio makes what lies in a tab only when the tab is opened.
    """

    reading: gr.BrowserState
    timer: gr.Timer


def build_reading_watch() -> ReadingWatch:
    """Place the components, which nobody sees, where Gradio stands now."""
    return ReadingWatch(kept_text("imil-reading"), gr.Timer(READING_POLL, active=False))


def build_source_picker(watch: ReadingWatch, fold: gr.Accordion) -> SourcePicker:
    """Place the components where Gradio stands now, which is in `fold`."""
    source = gr.Radio(
        [("\n".join(words), name) for name, words in SOURCES.items()],
        value="demo",
        label="Source",
        elem_classes=["pickcards"],
        elem_id="source",
    )
    with gr.Column() as demo:
        html(hint(DEMO_WORDS))
        with gr.Row(elem_classes=["demoacts"]):
            open_demo = gr.Button("New demo, ready to paint", elem_id="open-demo", size="md")
            open_untrained = gr.Button(
                "New demo, train it yourself", elem_id="open-untrained", size="md"
            )
        html(hint(DEMO_CHOICE))
    with gr.Column(visible=False) as public:
        first = PUBLIC_SETS[0]
        public_set = gr.Radio(
            [(_card_words(known), known.repo) for known in PUBLIC_SETS],
            value=first.repo,
            label="Public set",
            elem_classes=["pickcards", "two", "drawn"],
            elem_id="public-set",
        )
        html(hint(PUBLIC_DRAWINGS, kind="s12"))
        public_facts = html(facts_of(first), elem_id="public-facts")
        open_public = gr.Button(fetch_words(first), elem_id="open-public", size="md")
    with gr.Column(visible=False) as archive:
        html(hint(ZIP_WORDS))
        file = gr.File(
            label="Zip of images, or .npz",
            file_types=[".zip", ".npz", ".nii", ".gz"],
            height=140,
            elem_id="archive",
        )
        with gr.Row(elem_classes=["fields2"]):
            name = gr.Textbox(
                label="Name of the study",
                info="Don't include patient names or ids.",
                max_length=80,
                elem_id="name",
            )
            positive = gr.Dropdown(
                [],
                label=ZIP_POSITIVE,
                info=ZIP_POSITIVE_INFO,
                visible=False,
                elem_id="positive",
            )
        zip_options = build_zip_options()
        open_archive = gr.Button("Read the images", elem_id="open-archive", size="md")
    with gr.Column(visible=False) as hub:
        html(hint(HUB_WORDS))
        hub_id = gr.Textbox(
            label="Id of the data set",
            placeholder="owner/name or owner/name@revision",
            max_length=300,
            elem_id="hub-id",
        )
        hub_has = html(elem_id="hub-has")
        options = gr.Accordion(
            "Configuration, splits, columns, token", open=False, elem_classes=["advanced"]
        )
        with options, gr.Row(elem_classes=["fields2"]):
            hub_config = _pick("Configuration", "hub-config")
            hub_splits = _pick("Splits", "hub-splits", many=True, info="None picked reads them all")
            hub_label = _pick("Label column", "hub-label")
            hub_positive = _pick(ZIP_POSITIVE, "hub-positive", info=ZIP_POSITIVE_INFO)
            hub_limit = gr.Number(
                LIMIT,
                label="Images, at most",
                info="A sample in the set's own class shares",
                precision=0,
                minimum=1,
                maximum=MOST_HUB_IMAGES,
                elem_id="hub-limit",
            )
            hub_frame = gr.Textbox(
                label=ZIP_QUESTIONS["frame"],
                info="Of images with several: a number from 1, or middle",
                max_length=80,
                elem_id="hub-frame",
            )
            hub_token = gr.Textbox(
                label="Access token",
                info="For gated and private sets; used once, never kept",
                type="password",
                max_length=200,
                elem_id="hub-token",
            )
        hub_black = gr.Checkbox(label=text.ZIP_BLACK, elem_id="hub-black")
        with gr.Row(elem_classes=["fields2"]):
            hub_look = gr.Button("See what it has", elem_id="hub-look", size="md")
            open_hub = gr.Button("Fetch the images", elem_id="open-hub", size="md")
    progress = html(elem_id="reading")
    stop = gr.Button(
        "Stop reading", variant="stop", size="md", visible=False, elem_id="stop-reading"
    )
    return SourcePicker(
        fold=fold,
        source=source,
        demo=demo,
        open_demo=open_demo,
        open_untrained=open_untrained,
        public=public,
        public_set=public_set,
        public_facts=public_facts,
        open_public=open_public,
        archive=archive,
        file=file,
        name=name,
        positive=positive,
        zip=zip_options,
        open_archive=open_archive,
        hub=hub,
        hub_id=hub_id,
        hub_look=hub_look,
        hub_has=hub_has,
        hub_options=options,
        hub_config=hub_config,
        hub_splits=hub_splits,
        hub_label=hub_label,
        hub_positive=hub_positive,
        hub_limit=hub_limit,
        hub_frame=hub_frame,
        hub_token=hub_token,
        hub_black=hub_black,
        open_hub=open_hub,
        progress=progress,
        stop=stop,
        reading=watch.reading,
        timer=watch.timer,
    )


def _pick(label: str, name: str, *, many: bool = False, info: str | None = None) -> gr.Dropdown:
    return gr.Dropdown(
        [],
        label=label,
        info=info,
        multiselect=many,
        value=[] if many else None,
        allow_custom_value=True,
        elem_id=name,
    )


def _card_words(known: PublicSet) -> str:
    # The first line is the card's title: short, so that it is one line.
    return PUBLIC_CARD.format(
        shown=known.name.replace(", ", "\n"), n=numbers.count(known.images), licence=known.licence
    )


def facts_of(known: PublicSet) -> Markup:
    """Return what a public set is, on what terms, and whom to cite."""
    facts = PUBLIC_FACTS.format(
        repo=known.repo,
        licence=known.licence,
        limit=numbers.count(known.limit),
        images=numbers.count(known.images),
        shows=known.shows,
        remark=known.remark,
    )
    return hint(facts) + hint(f"Cite: {known.citation}", kind="s12")


def fetch_words(known: PublicSet) -> str:
    """Return what the button of a public set says."""
    return f"Fetch {numbers.count(known.limit)} images"


def hub_request(hub_id: str | None, values: tuple[Any, ...]) -> HubRequest:
    """Return what the fields ask for; `values` are those of `hub_choice` after the id.

    Raises:
        DataError: it is no id.
    """
    repo, revision = parse_hub_id(hub_id or "")
    config, splits, label, limit, token, black, frame = values
    return HubRequest(
        repo,
        revision,
        config=(config or "").strip() or None,
        splits=tuple(splits or ()),
        label=(label or "").strip() or None,
        limit=LIMIT if limit is None else int(limit),
        token=(token or "").strip() or None,
        black_corners=bool(black),
        frame=(frame or "").strip(),
    )


def show_source(picker: SourcePicker, source: Mapping[str, Any]) -> Updates:
    """Return the picker with the source that the images of an open study came from.

    The demo leaves it alone: it opens by itself, and whoever has chosen a source by then keeps it.
    """
    if source["kind"] == "demo":
        return {}
    known = _PUBLIC.get(source.get("repo", ""))
    chosen = "zip" if source["kind"] == "archive" else "hub" if known is None else "public"
    return {
        picker.fold: gr.update(open=False),
        picker.source: gr.update(value=chosen),
        **show_side(picker, chosen),
        **({} if known is None else {picker.public_set: known.repo, **show_public(picker, known)}),
    }


def show_side(picker: SourcePicker, source: str) -> Updates:
    """Return the fields of a source, and no other's."""
    return {side: gr.update(visible=name == source) for name, side in picker.sides.items()}


def show_public(picker: SourcePicker, known: PublicSet) -> Updates:
    """Return what a public set is, and what its button fetches."""
    return {picker.public_facts: facts_of(known), picker.open_public: fetch_words(known)}


def show_source_choice(picker: SourcePicker, repo: str, choice: HubChoice) -> Updates:
    """Return the fields with what a data set has to choose from."""
    splits = ", ".join(
        name if n is None else f"{name} {numbers.count(n)}" for name, n in choice.splits.items()
    )
    has = HUB_HAS.format(
        repo=repo,
        licence=choice.licence or "not stated on its card",
        splits=splits,
        label=choice.label,
        patient=choice.patient or "not named",
    )
    return {
        picker.hub_has: hint(has),
        picker.hub_options: gr.update(open=True),
        picker.hub_config: gr.update(choices=list(choice.configs), value=choice.config),
        picker.hub_splits: gr.update(choices=list(choice.splits), value=[]),
        picker.hub_label: gr.update(choices=list(choice.labels), value=choice.label),
    }


def show_reading(picker: SourcePicker, import_id: str, status: ImportStatus) -> Updates:
    """Return the picker while images are read: its buttons wait."""
    count = "Connecting, or unpacking …"
    if status.total:
        count = f"{numbers.count(status.done)} of {numbers.count(status.total)}"
    share = status.done / status.total if status.total else 0.0
    return {
        picker.fold: gr.update(open=True),
        picker.reading: import_id,
        picker.timer: gr.Timer(active=True),
        picker.progress: part("reading", share, count, of="train.html"),
        picker.stop: gr.update(visible=True, interactive=True),
        **{button: gr.update(interactive=False) for button in picker.openers},
    }


def show_read(picker: SourcePicker) -> Updates:
    """Return the picker when nothing is read any more."""
    return {
        picker.reading: "",
        picker.timer: gr.Timer(active=False),
        picker.progress: "",
        picker.stop: gr.update(visible=False),
        **{button: gr.update(interactive=True) for button in picker.openers},
    }
