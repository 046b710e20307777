"""The log keeps what was written, in order, and tells when anything was changed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import verify_log
from ledger.errors import KeyConflict, LogAltered, WorkspaceBusy
from ledger.keyring import keyring_of
from ledger.lines import InFile
from ledger.log import Log
from unlearning.digests import canonical_json, sha256_hex
from unlearning.errors import InfrastructureError, Unrecordable, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = keyring_of(KEY.public_key())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of three entries."""
    path = tmp_path / "log.jsonl"
    log = Log.open(InFile(path), KEY)
    for number in range(3):
        log.append("counted", {"number": number}, key=f"count/{number}", now=NOW)
    return path


def sealed_again(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Alter the second line as somebody would who can compute hashes but not sign."""
    lines = path.read_bytes().splitlines()
    fields = json.loads(lines[1])
    change(fields)
    header = {name: fields[name] for name in ("seq", "previous", "at", "event", "key", "body")}
    fields["hash"] = sha256_hex(canonical_json(header))
    lines[1] = canonical_json(fields)
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_entries_come_back_in_order_and_chained(path: Path):
    log = Log.open(InFile(path), PUBLIC)
    entries = log.entries()
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.body["number"] for entry in entries] == [0, 1, 2]
    assert entries[0].previous == "0" * 64
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert log.head == entries[-1].hash
    assert b"".join(entry.line() for entry in entries) == path.read_bytes()


def test_the_same_key_adds_nothing_and_another_content_under_it_is_refused(path: Path):
    log, before = Log.open(InFile(path), KEY), path.read_bytes()
    again = log.append("counted", {"number": 1}, key="count/1", now=NOW)
    assert again == log.entries()[1]
    for event, number in (("counted", 7), ("other", 1)):
        with pytest.raises(KeyConflict, match="count/1"):
            log.append(event, {"number": number}, key="count/1", now=NOW)
    assert path.read_bytes() == before


def test_a_body_is_returned_as_a_later_reader_gets_it(path: Path):
    log = Log.open(InFile(path), KEY)
    entry = log.append("kept", {"pair": (1, 2), "rates": {3: 0.5}}, key="kept", now=NOW)
    assert entry.body == {"pair": [1, 2], "rates": {"3": 0.5}}
    assert Log.open(InFile(path), KEY).entries()[-1] == entry


def test_no_byte_of_the_log_can_be_changed_unnoticed(path: Path):
    """Every third byte: 3 shares no factor with the 64 of a digest, so every field is met."""
    content = path.read_bytes()
    for position in range(0, len(content), 3):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        report = verify_log(path, PUBLIC)
        line = content[:position].count(b"\n") + 1
        assert not report.ok
        assert f"log line {line} " in report.problems[0] or f"line {line}:" in report.problems[0]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda fields: fields.update(body={"number": 9}), "signature"),
        (lambda fields: fields.update(seq=5), "seq: got 5, expected 2"),
        (lambda fields: fields.update(previous="0" * 64), "previous: got '000"),
        (lambda fields: fields.update(signature="00" * 64), "signature"),
    ],
)
def test_a_forged_entry_is_named_with_what_is_wrong(
    path: Path, change: Callable[[dict[str, object]], None], wrong: str
):
    sealed_again(path, change)
    with pytest.raises(LogAltered, match=r"line 2 \(seq 2\)") as caught:
        Log.open(InFile(path), KEY)
    assert wrong in str(caught.value)
    assert caught.value.exit_code == 30


def test_a_removed_or_doubled_or_swapped_line_is_noticed(path: Path):
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for lines in ((first, third), (second, third), (first, first, second), (first, third, second)):
        path.write_bytes(b"".join(lines))
        with pytest.raises(LogAltered):
            Log.open(InFile(path), KEY)


def test_an_empty_log_is_not_trivially_sound(path: Path):
    path.write_bytes(b"")
    assert "no entry" in verify_log(path, PUBLIC).problems[0]


def test_another_keys_log_is_not_ours(path: Path):
    report = verify_log(path, keyring_of(Ed25519PrivateKey.generate().public_key()))
    assert "seq 1" in report.problems[0] and "signature" in report.problems[0]


def test_a_torn_last_line_is_reported_then_cut_off_by_the_next_append(path: Path):
    whole = path.read_bytes()
    log = Log.open(InFile(path), KEY)
    log.append("counted", {"number": 3}, key="count/3", now=NOW)
    path.write_bytes(path.read_bytes()[:-20])
    assert "log line 4: has no end" in verify_log(path, PUBLIC).problems[0]
    reopened = Log.open(InFile(path), KEY)
    assert reopened.find("count/3") is None
    reopened.append("counted", {"number": 3}, key="count/3", now=NOW)
    assert path.read_bytes().startswith(whole)
    assert verify_log(path, PUBLIC).ok


def test_a_full_disk_leaves_the_log_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Half of the line gets through before the disk is full."""
    before, write = path.read_bytes(), os.pwrite

    def full(descriptor: int, content: bytes, at: int) -> int:
        if at > len(before):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[: len(content) // 2], at)

    log = Log.open(InFile(path), KEY)
    with monkeypatch.context() as patch, pytest.raises(InfrastructureError) as caught:
        patch.setattr(os, "pwrite", full)
        log.append("counted", {"number": 3}, key="count/3", now=NOW)
    assert "No space left" in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 20
    assert path.read_bytes() == before
    assert log.append("counted", {"number": 3}, key="count/3", now=NOW).seq == 4


def test_two_writers_cannot_fork_the_chain(path: Path):
    one, other = Log.open(InFile(path), KEY), Log.open(InFile(path), KEY)
    one.append("counted", {"number": 3}, key="count/3", now=NOW)
    with pytest.raises(WorkspaceBusy, match="another process"):
        other.append("counted", {"number": 4}, key="count/4", now=NOW)
    assert verify_log(path, PUBLIC).ok


def test_a_log_opened_with_the_public_key_is_for_reading(path: Path):
    with pytest.raises(UsageError, match="for reading"):
        Log.open(InFile(path), PUBLIC).append("counted", {}, key="count/3", now=NOW)


@pytest.mark.parametrize(
    "value", ["jane.doe@example.org", "two\nlines", "x" * 1001, float("nan"), object()]
)
def test_what_plainly_does_not_belong_in_a_log_is_refused(path: Path, value: object):
    before = path.read_bytes()
    with pytest.raises(Unrecordable) as caught:
        Log.open(InFile(path), KEY).append(
            "noted", {"deep": [{"value": value}]}, key="note", now=NOW
        )
    assert "jane" not in str(caught.value)
    assert path.read_bytes() == before


def test_names_of_models_and_rates_do_belong(path: Path):
    body = {"model": "models:/lethe@champion", "measure": "tpr@0.01", "reason": "AUC .56 > .55"}
    assert Log.open(InFile(path), KEY).append("noted", body, key="note", now=NOW).body == body
