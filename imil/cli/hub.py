"""The command line towards the Hub: hand over what was found, publish the Space; and ONNX."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imil.errors import PlanError
from imil.hub_export import pull_study, push_data, push_model
from imil.jobs.device import pick_device
from imil.jobs.pool import WorkerPool
from imil.models.load import load_model
from imil.models.onnx import OPSET, to_onnx
from imil.models.pretrained import pretrained_bytes
from imil.settings import Settings
from imil.storage.hub.files import Kind, Repo
from imil.storage.hub.repo import prepare_client
from imil.storage.hub.store import beside_app
from imil.storage.local import write_atomic
from imil.study.library.publishing import ZERO_GPU, publish_space
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.workspace import default_threads

PUBLIC = "Also take, or make, a repo that everybody can read."


def add_hub_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (push, pull, export_onnx, space):
        app.command()(command)


def push(
    study: Annotated[str, typer.Argument(help="A study's id, as in the app's link to it.")],
    repo: Annotated[
        str | None, typer.Option(help="Data set for masks and figures: owner/name.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model repo for an arm: owner/name.")] = None,
    arm: Annotated[
        str | None, typer.Option(help="Whose model; default: the recommended, else imil.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help=PUBLIC)] = False,
) -> None:
    """Hand a study of this machine over to the Hub, with HF_TOKEN; repos are made private."""
    settings = _settings()
    if repo is None and model is None:
        raise typer.BadParameter("Name a data set (--repo), a model repo (--model), or both.")
    with open_studies(settings) as studies:
        opened = studies.open(study)
        to = partial(Repo, token=settings.token, endpoint=settings.endpoint, private=not public)
        if repo is not None:
            _say(f"Masks and figures are in {push_data(opened, to(repo, Kind.DATASET))}")
        if model is not None:
            _say(f"The model is in {push_model(opened, to(model, Kind.MODEL), arm)}")


def pull(
    repo: Annotated[str, typer.Option(help="Data set that a study was pushed to: owner/name.")],
) -> None:
    """Bring a study here that was pushed to the Hub; one that is here is never overwritten."""
    settings = _settings()
    with open_studies(settings) as studies:
        source = Repo(repo, Kind.DATASET, settings.token, settings.endpoint)
        opened = pull_study(studies, source)
        _say(f"“{opened.name}” is here as {opened.study_id}.")


def export_onnx(
    model: Annotated[
        str, typer.Argument(help="A folder with config.json and model.safetensors, or owner/name.")
    ],
    out: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.")],
) -> None:
    """Write a model that was handed over as ONNX, checked against torch."""
    settings = _settings()
    found = load_model(model, endpoint=settings.endpoint, token=settings.token)
    content = to_onnx(found.model, channels=found.channels, size=found.size, classes=found.classes)
    write_atomic(out, content)
    side = f"{found.channels} × {found.size} × {found.size}"
    _say(f"{out}: opset {OPSET}, images of {side} in 0-1, answers as torch does.")


def space(
    repo: Annotated[str, typer.Argument(help="The Space: owner/name; made where it is not there.")],
    state_repo: Annotated[
        str | None, typer.Option(help="Data set for its state; its variable IMIL_STATE_REPO.")
    ] = None,
    secret_from: Annotated[
        str | None,
        typer.Option(help="Environment variable whose value becomes its secret HF_TOKEN."),
    ] = None,
    hardware: Annotated[
        str, typer.Option(help="What it runs on where it is made now; see docs/deployment.md.")
    ] = ZERO_GPU,
    public: Annotated[bool, typer.Option("--public", help=PUBLIC)] = False,
    root: Annotated[Path, typer.Option(help="The checkout.")] = Path(),
) -> None:
    """Publish this checkout as a Space, with HF_TOKEN: the files that git tracks, in one commit."""
    settings = _settings()
    owned = (settings.token, settings.endpoint)
    to = Repo(repo, Kind.SPACE, *owned, private=not public, hardware=hardware)
    url = publish_space(
        root,
        to,
        variables={} if state_repo is None else {"IMIL_STATE_REPO": state_repo},
        secrets={} if secret_from is None else {"HF_TOKEN": _secret(secret_from)},
    )
    _say(f"The Space is {url}")


def _settings() -> Settings:
    """Return what the environment says, and have a Hub that is silent given up in time."""
    prepare_client()
    return Settings.from_env(os.environ)


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise PlanError(
            f"{name} is not set.",
            why="Its value was to become the Space's secret.",
            fix="Export it first, or leave --secret-from out.",
        )
    return value


@contextmanager
def open_studies(settings: Settings) -> Iterator[Studies]:
    """Give the studies of this machine, and end what they may have set to work."""
    home = settings.home
    weights = partial(
        pretrained_bytes,
        cache=home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )
    pool = WorkerPool(home / "jobs")
    try:
        studies = Studies(
            home / "work",
            Services(
                beside_app(home, settings.state_repo), pool, weights, endpoint=settings.endpoint
            ),
            device=pick_device(settings.device),
            threads=default_threads(headless=True),
        )
        yield studies
        studies.flush()
    finally:
        pool.close()


def _say(sentence: str) -> None:
    Console().print(sentence, highlight=False, soft_wrap=True, markup=False)
