"""What was verified once is not verified again, and nothing passes that should not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.chain import Entry, read_chain, sign_entry, verify_log
from ledger.errors import LogAltered
from ledger.keyring import Keyring, keyring_of
from ledger.keys import create_keys, load_public_keys, load_signing_key
from ledger.lines import InFile, verified
from ledger.lines.entries import Entries
from ledger.lines.verified import NOTE, Noted
from ledger.log import Log
from ledger.requests import Ledger
from tasks.keeping.verified import verify_records
from tests.tampering import LONG, Report, changed
from tests.unit.submitted import workspace
from unlearning.digests import canonical_json

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NEXT = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
PUBLIC = keyring_of(KEY.public_key())
ODD = ("plain", 'with "key":" in it', "back\\slash", 'x","previous":"y', "é ü", "ends \\")
BEFORE, SINCE = 12, 3  # entries that the note vouches for, and those after it
COUNT = LONG or 200


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each signature that was looked at; a note is made after each entry."""
    seen: list[None] = []
    real = Keyring.signer

    def counted(ring: Keyring, signature: bytes, message: bytes) -> bytes | None:
        seen.append(None)
        return real(ring, signature, message)

    monkeypatch.setattr(Keyring, "signer", counted)
    monkeypatch.setattr(verified, "WORTH", 1)
    return seen


def written(path: Path, first: int, last: int, noted: Noted | None = None) -> Log:
    log = Log.open(InFile(path), KEY, PUBLIC, noted)
    for number in range(first, last + 1):
        body = {"number": number, "key": ODD[number % len(ODD)], "inner": {"key": "k"}}
        log.append("counted", body, key=f"{ODD[number % len(ODD)]}/{number}", now=NOW)
    return log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def noted(path: Path, checks: list[None]) -> Noted:
    """A log of fifteen entries, of which the first twelve are noted."""
    made = Noted(path.with_name(NOTE), KEY)
    written(path, 1, BEFORE)
    Log.open(InFile(path), KEY, PUBLIC, made)
    written(path, BEFORE + 1, BEFORE + SINCE)
    checks.clear()
    return made


def test_only_what_came_after_the_note_is_verified(path, noted, checks) -> None:
    whole = read_chain(path.read_bytes(), PUBLIC).entries
    checks.clear()
    log = Log.open(InFile(path), KEY, PUBLIC, noted)
    assert len(checks) == SINCE
    assert log.entries() == whole and log.head == whole[-1].hash and log.count == len(whole)
    checks.clear()
    Log.open(InFile(path), KEY, PUBLIC, noted)
    assert checks == [], "the second one had noted what it verified"


def test_an_entry_is_found_by_its_number_and_its_key_as_ever(path, noted) -> None:
    whole = read_chain(path.read_bytes(), PUBLIC).entries
    for entry in whole:
        log = Log.open(InFile(path), KEY, PUBLIC, noted)
        assert log.find(entry.key) == entry and log.hash_at(entry.seq) == entry.hash
    log = Log.open(InFile(path), KEY, PUBLIC, noted)
    assert log.find("key") is log.find("none") is None
    assert [*log.newest_first()] == [*reversed(whole)]
    assert log.entries(after=5) == whole[5:] and log.entries() == whole
    added = log.append("counted", {}, key="more", now=NOW)
    assert log.entries() == (*whole, added) and verify_log(path, PUBLIC).ok


def outcome(content: bytes, noted: Noted | None) -> tuple[object, ...]:
    found = verified.read(content, PUBLIC, noted)
    log = Entries(content, found.known, found.chain.entries).after(0)
    return found.chain.problem, found.chain.torn, log, found.head, found.length, found.signers


def test_no_change_to_a_log_has_another_outcome_with_a_note(
    path: Path, noted: Noted, record_property: Report
) -> None:
    """In the prefix, after it, or both; also with a key that took over in the prefix."""
    record_property("n", COUNT)
    log = Log.open(InFile(path), KEY)
    log.hand_over(NEXT, reason="a test", key="key/1", now=NOW)
    log.append("counted", {}, key="by the next", now=NOW)
    after = Noted(noted.path, NEXT)
    Log.open(InFile(path), NEXT, PUBLIC, after)
    log.append("counted", {}, key="and after the note", now=NOW)
    content = path.read_bytes()
    assert verified.read(content, PUBLIC, after).known > 0
    for kind, altered in changed(content, COUNT, seed=5):
        assert outcome(altered, after) == outcome(altered, None), kind


def forged(path: Path) -> bytes:
    """A log as somebody would write it who cannot sign: its fifth entry says something else."""
    lines = path.read_bytes().splitlines(keepends=True)
    thief, before = Ed25519PrivateKey.generate(), Entry(**json.loads(lines[3]))
    for place in range(4, BEFORE):
        header = {**json.loads(lines[place]), "previous": before.hash}
        kept = {name: header[name] for name in ("seq", "previous", "at", "event", "key", "body")}
        before = sign_entry({**kept, "event": "forged"}, thief)
        lines[place] = before.line()
    return b"".join(lines[:BEFORE])


def test_a_note_that_somebody_else_wrote_vouches_for_nothing(path, noted, checks) -> None:
    """He knows the file's form and all that is public, and not the key that signs."""
    path.write_bytes(forged(path))
    said = json.loads(noted.path.read_bytes())
    content = path.read_bytes()
    said |= {"length": len(content), "head": json.loads(content.splitlines()[-1])["hash"]}
    said["sha256"] = verified._sha256(content, len(content))
    for mac in (said["mac"], "00" * 32, Noted(path, Ed25519PrivateKey.generate())._mac(said).hex()):
        noted.path.write_bytes(canonical_json({**said, "mac": mac}))
        with pytest.raises(LogAltered, match="log line 5"):
            Log.open(InFile(path), KEY, PUBLIC, noted)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"\xff", b'{"mac": "zz"}', b'{"mac": 1}'),
        *(b'{"mac":"00","x":NaN}', b'{"mac":"00","x":1e999}', b'{"mac":"00","x":"\\ud800"}'),
        b"[" * 200_000,
    ],
    ids=range(10),
)
def test_a_note_that_says_nothing_is_no_error_and_all_is_verified(
    path: Path, noted: Noted, checks: list[None], content: bytes
) -> None:
    noted.path.write_bytes(content)
    Log.open(InFile(path), KEY, PUBLIC, noted)
    assert len(checks) == BEFORE + SINCE
    noted.path.unlink()
    checks.clear()
    Log.open(InFile(path), KEY, PUBLIC, noted)
    assert len(checks) == BEFORE + SINCE


def test_no_change_to_a_note_is_an_error_or_vouches_for_more(path, noted, record_property) -> None:
    record_property("n", COUNT)
    content, expected = path.read_bytes(), outcome(path.read_bytes(), None)
    bad, note = forged(path), noted.path.read_bytes()
    wrong = outcome(bad, None)
    for kind, altered in changed(note, COUNT, seed=6):
        noted.path.write_bytes(altered)
        assert outcome(content, noted) == expected and outcome(bad, noted) == wrong, kind


def test_a_note_goes_with_the_public_keys_that_one_trusts(path, noted) -> None:
    other = keyring_of(Ed25519PrivateKey.generate().public_key())
    with pytest.raises(LogAltered, match="log line 1"):
        Log.open(InFile(path), KEY, other, noted)


def test_a_torn_last_line_is_cut_off_as_ever(path, noted) -> None:
    with path.open("ab") as file:
        file.write(b'{"half of')
    Log.open(InFile(path), KEY, PUBLIC, noted).append("counted", {}, key="next", now=NOW)
    assert verify_log(path, PUBLIC).ok


def test_where_no_note_can_be_written_the_command_goes_on(path, noted, checks) -> None:
    noted.path.unlink()
    noted.path.mkdir()
    for _ in range(2):
        checks.clear()
        Log.open(InFile(path), KEY, PUBLIC, noted)
        assert len(checks) == BEFORE + SINCE


# A workspace


def opened(root: Path, *, read_only: bool = False) -> Ledger:
    return Ledger.open(root / "records", root / "keys", read_only=read_only)


@pytest.fixture
def root(tmp_path: Path, checks: list[None]) -> Path:
    """A workspace of six entries, noted."""
    ws = workspace(tmp_path / "ws")
    for number in range(6):
        opened(ws.root).record("noted", {}, key=f"one/{number}", now=NOW)
    opened(ws.root)
    checks.clear()
    return ws.root


def test_whoever_reads_is_spared_it_too_if_he_may_read_the_key(root, checks) -> None:
    assert opened(root, read_only=True).log.count == 6
    assert checks == []
    (root / "keys" / "signing.pem").unlink()
    assert opened(root, read_only=True).log.count == 6
    assert len(checks) == 6


def test_a_key_that_is_not_the_logs_vouches_for_nothing(root: Path, checks: list[None]) -> None:
    """He who can write keys/ puts his own there, with a note under it, and hopes for readers."""
    signing = root / "keys" / "signing.pem"
    signing.unlink()
    create_keys(root / "keys", root / "other")
    mine = Noted(root / "keys" / NOTE, load_signing_key(root / "keys"))
    content = (root / "records" / "log.jsonl").read_bytes()
    altered = content.replace(b'"event":"noted"', b'"event":"faked"')
    (root / "records" / "log.jsonl").write_bytes(altered)
    whole = verified.read(content, load_public_keys(root / "records" / "public.pem"), None)
    verified.note(altered, whole, 6, mine)
    with pytest.raises(LogAltered, match="log line 1"):
        opened(root, read_only=True)


def test_after_a_change_of_keys_all_is_verified_once(root: Path, checks: list[None]) -> None:
    opened(root).rotate_key(reason="a laptop was lost", now=NOW)
    for expected in (7, 0):
        checks.clear()
        assert opened(root).log.count == 7
        assert len(checks) == expected


def test_who_audits_verifies_all_of_it(root: Path, checks: list[None]) -> None:
    """Even where the note, by whatever fault of ours, vouches for what is not genuine."""
    ws = workspace(root.parent / "audited")
    written_ = opened(ws.root)
    for number in range(3):
        written_.record("noted", {}, key=f"one/{number}", now=NOW)
    opened(ws.root)
    content = ws.log.read_bytes()
    altered = content.replace(b'"event":"noted"', b'"event":"faked"', 1)
    ws.log.write_bytes(altered)
    noted = Noted(ws.keys / NOTE, load_signing_key(ws.keys))
    ring = load_public_keys(ws.public_key)
    verified.note(altered, verified.read(content, ring, None), 3, noted)
    opened(ws.root)
    assert "log line 1" in verify_records(ws, None).problems[0]
