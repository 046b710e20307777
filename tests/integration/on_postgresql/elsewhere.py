"""Lets every ledger that a test opens have its log in a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from ledger import lines, requests
from ledger.databases.postgresql import engine_at
from ledger.databases.tables import SCHEMA
from ledger.lines import Lines


def same(module: ModuleType, *, of_files: set[str]) -> dict[str, Any]:
    """The tests and fixtures of a module, but for those that are about files."""
    names = [name for name in vars(module) if name.startswith("test_")]
    assert of_files <= set(names), "a test that is left out was renamed"
    return {name: getattr(module, name) for name in names if name not in of_files}


@contextmanager
def logs_in_database(url: str) -> Iterator[None]:
    """For each folder of records the first opening empties the database, and begins there."""
    known: set[Path] = set()
    in_place = requests.lines_of

    def in_database(records: Path, _: str | None) -> Lines:
        if records not in known:
            if not (records / lines.ELSEWHERE).is_file():
                emptied(url)
            lines.begin(records, url)
            known.add(records)  # only now: a test may let it be killed on the way
        return in_place(records, url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "lines_of", in_database)
        yield


def emptied(url: str) -> None:
    """Leave no row in the ledger's tables."""
    names = ", ".join(
        f"{SCHEMA}.{name}" for name in ("log", "identity", "requests", "runs", "meta")
    )
    with engine_at(url).begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))
