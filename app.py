"""The app: settings → store, compute → Blocks → launch."""

from __future__ import annotations

import os
import shutil
from functools import partial

from imil.compute.device import pick_device
from imil.compute.pool import WorkerPool
from imil.settings import Settings
from imil.sources.weights import pretrained_bytes
from imil.store.local import LocalStore
from imil.workflow.studies import Studies
from imil.workflow.tools import Tools
from imil.workflow.workspace import default_threads


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
    )
    try:
        build_app(studies, demo=settings.demo).launch(**launch_options())
    finally:
        pool.close()


if __name__ == "__main__":
    main()
