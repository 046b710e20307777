"""The log's Merkle tree: published values, and proofs that hold for what is so and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, checked, of_log, signed
from ledger.checkpoint.merkle import (
    Tree,
    consistency,
    consistent,
    included,
    inclusion,
    leaf_hash,
    tree_of,
)
from ledger.checkpoint.proofs import is_proof, proved, verify
from ledger.errors import LogAltered
from ledger.keyring import keyring_of
from ledger.lines import InFile
from ledger.log import Log
from tests.unit.ledger.test_tampering import KEY, NEXT, NOW
from unlearning.digests import canonical_json
from unlearning.errors import IntegrityError, UsageError

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Of the first so many leaves, as the tests of Certificate Transparency have them."""


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_roots_are_the_published_ones(size: int) -> None:
    assert tree_of(LEAVES[:size]).root.hex() == ROOTS[size]


def test_of_nothing_the_root_is_the_hash_of_nothing() -> None:
    assert Tree().root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.integers(1, 70), st.data())
def test_each_leaf_is_proved_and_no_other_in_its_place(size: int, data: st.DataObject) -> None:
    leaves = [str(n).encode() for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    tree, path = tree_of(leaves), inclusion(leaves, index)
    assert tree.size == size and len(path) <= max(size - 1, 0).bit_length()
    assert included(leaves[index], index, size, path, tree.root)
    assert not included(b"other", index, size, path, tree.root)
    elsewhere = data.draw(st.integers(0, size))
    assert included(leaves[index], elsewhere, size, path, tree.root) == (elsewhere == index)
    if path:
        assert not included(leaves[index], index, size, path[:-1], tree.root)
        assert not included(leaves[index], index, size, [*path, path[-1]], tree.root)


@given(st.integers(1, 70), st.data())
def test_a_tree_that_has_grown_is_proved_and_one_that_was_rewritten_is_not(
    size: int, data: st.DataObject
) -> None:
    leaves = [str(n).encode() for n in range(size)]
    first = data.draw(st.integers(1, size))
    before, after = tree_of(leaves[:first]).root, tree_of(leaves).root
    path = consistency(leaves, first)
    assert consistent(first, size, path, before, after)
    other = [*leaves]
    other[data.draw(st.integers(0, first - 1))] = b"rewritten"
    rewritten = tree_of(other).root
    assert not consistent(first, size, consistency(other, first), before, rewritten)
    if first < size:
        assert not consistent(first, size, path[1:], before, after)
        assert not consistent(first, size, [*path, leaf_hash(b"")], before, after)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Eleven entries, of which the fourth hands the log over to another key."""
    made = Log.open(InFile(tmp_path / "log.jsonl"), KEY)
    for number in range(11):
        if number == 3:
            made.hand_over(NEXT, reason="a test", key="key/3", now=NOW)
        else:
            made.append("note", {"n": number}, key=f"note/{number}", now=NOW)
    return made


RING = keyring_of(NEXT.public_key())
"""Whoever verifies has the key of today, also for entries that an earlier one signed."""


def test_one_entry_is_proved_by_the_public_key_alone(log: Log) -> None:
    entries = log.entries()
    for entry in entries:
        content = proved(entries, entry, NEXT, None)
        assert is_proof(content) and verify(content, RING).ok
        assert len(json.loads(content)["path"]) <= 4


def test_whoever_kept_a_checkpoint_sees_that_the_log_only_grew(log: Log) -> None:
    entries = log.entries()
    kept = of_log(entries[:6])
    content = proved(entries, entries[8], NEXT, kept)
    assert verify(content, RING, kept).ok
    other = replace(kept, root="00" * 32)
    assert not verify(content, RING, other).ok
    silent = proved(entries, entries[8], NEXT, None)
    assert not verify(silent, RING, kept).ok
    with pytest.raises(LogAltered, match="cut or written anew"):
        proved(entries, entries[8], NEXT, other)
    with pytest.raises(UsageError, match="without a root"):
        proved(entries, entries[8], NEXT, replace(kept, root=""))


def test_what_was_altered_in_a_proof_is_found(log: Log) -> None:
    entries = log.entries()
    said = json.loads(proved(entries, entries[3], NEXT, None))
    forged = Ed25519PrivateKey.generate()
    alterations = [
        {**said, "entry": {**said["entry"], "body": {"n": 99}}},
        {**said, "entry": {**said["entry"], "seq": 5}},
        {**said, "path": said["path"][::-1]},
        {**said, "path": []},
    ]
    for altered in alterations:
        assert not verify(canonical_json(altered) + b"\n", RING).ok
    theirs = json.loads(signed(of_log(entries), forged))
    older = Checkpoint(len(entries), entries[-1].hash, entries[-1].at)
    without = json.loads(signed(older, NEXT))
    for head in (theirs, {**said["checkpoint"], "root": "00" * 32}, without):
        content = canonical_json({**said, "checkpoint": head}) + b"\n"
        try:
            assert not verify(content, RING).ok
        except IntegrityError as problem:
            assert "checkpoint" in str(problem)


@pytest.mark.parametrize("seq", ["3", 3.0, None, [3]])
def test_a_proof_whose_entry_has_no_number_is_none(log: Log, seq: object) -> None:
    said = json.loads(proved(log.entries(), log.entries()[2], NEXT, None))
    altered = canonical_json({**said, "entry": {**said["entry"], "seq": seq}}) + b"\n"
    with pytest.raises(IntegrityError, match="proof: is none, was altered"):
        verify(altered, RING)


def test_a_proof_is_read_in_the_one_spelling_that_it_is_written_in(log: Log) -> None:
    """With a name twice, who looks at it reads one entry, and who verifies it another."""
    content = proved(log.entries(), log.entries()[2], NEXT, None)
    said = json.loads(content)
    twice = b'{"entry":' + canonical_json({**said["entry"], "event": "other"}) + b"," + content[1:]
    assert json.loads(twice) == said
    for altered in (twice, json.dumps(said).encode(), canonical_json({**said, "note": 1}) + b"\n"):
        with pytest.raises(IntegrityError, match="proof: is none, was altered"):
            verify(altered, RING)


def test_brackets_without_end_are_neither_proof_nor_checkpoint() -> None:
    deep = b"[" * 100_000
    assert not is_proof(deep)
    with pytest.raises(IntegrityError):
        checked(deep, RING)
    with pytest.raises(IntegrityError):
        verify(b'{"type":' + deep, RING)
