"""A database is named by a URL of PostgreSQL, which no message tells."""

from __future__ import annotations

import sys

import pytest

from ledger.databases.lines import InDatabase
from ledger.databases.postgresql import engine_at
from unlearning.errors import InfrastructureError, UsageError


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///x",
        "secret",
        "postgresql://lethe:secret@host:secret/lethe",
        "postgresql://lethe:not@secret@host/lethe",
        "postgresql://lethe:not@se/cret@host/lethe",
        "postgresql://lethe:not@secret?@host/lethe",
        "mysql://lethe:secret@host/lethe",
    ],
)
def test_another_url_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(UsageError, match=r"postgresql://USER@HOST/NAME|%40") as caught:
        engine_at(url)
    assert "secret" not in str(caught.value)


def test_a_password_with_an_at_sign_is_written_in_percent() -> None:
    assert engine_at("postgresql://lethe:a%40b@host/lethe").url.password == "a@b"


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.split(".")[0] == "psycopg":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"lethe\[postgresql\]"):
        engine_at("postgresql://nobody@nowhere/none")


@pytest.mark.parametrize("option", ["bogus=1", "connect_timeout=soon"])
def test_an_option_that_is_none_is_no_alarm(option: str) -> None:
    """No server was asked, so that nothing is known to be altered."""
    with pytest.raises(InfrastructureError, match="cannot be used") as caught:
        InDatabase.open(f"postgresql://lethe:secret@127.0.0.1:1/lethe?{option}", "0")
    assert "secret" not in str(caught.value)
