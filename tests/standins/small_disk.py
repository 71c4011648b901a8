"""A disk of a few megabytes that can be filled to the last byte, and given room again.

As root, as in containers and on CI, it is a tmpfs of its own. Where nothing may be mounted, no file
of the process may have a byte while the disk is "full" (`RLIMIT_FSIZE`): the same refusals, by
another number.
"""

from __future__ import annotations

import errno
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Bytes written at once, then one by one.
BLOCK = 1 << 16


class SmallDisk:
    """A disk of a test's own; see `small_disk`."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self.folder = folder
        self._real = real
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, *, leave: int = 0) -> None:
        """Leave room for so many bytes, and no more."""
        if not self._real:
            resource.setrlimit(resource.RLIMIT_FSIZE, (leave, self._before[1]))
            return
        with self._filler.open("wb", buffering=0) as file:
            block = b"\1" * BLOCK
            while block:
                try:
                    file.write(block)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]
            file.truncate(max(0, file.tell() - leave))

    def free(self) -> None:
        """Give all the room back."""
        if self._real:
            self._filler.unlink(missing_ok=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


@contextmanager
def small_disk(folder: Path, *, megabytes: int = 24) -> Iterator[SmallDisk]:
    """Give a disk of its own, mounted at `folder` where that is allowed."""
    folder.mkdir()
    options = f"size={megabytes}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    disk = SmallDisk(folder, real=mounted.returncode == 0)
    try:
        yield disk
    finally:
        disk.free()
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
