"""The process that reads a Hub data set, started and listened to; what it refuses, in words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imil.core.bounds import LARGEST_SEED, LONGEST_LINE, check_flag, check_text, check_whole
from imil.datasets.reading.line_process import LineProcess
from imil.environment import child_environment
from imil.errors import DataError

# Images of a sample where nobody asked for more: enough to train on, minutes to fetch.
LIMIT = 1000
# Seconds without an image after which the Hub counts as gone; the first rows may take long.
_SILENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class HubRequest:
    """What to read.

    Attributes:
        repo: "owner/name".
        revision: a branch, tag or commit; None for the newest.
        config: None for the only or default one.
        splits: names; empty for all. Ready splits stay as they are.
        image: the column; None for the first of images.
        label: the column; None for the one meant for it.
        limit: the most images, shared out over splits and classes as they are, save that a rare
            class keeps a few.
        token: of a person who may read the set; never stored.
        black_corners: whether text that seems to be burnt into corners is blacked out.
        frame: the answer to the question “frame”, as for a zip; a column is the data set's own.
    """

    repo: str
    revision: str | None = None
    config: str | None = None
    splits: tuple[str, ...] = ()
    image: str | None = None
    label: str | None = None
    limit: int = LIMIT
    token: str | None = field(default=None, repr=False)
    black_corners: bool = False
    frame: str = ""

    def __post_init__(self) -> None:
        """Check what a person or a saved study asks for; PlanError says what can't be."""
        check_text("data set", self.repo, longest=LONGEST_LINE)
        for written in (self.revision, self.config, self.image, self.label, *self.splits):
            if written is not None:
                check_text("name in the data set", written, longest=LONGEST_LINE)
        if self.token is not None:
            check_text("token", self.token)
        check_whole("number of images", self.limit, -LARGEST_SEED, LARGEST_SEED)
        check_flag("choice of black corners", self.black_corners)
        check_text("frame", self.frame, longest=LONGEST_LINE)


def messages(
    asked: HubRequest, commit: str, into: Path | None, endpoint: str | None
) -> Iterator[dict[str, Any]]:
    """Yield what the reading process says; DataError when it refuses, fails or falls silent."""
    request = {
        "repo": asked.repo,
        "commit": commit,
        "token": asked.token,
        "config": asked.config,
        "splits": asked.splits,
        "image": asked.image,
        "label": asked.label,
        "limit": asked.limit,
        "black_corners": asked.black_corners,
        "frame": asked.frame,
        "into": None if into is None else str(into),
    }
    with (
        tempfile.TemporaryDirectory(prefix="imil-hub-") as home,
        LineProcess("imil.datasets.hub.rows", env=_environment(Path(home), endpoint)) as process,
    ):
        process.send(request)
        while (message := _received(process, asked.repo)) is not None:
            if "refused" in message:
                raise _in_words(asked, message)
            if "failed" in message:
                raise _failed(asked.repo, message)
            yield message


def _environment(home: Path, endpoint: str | None) -> dict[str, str]:
    # Never the machine's own token: a visitor must not read what only the app's owner may.
    return child_environment(os.environ, network=True) | {
        **({} if endpoint is None else {"HF_ENDPOINT": endpoint}),
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
        "USE_TORCH": "0",  # else it is imported, 2 s of a core, to share a counter with its loader
    }


def _received(process: LineProcess, repo: str) -> dict[str, Any] | None:
    """Return what the process says next, None at its end; DataError when it is silent for long."""
    try:
        return process.receive(_SILENCE_SECONDS)
    except TimeoutError:
        silent = f"The Hub sent nothing for {_SILENCE_SECONDS:.0f} seconds."
        raise out_of_reach(repo, silent) from None


def _in_words(asked: HubRequest, said: Mapping[str, Any]) -> DataError:
    """Return the error of a data set that is there and can't be used as asked."""
    kind, there = said["refused"], ", ".join(said.get("there", ()))
    if kind in {"config", "split", "image", "label"}:
        return _not_there(asked, kind, there)
    if kind == "classes":
        return DataError(
            f"The column “{said['column']}” has {said['classes']} different values.",
            why="That is more than classes have: names, numbers or free text.",
            fix="Name the column that holds the diagnosis.",
        )
    if kind == "path":
        return DataError(
            f"{asked.repo} was refused.",
            why="Its rows name files outside of the data set.",
            fix="Pick a data set that carries its images.",
        )
    return DataError(
        f"{asked.repo} is of a kind that is not read: {said['reader']}.",
        why="Image folders and Parquet with images are read; nothing that runs a set's own code.",
        fix="Pick another set, or export it as an image folder and bring it as a zip.",
    )


def _not_there(asked: HubRequest, kind: str, there: str) -> DataError:
    """Return the error of a configuration, split or column that the data set lacks."""
    if kind == "config":
        lacks = f"no configuration “{asked.config}”" if asked.config else "several configurations"
        fix = "Name one of them."
        return DataError(f"{asked.repo} has {lacks}.", why=f"There are {there}.", fix=fix)
    if kind == "split":
        missing = next((name for name in asked.splits if name not in there.split(", ")), "")
        return DataError(
            f"{asked.repo} has no split “{missing}”.",
            why=f"There are {there}.",
            fix="Name one of them, or none to read them all.",
        )
    if kind == "image":
        return DataError(
            f"{asked.repo} has no image column" + (f" “{asked.image}”." if asked.image else "."),
            why=f"Its columns are {there}, and an image column holds whole images.",
            fix="Pick a data set of images, or name its image column.",
        )
    return DataError(
        f"{asked.repo} has no label column" + (f" “{asked.label}”." if asked.label else "."),
        why=f"It could be one of {there}." if there else "No column holds words or numbers.",
        fix="Name the column that holds the diagnosis." if there else "Pick a labelled set.",
    )


def _failed(repo: str, said: Mapping[str, Any]) -> DataError:
    """Return the error of whatever else the library met; its own first line is the reason."""
    names, told = said["failed"], said["text"]
    if "scripts are no longer supported" in told:
        return DataError(
            f"{repo} needs a loading script.",
            why="A script is a stranger's program, and none is run here.",
            fix="Pick a copy of the set in Parquet, or bring its images as a zip.",
        )
    if "DataFilesNotFoundError" in names or "EmptyDatasetError" in names:
        return DataError(
            f"{repo} has no images that can be read.",
            why="It holds no image folder and no Parquet file.",
            fix="Pick another data set, or bring its images as a zip.",
        )
    if {"TransportError", "ConnectionError"} & set(names):
        return out_of_reach(repo, "The connection to the Hub was lost.")
    if "HfHubHTTPError" in names:
        return out_of_reach(repo, "The Hub refused one of its files.")
    return DataError(
        f"{repo} can't be read.",
        why=f"Its files don't fit what its card says, or are damaged ({names[0]}).",
        fix="Pick another configuration or data set, or bring its images as a zip.",
    )


def out_of_reach(repo: str, why: str) -> DataError:
    """Return the error of a data set that may be there another time."""
    return DataError(
        f"{repo} can't be fetched now.",
        why=why,
        fix="Try again later; the demo's films and your own zip need no network.",
    )


def ended_early(repo: str) -> DataError:
    """Return the error of a reading that stopped without saying why."""
    return out_of_reach(repo, "Reading it ended before the end.")
