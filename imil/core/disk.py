"""Files on a disk that may be full: room is taken before anything is mapped, refusals are words.

Writing to a mapped file that has no room ends the process with a signal (SIGBUS). So an array is
allocated whole before it is mapped, and what has no room is an error like any other.
"""

from __future__ import annotations

import errno
import math
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from imil.errors import ComputeError

# What the system answers where a disk, a quota or the largest size of a file has no room.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What it answers where a folder may not be written to or is none, or the disk is broken.
NOT_WRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
)
# Where a file system can't allocate.
_CANNOT_ALLOCATE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
# Bytes that are written at once in place of allocating.
_CHUNK = 1 << 20


@contextmanager
def full_disk(what: str) -> Iterator[None]:
    """Raise ComputeError, which names `what` could not be saved, where a disk refuses a file.

    Other errors of the system are faults and go through.
    """
    try:
        yield
    except OSError as cause:
        if not is_disk_refusal(cause):
            raise
        raise not_saved_error(what, cause) from cause


def is_disk_refusal(error: OSError) -> bool:
    """Return whether a disk has no room, or does not let us write."""
    return error.errno in NO_ROOM | NOT_WRITABLE


def not_saved_error(what: str, error: OSError) -> ComputeError:
    """Return what a refusal of the disk means for who asked."""
    full = error.errno in NO_ROOM
    return ComputeError(
        f"{what} could not be saved.",
        why="The disk is full." if full else f"The system says: {error.strerror}.",
        fix="Free some space, or check that IMIL_HOME can be written to, then try again; what was "
        "saved before is still there.",
    )


@contextmanager
def new_array(
    path: Path, dtype: DTypeLike, shape: tuple[int, ...], *, what: str
) -> Iterator[NDArray[Any]]:
    """Give a new .npy array of zeros, mapped from disk; it gets its name at the end.

    Where anything is raised meanwhile, nothing is left of it.

    Args:
        path: of the file.
        dtype: of the array.
        shape: of the array.
        what: names it for people, such as "The working images".

    Raises:
        ComputeError: the disk has no room for all of it, or can't be written to.
    """
    # A name of its own: two visitors may ask for the same file at once.
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with full_disk(what):
            path.parent.mkdir(parents=True, exist_ok=True)
            array = _allocated(unfinished, np.dtype(dtype), shape)
        yield array
        with full_disk(what):
            array.flush()
            unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _allocated(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.memmap[Any, np.dtype[Any]]:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    with path.open("xb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        _allocate(file.fileno(), file.tell() + math.prod(shape) * dtype.itemsize)
    return np.lib.format.open_memmap(path, "r+")


def _allocate(file: int, size: int) -> None:
    """Give a file room for so many bytes; what is in it stays, and the rest is zeros."""
    try:
        os.posix_fallocate(file, 0, size)
    except AttributeError:  # as on macOS
        _fill(file, size)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise
        _fill(file, size)


def _fill(file: int, size: int) -> None:
    os.ftruncate(file, size)
    for start in range(0, size, _CHUNK):
        content = os.pread(file, min(_CHUNK, size - start), start)
        written = 0
        while written < len(content):
            written += os.pwrite(file, content[written:], start + written)
