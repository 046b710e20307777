"""The log vouches for a bank's index; a bank that it does not know judges nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import keys
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from tasks.running.vouching import named, vouch
from unlearning.bank.files import index_digest
from unlearning.errors import IntegrityError


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    ws = Workspace.at(tmp_path)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    return Opened(str(ws.root))


@pytest.fixture
def bank(at: Opened) -> Path:
    """A folder with an index; nobody reads its content here."""
    folder = at.ws.bank / "a bank"
    folder.mkdir(parents=True)
    (folder / "bank.json").write_text("one")
    return folder


def test_the_bank_that_was_logged_is_named_for_evidence(at: Opened, bank: Path) -> None:
    vouch(at, bank, index_digest(bank))
    vouch(at, bank, index_digest(bank))  # done again after a crash: one entry
    assert named(at, bank) == {"name": "a bank", "sha256": index_digest(bank)}
    assert len(at.ledger.log.entries()) == 1


@pytest.mark.parametrize("logged", [False, True])
def test_another_bank_or_one_that_was_never_logged_is_an_alarm(
    at: Opened, bank: Path, logged: bool
) -> None:
    if logged:
        vouch(at, bank, index_digest(bank))
        (bank / "bank.json").write_text("another")
    with pytest.raises(IntegrityError, match="its index has SHA-256"):
        named(at, bank)


def test_of_a_bank_that_was_built_again_the_last_one_counts(at: Opened, bank: Path) -> None:
    first = index_digest(bank)
    vouch(at, bank, first)
    vouch(at, bank, "0" * 64)
    with pytest.raises(IntegrityError):
        named(at, bank)
    vouch(at, bank, first)
    assert named(at, bank)["sha256"] == first
