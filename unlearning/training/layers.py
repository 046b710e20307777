"""How fast each layer moves: those near the pictures slower than those near the answers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from unlearning.errors import UsageError


def rates(network: nn.Module, decay: float) -> Mapping[Tensor, float]:
    """Give each trainable parameter's factor on the learning rate; nothing where all have 1.

    decay ** k for a parameter k layers before the last, by timm's order of the network's layers;
    UsageError where timm knows none.
    """
    if decay == 1.0:
        return {}
    body = getattr(network, "body", network)
    if not hasattr(body, "group_matcher"):
        raise UsageError(
            f"layer_decay: got {decay} for a network whose layers have no order here, expected "
            "1.0, or a network of timm's or vit-digits"
        )
    from timm import optim  # late: it brings all of timm's optimisers

    groups = optim.param_groups_layer_decay(body, layer_decay=decay)  # type: ignore[attr-defined]
    return {part: group["lr_scale"] for group in groups for part in group["params"]}
