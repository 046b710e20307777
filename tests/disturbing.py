"""One command, disturbed at its n-th change of the disk, in a process of its own; then given again.

A change is what Python does to a file or folder below a root, and what SQLAlchemy commits to a
database: a write that SQLite makes before is undone by its journal. The processes are forked from
one that has done the command once, so that a change costs seconds of nobody.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.apart import apart, questions

KILL, ENOSPC, EIO = "killed", "full", "broken"
FAULTS = (KILL, ENOSPC, EIO)

_GROWS = frozenset({"open", "os.mkdir", "os.link", "os.symlink", "commit"})
_CHANGES = _GROWS | {"os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}


@dataclass(frozen=True)
class Command:
    """make: what is there before it. again: the command. check: that it ended as it should."""

    make: Callable[[Path], None]
    again: Callable[[Path], None]
    check: Callable[[Path], None]


@dataclass(frozen=True)
class Tried:
    """One disturbance: at which change, what that was, the code and line that were told of it.

    wrong: what was not as it should be once the command had been given again.
    """

    n: int
    change: str
    code: int
    line: str
    wrong: str


class _Disk:
    """The port. A full disk is full until the command ends; an error comes once."""

    def __init__(self, root: Path, fault: str | None, n: int) -> None:
        self.root, self.fault, self.n = str(root), fault, n
        self.seen: list[str] = []

    def arm(self) -> None:
        from sqlalchemy.engine.default import DefaultDialect

        commit = DefaultDialect.do_commit

        def counted(dialect: Any, connection: Any) -> None:
            self._meet("commit", "", sqlite3.OperationalError)
            commit(dialect, connection)

        DefaultDialect.do_commit = counted  # type: ignore[method-assign]
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not str(arguments[0]).startswith(self.root):
            return
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        self._meet(event, str(arguments[0]), OSError)

    def _meet(self, event: str, path: str, error: type[Exception]) -> None:
        self.seen.append(f"{event} {path.removeprefix(self.root)}".strip())
        due = len(self.seen) >= self.n if self.fault == ENOSPC else len(self.seen) == self.n
        if self.fault is None or not due:
            return
        if self.fault == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.ENOSPC if self.fault == ENOSPC else errno.EIO
        if self.fault == ENOSPC and event not in _GROWS:
            return
        if error is OSError:
            raise OSError(number, os.strerror(number), path)
        full = "database or disk is full" if self.fault == ENOSPC else "disk I/O error"
        raise error(full)


Disturbed = Callable[[str, int], tuple[int, list[Tried]]]
"""Disturb a command by a fault at each so-manyth of its changes; gives how many changes there are.
AssertionError if one went wrong."""


@contextmanager
def disturbing(place: str, folder: Path) -> Iterator[Disturbed]:
    """Prepare a command, named `package.module:NAME`, in a process of its own."""
    with apart(_serve, place, folder) as ask:

        def disturbed(fault: str, every: int) -> tuple[int, list[Tried]]:
            found = ask(fault, every)
            assert isinstance(found, tuple), found
            return found

        yield disturbed


def _serve(answers: Connection, place: str, folder: Path) -> None:
    module, _, name = place.partition(":")
    command: Command = getattr(import_module(module), name)
    prepared: list[str] | None = None
    for fault, every in questions(answers):
        try:
            prepared = prepared or prepare(command, folder)
            tried = disturbed(command, folder, prepared, fault, every)
            answers.send((len(prepared), tried))
        except BaseException:  # noqa: BLE001  # whatever it was, the one who asked is told
            answers.send(traceback.format_exc())


def prepare(command: Command, folder: Path) -> list[str]:
    """Make what is there before, do the command once in a copy, and give all its changes."""
    root, kept, warm = _places(folder)
    made = _forked(_make, command, root)  # no connection to what is put back is kept in this one
    assert made == "", made
    shutil.move(root, kept)
    _laid(kept, warm)
    command.again(warm)  # what it imports and compiles is done once
    command.check(warm)
    _laid(kept, root)
    whole = _forked(_run, command, root, None, 0)
    assert whole[0] == 0, whole
    return list(whole[2])


def _places(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "workspace", folder / "kept", folder / "warm"


def disturbed(
    command: Command, folder: Path, changes: list[str], fault: str, every: int
) -> list[Tried]:
    """Disturb it at each `every`-th change; AssertionError with the first that went wrong."""
    root, kept, _ = _places(folder)
    tried = [*_each(command, kept, root, fault, changes, every)]
    wrong = [one for one in tried if one.wrong]
    assert not wrong, f"{fault}: {len(wrong)} of {len(tried)}, first {wrong[0]}"
    return tried


def _each(
    command: Command, kept: Path, root: Path, fault: str, changes: list[str], every: int
) -> Iterator[Tried]:
    for n in range(1, len(changes) + 1, every):
        _laid(kept, root)
        code, line, _ = _forked(_run, command, root, fault, n)
        wrong = _forked(_finish, command, root)
        if code == 1 or "\n" in line:
            wrong += f"told {line}"
        yield Tried(n, changes[n - 1], code, line, wrong)


def _laid(kept: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(kept, root, symlinks=True)


def _forked(work: Callable[..., None], *arguments: Any) -> Any:
    """Give what a process sends; what a killed one came to is that it was killed."""
    ours, theirs = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=work, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = -signal.SIGKILL, "", []
    process.join()
    ours.close()
    return found


def _run(told: Connection, command: Command, root: Path, fault: str | None, n: int) -> None:
    from flows.problems import explain

    disk, code, line = _Disk(root, fault, n), 0, ""
    disk.arm()
    try:
        command.again(root)
    except Exception as problem:  # noqa: BLE001  # as the command line does
        code, line = explain(problem)
        if code == 1:
            line += traceback.format_exc()
    disk.fault = None
    told.send((code, line, disk.seen))
    os._exit(0)


def _make(told: Connection, command: Command, root: Path) -> None:
    try:
        command.make(root)
    except BaseException:  # noqa: BLE001
        told.send(traceback.format_exc())
    else:
        told.send("")
    os._exit(0)


def _finish(told: Connection, command: Command, root: Path) -> None:
    try:
        command.again(root)
        command.check(root)
    except BaseException:  # noqa: BLE001  # whatever it was, the one who asked is told
        told.send(traceback.format_exc())
    else:
        told.send("")
    os._exit(0)
