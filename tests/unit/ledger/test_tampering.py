"""Whatever is done to a log, a sealed folder or a list, is found, and nothing crashes who looks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import evidence, suppression
from ledger.backups import newest
from ledger.backups.stream import Sealing, Unsealing
from ledger.chain import read_chain, verify_chain
from ledger.checkpoint import checked as checked_checkpoint
from ledger.checkpoint import of_log, signed
from ledger.errors import SealAltered
from ledger.keyring import keyring_of
from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.beside import missing_head
from tests.tampering import LONG, Report, altered_folders, changed
from unlearning.errors import IntegrityError, LetheError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NEXT = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
PUBLIC = keyring_of(KEY.public_key())
COUNT = LONG or 400


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Twelve entries, of which the seventh hands the log over to another key."""
    log = Log.open(InFile(tmp_path_factory.mktemp("log") / "log.jsonl"), KEY)
    for number in range(6):
        body = {"number": number, "rates": [0.5, 1e-9], "inner": {"text": "é", "none": None}}
        log.append("counted", body, key=f"count/{number}", now=NOW)
    log.hand_over(NEXT, reason="a test", key="key/7", now=NOW)
    for number in range(5):
        log.append("counted", {"number": number}, key=f"after/{number}", now=NOW)
    return log


def test_every_change_to_a_log_is_found_by_who_knows_its_head(
    log: Log, record_property: Report
) -> None:
    """A log that was cut between two entries is a whole, older one: the head alone tells."""
    record_property("n", COUNT)
    content = log._lines.read()
    for kind, bytes_ in changed(content, COUNT, seed=1):
        chain = read_chain(bytes_, PUBLIC)
        found = [*verify_chain(chain, "log").problems, *missing_head(chain.entries, log.head)]
        assert found, kind
        assert all(isinstance(line, str) and line for line in found)


def test_every_change_to_a_checkpoint_or_a_kept_list_is_found(
    log: Log, record_property: Report
) -> None:
    record_property("n", COUNT // 4 * 2)
    for content, read in (
        (signed(of_log(log.entries()), KEY), checked_checkpoint),
        (newest.signed(newest.Kept(7, b'{"hmac":"00","kind":"id"}\n'), KEY), newest.checked),
    ):
        read(content, PUBLIC)
        for kind, bytes_ in changed(content, COUNT // 4, seed=2):
            with pytest.raises(IntegrityError):
                read(bytes_, PUBLIC)
                pytest.fail(kind)


def capitals(content: bytes) -> bytes:
    """The same with the signatures' letters as capitals, which say the same digits."""
    found = re.sub(rb'(?<="signature":")[0-9a-f]+', lambda digits: digits[0].upper(), content)
    assert found != content
    return found


def test_another_spelling_of_the_same_is_an_alteration(log: Log, folder: Path) -> None:
    content = log._lines.read()
    assert "signature" in str(read_chain(capitals(content), PUBLIC).problem)
    kept = newest.signed(newest.Kept(7, b'{"hmac":"00","kind":"id"}\n'), KEY)
    for said, read in (
        (signed(of_log(log.entries()), KEY), checked_checkpoint),
        (kept, newest.checked),
    ):
        for other in (capitals(said), said.replace(b",", b", ", 1), said + b"\n"):
            with pytest.raises(IntegrityError):
                read(other, PUBLIC)
    path = folder / evidence.SIGNATURE
    path.write_bytes(capitals(path.read_bytes()))
    assert not evidence.read_sealed(folder, PUBLIC).verification.ok


@pytest.fixture
def folder(log: Log, tmp_path: Path) -> Path:
    folder = tmp_path / "run-1"
    (folder / "plots").mkdir(parents=True)
    (folder / "attempts.json").write_text('[{"auc":0.51,"n":100}]')
    (folder / "report.html").write_text("<p>one</p>\n<p>two</p>\n")
    (folder / "plots" / "scores.png").write_bytes(bytes(range(256)))
    lines = b"".join(entry.line() for entry in log.entries())
    (folder / evidence.EXCERPT).write_bytes(lines)
    said = {"run": "run-1", "log_head": log.head, "attempts": [{"value": 0.5}], "decision": "no"}
    evidence.seal(folder, said, NEXT)
    return folder


def test_every_change_to_a_sealed_folder_is_found(folder: Path, record_property: Report) -> None:
    record_property("n", COUNT)
    assert evidence.read_sealed(folder, PUBLIC).verification.ok
    for kind in altered_folders(folder, COUNT, seed=3):
        assert not evidence.read_sealed(folder, PUBLIC).verification.ok, kind
    assert evidence.read_sealed(folder, PUBLIC).verification.ok


def test_no_change_to_a_suppression_list_crashes_who_reads_it(
    tmp_path: Path, record_property: Report
) -> None:
    """Its digest is in the log, by which a change is found; here it is read as it is."""
    record_property("n", COUNT)
    key = bytes(32)
    listed = suppression.parsed(b"", key, "list")
    values = [("id", f"{number}") for number in range(9)]
    tokens = {(kind, suppression._token(key, kind, text)[1]): "r" for kind, text in values}
    content = suppression.encoded(suppression.joined(listed, suppression.Suppression(key, tokens)))
    for _, bytes_ in changed(content, COUNT, seed=4):
        try:
            found = suppression.parsed(bytes_, key, "list")
        except LetheError:
            continue
        assert isinstance(found.tokens, dict)


def test_every_change_to_a_backup_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Report
) -> None:
    record_property("n", COUNT)
    monkeypatch.setattr("ledger.backups.stream.PIECE", 64)
    plain = bytes(range(256)) * 2
    with (tmp_path / "b").open("wb") as file:
        sealing = Sealing(file, bytes(32), "bk-1")
        sealing.write(plain)
        sealing.finish()
    content = (tmp_path / "b").read_bytes()
    assert unsealed(tmp_path / "b") == plain
    for kind, bytes_ in changed(content, COUNT, seed=5):
        (tmp_path / "b").write_bytes(bytes_)
        with pytest.raises(SealAltered):
            unsealed(tmp_path / "b")
            pytest.fail(kind)


def unsealed(path: Path) -> bytes:
    with path.open("rb") as file:
        found = Unsealing(file, bytes(32), "bk-1")
        return b"".join(iter(lambda: found.read(50), b""))


def test_pieces_of_a_backup_cannot_change_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.backups.stream.PIECE", 64)
    with (tmp_path / "b").open("wb") as file:
        sealing = Sealing(file, bytes(32), "bk-1")
        sealing.write(bytes(64 * 4))
        sealing.finish()
    head, size = len(b"lethe/backup/1\n"), 64 + 16
    content = (tmp_path / "b").read_bytes()
    pieces = [content[at : at + size] for at in range(head, len(content), size)]
    for order in ([1, 0, 2, 3], [0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 3], [3]):
        (tmp_path / "b").write_bytes(content[:head] + b"".join(pieces[n] for n in order))
        with pytest.raises(SealAltered):
            unsealed(tmp_path / "b")
