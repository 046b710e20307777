"""Keys, sealed files, the suppression list and the lock."""

from __future__ import annotations

import multiprocessing
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger import durable, sealed, suppression
from ledger.errors import KeyMissing, KeyUnusable, SealAltered, UnknownReference, WorkspaceBusy
from ledger.keys import (
    check_keys,
    create_keys,
    load_public_keys,
    load_signing_key,
    matching_key,
    shard_key,
)
from ledger.lock import workspace_lock
from unlearning.errors import InfrastructureError, IntegrityError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_keys_are_created_once_and_for_the_owner_only(keys: Path, records: Path):
    before = contents(keys.parent)
    create_keys(keys, records)
    assert contents(keys.parent) == before
    assert check_keys(keys) == []
    for folder in (keys, keys / "requests", records):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = [path for path in folder.iterdir() if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} <= {0o600}
    assert len(shard_key(keys)) == 32
    message = b"signed by one half, checked by the other"
    signature = load_signing_key(keys).sign(message)
    assert load_public_keys(records / "public.pem").signer(signature, message)


def test_a_lost_signing_key_is_not_silently_replaced(keys: Path, records: Path):
    (keys / "signing.pem").unlink()
    with pytest.raises(KeyMissing, match=r"signing\.pem"):
        create_keys(keys, records)


def test_a_lost_suppression_key_is_not_replaced_while_a_list_needs_it(keys: Path, records: Path):
    suppression.add(records, keys, [("id", "img-1")], run="run-1")
    (keys / "suppression.key").unlink()
    with pytest.raises(KeyMissing, match=r"suppression\.key"):
        create_keys(keys, records)


def test_a_foreign_signing_key_raises_the_alarm(keys: Path, records: Path, tmp_path: Path):
    create_keys(tmp_path / "other", tmp_path / "elsewhere")
    (keys / "signing.pem").write_bytes((tmp_path / "other/signing.pem").read_bytes())
    with pytest.raises(IntegrityError, match="does not belong"):
        matching_key(keys, records)


def test_what_is_wrong_with_the_keys_is_listed(keys: Path):
    (keys / "shards.key").write_text("short\n")
    (keys / "suppression.key").chmod(0o644)
    (keys / "signing.pem").unlink()
    shards, suppress, signing = check_keys(keys)
    assert "shards.key" in shards and "expected 64 hexadecimal" in shards
    assert "suppression.key" in suppress and "0644" in suppress
    assert "signing.pem" in signing and "not there" in signing


def test_a_file_that_is_no_key_is_named(keys: Path, tmp_path: Path):
    wrong = tmp_path / "notes.txt"
    wrong.write_text("not a key")
    with pytest.raises(KeyUnusable, match=r"notes\.txt"):
        load_public_keys(wrong)
    (keys / "signing.pem").write_text("not a key")
    with pytest.raises(KeyUnusable, match=r"signing\.pem"):
        load_signing_key(keys)


def test_a_sealed_value_opens_with_its_own_key_and_no_other(keys: Path, tmp_path: Path):
    path = tmp_path / "req-1.bin"
    sealed.seal(path, keys, "req-1", {"subject": "jane"})
    sealed.seal(tmp_path / "req-2.bin", keys, "req-2", {"subject": "joe"})
    assert sealed.unseal(path, keys, "req-1") == {"subject": "jane"}
    assert b"jane" not in path.read_bytes()
    with pytest.raises(SealAltered):
        sealed.unseal(path, keys, "req-2")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(SealAltered, match=r"req-1\.bin"):
        sealed.unseal(path, keys, "req-1")


def test_shredding_the_key_closes_the_file_for_good(keys: Path, tmp_path: Path):
    path = tmp_path / "req-1.bin"
    sealed.seal(path, keys, "req-1", {"subject": "jane"})
    sealed.shred(keys, "req-1")
    sealed.shred(keys, "req-1")
    with pytest.raises(KeyMissing):
        sealed.unseal(path, keys, "req-1")


def test_a_reference_cannot_leave_the_folder(keys: Path, tmp_path: Path):
    with pytest.raises(UnknownReference):
        sealed.seal(tmp_path / "x.bin", keys, "../signing", {})


def _hold(path: Path, held: multiprocessing.synchronize.Event) -> None:
    with workspace_lock(path):
        held.set()
        time.sleep(60)


def test_a_second_process_is_turned_away_and_a_killed_one_leaves_no_lock(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "lock", held))
    process.start()
    assert held.wait(30)
    with pytest.raises(WorkspaceBusy, match="another lethe"), workspace_lock(tmp_path / "lock"):
        pass
    process.kill()
    process.join()
    with workspace_lock(tmp_path / "lock"):
        pass


def test_a_missing_workspace_cannot_be_locked(tmp_path: Path):
    missing = tmp_path / "nowhere" / "lock"
    with pytest.raises(InfrastructureError, match="nowhere/lock"), workspace_lock(missing):
        pass


def test_an_interrupted_write_leaves_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    durable.write(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InfrastructureError, match="Input/output error"):
        durable.write(path, b"new")
    assert contents(tmp_path) == {str(path): b"old"}


def test_the_ledger_is_light_and_keeps_away_from_the_rest():
    """A fresh interpreter imports every entrance; SQLAlchemy waits until a ledger is opened."""
    entrances = "ledger.requests, ledger.evidence, ledger.suppression, ledger.lock, ledger.keys"
    code = f"import sys, {entrances}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    heavy = {"sqlalchemy", "torch", "numpy", "prefect", "mlflow", "systems", "tasks"}
    assert heavy.isdisjoint(done.stdout.split())
