"""What differs between two policies, in words; looser or stricter where only one can be meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from systems.settings.policy import Policy

_WHEN_HIGHER = {
    "attempts": "looser",
    "judgements": "looser",
    "elsewhere": "stricter",
    "drift.releases": "looser",
    "drift.share": "looser",
    "gates.integrity.classes": "stricter",
    "gates.utility.margin": "looser",
    "gates.utility.class_margin": "looser",
    "gates.utility.class_examples": "looser",
    "gates.forgetting.smallest_bank": "stricter",
    "gates.forgetting.limits_by_size.auc": "looser",
    "gates.forgetting.limits_by_size.tail": "looser",
    "approval.share": "looser",
    "approval.utility_loss": "looser",
    "approval.class": "stricter",
    "approval.skew.times": "looser",
    "approval.skew.examples": "looser",
    "approval.refused_retrain": "looser",
    "replay.share": "stricter",
}
"""What a higher number does. `examples`, `holdout` and `fpr` are absent: what a change of them does
depends on the other limits."""

_OPPOSITE = {"looser": "stricter", "stricter": "looser"}
_NOTHING = object()


def changes(old: Policy, new: Policy) -> list[str]:
    """Name each value that is another in the new policy: where, from what, to what."""
    if old.digest == new.digest:
        return []
    return list(compared("", _tree(old), _tree(new))) or ["comments or layout only"]


def _tree(policy: Policy) -> dict[str, Any]:
    return {
        "attempts": policy.attempts,
        "judgements": policy.judgements,
        "elsewhere": policy.elsewhere,
        "drift": asdict(policy.drift),
        "collect": asdict(policy.collect),
        "reconcile": policy.reconcile,
        "hopeless": policy.hopeless,
        "replay": asdict(policy.replay),
        "ladder": [asdict(rung) for rung in policy.ladder],
        "approval": policy.approval.as_written(),
        "gates": policy.gates,
    }


def compared(where: str, old: Any, new: Any) -> Iterator[str]:
    """Go into mappings, and into lists of one length; what has no counterpart is told whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            at = f"{where}.{key}".removeprefix(".")
            yield from compared(at, old.get(key, _NOTHING), new.get(key, _NOTHING))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from compared(f"{where}[{i}]", before, after)
    elif old != new:
        yield f"{where}: {_text(old)} -> {_text(new)}{_direction(where, old, new)}"


def _direction(where: str, old: Any, new: Any) -> str:
    if re.fullmatch(r"gates\.\w+", where) and _NOTHING in (old, new):
        return " (stricter)" if old is _NOTHING else " (looser)"
    word = _WHEN_HIGHER.get(re.sub(r"\[\d+\]", "", where))
    if word is None or not (_is_number(old) and _is_number(new)):
        return ""
    return f" ({word if new > old else _OPPOSITE[word]})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _text(value: Any) -> str:
    return "nothing" if value is _NOTHING else json.dumps(value, default=str)
