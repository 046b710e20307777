"""On which of the examples that are there now a released retraining was trained.

Data come in and people go after a release, so each has a list of what it learned from: a keyed tag
of each example, no id. Whoever is erased later is struck from the lists too; how many a training
had is in its evidence, so that it still shows how many of them are gone. What the lists are is in
the log (`ledger.replay.retained`); one that was altered is struck all the same, and stays untold.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Iterator
from itertools import count, takewhile
from pathlib import Path

import numpy as np

from ledger import durable
from ledger.keys import suppression_key
from ledger.replay.retained import FOLDER, STRUCK, SUFFIX, told
from tasks.running.opened import Opened
from tasks.running.run import Run
from unlearning.digests import sha256_file, sha256_hex
from unlearning.domain import BoolArray, IntArray

_TAG = np.dtype("<u8")


def note(run: Run, number: int, ids: Iterable[str]) -> str:
    """Keep in the run's folder what an attempt learns from; give the list's SHA-256."""
    content = _tags(run.at, run.ref, ids).tobytes()
    durable.make_folder(run.folder)
    durable.write(_noted(run, number), content)
    return sha256_hex(content)


def keep(run: Run) -> None:
    """Let the list of the last attempt, which was released, outlive the run, if it has one.

    To be called again after a crash, with the same effect.
    """
    noted = _noted(run, sum(1 for _ in _judged(run)) - 1)
    if noted.is_file():
        durable.make_folder(_folder(run.at))
        durable.write(_kept(run.at, run.ref), durable.read(noted))


def _judged(run: Run) -> Iterator[int]:
    return takewhile(lambda number: run.done(f"judged-{number}") is not None, count())


def foretell(run: Run) -> None:
    """Log what lists of others will be without the examples to erase, before one is struck.

    To be called again after a crash: what was logged before the first one was struck stays.
    """
    if run.done(STRUCK) is not None or run.done("erased") is not None:
        return
    known = told(run.at.ledger.log.entries())
    lists = {
        path.stem: sha256_hex(staying)
        for path, staying in _struck(run.at, run.all_ids())
        if sha256_file(path) in known.get(path.stem, {sha256_file(path)})
    }
    if lists:
        run.once(STRUCK, lambda: {"lists": lists})


def strike(at: Opened, ids: Collection[str]) -> None:
    """Strike erased examples from every list."""
    for path, staying in _struck(at, ids):
        durable.write(path, staying)


def _struck(at: Opened, ids: Collection[str]) -> Iterator[tuple[Path, bytes]]:
    """Give each list that has some of these examples, with what it is without them."""
    for path in sorted(_folder(at).glob(f"*{SUFFIX}")):
        tags = _read(path)
        staying = np.setdiff1d(tags, _tags(at, path.stem, ids))
        if len(staying) < len(tags):
            yield path, staying.tobytes()


def learned_from(at: Opened, run: str, ids: Iterable[str]) -> BoolArray | None:
    """Say which of these examples a run's released network was trained on, (n,); None: no list."""
    path = _kept(at, run)
    if not path.is_file():
        return None
    return np.isin(_in_order(at, run, ids), _read(path))


def _tags(at: Opened, run: str, ids: Iterable[str]) -> IntArray:
    return np.unique(_in_order(at, run, ids))


def _in_order(at: Opened, run: str, ids: Iterable[str]) -> IntArray:
    key = hmac.digest(suppression_key(at.ws.keys), f"retained\0{run}".encode(), "sha256")
    tags = (hmac.digest(key, example.encode(), "sha256")[:8] for example in ids)
    return np.frombuffer(b"".join(tags), _TAG)


def _read(path: Path) -> IntArray:
    content = durable.read(path)
    return np.frombuffer(content[: len(content) // 8 * 8], _TAG)


def _noted(run: Run, number: int) -> Path:
    return run.folder / f"{FOLDER}-{number}{SUFFIX}"


def _kept(at: Opened, run: str) -> Path:
    return _folder(at) / f"{run}{SUFFIX}"


def _folder(at: Opened) -> Path:
    return at.ws.records / FOLDER
