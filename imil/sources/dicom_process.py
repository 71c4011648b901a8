"""DICOM files read by a process of its own: a stranger's pixels go through C++ decoders.

A decoder that crashes, hangs or eats memory then costs one file, not the app. The process is told
files on its input, one JSON object a line, and answers each with one line.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from imil.environment import child_environment
from imil.sources.dicom import Header, RefusedError, hashed, read_dicom, read_header

# Seconds for one file. A mammogram in JPEG 2000 takes about three on a slow core.
LIMIT_SECONDS = 20.0
# Until the process has begun and answered its first file, seconds, on a busy machine.
START_SECONDS = 60.0
# Address space of the process: MAX_PIXELS in 16 bits, decoded, rescaled and windowed at 64 bits.
MEMORY = 6 * 2**30

_SLOW = "Decoding it took too long."
_CRASHED = "Its pixels crash the decoder: the file is damaged."
_BROKEN = "The file is damaged or ends too early."


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which picture of a file is wanted; see `read_dicom`."""

    frame: int | None = None
    preset: int = 1


class DicomReader:
    """Reads headers and pixels of DICOM files; begins its process at the first one.

    Args:
        salt: of the hashes that patients, studies and series become.
        limit: seconds for one file.
    """

    def __init__(self, *, salt: str, limit: float = LIMIT_SECONDS) -> None:
        self._salt = salt
        self._limit = limit
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def hashed(self, value: str) -> str:
        """Return an id as headers have it."""
        return hashed(value, self._salt)

    def header(self, path: Path) -> Header:
        """Return what a file says of itself; RefusedError with the reason if it can't be read."""
        return Header(**self._asked({"header": str(path), "salt": self._salt}))

    def picture(self, path: Path, into: Path, wanted: Wanted) -> None:
        """Write a file's picture as a PNG that holds pixels alone; RefusedError as `read_dicom`."""
        into.parent.mkdir(parents=True, exist_ok=True)
        self._asked({"picture": str(path), "into": str(into), **asdict(wanted)})

    def close(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        limit = self._limit if self._process is not None else self._limit + START_SECONDS
        process = self._process or self._begin()
        if process.stdin is None:
            raise ValueError("the process has no pipe")
        try:
            process.stdin.write(f"{json.dumps(request)}\n")
            process.stdin.flush()
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.close()
            raise RefusedError(_SLOW) from None
        except BrokenPipeError:
            line = None
        if line is None:
            self.close()
            raise RefusedError(_CRASHED)
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        return answer

    def _begin(self) -> subprocess.Popen[str]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "imil.sources.dicom_process"],
            cwd=Path(__file__).parents[2],
            env={**child_environment(os.environ), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # A queue of its own, since the last process may still be writing to the old one.
        self._lines = lines = queue.Queue[str | None]()

        def pump() -> None:
            with suppress(ValueError):  # closed while it was read
                for line in process.stdout or ():
                    lines.put(line)
            lines.put(None)

        threading.Thread(target=pump, daemon=True).start()
        return process


def main() -> None:
    """Answer requests until there are no more."""
    with suppress(ValueError, OSError):  # where the system has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    # Decoders write to the standard output too: answers get one of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(f"{json.dumps(_answer(json.loads(line)))}\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "header" in request:
            return asdict(read_header(Path(request["header"]), salt=request["salt"]))
        pixels = read_dicom(
            Path(request["picture"]), frame=request["frame"], preset=request["preset"]
        )
        # Level 1: films hardly get smaller by more.
        Image.fromarray(pixels).save(request["into"], "PNG", compress_level=1)
    except RefusedError as reason:
        return {"refused": str(reason)}
    except MemoryError:
        return {"refused": "It needs more memory than one image may."}
    except Exception:  # noqa: BLE001  # a damaged file makes pydicom raise almost anything
        return {"refused": _BROKEN}
    return {}


if __name__ == "__main__":
    main()
