"""A log in a file goes on in a database: the same bytes, and at no moment is neither whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flows.train
from flows.cli.work import verifying
from flows.cli.work.moving import move
from flows.cli.work.opening import holding
from ledger import durable
from ledger.databases.lines import InDatabase
from ledger.domain import Selector
from ledger.errors import LogAltered, WorkspaceBusy
from ledger.inbox import Incoming
from ledger.lines import moving
from systems.settings.ownership import MARK
from systems.settings.receiving import inbox_of
from systems.settings.recording import DATABASE_URL, ledger_at, lines_of, serving_alone
from systems.settings.workspace import Workspace, write_templates
from tasks.running.records import utc_now
from tests.integration.on_postgresql.test_ledger import counts, said
from tests.integration.on_postgresql.test_workspace import trained
from tests.integration.test_initialising import init, offer
from tests.unit.submitted import accepted
from unlearning.errors import IntegrityError, UsageError

ASKED = Incoming(Selector("subject", ("person-0",)), utc_now(), "gdpr", "shop", None)


class Killed(BaseException):
    """Stands for kill -9: nothing more is done."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose log is a file, with a request."""
    folder = tmp_path_factory.mktemp("made")
    ws = Workspace.at(folder / "workspace")
    write_templates(ws)
    ws.params.write_text(ws.params.read_text().replace("shards: 64", "shards: 2 "))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows.train, "train", trained)
        patch.delenv(DATABASE_URL, raising=False)
        init(ws.root, offer(folder / "people.parquet"), seed=3)
        with holding(ws.root) as at:
            accepted(at.ledger, utc_now())
    return ws.root


@pytest.fixture
def ws(made: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of it that is nobody's copy, with the database named."""
    copy = Workspace.at(tmp_path / "workspace")
    shutil.copytree(made, copy.root)
    (copy.records / MARK).unlink(missing_ok=True)
    monkeypatch.setenv(DATABASE_URL, url)
    return copy


def verified(ws: Workspace) -> dict[str, Any]:
    found = verifying.verify(ws.root, None, True, None, verifying.Expected(None, None, None, None))
    return {key: found[key] for key in ("ok", "problems", "head", "entries") if key in found}


def test_it_goes_on_in_the_database_with_the_same_entries(ws: Workspace, url: str) -> None:
    before, content = verified(ws), ws.log.read_bytes()
    rows = ledger_at(ws, read_only=True).requests(None, utc_now())
    told = move(ws.root)
    assert told["moved"] == content.count(b"\n")
    assert verified(ws) == before and before["ok"]
    assert lines_of(ws).read() == content and ws.elsewhere.is_file()
    assert not (ws.log.exists() or ws.tables.exists() or (ws.records / moving.UNDERWAY).exists())
    assert ledger_at(ws, read_only=True).requests(None, utc_now()) == rows
    with holding(ws.root) as at:
        at.ledger.record("noted", {}, key="noted", now=utc_now())
    assert lines_of(ws).read().startswith(content) and verified(ws)["ok"]
    with pytest.raises(UsageError, match="lies in a database already"):
        move(ws.root)


def dying(work: Callable[..., Any], after: int) -> Callable[..., Any]:
    """Let the work be killed before it has begun for the nth time."""
    left = [after]

    def doing(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return work(*args, **kwargs)

    return doing


MOMENTS = {
    "before the name is noted": (InDatabase, "require_free", 0),
    "before the database is ours": (InDatabase, "create", 0),
    "before a line is written": ("ledger.databases.lines", "_write", 0),
    "after some lines": ("ledger.databases.lines", "_write", 2),
    "before they are read back": (moving, "_require_there", 0),
    "before the file goes": (durable, "remove_file", 0),
    "before the tables go": (durable, "remove_file", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_log_is_whole_and_the_same_command_goes_on(
    ws: Workspace, url: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, content = verified(ws), ws.log.read_bytes()
    place, name, after = MOMENTS[moment]
    where = __import__(place, fromlist=["_"]) if isinstance(place, str) else place
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(where, name, dying(getattr(where, name), after))
        move(ws.root)
    assert verified(ws) == before
    with holding(ws.root) as at:  # whoever works meanwhile writes to the one that counts
        at.ledger.record("noted", {}, key="noted", now=utc_now())
    content = lines_of(ws).read()
    if ws.log.exists():
        move(ws.root)
    assert verified(ws)["ok"] and lines_of(ws).read() == content
    assert ws.elsewhere.is_file() and not ws.log.exists()


def test_what_the_database_took_otherwise_does_not_count(
    ws: Workspace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ws.log.read_bytes()
    monkeypatch.setattr(InDatabase, "read", lambda *_: content[:-9] + b"altered!\n")
    with pytest.raises(IntegrityError, match="is not what the file has"):
        move(ws.root)
    assert ws.log.read_bytes() == content and not ws.elsewhere.exists()


def test_nothing_is_moved_that_should_not_be(
    ws: Workspace, url: str, other_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ws.log.read_bytes()
    ws.service.mkdir(exist_ok=True)
    with serving_alone(ws), pytest.raises(WorkspaceBusy):
        move(ws.root)
    with holding(ws.root), pytest.raises(WorkspaceBusy):
        move(ws.root)
    with monkeypatch.context() as patch, pytest.raises(UsageError, match="got no database"):
        patch.delenv(DATABASE_URL)
        move(ws.root)
    with monkeypatch.context() as patch:
        patch.delenv(DATABASE_URL)
        inbox_of(ws).receive(ASKED, now=utc_now())
    with pytest.raises(UsageError, match="got 1 requests that wait in inbox/"):
        move(ws.root)
    shutil.rmtree(ws.inbox)
    InDatabase.create(url, "another")
    with pytest.raises(UsageError, match="a database of its own"):
        move(ws.root)
    monkeypatch.setenv(DATABASE_URL, other_url)
    ws.log.write_bytes(content.replace(b"accepted", b"complete"))
    with pytest.raises(LogAltered):
        move(ws.root)
    ws.log.write_bytes(content)
    assert not ws.elsewhere.exists() and verified(ws)["ok"] and counts(url) == (0, 0, 0)
    assert said(url, "SELECT ledger FROM lethe_ledger.identity") == [("another",)]
