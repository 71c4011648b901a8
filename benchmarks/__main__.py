"""`python -m benchmarks`: measure the method, on synthetic films or on images of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.estimate import estimate, seconds_an_epoch
from benchmarks.false_verdicts import false_verdicts, verdicts_table
from benchmarks.films import ARMS_BY_DEFAULT as FILM_ARMS
from benchmarks.films import Grid, run_grid
from benchmarks.finding_check import check_table, measure_check, write_check
from benchmarks.images import ARMS_BY_DEFAULT as IMAGE_ARMS
from benchmarks.images import run_images, settings_of
from benchmarks.pictures import write_pictures
from benchmarks.pixel_model import (
    measure_pixel_model,
    outlined,
    pixel_model_table,
    write_pixel_model,
)
from benchmarks.planted import PlantedSpec, write_planted
from benchmarks.table import films_table, images_table
from imil.cli.main import (
    closing,
    given,
    main,
    parse_names,
    parse_seeds,
    parse_shares,
    progress_bar,
    read_images,
    usual_plan,
    weights_fetcher,
)
from imil.core.arms.registry import ARMS, parse_arms, with_weights
from imil.core.arms.variants import Variant
from imil.core.bounds import MOST_WORKERS
from imil.core.images import ImageSet
from imil.core.nets.backbones import pretrained_stages
from imil.core.plans import check_plan
from imil.core.records import Plan, Split
from imil.errors import PlanError
from imil.jobs.device import pick_device
from imil.jobs.pool import WorkerPool
from imil.settings import Settings
from imil.storage.local import write_atomic
from imil.study.batch.runner import Request
from imil.study.workspace import default_threads, usable_cores

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure the method itself.",
)


@app.command("films")
def film_benchmark(
    out: Annotated[Path, typer.Option(help="Folder for results; run again to go on.")],
    arms: Annotated[str | None, typer.Option(help="Comma-separated, or “all” (hours).")] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "0,1,2,3,4",
    shortcuts: Annotated[str, typer.Option(help="Comma-separated shares.")] = "1,0.95,0.85,0.5",
    label_noises: Annotated[str, typer.Option(help="Comma-separated shares.")] = "0,0.04",
    images: Annotated[int, typer.Option(help="Training films a seed.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of the films, px.")] = 64,
    epochs: Annotated[int, typer.Option(help="Epochs before the masks.")] = 6,
    epochs_after: Annotated[int, typer.Option(help="Epochs of each arm after it.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Studies side by side; one a core by default."),
    ] = None,
) -> None:
    """Measure the arms on synthetic films, over shortcuts and label noise."""
    side_by_side = workers or usable_cores()
    changes: dict[str, Any] = {
        "size": size,
        "epochs": epochs,
        "epochs_after": epochs_after,
        "device": pick_device(device),
    }
    named = {None: FILM_ARMS, "all": tuple(map(Variant, ARMS))}.get(arms)
    grid = Grid(
        out=out,
        arms=named or parse_arms(parse_names(str(arms))),
        seeds=parse_seeds(seeds),
        shortcuts=parse_shares(shortcuts),
        label_noises=parse_shares(label_noises),
        images=images,
        plan=check_plan(replace(Plan(), **changes)),
    )
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(_estimated(grid, side_by_side))
    with _benchmark(out, side_by_side) as (pool, show):
        content = run_grid(grid, pool, on_progress=show)
    console.print(films_table(content))
    console.print(f"{content['seconds_of_this_call']:.0f} s. Results in {out}.")


@app.command("images")
def image_benchmark(
    data: Annotated[
        list[str],
        typer.Option(help="An image folder with reference masks, or a zip; or several NAME=PATH."),
    ],
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
    arms: Annotated[
        str | None, typer.Option(help="Comma-separated; control is always among them.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "0,1,2,3,4",
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
) -> None:
    """Measure the arms on real images, with reference masks as the clinician."""
    settings = Settings.from_env(os.environ)
    numbers = parse_seeds(seeds)
    compared = parse_arms(IMAGE_ARMS if arms is None else parse_names(arms))
    workers = min(len(numbers), usable_cores())
    changes = {
        "epochs": epochs,
        "epochs_after": epochs_after,
        "device": pick_device(device or settings.device),
        "threads": default_threads(headless=True, jobs=workers),
    }
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for path, own in settings_of(data, out).items():
        if len(data) > 1 and (own / "bench.json").exists():
            console.print(f"{own.name} is finished.")
            continue
        with _benchmark(own, workers) as (pool, show):
            images, proof = read_images(path, own, positive, show)
            plan = check_plan(replace(usual_plan(images, backbone, size), **given(changes)))
            console.print(_image_hours(plan, images, compared, len(numbers), workers))
            request = Request(
                images=images,
                proof=proof,
                plan=plan,
                arms=compared,
                seeds=numbers,
                masks="reference",
                out=own,
                fetch_weights=weights_fetcher(settings),
            )
            content = run_images(request, pool, on_progress=show)
        console.print(images_table(content))
        console.print(f"{proof.sentence} Results in {own}. Research use only, not for diagnosis.")


@app.command("planted")
def planted_images(
    data: Annotated[str, typer.Option(help="An image folder with reference masks, or a zip.")],
    out: Annotated[Path, typer.Option(help="Folder that is written; run again to go on.")],
    positive: Annotated[
        str | None, typer.Option(help="Make the task this label against the rest.")
    ] = None,
    shortcut: Annotated[
        float, typer.Option(min=0, max=1, help="Share of training images whose mark agrees.")
    ] = 0.95,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of the images, px.")] = 224,
    seed: Annotated[int, typer.Option(min=0, help="Of presence, kind and place.")] = 0,
) -> None:
    """Write real images with ink, calipers, stickers or text at random places."""
    with progress_bar() as show:
        images, _ = read_images(data, out, positive, show)
        spec = PlantedSpec(shortcut=shortcut, size=size, seed=seed)
        write_planted(
            images,
            out / "images",
            spec,
            on_progress=lambda done, total: show("planting", done / total, None),
        )
    typer.echo(f"Images in {out / 'images'}, to be named as --data of the command images.")


@app.command("mask-tools")
def mask_tool_benchmark(
    data: Annotated[
        Path | None, typer.Option(help="A folder with images and relevant; else films.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many, the first by name.")] = 100,
) -> None:
    """Model how long a mask takes by each of the painter's tools, and how good it gets."""
    from benchmarks.mask_tools import (  # noqa: PLC0415  # needs a browser, as no other does
        films,
        folder,
        measure,
        tools_table,
    )

    cases = films(images) if data is None else folder(data / "images", data / "relevant", images)
    Console(soft_wrap=True, highlight=False, markup=False).print(tools_table(measure(cases)))


@app.command("page")
def page_benchmark(
    url: Annotated[str, typer.Argument(help="Where the app runs, with its demo.")],
    visits: Annotated[int, typer.Option(min=1, help="Visits; of seconds the median counts.")] = 3,
) -> None:
    """Measure what the page weighs on the wire, and how long its scripts run."""
    from benchmarks.page_weight import visit, weight_table  # noqa: PLC0415  # needs a browser

    typer.echo(weight_table([visit(url) for _ in range(visits)]))


@app.command("pixel-model")
def pixel_model_benchmark(
    data: Annotated[Path, typer.Option(help="A split's folder with reference masks: painted.")],
    others: Annotated[list[str], typer.Option("--on", help="NAME=PATH of such folders.")],
    out: Annotated[Path, typer.Option(help="Folder for results.")],
    backbone: Annotated[str, typer.Option(help="Whose stages.")] = "tf_efficientnet_lite0",
    images: Annotated[int, typer.Option(min=1, help="Drawn of each folder.")] = 200,
    size: Annotated[int, typer.Option(min=32, max=512, help="Side, px.")] = 128,
    draws: Annotated[int, typer.Option(min=1, help="Of painted images.")] = 3,
) -> None:
    """Measure how well a few masks predict others, by what the pixel model looks through."""
    weights = weights_fetcher(Settings.from_env(os.environ))(backbone)
    stages = pretrained_stages(backbone, weights, channels=3, size=size)
    if stages is None:
        raise PlanError(
            f"{backbone} has no stages that a pixel model looks through.",
            why="They were chosen and measured for one network.",
            fix="Take tf_efficientnet_lite0.",
        )
    named = {each.partition("=")[0]: Path(each.partition("=")[2]) for each in others}
    with progress_bar() as show:
        content = measure_pixel_model(
            outlined(data, images, size=size, seed=0),
            {name: outlined(path, images, size=size, seed=1) for name, path in named.items()},
            stages,
            draws=draws,
            on_progress=show,
        )
    write_pixel_model(content, out)
    typer.echo(pixel_model_table(content))


@app.command("pictures")
def result_pictures(out: Annotated[Path, typer.Option(help="Folder for the pictures.")]) -> None:
    """Draw the pictures of docs/results from the raw figures."""
    write_pictures(out)


@app.command("verdicts")
def verdict_benchmark(
    out: Annotated[Path, typer.Option(help="Folder for results.")],
    studies: Annotated[int, typer.Option(min=1, help="Simulated studies of each kind.")] = 1000,
    draws: Annotated[int, typer.Option(min=500, help="Of each bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated studies.")] = 0,
) -> None:
    """Measure how often a verdict is false, on simulated studies whose arms do nothing."""
    with progress_bar() as show, threadpool_limits(1, user_api="blas"):
        content = false_verdicts(studies=studies, draws=draws, seed=seed, on_progress=show)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "false_verdicts.json", json.dumps(content, indent=1).encode())
    typer.echo(verdicts_table(content))


@app.command("finding-check")
def finding_check_benchmark(
    out: Annotated[Path, typer.Option(help="Folder for results.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated numbers.")] = "300,301,302",
    shortcuts: Annotated[str, typer.Option(help="Comma-separated shares.")] = "0.95,0.5",
) -> None:
    """Measure how often the finding check warns of masks on the finding, and on the marker."""
    with progress_bar() as show:
        content = measure_check(
            seeds=parse_seeds(seeds), shortcuts=parse_shares(shortcuts), on_progress=show
        )
    write_check(content, out)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(check_table(content))
    console.print(f"{content['seconds_of_one_core']:.0f} s of one core. Results in {out}.")


@contextmanager
def _benchmark(
    out: Path, workers: int
) -> Iterator[tuple[WorkerPool, Callable[[str, float, float | None], None]]]:
    """Give a pool and a bar of progress."""
    pool = WorkerPool(out / "jobs", workers=workers, warm=True)
    # Beside busy trainings, linear algebra on several threads waits for itself: a review took
    # 7 s of processor time instead of 2.6.
    with closing(pool), progress_bar() as show, threadpool_limits(1, user_api="blas"):
        yield pool, show


def _image_hours(
    plan: Plan, images: ImageSet, arms: Sequence[Variant], seeds: int, workers: int
) -> str:
    if plan.device != "cpu":
        return "How long it takes on a GPU is not estimated."
    training = len(images.rows(Split.TRAIN))
    epoch = seconds_an_epoch(plan, training, channels=images.channels)
    epochs = plan.epochs + len(with_weights(arms)) * plan.epochs_after
    hours = seeds * epochs * epoch / workers / 3600
    return (
        f"{len(arms)} arms, {seeds} seeds, {training} training images: about {hours:.1f} hours of "
        f"training from the start, on {workers} idle cores."
    )


def _estimated(grid: Grid, workers: int) -> str:
    studies = grid.left
    if not studies:
        return "Every study is finished."
    epoch = seconds_an_epoch(grid.plan, grid.images)
    minutes = estimate(grid, studies, epoch=epoch, workers=workers) / 60
    return (
        f"Studies left: {studies}, each of {len(grid.arms)} arms; about {minutes:.0f} min on "
        f"{workers} idle cores. In a short trial control took {epoch:.2f} s an epoch; other "
        "arms are reckoned by what they cost against it when that was measured."
    )


if __name__ == "__main__":
    main(app)
