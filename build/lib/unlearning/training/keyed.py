"""What costs much and is asked for again: kept in memory under a digest of all it follows from.

Nothing here reaches a disk, so that no mask or adversarial example of an erased person outlives
the process; and no key leaves anything out, so that nothing stale is ever given.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import Examples
from unlearning.stored import digest_of_pictures

T = TypeVar("T")

ROOM = 8
"""Values kept; the one asked for longest ago goes first."""

_kept: OrderedDict[str, Any] = OrderedDict()


def key_of(network: nn.Module, *parts: Examples, **settings: Any) -> str:
    """Digest a network's weights and buffers, index sets with their pixels, and settings."""
    tensors = (*network.parameters(), *network.buffers())  # the normalisation is in no state_dict
    weights = digest_of_arrays(*(t.detach().float().cpu().numpy() for t in tensors))
    examples = [(digest_of_pictures(part.images), digest_of_arrays(part.labels)) for part in parts]
    return digest_of({"weights": weights, "examples": examples, "settings": settings})


def kept(key: str, compute: Callable[[], T]) -> T:
    """Give the value of `key`, computed now unless it is in memory."""
    if key not in _kept:
        _kept[key] = compute()
        while len(_kept) > ROOM:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    value: T = _kept[key]
    return value


def clear() -> None:
    """Forget everything, as after an erasure and before a run is timed."""
    _kept.clear()


def settings_of(method: Any) -> dict[str, Any]:
    """Give a frozen dataclass's fields, for a key."""
    return dataclasses.asdict(method)
