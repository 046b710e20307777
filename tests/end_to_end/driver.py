"""Runs `lethe` in a process of its own, and kills it where a test says.

The process is forked from one that has loaded the heavy packages and done nothing else, which
saves ten seconds a call. It leads a group of its own, so that all it started can be ended too.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Protocol

HEAVY = (
    *("flows.cli.work.initialising", "flows.forget", "flows.cli.work.queries", "mlflow.pyfunc"),
    *("torch._dynamo", "flows.cli.work.serving", "flows.cli.work.comparing"),
    *("torchvision", "timm", "great_expectations", "dvc.repo", "dvc.repo.add", "dvc_data"),
    *("dvc_render", "scmrepo.git", "alembic.command", "networkx", "graphviz", "matplotlib.pyplot"),
    *("dvc.cachemgr", "dvc.data_cloud", "dvc.lock", "flufl.lock", "pyarrow.pandas_compat"),
    *("prefect.concurrency.asyncio", "prefect.concurrency.sync", "anyio._backends._asyncio"),
    *("opentelemetry.sdk.trace", "ledger.projection", "ledger.tables", "tasks.planning"),
    *("pyarrow.parquet", "PIL.Image", "pytest", "tests.end_to_end.driver"),
    "tests.end_to_end.warming",
)
"""What one `lethe forget` imports, none of which starts a thread or looks at the workspace."""

_REFERENCES = re.compile(r"(run|req)-[0-9a-f]{12}/")


class Killer(Protocol):
    """Ends the process it is armed in by SIGKILL, somewhere; nothing of it is in the product."""

    def arm(self) -> None:
        """Put the trap in place."""


def run(
    arguments: Sequence[str], output: Path, environment: Mapping[str, str], killer: Killer | None
) -> None:
    """Be one `lethe`: the exit code is this process's, the two streams go to files."""
    from flows import cli

    _on_its_own(output, environment)
    if killer:
        killer.arm()
    cli.main(list(arguments))


def follow(
    arguments: Sequence[str],
    folder: Path,
    output: Path,
    environment: Mapping[str, str],
    templates: Path,
) -> None:
    """Be one `lethe` that is called in a folder, as a page says.

    templates: what `init` takes for settings that nobody gave, so that it trains little.
    """
    from flows import cli
    from flows.cli.work import asking
    from systems.settings import workspace

    _on_its_own(output, environment)
    os.chdir(folder)
    asking.TEMPLATES = workspace.TEMPLATES = templates
    cli.main(list(arguments))


def tell(
    folder: Path, options: Sequence[str], output: Path, environment: Mapping[str, str]
) -> None:
    """Be `make demo` in a folder; options: of its `lethe init`."""
    from flows import demo

    _on_its_own(output, environment)
    os.chdir(folder)
    sys.exit(demo.main(options))


def _on_its_own(output: Path, environment: Mapping[str, str]) -> None:
    os.setsid()
    os.environ.update(environment)
    tempfile.tempdir = None  # read TMPDIR again
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        stream.flush()
        file = os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, stream.fileno())


def mark(key: str) -> str:
    """Give a log key without the references in it: `promoted`, `unlearning-0`, `started`."""
    return _REFERENCES.sub("", key)


def die() -> NoReturn:
    """End this process as the kernel would, out of memory or at the operator's order."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")


def stop() -> None:
    """Ask this process to end, as `systemctl stop` and `docker stop` do."""
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class AtEntry:
    """Kill when an entry with this mark is to be logged.

    logged: just after it is on the disk, before the tables have it; else just before, when the
    work that it tells of is done.
    """

    mark: str
    logged: bool

    def arm(self) -> None:
        from ledger.log import Log

        append = Log.append

        def killing(log: Log, event: str, body: Any, **rest: Any) -> Any:
            due = mark(rest["key"]) == self.mark and log.find(rest["key"]) is None
            if due and not self.logged:
                die()
            entry = append(log, event, body, **rest)
            if due:
                die()
            return entry

        Log.append = killing  # type: ignore[assignment, method-assign]


@dataclass(frozen=True)
class AtCall:
    """Kill just before the n-th call of a function, named as `package.module:function`.

    end: how, unless by SIGKILL.
    """

    function: str
    n: int = 1
    end: Callable[[], None] = die

    def arm(self) -> None:
        module, _, name = self.function.partition(":")
        owner, left = import_module(module), self.n
        work = getattr(owner, name)

        def killing(*args: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                self.end()
            return work(*args, **named)

        setattr(owner, name, killing)


@dataclass(frozen=True)
class AtWrite:
    """Kill inside a step, just before its n-th change to the file system below `root`."""

    step: str
    n: int
    root: Path

    def arm(self) -> None:
        from ledger.requests import Ledger

        once, count = Ledger.once, _Changes(self.n, str(self.root))

        def counted(ledger: Ledger, run: str, step: str, work: Any, **rest: Any) -> Any:
            if step != self.step:
                return once(ledger, run, step, work, **rest)
            return once(ledger, run, step, count.during(work), **rest)

        Ledger.once = counted  # type: ignore[assignment, method-assign]
        sys.addaudithook(count.see)


class _Changes:
    """Counts what Python tells of files that are written, named, linked and removed."""

    CHANGES = frozenset(
        {
            "os.rename",
            "os.remove",
            "os.mkdir",
            "os.rmdir",
            "os.link",
            "os.truncate",
            "shutil.rmtree",
        }
    )

    def __init__(self, left: int, root: str) -> None:
        self._left, self._root, self._counting = left, root, False

    def during(self, work: Callable[[], Any]) -> Callable[[], Any]:
        def counted() -> Any:
            self._counting = True
            try:
                return work()
            finally:
                self._counting = False

        return counted

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._counting and self._changes(event, arguments):
            self._left -= 1
            if self._left == 0:
                die()

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            return writes and str(path).startswith(self._root)
        return event in self.CHANGES and any(str(a).startswith(self._root) for a in arguments)
