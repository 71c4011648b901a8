"""The real app in a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.standins.documents import ROOT

# Importing torch and gradio on a busy machine of two cores.
START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Server:
    """The real app in a process of its own."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the app as a machine without memory does: at once, and with no last word."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serve(
    home: Path,
    *,
    demo: bool = True,
    hub: str | None = None,
    env: Mapping[str, str] | None = None,
    root: Path = ROOT,
    log: Path | None = None,
    port: int | None = None,
) -> Iterator[Server]:
    """Start the app on a port with a private home, and stop it at the end.

    `hub` is the address of a stand-in for the Hub; without one the app is offline. `env` holds
    variables besides. `root` is the folder of `app.py`. What it prints goes to `log`, in its home
    if None. `port` is a free one if None; that of a server that has ended brings it back.
    """
    port = port or _free_port()
    env = {
        **os.environ,
        "IMIL_HOME": str(home),
        "IMIL_DEMO": str(int(demo)),
        "IMIL_DEVICE": "cpu",
        "IMIL_WORKERS": "1",  # each takes 4 s of a core to start
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",  # on a Space Gradio would listen to all
        **({"HF_HUB_OFFLINE": "1"} if hub is None else {"HF_ENDPOINT": hub}),
        **(env or {}),
    }
    home.mkdir(exist_ok=True)
    if demo and not (home / "work").exists():
        _bring_drawn(home)
    log = log or home / "server.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=env, stdout=written, stderr=written
        )
    try:
        _wait(f"http://127.0.0.1:{port}/", process, log)
        yield Server(f"http://127.0.0.1:{port}", home, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bring_drawn(home: Path) -> None:
    """Give an app the demo's films as another has drawn them, which takes 10 s of a core."""
    # Each process of the tests has a folder in that of the run; one alone has no folder of its own.
    run = home.parents[1] if home.parent.name.startswith("popen-") else home.parent
    for drawn in run.glob("**/work/demo/*/working-*.npy"):
        kept = home / drawn.relative_to(drawn.parents[3])
        kept.parent.mkdir(parents=True)
        shutil.copyfile(drawn, kept.with_suffix(".part"))
        kept.with_suffix(".part").rename(kept)
        return


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            break
        try:
            with urlopen(url, timeout=5):  # noqa: S310 (our own server)
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the app did not start:\n{log.read_text()}")


def foreign(requests: list[str], origin: str) -> list[str]:
    """Return the addresses that are neither the server's nor inside the page."""
    own = urlsplit(origin).netloc
    inside = ("data", "blob", "about")
    return [
        url
        for url in requests
        if urlsplit(url).scheme not in inside and urlsplit(url).netloc != own
    ]
