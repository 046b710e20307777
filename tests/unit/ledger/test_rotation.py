"""A signing key is replaced: the log tells, old and new are verified, a crash leaves no half."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable, evidence
from ledger.chain import read_chain, verify_log
from ledger.evidence import read_sealed
from ledger.keyring import ROTATED
from ledger.keys import create_keys, load_public_keys, load_signing_key
from ledger.lines import InFile
from ledger.replay.following import Place, read_on
from ledger.requests import Ledger
from tests.unit.submitted import accepted
from unlearning.errors import IntegrityError, RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


class Killed(BaseException):
    """In place of kill -9."""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def records(tmp_path: Path, keys: Path) -> Path:
    create_keys(keys, tmp_path / "records")
    return tmp_path / "records"


@pytest.fixture
def ledger(records: Path, keys: Path) -> Ledger:
    made = Ledger.open(records, keys)
    made.record("noted", {}, key="before", now=NOW)
    return made


def rotate(ledger: Ledger) -> None:
    ledger.rotate_key(reason="a laptop was lost", now=NOW)


def public(records: Path):
    return load_public_keys(records / "public.pem")


def test_the_old_key_names_the_new_one_which_signs_from_then_on(ledger, records, keys) -> None:
    old = load_signing_key(keys).public_key().public_bytes_raw()
    rotate(ledger)
    new = load_signing_key(keys).public_key().public_bytes_raw()
    ledger.record("noted", {}, key="after", now=NOW)
    assert old != new
    assert public(records).keys == (old, new)
    chain = read_chain((records / "log.jsonl").read_bytes(), public(records))
    assert [entry.event for entry in chain.entries] == ["noted", ROTATED, "noted"]
    assert chain.keys == (old, new)
    assert Ledger.open(records, keys).check().ok


def test_whoever_trusts_only_the_first_key_follows_the_log_to_the_next(ledger, records) -> None:
    first = public(records)
    rotate(ledger)
    ledger.record("noted", {}, key="after", now=NOW)
    assert verify_log(records / "log.jsonl", first).ok


def test_it_can_be_done_again_and_again(ledger, records, keys) -> None:
    first = public(records)
    for number in range(3):
        rotate(ledger)
        Ledger.open(records, keys).record("noted", {}, key=f"then/{number}", now=NOW)
        ledger = Ledger.open(records, keys)
    assert len(public(records).keys) == 4
    assert verify_log(records / "log.jsonl", first).ok


def test_the_old_key_signs_nothing_any_more(ledger, records, keys) -> None:
    """Whoever has stolen it cannot go on with the log."""
    stolen = load_signing_key(keys)
    rotate(ledger)
    lines = (records / "log.jsonl").read_bytes()
    forged = Ledger.open(records, keys)
    forged.log._signing_key = stolen  # what a thief would do
    forged.log.append("noted", {}, key="forged", now=NOW)
    report = verify_log(records / "log.jsonl", public(records))
    assert "signature is not from the given key" in report.problems[0]
    (records / "log.jsonl").write_bytes(lines)
    assert verify_log(records / "log.jsonl", public(records)).ok


def test_a_rotation_that_the_old_key_did_not_sign_is_none(ledger, records, keys) -> None:
    thief = Ed25519PrivateKey.generate()
    forged = Ledger.open(records, keys)
    forged.log._signing_key = thief
    forged.log.hand_over(thief, reason="mine now", key="key/2", now=NOW)
    assert not verify_log(records / "log.jsonl", public(records)).ok


def test_statements_from_before_and_after_are_both_verified(ledger, records, keys, tmp_path):
    before = sealed(tmp_path / "before", ledger, keys)
    rotate(ledger)
    after = sealed(tmp_path / "after", ledger, keys)
    first = keyring_of_first(records)
    for ring, known in ((public(records), (before, after)), (first, (before, after))):
        for folder in known:
            assert read_sealed(folder, ring).verification.problems == ()


def test_a_statement_of_the_old_key_on_what_came_after_is_found(ledger, records, keys, tmp_path):
    stolen = load_signing_key(keys)
    rotate(ledger)
    folder = sealed(tmp_path / "forged", ledger, keys, signing=stolen)
    problems = read_sealed(folder, public(records)).verification.problems
    assert any("no signature of the given key" in line for line in problems)


def keyring_of_first(records: Path):
    first = public(records).keys[0]
    return type(public(records))((first,))


def sealed(folder: Path, ledger: Ledger, keys: Path, signing=None) -> Path:
    durable.make_folder(folder)
    lines = b"".join(entry.line() for entry in ledger.log.entries())
    durable.write(folder / evidence.EXCERPT, lines)
    statement = {"run": "run-1", "log_head": ledger.log.head}
    evidence.seal(folder, statement, signing or load_signing_key(keys))
    return folder


@pytest.mark.parametrize("reached", ["signing.next.pem", "log.jsonl", "public.pem", "signing.pem"])
def test_killed_at_any_write_the_next_opening_has_a_key_that_fits(
    ledger, records, keys, monkeypatch, reached
) -> None:
    """Kill it just after each write in turn: a whole rotation, or none, and the log goes on."""
    write, append = durable.write, durable.append

    def dying(work):
        def act(path, *args, **kwargs):
            work(path, *args, **kwargs)
            if path.name == reached:
                raise Killed

        return act

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(durable, "write", dying(write))
        patch.setattr(durable, "append", dying(append))
        rotate(ledger)
    again = Ledger.open(records, keys)
    again.record("noted", {}, key="after", now=NOW)
    rotated = reached != "signing.next.pem"
    assert len(public(records).keys) == 1 + rotated
    assert not (keys / "signing.next.pem").exists()
    assert verify_log(records / "log.jsonl", public(records)).ok
    assert Ledger.open(records, keys).check().ok


def test_not_in_the_middle_of_a_run(ledger, records, keys) -> None:
    ref = accepted(ledger, NOW).ref
    ledger.start_run([ref], now=NOW)
    with pytest.raises(RequestDenied, match="is unfinished"):
        rotate(ledger)
    assert len(public(records).keys) == 1


def test_a_reason_is_asked_for(ledger) -> None:
    with pytest.raises(UsageError, match="--reason"):
        ledger.rotate_key(reason=" ", now=NOW)


def test_a_public_key_that_was_put_in_by_hand_is_an_alarm(ledger, records, keys) -> None:
    path = records / "public.pem"
    create_keys(keys.parent / "other", keys.parent / "elsewhere")
    other = (keys.parent / "elsewhere/public.pem").read_bytes()
    path.write_bytes(path.read_bytes() + other)
    with pytest.raises(IntegrityError, match="does not belong to"):
        Ledger.open(records, keys)


def test_whoever_reads_on_follows_to_the_next_key(ledger, records) -> None:
    first = public(records)
    before = read_on(InFile(records / "log.jsonl"), first, Place())
    rotate(ledger)
    ledger.record("noted", {}, key="after", now=NOW)
    gain = read_on(InFile(records / "log.jsonl"), first, before.place)
    assert [entry.event for entry in gain.entries] == [ROTATED, "noted"]
    ledger.record("noted", {}, key="later", now=NOW)
    assert len(read_on(InFile(records / "log.jsonl"), first, gain.place).entries) == 1
