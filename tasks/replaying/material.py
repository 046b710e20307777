"""What a released retraining was trained on, found in the data that there are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ledger.chain import Entry
from ledger.replay.retained import objection, told
from systems.data.given import given_examples
from tasks.replaying.retained import learned_from
from tasks.running.opened import Opened
from tasks.running.parts import parts_of
from unlearning.domain import HOLDOUT, TRAIN, Examples
from unlearning.errors import IntegrityError
from unlearning.training.pinned import digest_of_examples

OF_BEFORE = "its evidence is of before it had a digest of the holdout: it may be another here"
OTHERS = "the holdout here is another than the run's, by its digest: no answers were compared"


class Impossible(Exception):
    """A training cannot be done again, for the reason given: neither a failure nor a pass."""


class Untrue(IntegrityError):
    """The evidence cannot be true of the data."""


@dataclass(frozen=True, eq=False)
class Material:
    """The examples that a network was trained on, those to compare answers on, and its classes.

    doubt: why these to compare on may be others than the run's, or are; None where they are not.
    """

    retain: Examples
    holdout: Examples
    classes: int
    doubt: str | None = None


def in_workspace(at: Opened, run: str, stated: Mapping[str, Any], packages: bool) -> Material:
    """Find it in the workspace's data; Impossible where some of it has been erased since.

    stated: `replay` of the attempt. packages: whether the libraries here are the run's, so that the
    pictures must decode to the same pixels. Untrue where the evidence cannot be, or where the list
    of what it was trained on was removed or altered.
    """
    parts, wanted = parts_of(at), int(stated["examples"])
    entries = at.ledger.log.entries()
    digests = told(entries).get(run)
    if digests and (problem := objection(at.ws.records, run, digests)):
        raise Untrue(f"replay of {run}: {problem}")
    mine = learned_from(at, run, parts.train.ids)
    if mine is None and at.ledger.log.find(f"{run}/erased") is not None:
        raise Untrue(
            f"replay of {run}: its list in records/retained is gone, expected one, which its "
            "erasure kept: somebody removed it; bring it back from a backup, then replay again"
        )
    retain = parts.train if mine is None else parts.train.take(mine)
    gone = wanted - len(retain)
    if gone > 0:
        known = sum(_erased_since(entries, run))
        if gone > known:
            raise Untrue(
                f"replay of {run}: {gone} of its {wanted} examples are not in the data, and only "
                f"{known} were erased since: its evidence or its list of examples was altered"
            )
        raise Impossible(f"{gone} of its {wanted} examples have since been erased")
    found = _material(retain, parts.holdout, len(parts.classes), stated)
    if digest_of_examples(retain) == stated["data"]:
        return found
    if mine is not None and packages:
        raise Untrue(
            f"replay of {run}: the examples that it retained have another digest than its evidence "
            "states, expected the same: it was trained on others, or one of the two was altered"
        )
    raise Impossible("the data here are not those that it was trained on, by their digest")


def in_folder(folder: Path, stated: Mapping[str, Any]) -> Material:
    """Find it in a copy of data/, all of whose training examples it must be."""
    parts, classes = given_examples(folder)
    retain, wanted = parts[TRAIN], stated["examples"]
    if len(retain) != wanted:
        raise Impossible(f"the data given have {len(retain)} training examples, it had {wanted}")
    if digest_of_examples(retain) != stated["data"]:
        raise Impossible("the data given are not those that it was trained on, by their digest")
    return _material(retain, parts[HOLDOUT], len(classes), stated)


def _material(
    retain: Examples, holdout: Examples, classes: int, stated: Mapping[str, Any]
) -> Material:
    """Give them with the holdout examples that are the run's, with none where they are others."""
    if "holdout" not in stated:
        return Material(retain, holdout, classes, OF_BEFORE)
    if digest_of_examples(holdout) == stated["holdout"]:
        return Material(retain, holdout, classes)
    return Material(retain, nobody(holdout), classes, OTHERS)


def nobody(like: Examples) -> Examples:
    """Give no example, of the same kind."""
    return like.take(np.zeros(0, np.int64))


def _erased_since(entries: Sequence[Entry], run: str) -> Iterator[int]:
    """Count the training examples that each run erased after this one did."""
    bodies = {entry.key: entry.body for entry in entries}
    erased = [e.key.removesuffix("/erased") for e in entries if e.key.endswith("/erased")]
    later = erased[erased.index(run) + 1 :] if run in erased else erased
    yield from (int(bodies.get(f"{one}/extracted", {}).get(TRAIN, 0)) for one in later)
