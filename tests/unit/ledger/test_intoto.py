"""Each step of a run has an in-toto statement in a DSSE envelope, which others' tools can read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from ledger.chain import Entry, Verification
from ledger.evidence import Sealed
from ledger.intoto.envelopes import encoded, key_id, opened, sealed
from ledger.intoto.statements import (
    after_release,
    before_release,
    objections,
    unjoined,
    write,
)
from ledger.keyring import keyring_of
from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.bundles import _of_steps as of_steps
from ledger.replay.bundles import _stated as stated_by
from unlearning.digests import canonical_json, sha256_hex

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
PUBLIC = keyring_of(KEY.public_key())


def of(name: str) -> str:
    """Stand for the digest of something."""
    return sha256_hex(name.encode())


STEPS: dict[str, dict[str, Any]] = {
    "begun": {"parent_sha256": of("champion"), "policy": of("policy"), "params": of("params")},
    "extracted": {"manifest": of("data"), "commitment": of("forget set"), "train": 12},
    "unlearned-0": {"method": "finetune", "settings": of("settings"), "seed": 7, "sha256": None},
    "judged-0": {"decision": "refused", "verdicts": {"integrity": "FAILED"}, "sha256": None},
    "unlearned-1": {"method": "retrain", "settings": of("s"), "seed": 8, "sha256": of("new")},
    "judged-1": {"decision": "released", "verdicts": {}, "sha256": of("new")},
    "decided": {
        "decision": "released",
        "candidate": of("new"),
        "records": [of("one"), of("two")],
        "approval": {"by": ["somebody"]},
    },
    "sealed": {"statement": of("statement")},
    "promoted": {"version": 2, "sha256": of("new")},
    "suppressed": {"sha256": of("list")},
    "erased": {"manifest": of("data without him")},
    "purged": {"copies": [{"where": "dvc cache", "what": "object ab", "status": "removed"}]},
}
STATEMENT = {
    "run": "run-1",
    "attempts": [{}, {"bank": {"name": "bank-1", "sha256": of("bank")}}],
    "environment": {"lethe": "0.1.0", "python": "3.11", "packages": {"torch": "2"}, "cores": 2},
}


def logged(folder: Path, **changes: dict[str, Any]) -> tuple[Entry, ...]:
    log = Log.open(InFile(folder / f"{len(list(folder.iterdir()))}.jsonl"), KEY)
    log.append("bank_complete", {"bank": "bank-1", "sha256": of("bank")}, key="bank", now=NOW)
    for step, body in STEPS.items():
        told = {**body, **changes.get(step.replace("-", "_"), {})}
        log.append("step", told, key=f"run-1/{step}", now=NOW)
    return tuple(log.entries())


DECIDED = 8  # the number of that entry, with the bank's before them


def stated(entries: tuple[Entry, ...]) -> dict[str, Any]:
    first = before_release(STATEMENT, entries[:DECIDED])
    return first | after_release("run-1", entries, DECIDED)


@pytest.fixture
def statements(tmp_path: Path) -> dict[str, Any]:
    return stated(logged(tmp_path))


def test_what_is_signed_is_as_the_specification_has_it() -> None:
    """Its published vector: the signature there is over these bytes, whoever encodes them."""
    message = encoded("http://example.com/HelloWorld", b"hello world")
    assert message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    sig = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    numbers = (int.from_bytes(half, "big") for half in (sig[:32], sig[32:]))
    key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA256()))


def test_an_independent_implementation_verifies_and_reads_it(statements: dict[str, Any]) -> None:
    key = SSlibKey.from_crypto(KEY.public_key())
    assert key.keyid == key_id(KEY.public_key().public_bytes_raw())
    for payload in statements.values():
        envelope = Envelope.from_dict(json.loads(sealed(canonical_json(payload), KEY)))
        assert list(envelope.verify([key], 1)) == [key.keyid]
        assert envelope.payload_type == "application/vnd.in-toto+json"
        assert json.loads(envelope.payload) == payload
        envelope.payload += b" "
        with pytest.raises(VerificationError):
            envelope.verify([key], 1)


def test_we_read_what_an_independent_implementation_signed() -> None:
    content = sealed(b"{}", KEY)
    envelope = json.loads(content)
    theirs = Envelope.from_dict(json.loads(content))
    assert theirs.pae() == encoded(theirs.payload_type, theirs.payload)
    assert opened(content, envelope, PUBLIC) == b"{}"


def test_each_has_the_fields_that_the_specification_asks_for(statements: dict[str, Any]) -> None:
    for payload in statements.values():
        assert payload["_type"] == "https://in-toto.io/Statement/v1"
        assert ":" in payload["predicateType"]
        names = [one["name"] for one in payload["subject"]]
        assert names and len(set(names)) == len(names)
        for one in (*payload["subject"], *payload["predicate"]["materials"]):
            assert len(bytes.fromhex(one["digest"]["sha256"])) == 32


def test_every_step_is_stated_in_order_and_joins_the_one_before(
    statements: dict[str, Any], tmp_path: Path
) -> None:
    names = [name.split("/")[1].split(".")[0] for name in statements]
    assert names == [
        *("01-extract", "02-unlearn-1", "03-judge-1", "04-unlearn-2", "05-judge-2", "06-decide"),
        *("07-seal", "08-promote", "09-suppress", "10-erase", "11-purge"),
    ]
    assert list(unjoined(statements, logged(tmp_path))) == []
    made = {
        n: [one["name"] for one in p["subject"]]
        for n, p in zip(names, statements.values(), strict=True)
    }
    assert made["02-unlearn-1"] == ["log entry 4"], "it made nothing"
    assert made["06-decide"] == ["log entry 8", "released candidate"]
    assert made["10-erase"] == ["log entry 12", "data"]
    assert "somebody" not in json.dumps(statements)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judged_1": {"sha256": of("another")}}, "05-judge-2.intoto.jsonl: candidate 2"),
        ({"decided": {"candidate": of("another")}}, "06-decide.intoto.jsonl: candidate"),
    ],
)
def test_what_no_step_made_is_found(changes: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    """The key's owner may sign a log whose steps take in what nobody made."""
    entries = logged(tmp_path, **changes)
    assert any(said in line for line in unjoined(stated(entries), entries))


def test_a_bank_that_the_log_does_not_vouch_for_is_found(statements: dict[str, Any]) -> None:
    assert ["shadow bank" in line for line in unjoined(statements, ())] == [True]


def swapped(folder: Path) -> None:
    one, other = folder / "02-unlearn-1.intoto.jsonl", folder / "03-judge-1.intoto.jsonl"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def resigned(folder: Path) -> None:
    path = folder / "02-unlearn-1.intoto.jsonl"
    payload = base64.b64decode(json.loads(path.read_bytes())["payload"])
    path.write_bytes(sealed(payload, OTHER))


def bettered(folder: Path) -> None:
    path = folder / "03-judge-1.intoto.jsonl"
    payload = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    payload["predicate"]["outcome"]["verdicts"] = {"integrity": "PASSED"}
    path.write_bytes(sealed(canonical_json(payload), KEY))


def spelled_otherwise(folder: Path) -> None:
    path = folder / "03-judge-1.intoto.jsonl"
    path.write_text(json.dumps(json.loads(path.read_bytes())))


def twice_signed(folder: Path) -> None:
    path = folder / "03-judge-1.intoto.jsonl"
    envelope = json.loads(path.read_bytes())
    envelope["signatures"] *= 2
    path.write_bytes(canonical_json(envelope) + b"\n")


def of_another_type(folder: Path) -> None:
    path = folder / "03-judge-1.intoto.jsonl"
    envelope = json.loads(path.read_bytes()) | {"payloadType": "application/json"}
    path.write_bytes(canonical_json(envelope) + b"\n")


def a_folder(folder: Path) -> None:
    path = folder / "03-judge-1.intoto.jsonl"
    path.unlink()
    path.mkdir()


def one_more(folder: Path) -> None:
    (folder / "99-judge-9.intoto.jsonl").write_bytes(sealed(b"{}", KEY))


ALTERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: (f / "03-judge-1.intoto.jsonl").unlink(), "03-judge-1"),
    "all missing": (lambda f: [path.unlink() for path in f.iterdir()], "01-extract"),
    "exchanged": (swapped, "02-unlearn-1"),
    "of another key": (resigned, "02-unlearn-1.intoto.jsonl: is no envelope"),
    "signed, but not what the log says": (bettered, "03-judge-1.intoto.jsonl: outcome: is not"),
    "not in the one spelling": (spelled_otherwise, "03-judge-1.intoto.jsonl: is no envelope"),
    "with a signature more": (twice_signed, "03-judge-1.intoto.jsonl: is no envelope"),
    "of another type": (of_another_type, "03-judge-1.intoto.jsonl: is no envelope"),
    "a folder": (a_folder, "03-judge-1.intoto.jsonl: is no envelope"),
    "one more": (one_more, "99-judge-9.intoto.jsonl: is of no step"),
    "no envelope": (lambda f: (f / "03-judge-1.intoto.jsonl").write_text("[]"), "03-judge-1"),
}


@pytest.mark.parametrize("name", list(ALTERED))
def test_an_altered_statement_is_named(
    statements: dict[str, Any], tmp_path: Path, name: str
) -> None:
    write(tmp_path, statements, KEY)
    assert list(objections(tmp_path, statements, PUBLIC)) == []
    change, said = ALTERED[name]
    change(tmp_path / "steps")
    found = list(objections(tmp_path, statements, PUBLIC))
    assert found and any(said in line for line in found), found


def test_statements_of_another_run_are_not_this_ones(tmp_path: Path) -> None:
    """Both are genuine, and of the same form and key."""
    mine, theirs = (
        stated(logged(tmp_path, extracted={"commitment": of(who)})) for who in ("me", "them")
    )
    write(tmp_path, theirs, KEY)
    found = list(objections(tmp_path, mine, PUBLIC))
    assert len(found) == len(mine) and "subject" in found[0]


def test_writing_them_again_after_a_crash_gives_the_same_bytes(
    statements: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, statements, KEY)
    before = {path.name: path.read_bytes() for path in (tmp_path / "steps").iterdir()}
    (tmp_path / "steps" / ".left.part").write_text("a write was cut off")
    write(tmp_path, statements, KEY)
    assert {path.name: path.read_bytes() for path in (tmp_path / "steps").iterdir()} == before


def sealed_as(kind: str | None, entries: tuple[Entry, ...]) -> Sealed:
    said = {**STATEMENT, "type": kind}
    return Sealed(said, "", entries, Verification(("all",), ()), PUBLIC, PUBLIC)


def test_a_bundle_of_before_has_no_steps_and_one_of_a_kind_unknown_is_refused(
    tmp_path: Path,
) -> None:
    first = sealed_as("lethe/evidence/1", logged(tmp_path)[:DECIDED])
    assert stated_by(first, {}) == {"": {}}
    assert list(of_steps(tmp_path, first, {}, {"": {}})) == []
    write(tmp_path, before_release(STATEMENT, first.entries), KEY)
    assert len(list(of_steps(tmp_path, first, {}, {"": {}}))) == DECIDED - 2
    newer = sealed_as("lethe/evidence/9", first.entries)
    assert "none that this Lethe knows" in next(of_steps(tmp_path, newer, {}, {"": {}}))
