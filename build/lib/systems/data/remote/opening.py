"""One of DVC's commands at work in a workspace: opened, waited for, kept quiet."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from systems.data.stores import from_outside
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError, UsageError

REMOTE = "lethe"
"""What the remote is called in DVC's settings."""

ATTEMPTS = 10  # DVC itself waits 3 s for its lock each time
T = TypeVar("T")


def patiently(
    work: Callable[[], T], *, attempts: int = ATTEMPTS, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Do the work; while another DVC command holds the lock, wait and try again.

    Raises InfrastructureError after `attempts` times.
    """
    from dvc.lock import LockError

    for attempt in range(attempts):
        try:
            return work()
        except LockError:
            sleep(0.1 * 2 ** min(attempt, 5))
    raise InfrastructureError(
        f"another DVC command has held the workspace's lock through {attempts} attempts, expected "
        "it to end: let it finish, then try again"
    )


@contextmanager
def opened(ws: Workspace, what: str) -> Iterator[Any]:
    """Give DVC's repository for one piece of work. what: its name in messages."""
    with dvc_errors(what), _quietly(ws):
        from dvc.repo import Repo

        repo = Repo(str(ws.root), config=_overrides(ws))
        try:
            _refuse_other_cache(ws, repo)
            yield repo
        finally:
            repo.close()


def _refuse_other_cache(ws: Workspace, repo: Any) -> None:
    """UsageError if DVC's settings, also those of the user or machine, name another cache.

    What lies in .dvc/cache would not be looked at any more, and count as erased.
    """
    if not Path(repo.cache.local.path).resolve().is_relative_to(ws.cache.resolve()):
        raise UsageError(
            "dvc cache: DVC's settings (cache.dir) name another place than .dvc/cache, expected "
            "the workspace's own, which alone is purged: `dvc cache dir --unset` there, with "
            "--local, --global or --system if that is where it stands"
        )


def _overrides(ws: Workspace) -> dict[str, Any]:
    own = {"site_cache_dir": str(ws.dvc / "tmp" / "site"), "no_scm": True, "autostage": False}
    return {"core": {**own, "analytics": False, "check_update": False}}


@contextmanager
def dvc_errors(what: str) -> Iterator[None]:
    """One line of ours instead of DVC's traceback; its lock errors pass, they are waited for."""
    from dvc.lock import LockError

    try:
        yield
    except LockError:
        raise
    except Exception as error:
        if not from_outside(error):
            raise
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:300] or type(cause).__name__
        raise InfrastructureError(f"{what}: {reason}: correct that, then try again") from error


@contextmanager
def _quietly(ws: Workspace) -> Iterator[None]:
    """Keep DVC's state inside the workspace and its messages off standard output."""
    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    levels = [logger.level for logger in loggers]
    site = os.environ.get("DVC_SITE_CACHE_DIR")
    os.environ["DVC_SITE_CACHE_DIR"] = str(ws.dvc / "tmp" / "site")
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if site is None:
            del os.environ["DVC_SITE_CACHE_DIR"]
        else:
            os.environ["DVC_SITE_CACHE_DIR"] = site
