"""How far a candidate is from passing the gates: one number to choose settings by.

It reads what the gates read, against the limits that they state, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from unlearning.contracts import Gate
from unlearning.domain import Measurement
from unlearning.gates import as_one
from unlearning.gates.asking import usable
from unlearning.gates.forgetting import DOOR, TENTH, Forgetting
from unlearning.gates.suspicions import LEARNED

LEAST_ROOM = 1e-3
"""What a limit without any room is taken to leave, so that a distance from it is a number."""


@dataclass(frozen=True)
class Distance:
    """How far the worst measurement's interval sticks out of its limits.

    value: 0 or less is inside them; 1 is outside by as much as the limit itself allows beyond what
    a perfect candidate has, so that attacks and accuracy are counted alike. Infinite where a number
    is missing. worst: the name of that measurement.
    """

    worst: str
    value: float


def distance(measured: Mapping[str, Measurement], gates: Sequence[Gate]) -> Distance:
    """Give the distance of the measurement that is farthest from its limits.

    Left out is what no candidate has a part in: whether there are examples and shadows enough.
    """
    each = [found for gate in gates for found in _of(gate, measured)]
    worst = max(each, key=lambda found: found.value)
    return Distance(worst.worst, float(worst.value))


def _of(gate: Gate, measured: Mapping[str, Measurement]) -> Iterator[Distance]:
    missing = sorted(gate.needs - measured.keys())
    if missing:
        yield Distance(missing[0], inf)
        return
    limits = gate.limits(measured)
    if isinstance(gate, Forgetting) and not limits:
        yield Distance(as_one.UNSEEN, inf)
    for name, (low, high) in limits.items():
        yield Distance(name, _beyond(name, measured, low, high))
    if isinstance(gate, Forgetting) and not gate.few(measured):
        yield from _beside_limits(gate, measured)


def _beyond(name: str, measured: Mapping[str, Measurement], low: float, high: float) -> float:
    m, perfect = measured.get(name), _perfect(name, measured)
    if m is None or not usable(m):
        return inf
    if perfect is None:  # it holds or it does not; there is no nearer
        return -inf if low <= m.value <= high else inf
    above = (m.high - high) / max(LEAST_ROOM, high - perfect)
    # A rate cannot fall below 0, nor is a gain in accuracy ever refused: there such limits begin.
    two_sided = low > 0 or (name.startswith(as_one.OWN) and isfinite(low))
    return max(above, (low - m.low) / max(LEAST_ROOM, perfect - low)) if two_sided else above


def _perfect(name: str, measured: Mapping[str, Measurement]) -> float | None:
    """Give what the measurement is for a candidate about which there is nothing to say."""
    if name.startswith(as_one.OWN):
        of = as_one.SPREAD_UNSEEN if name == as_one.SPREAD else as_one.UNSEEN
        return measured[of].value
    if name == "forget_auc" or name.startswith(DOOR):
        return 0.5
    if name.startswith("forget_tail"):
        return float(name.partition("@")[2])
    return 0.0 if name.startswith(("accuracy_drop", "class_drop/", LEARNED)) else None


def _beside_limits(gate: Forgetting, measured: Mapping[str, Measurement]) -> Iterator[Distance]:
    """The memorised tenth, which can only refuse, and the champion, whom to be told apart from."""
    loosest = max(float(row["auc"]) for row in gate.limits_by_size)
    tenth = measured.get(TENTH)
    if tenth is not None and usable(tenth):  # else the bank cannot measure it, of any candidate
        outside = max(tenth.low - loosest, 1 - loosest - tenth.high)
        yield Distance(TENTH, outside / (loosest - 0.5))
    champion, own = measured["champion_auc"], measured["forget_auc"]
    allowed = gate.limits(measured)["forget_auc"][1] - 0.5
    apart = min(own.high - champion.low, champion.high - own.low)
    yield Distance("champion_auc", apart / allowed)
