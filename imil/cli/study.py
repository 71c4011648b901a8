"""The command line of a saved study: take it along, bring it, make it again, delete it."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from imil.cli.hub import open_studies
from imil.errors import ComputeError
from imil.models.pretrained import pretrained_bytes
from imil.settings import Settings
from imil.study.audit.replay import Replay, replay
from imil.study.audit.trail import Audit

# Figures that an error names.
_NAMED = 5
STUDY = "A study's id, as in the app's link to it."


def add_study_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("export")(export_study)
    app.command("import")(import_study)
    app.command("replay")(replay_study)
    app.command("delete")(_delete_study)


def export_study(
    study: Annotated[str, typer.Argument(help=STUDY)],
    out: Annotated[Path, typer.Argument(help="The zip to write.")],
    images: Annotated[
        bool, typer.Option(help="With images and models; without: masks, figures and log.")
    ] = True,
) -> None:
    """Write a study of this machine as one file."""
    with open_studies(Settings.from_env(os.environ)) as studies:
        found = studies.open(study).export(out, whole=images)
    _say(f"{out}: {out.stat().st_size / 1e6:.1f} MB. {_chain(found)}")


def import_study(
    archive: Annotated[Path, typer.Argument(help="A study.zip.")],
) -> None:
    """Bring a study that was exported, as a new study; one that is here is never overwritten."""
    with open_studies(Settings.from_env(os.environ)) as studies:
        opened = studies.import_zip(archive)
        _say(f"“{opened.name}” is here as {opened.study_id}. {_chain(opened.audit.check())}")


def replay_study(
    archive: Annotated[Path, typer.Argument(help="A study.zip.")],
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="How far a figure may be from the study's.")
    ] = 0.0,
) -> None:
    """Make a saved study again from its plan, images, masks and seeds, and compare its figures."""
    columns = (TextColumn("{task.description}"), BarColumn())
    with (
        tempfile.TemporaryDirectory(prefix="imil-replay-") as work,
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task("checking", total=1.0)

        def show(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        found = replay(archive, Path(work), fetch_weights=_weights(), on_progress=show)
    _say(f"The log is intact: {found.acts} acts.")
    if differing := found.differing(tolerance):
        raise _differs(found, differing, tolerance)
    close = f"at most {tolerance:g} apart" if tolerance else "the same, to the last digit"
    _say(f"Made again: {len(found.figures)} figures, each {close}.")


def _delete_study(
    study: Annotated[str, typer.Argument(help=STUDY)],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Delete a study of this machine; only how its log ended is kept."""
    if not yes:
        typer.confirm("Delete its images, masks, figures and models for good?", abort=True)
    with open_studies(Settings.from_env(os.environ)) as studies:
        gone = studies.delete(study)
    _say(f"Deleted. Its log had {gone.acts} acts.")


def _chain(found: Audit) -> str:
    if found.broken is not None:
        return f"The log was tampered with: {found.broken.told}"
    return f"The log is intact: {len(found.acts)} acts."


def _differs(found: Replay, differing: list[str], tolerance: float) -> ComputeError:
    where = [f"{name} {then} then, {now} now" for name, (then, now) in found.machine.items()]
    return ComputeError(
        f"{len(differing)} of {len(found.figures)} figures are more than {tolerance:g} from the "
        f"study's: {', '.join(differing[:_NAMED])}.",
        why=f"What is known to be another since: {'; '.join(where) or 'nothing'}.",
        fix="Replay it on the same processor with the same versions, or allow for rounding with "
        "--tolerance. If these are the same, something in the zip was changed.",
    )


def _weights() -> partial[bytes]:
    settings = Settings.from_env(os.environ)
    return partial(
        pretrained_bytes,
        cache=settings.home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )


def _say(words: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(words)
