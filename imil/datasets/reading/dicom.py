"""DICOM files read by a process of its own: a stranger's pixels go through C++ decoders.

A decoder that crashes, hangs or eats memory then costs one file, not the app. The process is told
files on its input, one JSON object a line, and answers each with one line.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from imil.datasets.files.dicom import Header, RefusedError, hashed, read_dicom, read_header
from imil.datasets.reading.line_process import LineProcess, limit_self

# Seconds for one file. A mammogram in JPEG 2000 takes about three on a slow core.
_LIMIT_SECONDS = 20.0
# Until the process has begun and answered its first file, seconds, on a busy machine.
START_SECONDS = 60.0
# Address space of the process: MAX_PIXELS in 16 bits, decoded, rescaled and windowed at 64 bits.
_MEMORY = 6 * 2**30

_SLOW = "Decoding it took too long."
_CRASHED = "Its pixels crash the decoder: the file is damaged."
_BROKEN = "The file is damaged or ends too early."


@dataclass(frozen=True, slots=True)
class DicomRequest:
    """Which picture of a file is wanted; see `read_dicom`."""

    frame: int = 1
    preset: int = 1


class DicomReader:
    """Reads headers and pixels of DICOM files; begins its process at the first one.

    Args:
        salt: of the hashes that patients, studies and series become.
        limit: seconds for one file.
    """

    def __init__(self, *, salt: str, limit: float = _LIMIT_SECONDS) -> None:
        self._salt = salt
        self._limit = limit
        self._process: LineProcess | None = None

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
        return Header(**self._asked({"header": _absolute(path), "salt": self._salt}))

    def picture(self, path: Path, into: Path, wanted: DicomRequest) -> None:
        """Write a file's picture as a PNG that holds pixels alone; RefusedError as `read_dicom`."""
        into.parent.mkdir(parents=True, exist_ok=True)
        self._asked({"picture": _absolute(path), "into": _absolute(into), **asdict(wanted)})

    def close(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        limit = self._limit if self._process is not None else self._limit + START_SECONDS
        self._process = process = self._process or LineProcess("imil.datasets.reading.dicom")
        process.send(request)
        try:
            answer = process.receive(limit)
        except TimeoutError:
            self.close()
            raise RefusedError(_SLOW) from None
        if answer is None:
            self.close()
            raise RefusedError(_CRASHED)
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        return answer


def _absolute(path: Path) -> str:
    # The process runs in a folder of its own.
    return str(path.absolute())


def _main() -> None:
    """Answer requests until there are no more."""
    limit_self(memory=_MEMORY)
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
    _main()
