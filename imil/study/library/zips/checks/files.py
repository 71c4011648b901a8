"""Which files a `study.zip` holds, which of them are taken, and how large they may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from imil.storage.base import study_of
from imil.storage.codec import damaged
from imil.study.library.zips.checks.refusals import STUDY_ZIP, unknown_file

# Above what any study of ours has. The largest JSON file is the list of 100,000 images, of 40 MB.
MOST_JSON = 128 * 2**20
_MOST_TABLE = 256 * 2**20
_MOST_STATE = 2 * 2**30
_ID = r"[A-Za-z0-9]{1,64}"

# What is taken of a zip, below "state/studies/<id>/", "state/data/" and "work/".
_OWN = re.compile(
    r"study\.json|listing\.json|acts/\d{8}\.json|external/[0-9a-f]{12}\.json"
    r"|rounds/[0-9a-z-]{1,80}(\.json|-images\.parquet)\Z"
)
_RECORD = re.compile(rf"(masks|runs)/\d{{6}}/(?P<time>\d{{8}}T\d{{12}})-[0-9a-f]+-{_ID}\.parquet\Z")
_SEGMENT = r"segments/seed-\d{1,10}/"
_WORK = re.compile(
    r"images/.+|external/[0-9a-f]{12}/images/[^/]+|weights/[A-Za-z0-9_]+\.safetensors"
    rf"|{_SEGMENT}[^/]+/(checkpoint\.safetensors|(logits|left_raw)\.npy|machines\.json"
    r"|seconds\.json)"
    rf"|{_SEGMENT}first/dynamics/epoch-\d{{4}}\.npy"
    rf"|{_SEGMENT}[^/]+/readings-probe-[a-z0-9-]+\.npz|{_SEGMENT}probe-[a-z0-9-]+\.npz"
    rf"|{_SEGMENT}masks-[^/]+/(rows|images|masks|predicted)\.npy"
    rf"|{_SEGMENT}(triage-[0-9a-f]+|folds/train-\d+)\.npy\Z"
)
# What a zip may have and what is never taken: whose the study was, and copies of its images that
# left for a data set because somebody agreed to that there.
_LEFT = re.compile(rf"(studies/{_ID}/(owner|images)\.json|data/images/\d{{6}}/[^/]+\.parquet)\Z")


def is_imported(name: str, study_id: str) -> bool:
    """Return whether a file of a `study.zip` is imported.

    Raises:
        StoreError: the zip must not have such a file.
    """
    kind, _, rest = name.partition("/")
    if kind == "work":
        return is_work(rest)
    if kind != "state" or study_of(rest) != study_id:
        raise unknown_file(name)
    if is_exported(rest, study_id):
        found = _RECORD.fullmatch(rest.removeprefix("data/"))
        if found is None or _is_time(found["time"]):
            return True
    if _LEFT.fullmatch(rest):
        return False
    raise unknown_file(name)


def is_exported(name: str, study_id: str) -> bool:
    """Return whether a file of a study's state goes into its `study.zip`."""
    own = f"studies/{study_id}/"
    if name.startswith(own):
        return _OWN.fullmatch(name.removeprefix(own)) is not None
    return _RECORD.fullmatch(name.removeprefix("data/")) is not None


def is_work(name: str) -> bool:
    """Return whether a file of a working folder is imported."""
    return _WORK.fullmatch(name) is not None


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Raise a StoreError if the state of a study has more bytes than it can have, by name."""
    state = {name: size for name, size in sizes.items() if name.startswith("state/")}
    for name, size in state.items():
        if size > (MOST_JSON if name.endswith(".json") else _MOST_TABLE):
            raise damaged(STUDY_ZIP)
    if sum(state.values()) > _MOST_STATE:
        raise damaged(STUDY_ZIP)


def _is_time(stamp: str) -> bool:
    try:
        datetime.strptime(stamp, "%Y%m%dT%H%M%S%f")  # noqa: DTZ007  # only whether it is one
    except ValueError:
        return False
    return True
