"""When a shadow bank no longer stands for what is served, and has to be built again.

Erased people's columns go, but the shadows themselves are not trained again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearning.bank.files import read_index
from unlearning.bank.shadows import Bank, load_bank
from unlearning.gates.bank import LEAST_UNSEEN

LARGEST_ERASED = 1 - 2**-0.5
"""Share of its columns, 29 %, beyond which a bank is rebuilt.

Shadows learned from half of the people, erased ones among them. What an honest retrain may lose is
predicted along the doublings from a shadow's training set to the champion's: one at first, log2 of
2 (1 - share) later. At this share half a doubling is left, and an error of the shadows' accuracy
counts twice (`unlearning.judging.measuring`, the learning curve)."""


@dataclass(frozen=True)
class BankState:
    """What became of a bank.

    built, left: columns when the shadows were trained, and now. erased: the share that is gone.
    unseen, seen: the fewest shadows that never saw, and that saw, some example. rebuild: why it
    has to be built again, None where it need not.
    """

    built: int
    left: int
    erased: float
    unseen: int
    seen: int
    rebuild: str | None


def state_of(bank: Bank, built: int, smallest: int) -> BankState:
    """Say what became of a bank of `built` columns; smallest: shadows that a policy asks for."""
    left = len(bank.ids)
    erased = 1 - left / built if built else 0.0
    unseen, seen = ((~bank.seen).sum(0), bank.seen.sum(0))
    fewest = int(unseen.min(initial=len(bank.seen)))
    return BankState(
        built=built,
        left=left,
        erased=erased,
        unseen=fewest,
        seen=int(seen.min(initial=len(bank.seen))),
        rebuild=_reason(erased, fewest, len(bank.seen), smallest),
    )


def _reason(erased: float, unseen: int, shadows: int, smallest: int) -> str | None:
    if shadows < smallest:
        return f"it has {shadows} shadows, the policy asks for {smallest}"
    if unseen < LEAST_UNSEEN:
        return f"an example has {unseen} shadows that never saw it, {LEAST_UNSEEN} are needed"
    if erased > LARGEST_ERASED:
        return (
            f"{erased:.0%} of the examples it was built on are erased, {LARGEST_ERASED:.0%} may "
            "be: its shadows learned from people who are gone, and resemble what is served less"
        )
    return None


def state_in(folder: Path, smallest: int) -> BankState:
    """Read a finished bank and say what became of it."""
    index = read_index(folder)
    return state_of(load_bank(folder), index.get("columns_built", len(index["ids"])), smallest)
