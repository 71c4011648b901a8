"""The command line: films to try things on, and a whole study without a screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from imil.cli.external import parse_external, read_external
from imil.cli.hub import add_hub_commands
from imil.cli.inspect import inspect, tell_error
from imil.cli.study import add_study_commands
from imil.core.arms.registry import parse_arms, with_readers, with_shares
from imil.core.arms.variants import IMIL
from imil.core.bounds import check_seed, quoted
from imil.core.disk import full_disk
from imil.core.evaluation.metrics import Interval, Metric, Robustness
from imil.core.evaluation.rounds import ExternalFigures, Round
from imil.core.evaluation.verdict import MIN_SEEDS, Verdict
from imil.core.images import ImageSet
from imil.core.plans import check_plan, check_seeds, default_plan
from imil.core.records import Deployment, Plan, Precision, Selection
from imil.core.review.readers import Pooling
from imil.core.splits import DisjointProof, prove_disjoint
from imil.core.training.data_parallel import rank, world_size
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import Choices, frame_alone, parse_answers, parse_columns
from imil.datasets.folder import read_folder
from imil.datasets.hub.process import LIMIT, HubRequest
from imil.datasets.hub.read import PREFIX, parse_hub_id, read_hub
from imil.datasets.listing import (
    ImportReport,
    image_set,
    listing_from_json,
    listing_to_json,
    require_learnable,
    with_splits,
)
from imil.errors import ImilError, PlanError
from imil.jobs.device import pick_device
from imil.jobs.pool import WorkerPool
from imil.jobs.training.distributed import DistributedTrainer, join_process_group, run_follower
from imil.jobs.training.machine import versions
from imil.models.pretrained import pretrained_bytes
from imil.report.cards.external_card import EXTERNAL_COLUMNS, external_rows
from imil.report.cards.questions import (
    ALIKE,
    VERDICT_NAMES,
    WITHOUT,
    question_rows,
    verdict_word,
)
from imil.report.charts import run_plots
from imil.report.report import report_html
from imil.report.sentences import in_words
from imil.settings import Settings
from imil.storage.local import write_atomic
from imil.study.batch.clinicians import readers_in
from imil.study.batch.runner import WORK, Request, run_study, settled_plan
from imil.study.library.demo_training import make_trained_demo
from imil.study.library.studies import DEMO
from imil.study.workspace import default_threads, usable_cores
from imil.synthetic.films import FilmSpec, film_counts, film_set, write_films

# What a shell gives a program that Ctrl-C ended.
EXIT_INTERRUPTED = 130
# Skipped files named on the terminal; more would push the rest off it.
_SKIPPED_SHOWN = 10
Number = TypeVar("Number", int, float)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show an image classifier what to ignore, and measure whether it helped. "
    "Research use only, not for diagnosis.",
)

app.command()(inspect)
add_hub_commands(app)
add_study_commands(app)


def main(commands: typer.Typer = app) -> None:
    """Run a command line: exit 0, or 2 with an error that says what, why and the fix."""
    try:
        with full_disk("The result"):
            commands()
    except ImilError as error:
        tell_error(error)


@app.callback()
def commands() -> None:
    """Keep each command under its own name, however few there are."""


@app.command()
def films(
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist yet.")],
    images: Annotated[int, typer.Option(help="Training films; others come on top.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of a film, px.")] = 64,
    shortcut: Annotated[
        float, typer.Option(help="Share of training films whose token agrees with the label.")
    ] = 0.95,
    label_noise: Annotated[float, typer.Option(help="Share of wrong training labels.")] = 0.0,
    distractors: Annotated[int, typer.Option(help="Meaningless marks a film.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same films.")] = 0,
) -> None:
    """Write synthetic films as an image folder, with reference masks and groups."""
    spec = FilmSpec(images, size, shortcut, label_noise, distractors, seed)
    total = sum(film_counts(spec).values())
    with progress_bar() as show:
        for done in write_films(spec, out):
            show("films", done / total, None)
    Console().print(f"{total} films in {out}", highlight=False, soft_wrap=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder; a training that is there is replaced.")],
) -> None:
    """Train the demo's first round for the app to ship: its visitors then begin with outliers."""
    with progress_bar() as show:
        made = make_trained_demo(out, DEMO, on_progress=show)
    size = sum((out / name).stat().st_size for name in made.files) / 1e6
    Console().print(
        f"Trained {made.plan.epochs} epochs on {made.films.images} films: {len(made.files)} files, "
        f"{size:.1f} MB in {out}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def run(
    data: Annotated[
        str,
        typer.Option(
            help="An image folder, a zip of one, an .npz, “demo”, or hub:owner/name[@revision]."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for results; run again to go on.")],
    positive: Annotated[
        str | None, typer.Option(help="Make the task this label against the rest.")
    ] = None,
    hub_config: Annotated[
        str | None, typer.Option(help="Configuration of the Hub data set, where it has several.")
    ] = None,
    hub_splits: Annotated[
        str | None, typer.Option(help="Comma-separated splits of the Hub data set; default all.")
    ] = None,
    hub_label: Annotated[
        str | None, typer.Option(help="Column of the labels, where it can't be told.")
    ] = None,
    hub_limit: Annotated[
        int, typer.Option(help="Images to fetch: a sample, of the set's own class shares.")
    ] = LIMIT,
    backbone: Annotated[
        str | None, typer.Option(help="Default: film_net for grey images, else resnet18.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the working images, px.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs before the masks.")] = None,
    epochs_after: Annotated[int | None, typer.Option(help="Epochs of each arm after it.")] = None,
    budget: Annotated[float, typer.Option(help="Largest share of training images to mask.")] = 0.04,
    arms: Annotated[
        str | None,
        typer.Option(help="Comma-separated, with settings such as imil+noise; control is added."),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(help="Also compare masks on these shares of the images, such as 0.01,0.02."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "0",
    masks: Annotated[
        str | None,
        typer.Option(
            help="“reference”, or a folder of PNGs by image name (white = hide), or of such "
            "folders, one a reader."
        ),
    ] = None,
    pooling: Annotated[
        Pooling | None,
        typer.Option(help="How several readers' masks become one an image; default: by number."),
    ] = None,
    outliers: Annotated[
        Selection,
        typer.Option(
            help="How the mispredicted are found; filled: in-sample, then out-of-fold ones where "
            "these don't fill the budget."
        ),
    ] = Selection.FILLED,
    deploy: Annotated[
        Deployment,
        typer.Option(
            help="Will the model meet images where what is masked means nothing (another scanner, "
            "ward, hospital)? yes: elsewhere, no: same, not sure: unsure."
        ),
    ] = Deployment.UNSURE,
    external: Annotated[
        list[str] | None,
        typer.Option(
            help="Another hospital's images, NAME=PATH of a folder, a zip or hub:…: opened with "
            "the test set; may be repeated."
        ),
    ] = None,
    external_answer: Annotated[
        list[str] | None,
        typer.Option(
            help="How such a set is read, as NAME:values=nv = nevus; mel = melanoma, which renames "
            "labels; may be repeated."
        ),
    ] = None,
    triage: Annotated[
        Path | None,
        typer.Option(help="CSV of file_name and label (empty: exclude), for relabel and drop."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV or .xlsx of labels that lies outside of the data.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns, where they are guessed wrong: file=image,label=dx,patient=id."),
    ] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(help="How file names name patients, such as “{patient}_*” or “{patient}/*”."),
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="How the data are read, as “imil inspect” asks it; may be repeated."),
    ] = None,
    view: Annotated[
        int, typer.Option(help="Of a DICOM file's windows, counted from 1; 0 keeps all levels.")
    ] = 1,
    black_corners: Annotated[
        bool, typer.Option("--black-corners", help="Black out text found in corners of images.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    threads: Annotated[int | None, typer.Option(help="Torch threads of one training.")] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Arithmetic on a CPU: fp32, bf16, or auto: by model and processor."),
    ] = None,
) -> None:
    """Run a whole study without a screen: train, mask the outliers, train on, compare."""
    settings = Settings.from_env(os.environ)
    trains_on = pick_device(device or settings.device)
    join_process_group(os.environ, trains_on)
    if rank() > 0:
        run_follower()
        return
    numbers = parse_seeds(seeds)
    usual = () if masks is None else with_readers((IMIL,), readers_in(masks))
    parsed = parse_arms(usual if arms is None else parse_names(arms))
    parsed = with_shares(parsed, () if shares is None else parse_shares(shares))
    elsewhere = parse_external(external or (), external_answer or ())
    with progress_bar() as show:
        if data.startswith(PREFIX):
            repo, revision = parse_hub_id(data)
            splits = () if hub_splits is None else parse_names(hub_splits)
            asked = HubRequest(
                repo,
                revision,
                config=hub_config,
                splits=splits,
                label=hub_label,
                limit=hub_limit,
                token=settings.token,
                black_corners=black_corners,
                frame=frame_alone(parse_answers(answer or ())),
            )
            images, proof = _hub_images(asked, settings, out, positive, show)
        else:
            choices = Choices(
                answers=(
                    *(() if columns is None else parse_columns(columns)),
                    *(() if patient_pattern is None else (("patient", patient_pattern),)),
                    *parse_answers(answer or ()),
                ),
                table_file=table,
                preset=view,
                black_corners=black_corners,
            )
            images, proof = read_images(data, out, positive, show, choices)
        plan = usual_plan(images, backbone, size)
        workers = min(len(numbers), usable_cores()) if world_size() == 1 else 1
        changes = {
            "epochs": epochs,
            "epochs_after": epochs_after,
            "budget": budget,
            "device": trains_on,
            "threads": threads or default_threads(headless=True, jobs=max(workers, world_size())),
            "precision": precision,
        }
        plan = check_plan(replace(plan, **given(changes)))
        request = Request(
            images=images,
            proof=proof,
            plan=plan,
            arms=parsed,
            seeds=numbers,
            masks=masks if masks in {None, "reference"} else Path(str(masks)),
            out=out,
            fetch_weights=weights_fetcher(settings),
            selection=outliers,
            triage=triage,
            pooling=None if pooling is None else pooling.value,
            deployment=deploy,
            external=read_external(
                elsewhere, images, positive, out / WORK / "external", settings, show
            ),
        )
        pool: WorkerPool | DistributedTrainer = (
            WorkerPool(out / WORK / "jobs", workers=workers, warm=True)
            if world_size() == 1
            else DistributedTrainer()
        )
        with closing(pool):
            finished = run_study(request, pool, on_progress=show)
    report = report_html(
        finished,
        name=images.name,
        classes=images.classes,
        plan=settled_plan(request),
        proof=proof.sentence,
        versions=versions(),
    )
    write_atomic(out / "report.html", report.encode())
    for file, svg in run_plots(finished).items():
        write_atomic(out / file, svg.encode())
    _print_round(finished, proof, out)


@contextmanager
def closing(pool: WorkerPool | DistributedTrainer) -> Iterator[None]:
    """Close a pool afterwards; Ctrl-C says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on where it stopped.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        pool.close()


def weights_fetcher(settings: Settings) -> Callable[[str], bytes]:
    """Return how pretrained weights are had: from a backbone's name to safetensors."""
    return partial(
        pretrained_bytes,
        cache=settings.home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )


def read_images(
    data: str,
    out: Path,
    positive: str | None,
    show: Callable[[str, float, float | None], None],
    choices: Choices | None = None,
) -> tuple[ImageSet, DisjointProof]:
    """Return the images of a folder, of a zip (unpacked into `out`) or of the demo."""
    if data == "demo":
        films = film_set(DEMO)
        images = films if positive is None else films.one_against_rest(positive)
        return images, prove_disjoint(images.samples)
    source, unpacked = Path(data), out / WORK / "unpacked"

    def on_progress(done: int, total: int) -> None:
        show("reading images", done / max(total, 1), None)

    how: dict[str, Any] = {
        "positive": positive,
        "choices": choices,
        "made": (out / WORK / "pictures").resolve(),
        "on_progress": on_progress,
    }
    if source.is_file() and not unpacked.exists():
        listing = read_archive(source, unpacked, **how)
    else:
        folder = unpacked if source.is_file() else source
        listing = read_folder(folder, name=source.stem, **how)
    listing = with_splits(listing)
    _print_report(listing.report)
    return image_set(listing)


def _hub_images(
    asked: HubRequest,
    settings: Settings,
    out: Path,
    positive: str | None,
    show: Callable[[str, float, float | None], None],
) -> tuple[ImageSet, DisjointProof]:
    """Return the sample of a Hub data set, fetched once and kept with the results."""
    folder, kept = out / WORK / "hub", out / WORK / "hub.json"
    if kept.exists():
        listing = replace(listing_from_json(kept.read_text(), folder), positive=positive)
        require_learnable(listing)
        return image_set(listing)
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run has left
    listing, _ = read_hub(
        asked,
        folder,
        positive=positive,
        endpoint=settings.endpoint,
        on_progress=lambda done, total: show("fetching images", done / max(total, 1), None),
    )
    listing = with_splits(listing)
    write_atomic(kept, listing_to_json(listing).encode())
    _print_report(listing.report)
    return image_set(listing)


def _print_report(report: ImportReport) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{report.taken} images taken, {report.left_out} files skipped.")
    for item in report.skipped[:_SKIPPED_SHOWN]:
        console.print(f"  skipped {item.name}: {item.reason}")
    if report.left_out > _SKIPPED_SHOWN:
        console.print(f"  … and {report.left_out - _SKIPPED_SHOWN} more")
    for note in report.notes:
        console.print(f"  {note}")
    burnt = report.burnt_in
    if burnt is not None and burnt.images:
        done = "was blacked out" if burnt.blacked_out else "was found: --black-corners hides it"
        console.print(f"  Text in the corners of {burnt.images} images {done}.")
    twins = report.twins
    if twins is not None and twins.moved:
        console.print(f"  {twins.moved} near duplicates were moved to the stricter split.")
    if twins is not None and twins.across:
        console.print(f"  {twins.across} pairs of near duplicates lie in two splits, such as:")
        for one, other in twins.named[: min(3, twins.across)]:
            console.print(f"    {one} and {other}")


def usual_plan(images: ImageSet, backbone: str | None, size: int | None) -> Plan:
    """Return the default plan of these images."""
    usual = "film_net" if images.channels == 1 else "resnet18"
    return default_plan(backbone or usual, size=size)


def given(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in changes.items() if value is not None}


def parse_names(arms: str) -> tuple[str, ...]:
    """Split comma-separated names."""
    return tuple(name.strip() for name in arms.split(","))


def parse_seeds(seeds: str) -> tuple[int, ...]:
    """Parse comma-separated seeds, and check them."""
    found = _listed(seeds, int, "seeds", why="Seeds are whole numbers", example="0,1,2,3,4")
    check_seeds(len(found), arms=1)
    return tuple(check_seed(seed) for seed in found)


def parse_shares(shares: str) -> tuple[float, ...]:
    """Parse comma-separated numbers from 0 to 1."""
    why = "Shares are numbers from 0 to 1"
    return _listed(shares, float, "shares", why=why, example="1,0.95,0.85,0.5")


def _listed(
    written: str, read: Callable[[str], Number], what: str, *, why: str, example: str
) -> tuple[Number, ...]:
    try:
        return tuple(read(part) for part in written.split(","))
    except ValueError as cause:
        raise PlanError(
            f"{quoted(written)} is no list of {what}.",
            why=f"{why}, separated by commas.",
            fix=f"Give a list such as {example}.",
        ) from cause


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float, float | None], None]]:
    """Show one bar: what is done now, how far it is, and the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0, left="")

        def show(step: str, share: float, seconds_left: float | None) -> None:
            left = "" if seconds_left is None else _duration(seconds_left)
            bar.update(task, description=step, completed=share, left=left)

        yield show


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"


def _print_round(finished: Round, proof: DisjointProof, out: Path) -> None:
    """Print every figure with its split, n and interval, and the verdict."""
    console = Console(soft_wrap=True, highlight=False)
    swapped = finished.swapped_by is not None
    columns = ["arm", "accuracy (95 % CI)", "balanced accuracy"]
    more_columns = ["balanced, swapped", "changed"] if swapped else []
    table = Table(*columns, WITHOUT.lower(), ALIKE.lower(), "verdict", *more_columns)
    paired = {p.arm: p for p in finished.paired}
    for arm in finished.arms:
        cells = [_interval(arm.figures[m]) for m in (Metric.ACCURACY, Metric.BALANCED_ACCURACY)]
        against = paired.get(arm.arm)
        points, verdict = ["reference", "reference"], ""
        if against is not None:
            points = [row.points or row.word.lower() for row in question_rows(finished, against)]
            verdict = VERDICT_NAMES[against.verdict].lower()
        kinds = (Robustness.SWAPPED_BALANCED_ACCURACY, Robustness.FLIP_RATE)
        more = [_interval(arm.swapped[kind]) for kind in kinds if swapped]
        table.add_row(arm.arm, *cells, *points, verdict, *more)
    console.print(table)
    runs = f"{len(finished.seeds)} {finished.seed_scope} seeds"
    console.print(
        f"{finished.split}, n = {finished.images}; {runs}; majority class "
        f"{finished.majority_rate:.3f}; test set opened {finished.test_openings} times"
    )
    for one in finished.external:
        console.print(_external_table(one))
    if any(p.verdict is Verdict.TOO_EARLY_TO_SAY for p in finished.paired):
        word = verdict_word(Verdict.TOO_EARLY_TO_SAY, len(finished.seeds))
        console.print(f"{word}: {MIN_SEEDS} seeds give a verdict.")
    for sentence in (*in_words(finished), proof.sentence, *finished.notices):
        console.print(sentence, markup=False)
    console.print(f"Results in {out}. Research use only, not for diagnosis.")


def _external_table(found: ExternalFigures) -> Table:
    """Return an external set's figures: the same arms, each with its points against control."""
    title = f"External set {found.name}, n = {found.images}, majority class "
    columns = ["arm", *EXTERNAL_COLUMNS, "verdict"]
    table = Table(*columns, title=f"{title}{found.majority_rate:.3f}", title_justify="left")
    for row in external_rows(found):
        table.add_row(row.arm, *(" ".join(cell) for cell in row.cells), row.verdict.lower())
    return table


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"
