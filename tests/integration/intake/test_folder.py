"""The watched folder: a file counts once, and goes only when the inbox has it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import SealAltered
from ledger.inbox import Inbox
from ledger.sources import SourceKeys, shut
from systems.intake.folder import Watched
from systems.intake.receiving import Reception
from systems.settings.workspace import Workspace
from tests.integration.intake.doors import BODY, made, opened, with_source
from unlearning.errors import InfrastructureError


@pytest.fixture
def keys(tmp_path: Path) -> SourceKeys:
    ws = made(tmp_path / "workspace")
    with_source(ws, "desk")
    return SourceKeys(ws.keys)


@pytest.fixture
def inbox(keys: SourceKeys) -> Iterator[Inbox]:
    found = opened(Workspace.at(keys.keys.parent))
    yield found
    found.close()


@pytest.fixture
def watched(tmp_path: Path, inbox: Inbox, keys: SourceKeys) -> Watched:
    (tmp_path / "drop").mkdir()
    return Watched(tmp_path / "drop", "desk", Reception(inbox), keys, 10_000)


def dropped(at: Watched, name: str, content: Any = BODY) -> Path:
    """As a sender does it: written under another name, then renamed."""
    part = at.folder / f".{name}.part"
    part.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return part.rename(at.folder / name)


def left(at: Watched) -> list[str]:
    return sorted(p.relative_to(at.folder).as_posix() for p in at.folder.rglob("*") if p.is_file())


def test_each_file_is_one_request_and_goes(watched: Watched, inbox: Inbox) -> None:
    for number in range(3):
        dropped(watched, f"{number}.json", {"subjects": [f"s-{number}"]})
    assert watched.sweep() == 3
    assert watched.sweep() == 0
    assert left(watched) == []
    assert [one.source for one in inbox.waiting()] == ["desk"] * 3


def test_a_file_that_is_being_written_is_left_alone(watched: Watched, inbox: Inbox) -> None:
    (watched.folder / ".a.json.part").write_text('{"subjects"')
    (watched.folder / "notes.txt").write_text("not for us")
    assert watched.sweep() == 0
    assert left(watched) == [".a.json.part", "notes.txt"]


def test_killed_between_receiving_and_removing_it_is_still_one_request(
    watched: Watched, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    dropped(watched, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr("ledger.durable.remove_file", kill)
        with pytest.raises(Killed):
            watched.sweep()
    assert left(watched) == ["taking/a.json"]
    assert watched.sweep() == 1
    assert left(watched) == [] and len(inbox.waiting()) == 1


def test_a_file_that_comes_while_its_namesake_is_taken_is_not_lost(
    watched: Watched, inbox: Inbox
) -> None:
    class Late(Reception):
        def take(self, incoming: Any, *, nonce: str | None = None) -> Any:
            if not (watched.folder / "a.json").exists() and len(inbox.waiting()) == 0:
                dropped(watched, "a.json", {"subjects": ["s-2"]})
            return super().take(incoming, nonce=nonce)

    dropped(watched, "a.json", {"subjects": ["s-1"]})
    late = Watched(watched.folder, "desk", Late(inbox), watched.keys, 10_000)
    while late.sweep():
        pass
    assert len(inbox.waiting()) == 2 and left(watched) == []


def test_a_disk_that_is_full_leaves_the_file(
    watched: Watched, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise InfrastructureError("disk full")

    dropped(watched, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "receive", full)
        with pytest.raises(InfrastructureError):
            watched.sweep()
    assert watched.sweep() == 1 and len(inbox.waiting()) == 1


def test_an_inbox_that_was_altered_refuses_nobodys_file(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def altered(*_: Any, **__: Any) -> None:
        raise SealAltered("inbox.db: does not hold an inbox")

    dropped(watched, "a.json")
    monkeypatch.setattr(Inbox, "receive", altered)
    with pytest.raises(SealAltered):
        watched.sweep()
    assert left(watched) == ["taking/a.json"]


def test_what_nobody_foresaw_is_moved_aside_and_the_others_go_on(
    watched: Watched, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(Reception):
        def take(self, incoming: Any, *, nonce: str | None = None) -> Any:
            if incoming.selector.values == ("odd",):
                raise KeyError("jane@example.com")
            return super().take(incoming, nonce=nonce)

    dropped(watched, "a.json", {"subjects": ["odd"]})
    dropped(watched, "b.json")
    odd = Watched(watched.folder, "desk", Odd(inbox), watched.keys, 10_000)
    assert odd.sweep() == 1 and len(inbox.waiting()) == 1
    (reason,) = (watched.folder / "refused").glob("*.reason")
    assert reason.read_text() == "KeyError\n"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", {"subjects": []}, b"x" * 10_001])
def test_what_is_malformed_is_moved_aside_with_its_reason(
    watched: Watched, inbox: Inbox, content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    dropped(watched, "jane.json", content)
    dropped(watched, "ok.json")
    assert watched.sweep() == 1
    assert len(inbox.waiting()) == 1
    refused = watched.folder / "refused"
    (file,) = refused.glob("*-jane.json")
    (reason,) = refused.glob("*-jane.reason")
    assert "expected" in reason.read_text()
    assert refused.stat().st_mode & 0o077 == 0
    assert "jane" not in caplog.text and "is moved to refused/" in caplog.text
    assert file.read_bytes() == (content if isinstance(content, bytes) else b'{"subjects": []}')


def test_a_file_with_the_longest_name_is_refused_and_the_others_go_on(
    watched: Watched, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reason's name would be longer than any file system takes."""
    dropped(watched, f"{'jane-' * 48}.json", b"{")
    dropped(watched, "zz.json")
    assert watched.sweep() == 1 and len(inbox.waiting()) == 1
    (reason,) = (watched.folder / "refused").glob("*.reason")
    assert "expected" in reason.read_text() and "jane" not in caplog.text


def test_a_file_that_may_not_be_read_is_refused_and_the_others_go_on(
    watched: Watched,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    opening = os.open

    def forbidding(path: Any, *rest: Any, **named: Any) -> int:
        if str(path).endswith("jane.json"):
            raise PermissionError(13, "Permission denied")
        return opening(path, *rest, **named)

    dropped(watched, "jane.json")
    dropped(watched, "zz.json")
    monkeypatch.setattr(os, "open", forbidding)
    assert watched.sweep() == 1 and len(inbox.waiting()) == 1
    assert "jane" not in caplog.text


def test_a_link_is_not_followed(watched: Watched, inbox: Inbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(BODY))
    (watched.folder / "a.json").symlink_to(secret)
    assert watched.sweep() == 0
    assert secret.exists() and inbox.waiting() == ()
    assert not (watched.folder / "a.json").is_symlink()


def test_a_folder_that_cannot_be_read_is_tried_again(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def fail(_: Watched) -> int:
        looks.append(1)
        raise PermissionError(os.strerror(13))

    class Stop:
        def is_set(self) -> bool:
            return len(looks) == 2

        def wait(self, seconds: float) -> None:
            return None

    monkeypatch.setattr(Watched, "sweep", fail)
    with caplog.at_level(logging.WARNING):
        watched.run(Stop())  # type: ignore[arg-type]
    assert len(looks) == 2 and "PermissionError" in caplog.text


def test_a_source_that_was_removed_sends_nothing_any_more(watched: Watched, inbox: Inbox) -> None:
    dropped(watched, "a.json")
    shut(watched.keys.keys, "desk")
    with pytest.raises(InfrastructureError, match="may not send"):
        watched.sweep()
    assert inbox.waiting() == () and left(watched) == ["a.json"]


def test_what_comes_by_a_folder_is_counted_too(watched: Watched) -> None:
    counted: list[tuple[str, str]] = []

    def count(door: str, outcome: str, seconds: float) -> None:
        counted.append((door, outcome))
        assert seconds >= 0

    reception = replace(watched.reception, count=count)
    one = replace(watched, reception=reception)
    one.sweep()
    for name, content in (("a", b'{"subjects": ["s-1"]}'), ("b", b"no request")):
        (one.folder / f"{name}.json").write_bytes(content)
    one.sweep()
    assert sorted(counted) == [("folder", "received"), ("folder", "refused")]
