"""Bases: stored networks, each trained on its share of the people, from which a rung may begin.

Shards of data/ are dealt out among the bases, so a person's examples are in one base alone and the
log can tell without an id who may be in which. Nothing but what the log vouches for is ever used,
and what learned from somebody who is erased goes with the erasure.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ledger import durable, keys
from ledger.replay.ancestry import BUILT, REMOVED, Base, standing_bases
from systems.compute import producing
from systems.copies import Copy, Status
from systems.data import index, versions
from systems.data.columns import EXAMPLE
from systems.data.linked import WHY, has_other_names
from systems.data.sharding import load_dataset, shard_of
from tasks.requests.asked import open_requests, restriction
from tasks.running import progress
from tasks.running.computing import away
from tasks.running.opened import Opened
from tasks.running.parts import parts_of, training
from tasks.running.records import utc_now
from unlearning.digests import digest_of, sha256_file
from unlearning.domain import Examples
from unlearning.errors import Diverged, Hindered, UsageError
from unlearning.networks import Recipe

WHERE = "bases"
UNFINISHED = "unfinished.safetensors"

ENOUGH = 0.5
"""Share of the bases that must be clean: fewer learned from too few people to begin from."""


def wanted(at: Opened) -> int:
    """Give the number of bases: none beside a frozen backbone, which itself never saw anybody."""
    return at.params.bank.bases if at.params.head is None else 0


def path_of(at: Opened, base: Base) -> Path:
    """Name a base's file."""
    return at.ws.bases / f"{base.sha256}.safetensors"


def standing(at: Opened) -> tuple[Base, ...]:
    """Give the bases that the log vouches for and that were not removed."""
    return standing_bases(at.ledger.log.entries())


def usable(at: Opened, recipe: Recipe) -> tuple[Base, ...]:
    """Give the bases of this network and the present number of them whose files are there."""
    like = digest_of(dataclasses.asdict(recipe)), wanted(at)
    kept = (base for base in standing(at) if (base.recipe, base.of) == like)
    there = (base for base in kept if path_of(at, base).is_file())
    return tuple(sorted(there, key=lambda base: base.number))


def build(at: Opened, recipe: Recipe) -> int:
    """Train the bases that are missing, remove those that nothing asks for; count what was done."""
    there = usable(at, recipe)
    for base in standing(at):
        if base not in there:
            remove(at, base, None)
    sweep(at)
    missing = set(range(wanted(at))) - {base.number for base in there}
    return sum(_build(at, recipe, number) for number in sorted(missing))


def _build(at: Opened, recipe: Recipe, number: int) -> bool:
    """Train one base on its shards, without what open requests ask for; False if it has too few.

    The log vouches for it before its file has its name: what a crash leaves counts for nothing.
    """
    out, count = restriction(at), wanted(at)
    own = _own(at, number, count, out.ids)
    if len(np.unique(own.labels)) < 2:
        return False
    target, began = at.ws.bases / UNFINISHED, time.perf_counter()
    seed = int(digest_of([at.params.seed, WHERE, number, count])[:12], 16)
    durable.make_folder(at.ws.bases)
    try:
        made = producing.train_network(
            own, recipe, training(at), seed, target, progress.epochs, away=away(at)
        )
    except Diverged as problem:  # trying again would end as it did
        raise UsageError(f"training.learning_rate of params.yaml: {problem}") from problem
    body = {
        "sha256": made.sha256,
        "base": number,
        "of": count,
        "data_version": versions.data_version(at.ws),
        "examples": len(own),
        "left_out": sorted(one.ref for one in out.out),
        "recipe": digest_of(dataclasses.asdict(recipe)),
        "training": digest_of(dataclasses.asdict(training(at))),
        "seconds": round(time.perf_counter() - began, 3),
    }
    key = at.ledger.log.next_key(f"base/{number}")
    at.ledger.record(BUILT, body, key=key, now=utc_now())
    target.replace(at.ws.bases / f"{made.sha256}.safetensors")
    return True


def _own(at: Opened, number: int, count: int, left_out: frozenset[str]) -> Examples:
    """Give the training examples in a base's shards."""
    train, shards = parts_of(at).train, load_dataset(at.ws).shards
    key = keys.shard_key(at.ws.keys)
    held = {
        who: shard_of(who, key=key, shards=shards) % count == number for who in set(train.subjects)
    }
    mine = np.array([held[who] for who in train.subjects], dtype=bool)
    return train.take(mine & ~np.isin(train.ids, sorted(left_out)))


def sweep(at: Opened) -> None:
    """Remove files that the log does not vouch for, as a crash leaves them."""
    names = {path_of(at, base).name for base in standing(at)}
    for path in at.ws.bases.glob("*") if at.ws.bases.is_dir() else ():
        if path.name not in names:
            durable.remove_file(path, within=at.ws.bases)


def remove(at: Opened, base: Base, run: str | None) -> None:
    """Remove a base's file, then say so in the log; done again after a crash, the same.

    run: the run that erases somebody whom it saw; None if it is of no use any more.
    """
    if at.ws.bases.is_dir():
        durable.remove_file(path_of(at, base), within=at.ws.bases)
    body = {"sha256": base.sha256, "run": run, "what": base.words}
    key = at.ledger.log.next_key(f"base/{base.sha256[:16]}/removed")
    at.ledger.record(REMOVED, body, key=key, now=utc_now())


def removed_by(at: Opened, run: str) -> list[Copy]:
    """List the bases that a run's erasure removed."""
    entries = at.ledger.log.entries()
    gone = [e.body["what"] for e in entries if e.event == REMOVED and e.body["run"] == run]
    return [Copy(WHERE, what, Status.REMOVED) for what in gone]


def lineage(
    at: Opened, recipe: Recipe, refs: Sequence[str], left_out: Sequence[str]
) -> dict[str, Any]:
    """Say which bases are clean for a run over some requests, and why none is, before any training.

    refs, left_out: its requests, and others whose examples it leaves out: a base that learned from
    these is not clean either, since what begins from it counts as never having seen them.
    """
    asked = {one.ref: one.all_ids for one in open_requests(at).asked}
    held = index.load(at.ws)
    named = {ref: sorted(held.shards(EXAMPLE, asked[ref])) for ref in sorted({*refs, *left_out})}
    bases = usable(at, recipe)
    clean = [base for base in bases if not base.saw(named)]
    why = _why_not(wanted(at), len(bases), len(clean))
    return {
        "shards": named,
        "ancestors": [] if why else [base.sha256 for base in clean],
        "skipped": why,
    }


def _why_not(count: int, there: int, clean: int) -> str | None:
    if not count:
        return "no bases are kept (bank.bases of params.yaml is 0)"
    if clean < ENOUGH * count:
        return (
            f"{clean} of {count} bases are there and never saw the examples that the run leaves "
            f"out ({there} are there), expected {ENOUGH:.0%} at least: `lethe serve` or the flow "
            "`bank` builds them again"
        )
    return None


def files(at: Opened, digests: Sequence[str]) -> tuple[Path, ...]:
    """Give the files of bases; Hindered if one is gone, or is not what was logged."""
    paths = tuple(at.ws.bases / f"{sha256}.safetensors" for sha256 in digests)
    for path in paths:
        if not path.is_file() or sha256_file(path) != path.stem:
            raise Hindered(
                f"base {path.stem[:16]}: its file is not there, or not the bytes that the log "
                "vouches for: the next rung follows; see `lethe doctor`"
            )
    return paths


def altered(at: Opened) -> int:
    """Count the files of bases that are not what the log vouches for."""
    paths = (path_of(at, base) for base in standing(at))
    return sum(path.is_file() and sha256_file(path) != path.stem for path in paths)


def other_names(at: Opened) -> list[Copy]:
    """List the bases whose files have other names on the disk."""
    found = (base for base in standing(at) if has_other_names(path_of(at, base)))
    return [Copy(WHERE, base.words, Status.UNVERIFIED, WHY) for base in found]


def present(at: Opened) -> list[Copy]:
    """List the bases as copies of what they learned."""
    return [Copy(WHERE, base.words, Status.PRESENT) for base in standing(at)]
