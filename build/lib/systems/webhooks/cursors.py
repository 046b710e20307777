"""What an endpoint was told last, durable."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ledger import durable
from ledger.chain import GENESIS
from unlearning.digests import canonical_json
from unlearning.errors import IntegrityError


@dataclass(frozen=True)
class Cursor:
    """The entry that an endpoint was told of last, or where the log ended when it was named."""

    seq: int = 0
    hash: str = GENESIS


def load(path: Path) -> Cursor | None:
    """An endpoint's cursor; None if it was never told anything, IntegrityError for no cursor."""
    if not path.exists():
        return None
    try:
        found = json.loads(durable.read(path))
        return Cursor(int(found["seq"]), str(found["hash"]))
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            f"{durable.short_name(path)}: holds no place in the log: remove it, and its endpoint "
            "is told of what comes from then on"
        ) from error


def keep(path: Path, cursor: Cursor) -> None:
    """Remember what an endpoint was told; it is on the disk when this returns."""
    durable.make_folder(path.parent)
    durable.write(path, canonical_json(asdict(cursor)))
