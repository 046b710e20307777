"""How far a candidate's weights are from the original's, the body and the last layer apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning.domain import Measurement
from unlearning.errors import UsageError
from unlearning.features import head_of


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Distance of the weights, relative to the original's own length.

    - moved/body: all parameters before the last linear layer. 0 says that nothing but the last
      layer was changed, so that every feature of the original is still there, whatever the
      outputs say.
    - moved/head: the last linear layer.

    Both are exact, so the intervals are points. n: parameters.
    """

    name: ClassVar[str] = "moved"
    paper: ClassVar[str] = "An Illusion of Unlearning?, arXiv 2604.08271"

    def measure(self, candidate: nn.Module, original: nn.Module) -> list[Measurement]:
        """Measure both parts; raises UsageError unless the two have the same parameters."""
        after, before = dict(candidate.named_parameters()), dict(original.named_parameters())
        if {n: p.shape for n, p in after.items()} != {n: p.shape for n, p in before.items()}:
            raise UsageError(
                f"moved: got {len(after)} parameters, expected the original's {len(before)} of "
                "the same shapes"
            )
        last = {id(parameter) for parameter in head_of(original).parameters()}
        head = [name for name, parameter in before.items() if id(parameter) in last]
        body = [name for name in before if name not in head]
        return [
            _distance(f"moved/{part}", [after[n] for n in names], [before[n] for n in names])
            for part, names in (("body", body), ("head", head))
            if names
        ]


def _distance(name: str, after: list[Tensor], before: list[Tensor]) -> Measurement:
    with torch.no_grad():
        there = torch.cat([parameter.double().flatten().cpu() for parameter in before])
        here = torch.cat([parameter.double().flatten().cpu() for parameter in after])
    value = float((here - there).norm() / there.norm())
    return Measurement(name, value, value, value, len(there))
