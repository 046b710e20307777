"""A process that has done once what those of a race do: the races are forked from it.

What costs seconds in a new process, to import MLflow and to compile its statements, is done in this
one, which is of one thread and works in a workspace of its own.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from tests.apart import apart, questions
from tests.registers import Raced

Racing = Callable[[Path, str | None, int], Raced]
"""Make a workspace at a path, its log in the database if there is one, and race by a seed."""


@contextmanager
def racing() -> Iterator[Racing]:
    """Begin the process, and let it race as often as asked."""
    with apart(_serve) as ask:

        def raced(root: Path, url: str | None, seed: int) -> Raced:
            found = ask(root, url, seed)
            assert isinstance(found, Raced), found
            return found

        yield raced


def _serve(answers: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        original = _warmed(Path(folder))
        for asked in questions(answers):
            _forked(_race, answers, original, *asked)


def _warmed(folder: Path) -> Path:
    """Make the workspace that is copied, and promote once in a copy of it."""
    from tests.integration.racing import begin, template, work

    original = template(folder / "workspace")
    tried = Path(shutil.copytree(original, folder / "tried"))
    begin(tried, None)
    work(str(tried), 0, None, str(folder / "trail"))
    return original


def _race(answers: Connection, original: Path, root: Path, url: str | None, seed: int) -> None:
    from tests.integration.racing import begin, race

    try:
        shutil.copytree(original, root)
        _forked(begin, root, url)
        answers.send(race(root, url, seed))
    except BaseException:  # noqa: BLE001  # whatever it was, the one who asked is told
        answers.send(traceback.format_exc())


def _forked(work: Callable[..., None], *arguments: object) -> None:
    process = get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, f"{work.__name__} ended with {process.exitcode}"
