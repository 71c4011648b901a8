"""The command line: films to try things on, and a whole study without a screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from imil.bench import ARMS_BY_DEFAULT, Grid, bench_table, run_grid
from imil.compute.device import pick_device
from imil.compute.pool import WorkerPool
from imil.core.arms import ARMS, parse_arms
from imil.core.films import FilmSpec, film_counts, film_set, write_films
from imil.core.images import ImageSet
from imil.core.metrics import Metric
from imil.core.plans import check_plan, default_plan
from imil.core.records import Arm, Plan
from imil.core.rounds import Round
from imil.core.splits import DisjointProof, prove_disjoint
from imil.core.verdict import Verdict
from imil.errors import ImilError, PlanError
from imil.settings import Settings
from imil.sources.archive import read_archive
from imil.sources.folder import read_folder
from imil.sources.listing import ImportReport, image_set
from imil.sources.weights import pretrained_bytes
from imil.store.local import write_atomic
from imil.ui.report import report_html
from imil.workflow.headless import WORK, Request, run_study
from imil.workflow.results import versions
from imil.workflow.studies import DEMO
from imil.workflow.workspace import default_threads, usable_cores

# The exit status of an error that says what, why and how to fix it.
EXIT_ERROR = 2
# What a shell gives a program that Ctrl-C ended.
EXIT_INTERRUPTED = 130
# Skipped files named on the terminal; more would push the rest off it.
SKIPPED_SHOWN = 10
# Words for a verdict, as on screen.
VERDICT_WORDS = {
    Verdict.SHOWN: "shown",
    Verdict.NOT_SHOWN: "not shown",
    Verdict.HARMFUL: "harmful",
    Verdict.ONE_RUN: "not evidence",
}

Number = TypeVar("Number", int, float)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show an image classifier what to ignore, and measure whether it helped. "
    "Research use only, not for diagnosis.",
)

benchmarks = typer.Typer(no_args_is_help=True, help="Measure the method itself.")
app.add_typer(benchmarks, name="bench")


@benchmarks.callback()
def benchmark_commands() -> None:
    """Measure the method itself."""


def main() -> None:
    """Run the command line: exit 0, or 2 with an error that says what, why and the fix."""
    try:
        app()
    except ImilError as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        for word, text in (("Error", error.what), ("Why", error.why), ("Fix", error.fix)):
            console.print(f"{word}: {text}", markup=False)
        sys.exit(EXIT_ERROR)


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
    with _progress() as show:
        for done in write_films(spec, out):
            show("films", done / total, None)
    Console().print(f"{total} films in {out}", highlight=False, soft_wrap=True)


@app.command()
def run(
    data: Annotated[str, typer.Option(help="An image folder, a zip of one, or “demo”.")],
    out: Annotated[Path, typer.Option(help="Folder for results; run again to go on.")],
    positive: Annotated[
        str | None, typer.Option(help="Make the task this label against the rest.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Default: film_net for grey images, else resnet18.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the working images, px.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs before the masks.")] = None,
    epochs_after: Annotated[int | None, typer.Option(help="Epochs of each arm after it.")] = None,
    budget: Annotated[float, typer.Option(help="Largest share of training images to mask.")] = 0.04,
    arms: Annotated[
        str | None, typer.Option(help="Comma-separated; control is always among them.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "0",
    masks: Annotated[
        str | None,
        typer.Option(help="“reference”, or a folder of PNGs by image name (white = hide)."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    threads: Annotated[int | None, typer.Option(help="Torch threads of one training.")] = None,
) -> None:
    """Run a whole study without a screen: train, mask the outliers, train on, compare."""
    settings = Settings.from_env(os.environ)
    numbers = _numbers(seeds)
    named = arms.split(",") if arms is not None else [] if masks is None else [Arm.IMIL]
    parsed = parse_arms(tuple(name.strip() for name in named))
    with _progress() as show:
        images, proof = _images(data, out, positive, show)
        plan = _plan(images, backbone, size)
        workers = min(len(numbers), usable_cores())
        changes = {
            "epochs": epochs,
            "epochs_after": epochs_after,
            "budget": budget,
            "device": pick_device(device or settings.device),
            "threads": threads or default_threads(headless=True, jobs=workers),
        }
        plan = replace(plan, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]  # names of its fields
        request = Request(
            images=images,
            proof=proof,
            plan=plan,
            arms=parsed,
            seeds=numbers,
            masks=masks if masks in {None, "reference"} else Path(str(masks)),
            out=out,
            fetch_weights=weights_fetcher(settings),
        )
        pool = WorkerPool(out / WORK / "jobs", workers=workers)
        try:
            finished = run_study(request, pool, on_progress=show)
        except KeyboardInterrupt:
            Console(stderr=True).print("Stopped. The same command goes on where it stopped.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        finally:
            pool.close()
    report = report_html(
        finished,
        name=images.name,
        classes=images.classes,
        plan=plan,
        proof=proof.sentence,
        versions=versions(),
    )
    write_atomic(out / "report.html", report.encode())
    _print_round(finished, proof, out)


@benchmarks.command("films")
def bench_films(
    out: Annotated[Path, typer.Option(help="Folder for results; run again to go on.")],
    arms: Annotated[str | None, typer.Option(help="Comma-separated, or “all” (hours).")] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "0,1,2,3,4",
    shortcuts: Annotated[str, typer.Option(help="Comma-separated shares.")] = "1,0.95,0.85,0.5",
    label_noises: Annotated[str, typer.Option(help="Comma-separated shares.")] = "0,0.04",
    images: Annotated[int, typer.Option(help="Training films a seed.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of the films, px.")] = 64,
    epochs: Annotated[int, typer.Option(help="Epochs before the masks.")] = 6,
    epochs_after: Annotated[int, typer.Option(help="Epochs of each arm after it.")] = 8,
) -> None:
    """Measure the arms on synthetic films, over shortcuts and label noise."""
    named = {None: ARMS_BY_DEFAULT, "all": tuple(ARMS)}.get(arms)
    grid = Grid(
        out=out,
        arms=named or parse_arms(tuple(name.strip() for name in str(arms).split(","))),
        seeds=_numbers(seeds),
        shortcuts=_shares(shortcuts),
        label_noises=_shares(label_noises),
        images=images,
        plan=check_plan(replace(Plan(), size=size, epochs=epochs, epochs_after=epochs_after)),
    )
    pool = WorkerPool(out / "jobs", workers=usable_cores())
    try:
        with _progress() as show:
            content = run_grid(grid, pool, on_progress=show)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on where it stopped.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        pool.close()
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(bench_table(content))
    console.print(f"{content['seconds_of_this_call']:.0f} s. Results in {out}.")


def weights_fetcher(settings: Settings) -> Callable[[str], bytes]:
    """Return how pretrained weights are had: from a backbone's name to safetensors."""
    return partial(
        pretrained_bytes,
        cache=settings.home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )


def _images(
    data: str, out: Path, positive: str | None, show: Callable[[str, float, float | None], None]
) -> tuple[ImageSet, DisjointProof]:
    if data == "demo":
        films = film_set(DEMO)
        images = films if positive is None else films.one_against_rest(positive)
        return images, prove_disjoint(images.samples)
    source, unpacked = Path(data), out / WORK / "unpacked"

    def on_progress(done: int, total: int) -> None:
        show("reading images", done / max(total, 1), None)

    if source.is_file() and not unpacked.exists():
        listing = read_archive(source, unpacked, positive=positive, on_progress=on_progress)
    else:
        folder = unpacked if source.is_file() else source
        listing = read_folder(folder, name=source.stem, positive=positive, on_progress=on_progress)
    _print_report(listing.report)
    return image_set(listing)


def _print_report(report: ImportReport) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{report.taken} images taken, {len(report.skipped)} files skipped.")
    for item in report.skipped[:SKIPPED_SHOWN]:
        console.print(f"  skipped {item.name}: {item.reason}")
    if len(report.skipped) > SKIPPED_SHOWN:
        console.print(f"  … and {len(report.skipped) - SKIPPED_SHOWN} more")
    for note in report.notes:
        console.print(f"  {note}")


def _plan(images: ImageSet, backbone: str | None, size: int | None) -> Plan:
    usual = "film_net" if images.channels == 1 else "resnet18"
    return default_plan(backbone or usual, size=size)


def _numbers(seeds: str) -> tuple[int, ...]:
    return _listed(seeds, int, "seeds", why="Seeds are whole numbers", example="0,1,2,3,4")


def _shares(shares: str) -> tuple[float, ...]:
    why = "Shares are numbers from 0 to 1"
    return _listed(shares, float, "shares", why=why, example="1,0.95,0.85,0.5")


def _listed(
    written: str, read: Callable[[str], Number], what: str, *, why: str, example: str
) -> tuple[Number, ...]:
    try:
        return tuple(read(part) for part in written.split(","))
    except ValueError as cause:
        raise PlanError(
            f"“{written}” is no list of {what}.",
            why=f"{why}, separated by commas.",
            fix=f"Give a list such as {example}.",
        ) from cause


@contextmanager
def _progress() -> Iterator[Callable[[str, float, float | None], None]]:
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
    table = Table("arm", "accuracy (95 % CI)", "balanced accuracy", "points against control", "")
    paired = {p.arm: p for p in finished.paired}
    for arm in finished.arms:
        shown = [arm.figures[m] for m in (Metric.ACCURACY, Metric.BALANCED_ACCURACY)]
        cells = [f"{f.value:.3f} ({f.low:.3f}–{f.high:.3f})" for f in shown]
        against = paired.get(arm.arm)
        points, verdict = "reference", ""
        if against is not None:
            d = against.differences[Metric.ACCURACY]
            points = f"{d.points:+.1f} [{d.low:+.1f}, {d.high:+.1f}]"
            verdict = VERDICT_WORDS[against.verdict]
        table.add_row(arm.arm, *cells, points, verdict)
    console.print(table)
    runs = f"{len(finished.seeds)} {finished.seed_scope} seeds"
    console.print(
        f"{finished.split}, n = {finished.images}; {runs}; majority class "
        f"{finished.majority_rate:.3f}; test set opened {finished.test_openings} times"
    )
    if any(p.verdict is Verdict.ONE_RUN for p in finished.paired):
        console.print(f"{len(finished.seeds)} runs, not evidence: five seeds give a verdict.")
    for sentence in (proof.sentence, *finished.notices):
        console.print(sentence)
    console.print(f"Results in {out}. Research use only, not for diagnosis.")
