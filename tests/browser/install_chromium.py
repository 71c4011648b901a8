"""Make sure that a Chromium is there; fail loudly when none can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# The headless shell is Chromium without windows: a page takes a third less processor time.
NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


def on_path() -> str | None:
    """Return a Chromium on the PATH."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def found() -> str | None:
    """Return a Chromium on the PATH, or Playwright's own."""
    if path := on_path():
        return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def main() -> int:
    """Install a Chromium unless there is one; return the exit status."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        attempts += [["apt-get", "update", "-qq"]]
        attempts += [["apt-get", "install", "-y", "-qq", package] for package in NAMES[:2]]
    for command in attempts:
        if path := found():
            print(f"browser: {path}")  # noqa: T201  # a command's answer
            return 0
        subprocess.run(command, check=False)
    if path := found():
        print(f"browser: {path}")  # noqa: T201  # a command's answer
        return 0
    print(  # noqa: T201  # a command's answer
        "No Chromium. The browser tests need one: neither Playwright's download nor Debian's "
        "package worked. Install Chromium so that `chromium` is on the PATH, then run again.",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
