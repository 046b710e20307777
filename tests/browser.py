"""A browser without a window, for whoever has Chromium: what a page is after its scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PATIENCE = 120
"""Seconds for a page on a busy machine."""

needed = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH, which shows the page")


def opened(url: str, folder: Path, *, virtual_seconds: int = 30) -> str:
    """Give a page's HTML after its scripts have run for so long by the browser's own clock.

    folder: where the browser keeps its profile, so that the user's own is left alone.
    """
    line = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    line += [f"--user-data-dir={folder}", "--window-size=1700,1000"]
    line += [f"--virtual-time-budget={virtual_seconds * 1000}", url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout
