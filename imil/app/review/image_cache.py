"""The films that were opened last, as the browser takes them: the next visitor waits less."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Any

from imil.app.painter.painter import encode_image
from imil.core.images import ImageSet

# Of all studies together, in bytes: about 8,000 films of the demo, or ten of 3,000 px. Our choice.
_MOST = 64_000_000


class ImageCache:
    """Encodes a film's pixels once, and keeps those used last; safe to use from several threads.

    A film leaves with its image set: nothing of a study that was deleted stays here. `held` is the
    size of what is kept, in bytes.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # Re-entrant: an image set may be collected while a film of another is put away.
        self._lock = threading.RLock()
        self._kept: OrderedDict[tuple[int, str], dict[str, Any]] = OrderedDict()
        self.held = 0
        self._sets: set[int] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def image(self, images: ImageSet, sample_id: str) -> dict[str, Any]:
        """Return `encode_image` of a film's stored pixels; DataError if there is no such film."""
        key = (id(images), sample_id)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = encode_image(images.original(sample_id))
        with self._lock:
            if id(images) not in self._sets:
                self._sets.add(id(images))
                weakref.finalize(images, self._leave, id(images)).atexit = False
            if key not in self._kept and len(made["pixels"]) <= self._most:
                self._kept[key] = made
                self.held += len(made["pixels"])
            while self._kept and self.held > self._most:
                _, oldest = self._kept.popitem(last=False)
                self.held -= len(oldest["pixels"])
        return made

    def _leave(self, images: int) -> None:
        with self._lock:
            self._sets.discard(images)
            for key in [key for key in self._kept if key[0] == images]:
                self.held -= len(self._kept.pop(key)["pixels"])
