"""The linear operators that a network is made of, each with its weights and the shape it works on.

An operator is the linear part of a layer: biases are left out. A convolution whose output goes
into batch normalisation is one operator together with it, with the running variance, as the
network answers when it is deployed. Normalisation over one example's own values, and attention,
are not linear and are no operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

LINEAR = (_ConvNd, nn.Linear)


@dataclass(frozen=True, eq=False)
class Operator:
    """One or two layers that follow each other, as a linear map.

    name: of the layers in the network. shape: of one input, without the batch.
    """

    name: str
    layers: tuple[nn.Module, ...]
    shape: tuple[int, ...]

    @property
    def weights(self) -> list[nn.Parameter]:
        """Give what can be moved: kernels, and what batch normalisation scales by; no biases."""
        found = (getattr(layer, "weight", None) for layer in self.layers)
        return [weight for weight in found if weight is not None and weight.requires_grad]

    @property
    def like(self) -> Tensor:
        """Give an empty tensor on the device, and of the type, that it computes in."""
        tensors = (t for layer in self.layers for t in (*layer.parameters(), *layer.buffers()))
        first = next(tensors)
        return torch.empty(0, device=first.device, dtype=_wide(first).dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Give M x for inputs (k, *shape), with the weights as they are."""
        return self.applied(x, self.weights)

    def applied(self, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Give M x for inputs (k, *shape), with others in the place of `weights`.

        It is linear in each of them as well. Computed in fp32 at least, whatever the weights are.
        """
        placed = dict(zip(self.weights, weights, strict=True))
        with torch.autocast(x.device.type, enabled=False):
            for layer in self.layers:
                x = _linear_part(layer, x, placed)
        return x


def _linear_part(layer: nn.Module, x: Tensor, placed: dict[nn.Parameter, Tensor]) -> Tensor:
    own = {name: _wide(placed.get(p, p)) for name, p in layer.named_parameters(recurse=False)}
    if isinstance(layer, _BatchNorm):
        scale = scale_of(layer, own.get("weight"))
        return x * scale.reshape(-1, *(1 for _ in x.shape[2:]))
    if "bias" in own:
        own["bias"] = torch.zeros_like(own["bias"])
    found: Tensor = functional_call(layer, own, (x,))
    return found


def scale_of(layer: _BatchNorm, weight: Tensor | None) -> Tensor:
    """Give what batch normalisation multiplies each channel by, (channels,), signs included."""
    assert layer.running_var is not None  # `operators_of` takes no other
    scale = (_wide(layer.running_var) + layer.eps).rsqrt()
    return scale if weight is None else weight * scale


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@dataclass(frozen=True, eq=False)
class _Call:
    """One layer as it was called."""

    name: str
    layer: nn.Module
    given: Tensor
    gave: Tensor


def operators_of(network: nn.Module, images: Tensor) -> list[Operator]:
    """Find a network's operators, in the order in which they are applied to some images.

    images: (n, channels, height, width), one is enough. A layer that is applied twice is two
    operators. The network is left in the modes that it was in.
    """
    calls = _calls(network, images)
    taken: set[int] = set()
    found = []
    for call in calls:
        if id(call) in taken:
            continue
        follower = None if isinstance(call.layer, _BatchNorm) else _follower(call, calls)
        parts = [call] if follower is None else [call, follower]
        taken |= {id(part) for part in parts}
        layers = tuple(part.layer for part in parts)
        found.append(Operator(" + ".join(part.name for part in parts), layers, _shape(call)))
    return found


def _follower(call: _Call, calls: list[_Call]) -> _Call | None:
    """Give the batch normalisation that takes just what this layer gave."""
    takers = (other for other in calls if other.given is call.gave)
    return next((taker for taker in takers if isinstance(taker.layer, _BatchNorm)), None)


def _shape(call: _Call) -> tuple[int, ...]:
    """Give the shape of one input; a linear layer is the same at every place of a sequence."""
    shape = call.given.shape
    return tuple(shape[-1:] if isinstance(call.layer, nn.Linear) else shape[1:])


def _calls(network: nn.Module, images: Tensor) -> list[_Call]:
    """Pass images through in evaluation mode and note what each layer was given and gave."""
    calls: list[_Call] = []
    hooks = [
        module.register_forward_hook(
            lambda layer, given, gave, name=name: calls.append(_Call(name, layer, given[0], gave))
        )
        for name, module in network.named_modules()
        if isinstance(module, LINEAR) or _has_statistics(module)
    ]
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return calls


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_var is not None
