"""kill -9 at every side effect of `lethe init` until the data are in: the next one starts again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import flows.train
from systems.data import loading, versions
from systems.settings.workspace import Workspace, write_templates
from tests.integration.test_initialising import contents, init, offer, put, trained

CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"})


class Killed(BaseException):
    """What kill -9 looks like from inside: from then on, nothing can be changed any more."""


class _Killer:
    """Raises at the n-th change below a folder, and at every one after it.

    What DVC does within one of its commands counts as one change.
    """

    def __init__(self) -> None:
        self.armed, self.reached, self.n, self.root, self.within = False, 0, 0, "", 0

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.armed and not self.within and self._changes(event, arguments):
            self.change()

    def change(self) -> None:
        self.reached += 1
        if self.reached >= self.n:
            raise Killed

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return bool(writes) and str(path).startswith(self.root)
        return event in CHANGES and str(arguments[0]).startswith(self.root)

    def command(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Count a command of DVC as one change."""

        def call(*args: Any, **named: Any) -> Any:
            if self.armed:
                self.change()
            self.within += 1
            try:
                return work(*args, **named)
            finally:
                self.within -= 1

        return call


KILLER = _Killer()
sys.addaudithook(KILLER.see)


@contextmanager
def killed_at(n: int, root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arm the killer; one that was not reached is no error."""
    for name in ("_with_repo", "stores"):
        patch.setattr(versions, name, KILLER.command(getattr(versions, name)))
    KILLER.reached, KILLER.n, KILLER.root, KILLER.armed = 0, n, str(root), True
    try:
        yield
    finally:
        KILLER.armed = False


def prepared(root: Path) -> Workspace:
    """A folder with a project of the user's in it, and few shards to come."""
    ws = Workspace.at(root)
    put(root, {"README.md": "mine", "mlruns/README.md": "a page", "src/train.py": "print()"})
    put(root, {".dvc/config": "# ours\n[core]\n    autostage = true\n"})
    write_templates(ws)
    ws.params.write_text(ws.params.read_text().replace("shards: 64", "shards: 2 "))
    return ws


def test_killed_at_any_side_effect_the_next_init_ends_as_if_it_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kill meets what all the kills before it have left."""
    monkeypatch.setattr(flows.train, "train", trained)
    data = offer(tmp_path / "offered" / "people.parquet")
    undisturbed, ws = prepared(tmp_path / "undisturbed"), prepared(tmp_path / "killed")
    init(undisturbed.root, data, seed=3)
    before = contents(prepared(tmp_path / "before").root)
    kills = 0
    while True:
        with monkeypatch.context() as patch:
            try:
                with killed_at(kills + 1, ws.root, patch):
                    init(ws.root, data, seed=3)
                break
            except Killed:
                kills += 1
        now = contents(ws.root)
        assert {name: now.get(name) for name in before if name not in CHANGED} == {
            name: text for name, text in before.items() if name not in CHANGED
        }, f"killed before change {kills}"
    assert kills > 40
    loading.verify(ws)
    assert not ws.beginning.exists()
    assert names(ws) == names(undisturbed)


CHANGED = {"params.yaml", ".dvc/config"}
"""What init adds its own to, in a folder where it is there."""


def names(ws: Workspace) -> set[str]:
    """The names of all files, without those that follow from the secret key."""
    keyed = ("data/", "remote/", ".dvc/cache/", ".dvc/tmp/")
    return {name for name in contents(ws.root) if not name.startswith(keyed)}
