"""The app in the tests' own process, where nothing is killed: 10 s of a core less to start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import app
from imil.app.app import build_app
from imil.app.server.theme import launch_options
from imil.jobs.pool import WorkerPool
from imil.settings import Settings
from imil.storage.hub.repo import prepare_client
from imil.storage.hub.store import HubStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from tests.standins.visitors import no_weights


@contextmanager
def host(settings: Settings, *, workers: int = 0, **kinds: Any) -> Iterator[str]:
    """Serve the app as `app.py` does with these settings; give its address.

    Args:
        settings: as from the environment.
        workers: processes that train; each takes 4 s of a core to start.
        kinds: what `Studies` takes besides, such as the demo's films.
    """
    prepare_client()
    pool, store = WorkerPool(settings.home / "jobs", workers=workers), app._store(settings)
    tools = Services(
        store,
        pool,
        no_weights,
        endpoint=settings.endpoint,
        checkpoints=app._checkpoints(settings),
        idle_days=settings.idle_days,
    )
    page = build_app(Studies(settings.home / "work", tools, **kinds), demo=settings.demo)
    _, url, _ = page.launch(**(launch_options() | {"prevent_thread_lock": True}))
    yield url
    page.close()
    pool.close()
    if isinstance(store, HubStore):
        store.close()
