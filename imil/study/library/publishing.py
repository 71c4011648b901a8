"""This very app, published as a Space: the files that git tracks, with its dependencies locked."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from imil.errors import StoreError
from imil.storage.hub.files import CARD, Repo, put_files, set_variables

# What a Space installs has this name there; here it names ranges, and the lock one release of each.
REQUIREMENTS = "requirements.txt"
LOCK = "requirements-space.txt"
# The Hub's name for ZeroGPU, whatever card that lends: the hardware that a free account can have.
ZERO_GPU = "zero-a10g"


def publish_space(
    root: Path, to: Repo, *, variables: Mapping[str, str], secrets: Mapping[str, str]
) -> str:
    """Put a checkout into a Space, which is made where it is not there; return its address.

    The Space installs the lock, so that it is tomorrow what it is today. Files that are no longer
    tracked go from the Space; variables and secrets that are not named stay as they are.

    Args:
        root: of a git checkout.
        to: the Space.
        variables: by name; everybody can read them.
        secrets: by name.

    Raises:
        StoreError: it is no checkout, or the token, the Space or the Hub does not allow it.
    """
    files = {path: root / path for path in tracked_files(root)}
    if LOCK in files:
        files[REQUIREMENTS] = files[LOCK]
    url = put_files(to, files, message="The app as it is now", mirror=True)
    set_variables(to, variables=variables, secrets=secrets)
    return url


def tracked_files(root: Path) -> tuple[str, ...]:
    """Return the files that git tracks in a checkout; StoreError if it is none."""
    done = subprocess.run(  # noqa: S603  # git itself, with a path of whoever publishes
        ["git", "-C", str(root), "ls-files", "-z"],  # noqa: S607  # the same
        capture_output=True,
        check=False,
    )
    listed = done.stdout.decode().split("\0")
    there = tuple(path for path in listed if path and (root / path).is_file())
    if done.returncode != 0 or not {CARD, "app.py"} <= set(there):
        raise StoreError(
            f"There is no checkout of the app in {root}.",
            why="A Space is made of the files that git tracks, README.md and app.py among them.",
            fix="Run it in a clone of the repository.",
        )
    return there
