"""What every study of a process shares."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imil.datasets.reading.uploads import UploadReader
from imil.jobs.base import Trainer
from imil.storage.base import Store
from imil.storage.models import Models
from imil.study.review.answers import WarmModels


@dataclass(frozen=True, slots=True)
class Services:
    """What every study of a process shares.

    Attributes:
        store: where state is kept.
        pool: where training runs.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        now: the time.
        models: what is kept warm to answer at once.
        endpoint: the Hub's address; None for the usual one.
        checkpoints: where the first checkpoint of a study is kept whose visitor agreed; None for
            nowhere.
        idle_days: days without a visit after which `Studies.sweep_idle` lets a study go; 0 = never.
        uploads: reads what visitors bring.
        learning: held by the study that learns from its masks in the background.
    """

    store: Store
    pool: Trainer
    fetch_weights: Callable[[str], bytes]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    models: WarmModels = field(default_factory=WarmModels)
    endpoint: str | None = None
    checkpoints: Models | None = None
    idle_days: int = 0
    uploads: UploadReader = field(default_factory=UploadReader)
    learning: threading.Lock = field(default_factory=threading.Lock)
