"""What the log has gained: read on from where somebody left off, without the lock.

Reading the whole log takes a tenth of a millisecond for each entry, which is too much for every
question that a service is asked. What was read once is not checked again: that is `verify`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.chain import GENESIS, Chain, Entry, read_chain
from ledger.errors import LogAltered, LogTruncated
from ledger.keyring import Keyring
from ledger.lines import Lines


@dataclass(frozen=True)
class Place:
    """A place in the log, after an entry.

    offset: bytes of the log before it. signer: the public key that signs what follows, if known.
    """

    offset: int = 0
    seq: int = 0
    hash: str = GENESIS
    signer: bytes | None = None


@dataclass(frozen=True)
class Gain:
    """The entries after a place, and the place after them."""

    entries: tuple[Entry, ...]
    place: Place


def read_on(lines: Lines, ring: Keyring, since: Place) -> Gain:
    """The entries that the log has after a place, up to its last whole line.

    LogTruncated if the log does not reach that place any more, LogAltered if what follows is not
    genuine or does not follow it.
    """
    content = lines.read(since.offset)
    if not content and (size := lines.size()) < since.offset:
        raise LogTruncated(
            f"{lines.name}: has {size} bytes, had {since.offset} before: it was cut; check it "
            "with `lethe verify --log`"
        )
    known = ring if since.signer is None else Keyring((since.signer,))
    chain = read_chain(content, known, excerpt=since.offset > 0)
    _require_genuine(lines, chain, since)
    return Gain(chain.entries, _after(chain, since))


def _after(chain: Chain, since: Place) -> Place:
    if not chain.entries:
        return since
    last = chain.entries[-1]
    return Place(since.offset + chain.length, last.seq, last.hash, chain.keys[-1])


def _require_genuine(lines: Lines, chain: Chain, since: Place) -> None:
    first = chain.entries[0] if chain.entries else None
    follows = first is None or (first.seq, first.previous) == (since.seq + 1, since.hash)
    if chain.problem or not follows:
        raise LogAltered(
            f"{lines.name}: what follows entry {since.seq} is not what was written "
            "after it: check the log with `lethe verify --log`"
        )
