"""One measurement, in a process of its own, so that its peak memory is its own.

What is measured is what every command does: submit, open a ledger, verify a log, find the shards of
one person.
"""

from __future__ import annotations

import hmac
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import durable, keys
from ledger.chain import GENESIS, Entry, sign_entry
from ledger.checkpoint import proofs
from ledger.domain import Selector
from ledger.keys import load_public_keys, load_signing_key, shard_key
from ledger.lines import InFile, verified
from ledger.lines.verified import NOTE, Noted
from ledger.log import Log
from ledger.requests import Ledger
from systems.data import index
from systems.data.columns import EXAMPLE, SUBJECT
from systems.data.sharding import Manifest, Shard, save_manifest
from systems.settings.workspace import Workspace

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
LAST = 200  # requests over which the cost of one is taken
T = TypeVar("T")
EACH, SHARDS, PERSON = 10, 256, "person-0000007"


def peak_mib() -> float:
    """The largest that this process was."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def submit(requests: int) -> dict[str, Any]:
    """Submit so many requests, each for another person; what one costs at the end, then opening."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-scale-"))
    try:
        ws = Workspace.at(folder)
        keys.create_keys(ws.keys, ws.records)
        ledger = Ledger.open(ws.records, ws.keys)
        cpu, wall = time.process_time(), time.perf_counter()
        for number in range(requests):
            if number == requests - LAST:
                cpu, wall = time.process_time(), time.perf_counter()
            _submitted(ledger, number)
        spent = time.process_time() - cpu, time.perf_counter() - wall
        count = min(LAST, requests)
        writing = peak_mib()
        began = time.process_time()
        opened = Ledger.open(ws.records, ws.keys)
        entries = len(opened.log.entries())
        return {
            "entries": entries,
            "processor_ms_each": spent[0] / count * 1000,
            "ms_each": spent[1] / count * 1000,
            "open_processor_seconds": time.process_time() - began,
            "peak_mib": writing,
            "log_mib": ws.log.stat().st_size / 2**20,
        }
    finally:
        shutil.rmtree(folder)


def _submitted(ledger: Ledger, number: int) -> None:
    ledger.submit(
        Selector("subject", (f"person-{number:07d}",)),
        received_at=NOW,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=EACH,
        now=NOW,
    )


def verify(entries: int) -> dict[str, Any]:
    """Sign a log of so many entries, verify all of it by the public key, open it, and prove one."""
    with tempfile.TemporaryDirectory(prefix="lethe-scale-") as name:
        ws = Workspace.at(Path(name))
        keys.create_keys(ws.keys, ws.records)
        key, ring = load_signing_key(ws.keys), load_public_keys(ws.public_key)
        signing, _ = _spent(lambda: _signed(ws.log, entries, key))
        reading, content = _spent(lambda: durable.read(ws.log))
        verifying, found = _spent(lambda: verified.read(content, ring, None))
        chain = found.chain
        assert len(chain.entries) == entries and chain.problem is None
        noted = Noted(ws.keys / NOTE, key)
        verified.note(content, found, entries, noted)
        opening, log = _spent(lambda: Log.open(InFile(ws.log), key, ring, noted))
        assert log.head == found.head
        size = len(content) / 2**20
        middle = chain.entries[entries // 2]
        proving, proof = _spent(lambda: proofs.proved(chain.entries, middle, key, None))
        proved, outcome = _spent(lambda: proofs.verify(proof, ring))
        assert outcome.ok
    return {
        "sign_per_second": entries / signing,
        "verify_per_second": entries / verifying,
        "verify_processor_seconds": verifying,
        "read_processor_seconds": reading,
        "open_processor_seconds": opening,
        "prove_processor_seconds": proving,
        "verify_proof_processor_ms": proved * 1000,
        "proof_kib": len(proof) / 1024,
        "peak_mib": peak_mib(),
        "log_mib": size,
    }


def _spent(work: Callable[[], T]) -> tuple[float, T]:
    """Give the processor seconds that it took, and what it gave."""
    began = time.process_time()
    came = work()
    return time.process_time() - began, came


def _signed(path: Path, entries: int, key: Ed25519PrivateKey) -> None:
    with path.open("wb") as file:
        before: Entry | None = None
        for number in range(1, entries + 1):
            before = sign_entry(_header(number, before), key)
            file.write(before.line())


def _header(number: int, before: Entry | None) -> dict[str, Any]:
    ref = f"run-{number // 20:012x}"
    return {
        "seq": number,
        "previous": before.hash if before else GENESIS,
        "at": "2026-06-10T12:00:00.000000+00:00",
        "event": "step",
        "key": f"{ref}/step-{number % 20}",
        "body": {"decision": "released", "sha256": f"{number:064x}", "seconds": 1.5},
    }


def find(rows: int) -> dict[str, Any]:
    """Find the shards of one person among so many examples, ten a person; the index is on disk.

    All digests but that person's are drawn: those of others are as random.
    """
    with tempfile.TemporaryDirectory(prefix="lethe-scale-") as name:
        ws = Workspace.at(Path(name))
        _indexed(ws, rows)
        cpu, began = time.process_time(), time.perf_counter()
        found = index.load(ws).shards(SUBJECT, [PERSON])
        wall, spent = time.perf_counter() - began, time.process_time() - cpu
        assert found == {"shard-007"}
        size = index.index_path(ws).stat().st_size / 2**20
    return {
        "seconds": wall,
        "processor_seconds": spent,
        "index_mib": size,
    }


def _indexed(ws: Workspace, rows: int) -> None:
    keys.create_keys(ws.keys, ws.records)
    names = tuple(f"shard-{number:03d}" for number in range(SHARDS))
    shards = {name: Shard("0" * 64, rows // SHARDS) for name in names}
    save_manifest(ws, Manifest("0" * 32, "0" * 64, {}, shards, {"train": {"0": rows}}))
    rng, key = np.random.default_rng(0), shard_key(ws.keys)
    theirs = [
        hmac.digest(key, f"{column}\0{value}".encode(), "sha256")[:8]
        for column, value in ((SUBJECT, PERSON), (EXAMPLE, f"{PERSON}/1"))
    ]
    others = rng.integers(2**64, size=rows + rows // EACH, dtype=np.uint64)
    digests = np.concatenate([others, np.frombuffer(b"".join(theirs), "<u8")])
    places = rng.integers(SHARDS, size=len(digests)).astype(np.uint16)
    places[-2:] = 7
    order = np.argsort(digests)
    made = index.Index(key, "0" * 32, names, digests[order], places[order])
    content = index._encoded(made)
    durable.write(index.index_path(ws), hmac.digest(key, content, "sha256") + content)


WORK: dict[str, Callable[[int], dict[str, Any]]] = {
    "submit": submit,
    "verify": verify,
    "find": find,
}
