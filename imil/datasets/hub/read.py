"""A data set on the Hugging Face Hub into a listing: a capped sample, written again by us."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

# The client's own httpx, whatever that is called in its release.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # not in its __all__

from imil.core.records import Split
from imil.datasets.blank import without_blank
from imil.datasets.hub.process import HubRequest, ended_early, messages, out_of_reach
from imil.datasets.layout.words import SPLITS
from imil.datasets.listing import BurntIn, Entry, ImportReport, Listing, Skipped, require_learnable
from imil.errors import DataError

# What an id begins with where a folder could be meant as well.
PREFIX = "hub:"
# The most that may be asked for: what a Space's disk and an hour's patience hold.
MOST_HUB_IMAGES = 20_000
# Seconds until the Hub has to say whether it has the data set.
_ANSWER_SECONDS = 5.0

_ID = re.compile(r"[\w.-]+/[\w.-]+")
_REVISION = re.compile(r"[\w./-]+")


@dataclass(frozen=True, slots=True)
class HubChoice:
    """What a data set has to choose from, and what is chosen where nobody says.

    Attributes:
        commit: 40 hex digits.
        licence: as the set's card states it; None where it does not.
        configs: names.
        config: the chosen one.
        splits: rows by name; None where the card doesn't count them.
        images: columns of images.
        labels: columns that may hold labels, the likeliest first.
        image: the chosen column.
        label: the chosen column.
        patient: the column that groups images of a patient; None where none is named so.
    """

    commit: str
    licence: str | None
    configs: tuple[str, ...]
    config: str
    splits: Mapping[str, int | None]
    images: tuple[str, ...]
    labels: tuple[str, ...]
    image: str
    label: str
    patient: str | None


def parse_hub_id(written: str) -> tuple[str, str | None]:
    """Return (owner/name, revision or None) of `hub:owner/name[@revision]`, a bare id or a page.

    Raises:
        DataError: it is no such id.
    """
    asked = written.strip().removeprefix(PREFIX)
    asked = re.sub(r"^https?://[^/]+/datasets/", "", asked).rstrip("/")
    repo, at, revision = asked.partition("@")
    if _ID.fullmatch(repo) is None or (at and _REVISION.fullmatch(revision) is None):
        raise DataError(
            f"“{written.strip()}” is no id of a Hub data set." if asked else "There is no id yet.",
            why="An id has an owner and a name, and may name a revision.",
            fix="Write it as owner/name or owner/name@revision, as on the data set's page.",
        )
    return repo, revision or None


def inspect_hub(asked: HubRequest, *, endpoint: str | None = None) -> HubChoice:
    """Return what a data set has to choose from, without its images.

    Raises:
        DataError: as `read_hub`.
    """
    commit, licence = _found(asked, endpoint)
    for message in messages(asked, commit, None, endpoint):
        if "choice" in message:
            return _choice(commit, licence, message["choice"])
    raise ended_early(asked.repo)


def read_hub(
    asked: HubRequest,
    into: Path,
    *,
    name: str | None = None,
    positive: str | None = None,
    endpoint: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Listing, HubChoice]:
    """Fetch a sample of a data set and list it; on any failure `into` is not there.

    Images are decoded and written again as PNG under names of our own, without metadata.

    Args:
        asked: what to read.
        into: a folder that does not exist yet.
        name: for people; the data set's id if None.
        positive: the task is this label against the rest.
        endpoint: of the Hub; None = the client's default.
        on_progress: told (done, total) after each image.

    Raises:
        DataError: the set is missing, gated, out of reach, of another kind, or has no images or
            labels; a single class; an unknown configuration, split, column or positive label.
    """
    commit, licence = _found(asked, endpoint)
    into.mkdir(parents=True)
    try:
        return _read(asked, into, commit, licence, name, positive, endpoint, on_progress)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _read(
    asked: HubRequest,
    into: Path,
    commit: str,
    licence: str | None,
    name: str | None,
    positive: str | None,
    endpoint: str | None,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[Listing, HubChoice]:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    burnt: list[str] = []
    blank: set[str] = set()
    choice, total, rows = None, 0, 0
    for message in messages(asked, commit, into, endpoint):
        if "choice" in message:
            choice = _choice(commit, licence, message["choice"])
        elif "total" in message:
            total, rows = message["total"], message["rows"]
        elif "file" in message:
            entries.append(_entry(message, into))
            burnt += [message["file"]] if message["burnt"] else []
            blank |= {message["file"]} if message["blank"] else set()
        elif "skipped" in message:
            skipped.append(Skipped(message["skipped"], message["why"]))
        if total and on_progress is not None:
            on_progress(min(len(entries) + len(skipped), total), total)
    if choice is None:
        raise ended_early(asked.repo)
    if not entries:
        raise DataError(
            f"No image of {asked.repo} could be read.",
            why=skipped[-1].reason if skipped else "It has no rows with a label.",
            fix="Pick another split or column, or another data set.",
        )
    kept, left, told = without_blank(entries, blank)
    ready = _ready_splits(kept)
    listing = Listing(
        name=name or asked.repo,
        root=into,
        classes=tuple(sorted({entry.label for entry in entries})),
        positive=positive,
        entries=tuple(sorted(ready, key=lambda entry: entry.sample_id)),
        report=ImportReport(
            len(kept),
            (*skipped, *left),
            (*_notes(asked, choice, total, rows), *told),
            burnt_in=BurntIn.of(burnt, black=asked.black_corners),
        ),
    )
    require_learnable(listing)
    return listing, choice


def _entry(message: Mapping[str, Any], root: Path) -> Entry:
    return Entry(
        message["file"],
        root / message["file"],
        message["label"],
        SPLITS.get(message["split"].lower()),
        message["patient"],
        None,
        None,
        grey=message["grey"],
        width=message["width"],
        height=message["height"],
        fingerprint=bytes.fromhex(message["fingerprint"]),
    )


def _ready_splits(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries with the set's own splits where they are usable, else with none."""
    named = {entry.split for entry in entries}
    if None not in named and Split.TRAIN in named:
        return entries
    return [replace(entry, split=None) for entry in entries]


def _notes(asked: HubRequest, choice: HubChoice, total: int, rows: int) -> tuple[str, ...]:
    licence = choice.licence or "not stated on its card"
    said = [f"From {asked.repo} at {choice.commit[:7]}, licence {licence}. Label: {choice.label}."]
    if total < rows:
        said.append(
            f"A sample of {total} of {rows} images: the first of each class as stored, in the "
            "set's own shares."
        )
    if choice.patient is not None:
        said.append(f"Images are kept together by {choice.patient}.")
    return tuple(said)


# ---- is it there, and may we? ----------------------------------------------------------------


def _found(asked: HubRequest, endpoint: str | None) -> tuple[str, str | None]:
    """Return (commit, licence) of a data set that can be read; DataError says why it can't."""
    if not 1 <= asked.limit <= MOST_HUB_IMAGES:
        raise DataError(
            f"{asked.limit} images can't be fetched.",
            why=f"A sample can have 1 to {MOST_HUB_IMAGES} images.",
            fix="Ask for a number in that range.",
        )
    repo, token = asked.repo, asked.token or False
    api = HfApi(endpoint=endpoint, token=token)
    try:
        info = api.dataset_info(repo, revision=asked.revision, timeout=_ANSWER_SECONDS, token=token)
        # What a gated set refuses is its files, not what is said about it.
        file = next((f.rfilename for f in info.siblings or ()), "README.md")
        url = hf_hub_url(repo, file, repo_type="dataset", revision=info.sha, endpoint=endpoint)
        get_hf_file_metadata(url, timeout=_ANSWER_SECONDS, token=token, endpoint=endpoint)
    except EntryNotFoundError:
        pass  # An empty repo: what is missing is said by the reader.
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise _refused(repo, error, token=bool(asked.token)) from error
    except RevisionNotFoundError as error:
        raise DataError(
            f"{repo} has no revision “{asked.revision}”.",
            why="The Hub knows no branch, tag or commit of that name.",
            fix="Leave the revision out, or copy it from the data set's page.",
        ) from error
    except HFValidationError as error:
        raise DataError(
            f"“{repo}” is no id of a Hub data set.",
            why="The Hub allows letters, digits, “-”, “_” and “.” in it, 96 characters at most.",
            fix="Copy the id from the data set's page.",
        ) from error
    except HfHubHTTPError as error:
        if asked.token and error.response.status_code == 401:  # HTTP's "who are you?"
            raise _unknown_token() from error
        raise out_of_reach(repo, f"The Hub answered {error.response.status_code}.") from error
    except (httpx.TransportError, OfflineModeIsEnabled) as error:
        raise out_of_reach(repo, "The Hub could not be reached.") from error
    licence = None if info.card_data is None else info.card_data.get("license")
    return str(info.sha), ", ".join(licence) if isinstance(licence, list) else licence


def _refused(repo: str, error: HfHubHTTPError, *, token: bool) -> DataError:
    if isinstance(error, GatedRepoError):
        return DataError(
            f"{repo} is gated.",
            why="Its owner gives it only to people who have agreed to its terms"
            + (", and this token's owner has not." if token else "."),
            fix="Agree to the terms on its page on the Hub, then enter a token of your account.",
        )
    return DataError(
        f"There is no data set {repo} on the Hub.",
        why="The id is mistyped, or the set is private"
        + (" to others than this token's owner." if token else "."),
        fix="Check the id on its page; for a private set enter a token that may read it.",
    )


def _unknown_token() -> DataError:
    return DataError(
        "The Hub does not know this token.",
        why="It is mistyped, was revoked or has expired.",
        fix="Make a new one with read access in your account's settings on the Hub.",
    )


def _choice(commit: str, licence: str | None, said: Mapping[str, Any]) -> HubChoice:
    return HubChoice(
        commit=commit,
        licence=licence,
        configs=tuple(said["configs"]),
        config=said["config"],
        splits=said["splits"],
        images=tuple(said["images"]),
        labels=tuple(said["labels"]),
        image=said["image"],
        label=said["label"],
        patient=said["patient"],
    )
