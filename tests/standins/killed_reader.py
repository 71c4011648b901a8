"""A reader whose process is killed again and again while masks are handed in.

Run as `python -m tests.standins.killed_reader HOME STUDY KILLS`. It tells on stdout, a line each,
what the study had acknowledged: the number of an act, and the mask's name in the store; and a line
"killed" for each kill. What a process imports is imported once: each reader is a fork.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from imil.storage.local import LocalStore
from tests.standins.untraining import opened

READER = "Ada"
# Seconds from the first acknowledgement to the kill; some are killed before it.
LONGEST = 0.15
EARLY = 0.2


def read(home: Path, study_id: str, number: int, say: int) -> None:
    """Mask one image after the other for ever, skip some, and decide on labels."""
    study = opened(home, LocalStore(home / "state")).open(study_id)
    images = [offer.sample_id for offer in study.queues.answers()]
    rng = np.random.default_rng(number)
    while True:
        number += 1
        sample_id = images[number % 2]  # what the budget allows
        irrelevant = rng.random(study.pictures.original(sample_id).shape[:2]) < 0.3
        study.review.submit(sample_id, irrelevant, reader=READER, seconds=number)
        name = study.context.masks.name_of(sample_id, READER)
        os.write(say, f"{number} {name} {int(irrelevant.sum())}\n".encode())
        if number % 3 == 0:
            study.review.skip(images[number % 7], reader=READER)
        if number % 5 == 0:
            (study.labels.exclude if number % 2 else study.labels.keep)(images[3], reader=READER)


def main(home: Path, study_id: str, kills: int) -> None:
    """Start a reader, and kill it at any moment; so often."""
    chance = random.Random(0)
    for kill in range(kills):
        heard, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(heard)
            read(home, study_id, kill * 100_000, say)
        os.close(say)
        with os.fdopen(heard) as lines:
            if chance.random() < EARLY:
                time.sleep(chance.uniform(0, LONGEST))
            else:
                sys.stdout.write(lines.readline())
                time.sleep(chance.uniform(0, LONGEST))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            told = lines.read()
        # A line that the kill has cut was told to nobody.
        sys.stdout.write(told[: told.rfind("\n") + 1] + "killed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
