"""A signing key is replaced while the log lies in a database, and wherever that is cut off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import durable, lines
from ledger.chain import read_chain
from ledger.databases.lines import InDatabase
from ledger.keyring import ROTATED
from ledger.keys import load_public_keys
from ledger.requests import Ledger

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


class Killed(BaseException):
    """In place of kill -9."""


def opened(root: Path, url: str) -> Ledger:
    where = lines.lines_of(root / "records", url)
    return Ledger.open(root / "records", root / "keys", lines=where)


def events(root: Path, url: str) -> list[str]:
    """What a reader finds who was given the public keys."""
    ring = load_public_keys(root / "records" / "public.pem")
    chain = read_chain(lines.lines_of(root / "records", url).read(), ring)
    assert chain.problem is None
    return [entry.event for entry in chain.entries]


def dying(work: Callable[..., Any], after: str) -> Callable[..., Any]:
    """Do it, and be killed if it was the file that is named."""

    def act(path: Path, *args: Any, **named: Any) -> None:
        work(path, *args, **named)
        if getattr(path, "name", "") == after:
            raise Killed

    return act


NAMES = ("signing.next.pem", "log in the database", "public.pem", "signing.pem")


@pytest.mark.parametrize("after", NAMES)
def test_killed_at_any_write_the_next_opening_has_a_key_that_fits(
    root: Path, url: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opened(root, url)
    ledger.record("noted", {}, key="before", now=NOW)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(durable, "write", dying(durable.write, after))
        patch.setattr(InDatabase, "append", dying(InDatabase.append, after))
        ledger.rotate_key(reason="a laptop was lost", now=NOW)
    again = opened(root, url)
    again.record("noted", {}, key="after", now=NOW)
    rotated = after != "signing.next.pem"
    assert events(root, url) == ["noted", *([ROTATED] if rotated else []), "noted"]
    assert not (root / "keys" / "signing.next.pem").exists()
    assert opened(root, url).check().ok
