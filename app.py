"""The app: settings → store, compute → Blocks → launch."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imil.core.disk import full_disk
from imil.errors import ImilError, StoreError
from imil.jobs.device import pick_device
from imil.jobs.pool import WorkerPool, hold
from imil.models.objects import ObjectModel
from imil.models.pretrained import pretrained_bytes
from imil.report.parts.markup import ASSETS
from imil.settings import Settings
from imil.storage.base import Store
from imil.storage.hub.errors import no_token
from imil.storage.hub.files import HubModels
from imil.storage.hub.repo import HubRepo, prepare_client
from imil.storage.hub.store import HubStore, side_folder, store_folder
from imil.storage.local import LocalStore
from imil.study.library.demo_training import TrainedDemo, read_trained_demo
from imil.study.library.studies import DEMO, Studies
from imil.study.services import Services
from imil.study.workspace import default_threads, usable_cores

if TYPE_CHECKING:
    from imil.jobs.zero_gpu import ZeroGpuTrainer

# Seconds between two looks for studies that nobody visits any more.
LOOK_FOR_IDLE = 6 * 3600

# What the first comparison and the first map would load by themselves, 2 s; and when it is loaded
# instead, s from the start: once the page has been served.
LATER = ("sklearn.linear_model", "captum.attr")
LOAD_AFTER = 10

# The demo's first training, as `make demo` leaves it.
TRAINED_DEMO = ASSETS / "demo"


# Exit status where something is wrong that a person can mend, as of the command line.
EXIT_ERROR = 2


def main() -> None:
    """Serve the app until it is stopped; exit 2 with a sentence where it can't be started."""
    try:
        settings = Settings.from_env(os.environ)
        # First: nothing of a home that another process uses may be touched.
        with hold(settings.home):
            _serve(settings)
    except ImilError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_ERROR)


def _serve(settings: Settings) -> None:
    home = settings.home
    # Gradio's copies of uploads: private, and gone at each start.
    uploads = home / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)
    with full_disk("The folder for uploads"):
        uploads.mkdir(mode=0o700, exist_ok=True)
    os.environ.setdefault("GRADIO_TEMP_DIR", str(uploads))
    # Gradio would sum up the last 10,000 events after each event, for a page that is switched off.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(sys.maxsize))
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
    # Only now: Gradio reads its environment when it is imported.
    from imil.app.app import build_app  # noqa: PLC0415  # see above
    from imil.app.server.served_files import Uploads  # noqa: PLC0415  # see above
    from imil.app.server.theme import launch_options  # noqa: PLC0415  # see above

    prepare_client()
    weights = partial(
        pretrained_bytes,
        cache=home / "weights",
        endpoint=settings.endpoint,
        token=settings.token,
    )
    cores = usable_cores()
    worker = WorkerPool(home / "jobs", workers=min(settings.workers, cores), cores=cores, warm=True)
    pool = _trainer(worker, home, settings)
    store = _store(settings)
    studies = Studies(
        home / "work",
        Services(
            store,
            pool,
            weights,
            endpoint=settings.endpoint,
            checkpoints=_checkpoints(settings),
            idle_days=settings.idle_days,
        ),
        device=pick_device(settings.device),
        # A GPU needs one, and so does what is small enough for the CPU beside it.
        threads=1 if settings.zero else default_threads(headless=False),
        trained=_trained_demo(),
    )
    studies.sweep()
    ended = threading.Event()
    threading.Thread(target=_sweep_idle, args=(studies, ended), daemon=True).start()
    brought = Uploads(uploads)
    threading.Thread(target=brought.keep_sweeping, args=(ended,), daemon=True).start()
    threading.Thread(target=_load_later, args=(ended,), daemon=True).start()
    if settings.demo:
        threading.Thread(target=studies.draw_demo, daemon=True).start()
    # A machine that is about to go says so: what waits for the Hub is sent first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        build_app(
            studies,
            demo=settings.demo,
            sign_in=settings.sign_in,
            uploads=brought,
            proxied=settings.space,
            objects=_objects(settings),
            space_id=settings.space_id,
        ).launch(**launch_options())
    finally:
        ended.set()
        pool.close()
        studies.flush()
        if isinstance(store, HubStore):
            store.close()


def _load_later(ended: threading.Event) -> None:
    """Load what nobody has asked for yet, so that the first visitor who does waits no longer."""
    if not ended.wait(LOAD_AFTER):
        for module in LATER:
            importlib.import_module(module)
        # What is loaded stays. Looking through all of it for garbage would take half a second now
        # and again, in which no visitor is answered.
        gc.freeze()


def _sweep_idle(studies: Studies, ended: threading.Event) -> None:
    """Let go of studies that nobody visits, now and again, until the app has ended."""
    while True:
        try:
            gone = studies.sweep_idle()
            if gone:
                sys.stderr.write(f"Studies let go since nobody visits them: {len(gone)}.\n")
        except Exception as error:  # noqa: BLE001  # the next time it may go well
            sys.stderr.write(f"Idle studies could not be looked for: {type(error).__name__}.\n")
        if ended.wait(LOOK_FOR_IDLE):
            return


def _store(settings: Settings) -> Store:
    """Return where state is kept: on this disk, and in a data set where one is named."""
    folder = store_folder(settings.home)
    if settings.state_repo is None:
        return LocalStore(folder)
    if settings.token is None:
        trouble = no_token(settings.state_repo)
        sys.stderr.write(f"{trouble}\n")
        return LocalStore(folder, trouble=trouble)
    repo = HubRepo(settings.state_repo, settings.token, endpoint=settings.endpoint)
    side = side_folder(settings.home, settings.state_repo)
    return HubStore(LocalStore(folder), side, repo)


def _checkpoints(settings: Settings) -> HubModels | None:
    """Return where checkpoints are kept of studies whose visitor agreed; None without a repo."""
    if settings.state_repo is None or settings.token is None:
        return None
    return HubModels(settings.state_repo, token=settings.token, endpoint=settings.endpoint)


def _objects(settings: Settings) -> ObjectModel | None:
    """Return the model behind Select, which is fetched when it is first asked; None without one."""
    if settings.select_model is None:
        return None
    return ObjectModel(
        settings.select_model,
        settings.home / "weights",
        # A lent GPU is for training: a click can't wait for it.
        "cpu" if settings.zero else pick_device(settings.device),
        endpoint=settings.endpoint,
        token=settings.token,
    )


def _trainer(worker: WorkerPool, home: Path, settings: Settings) -> WorkerPool | ZeroGpuTrainer:
    """Return where studies train: the worker, and on a Space with ZeroGPU what is lent there."""
    if not settings.zero:
        return worker
    # Only there, and before anything asks for a GPU: it changes torch and Gradio.
    from imil.jobs.zero_gpu import ZeroGpuTrainer  # noqa: PLC0415  # see above

    return ZeroGpuTrainer(home / "leases", worker)


def _trained_demo() -> TrainedDemo | None:
    """Return the shipped training; without one that can be used, visitors train the demo."""
    try:
        return read_trained_demo(TRAINED_DEMO, DEMO)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return None


if __name__ == "__main__":
    main()
