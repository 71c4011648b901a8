"""The app: settings → store, compute → Blocks → launch."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from functools import partial
from pathlib import Path

from imil.compute.device import pick_device
from imil.compute.pool import WorkerPool
from imil.errors import StoreError
from imil.settings import Settings
from imil.sources.weights import pretrained_bytes
from imil.store.local import LocalStore
from imil.workflow.shipped import TrainedDemo, read_trained_demo
from imil.workflow.studies import DEMO, Studies
from imil.workflow.tools import Tools
from imil.workflow.workspace import default_threads

# The demo's first training, as `python -m imil demo` leaves it.
TRAINED_DEMO = Path(__file__).parent / "assets" / "demo"


def main() -> None:
    """Serve the app until it is stopped."""
    settings = Settings.from_env(os.environ)
    home = settings.home
    # Gradio's copies of uploads: private, and gone at each start.
    uploads = home / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)
    uploads.mkdir(parents=True, mode=0o700)
    os.environ.setdefault("GRADIO_TEMP_DIR", str(uploads))
    # Only now: Gradio reads its environment when it is imported.
    from imil.ui.app import build_app  # noqa: PLC0415  # see above
    from imil.ui.theme import launch_options  # noqa: PLC0415  # see above

    weights = partial(
        pretrained_bytes,
        cache=home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )
    pool = WorkerPool(home / "jobs")
    studies = Studies(
        home / "work",
        Tools(LocalStore(home / "store"), pool, weights, endpoint=settings.endpoint),
        device=pick_device(settings.device),
        threads=default_threads(headless=False),
        trained=_trained_demo(),
    )
    if settings.demo:
        threading.Thread(target=studies.draw_demo, daemon=True).start()
    try:
        build_app(studies, demo=settings.demo).launch(**launch_options())
    finally:
        pool.close()


def _trained_demo() -> TrainedDemo | None:
    """Return the shipped training; without one that can be used, visitors train the demo."""
    try:
        return read_trained_demo(TRAINED_DEMO, DEMO)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return None


if __name__ == "__main__":
    main()
