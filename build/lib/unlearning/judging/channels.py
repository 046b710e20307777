"""Which channels of a network can be rescaled together without any change to its answers.

Where everything that reads a channel can undo a factor on it, the factor is nobody's: batch norm
takes it out, ReLU and pooling hand it on, the next layer's weights divide by it. Channels that are
added to one another have one factor. A step that is not known here has none: whatever goes through
attention, GELU or a gate stays as it is.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from unlearning.domain import IntArray

FIXED = 0
"""The group of channels that have no factor of their own: pictures, logits, all that is unknown."""

WEIGHTS = (nn.Conv2d, nn.Linear)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

_PASSING = (
    *(nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Dropout, nn.Dropout2d),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
)
_PASSED = (
    *(functional.relu, torch.relu, functional.leaky_relu, functional.dropout),
    *(functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d),
)
_ADDING = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with weights, of a kind above or a layer norm.

    reads, gives: the group of each channel, (inputs,) and (outputs,). normalises: the layer with
    weights whose answers it alone reads, if it is a batch norm right behind one.
    """

    module: Any
    reads: IntArray
    gives: IntArray
    normalises: Any = None


def layers_of(network: nn.Module) -> list[Layer]:
    """Give a network's layers in the order in which they are computed, with their groups.

    No layers for a network that cannot be traced. `network` takes images (n, channels, size, size).
    """
    try:
        graph = _Tracer().trace(network)
    except (*_UNTRACED, fx.proxy.TraceError):
        return []
    walk = _Walk(network, Counter(n.target for n in graph.nodes if n.op == "call_module"))
    for node in graph.nodes:
        walk.visit(node)
    return list(walk.settled())


_UNTRACED = (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError, KeyError)
"""What a network raises whose way depends on the values that it is given."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Stop at layer norms too, wherever they come from."""
        return _is_layer_norm(m) or super().is_leaf_module(m, module_qualified_name)


def _is_layer_norm(module: nn.Module) -> bool:
    """Over the last dimension; what normalises another one is called otherwise."""
    return isinstance(module, nn.LayerNorm) and type(module).__name__ == "LayerNorm"


@dataclass(eq=False)
class _Walk:
    """What is known so far: each node's channels, by group, and which groups are one."""

    network: nn.Module
    calls: Counter[Any]
    held: dict[fx.Node, IntArray] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    parents: list[int] = field(default_factory=lambda: [FIXED])

    def visit(self, node: fx.Node) -> None:
        """Say which channels a step gives; a step that is not known fixes what it reads."""
        module = self._module(node)
        given = self._layer(node, module) if module is not None else None
        given = self._passed(node, module) if given is None else given
        if given is not None:
            self.held[node] = given
            return
        asks = node.target in ("size", "dim") or node.args[1:] == ("shape",)
        for source in () if asks else node.all_input_nodes:
            self._fix(source)

    def settled(self) -> Iterator[Layer]:
        """Give the layers, each group by its one name."""
        for layer in self.layers:
            reads, gives = (self._roots(groups) for groups in (layer.reads, layer.gives))
            yield Layer(layer.module, reads, gives, layer.normalises)

    def _module(self, node: fx.Node) -> nn.Module | None:
        """Give the module that a node calls, unless others call it as well."""
        once = node.op == "call_module" and self.calls[node.target] == 1
        return self.network.get_submodule(str(node.target)) if once else None

    def _layer(self, node: fx.Node, module: Any) -> IntArray | None:
        if len(node.all_input_nodes) != 1:
            return None
        source = node.all_input_nodes[0]
        if type(module) in WEIGHTS:
            reads = self._reads(source, _inputs(module))
            return self._add(module, reads, int(module.weight.shape[0]))
        if type(module) in BATCH_NORMS and module.affine and module.track_running_stats:
            reads = self._reads(source, module.num_features)
            return self._add(module, reads, module.num_features, self._alone(source))
        if _is_layer_norm(module) and module.elementwise_affine and module.bias is not None:
            self._fix(source)
            return self._add(module, np.zeros(module.weight.numel(), int), module.weight.numel())
        return None

    def _add(self, module: Any, reads: IntArray, outputs: int, behind: Any = None) -> IntArray:
        gives = self._fresh(outputs)
        self.layers.append(Layer(module, reads, gives, behind))
        return gives

    def _alone(self, source: fx.Node) -> nn.Module | None:
        module = self._module(source)
        return module if type(module) in WEIGHTS and len(source.users) == 1 else None

    def _reads(self, source: fx.Node, count: int) -> IntArray:
        """Give the groups of `count` inputs: of flattened images each channel has many."""
        groups = self.held.get(source)
        if groups is None or count % len(groups):
            self._fix(source)
            return np.full(count, FIXED)
        return np.repeat(groups, count // len(groups))

    def _passed(self, node: fx.Node, module: nn.Module | None) -> IntArray | None:
        sources = [self.held.get(source) for source in node.all_input_nodes]
        known = [groups for groups in sources if groups is not None]
        if not known or len(known) < len(sources):
            return None
        if node.target in _ADDING:
            return self._joined(*known) if len(known) == len(node.args) == 2 else None
        if len(known) > 1:
            return None
        if node.target is functional.pad:
            return self._padded(node, known[0])
        return known[0] if type(module) in _PASSING or _keeps_channels(node, module) else None

    def _padded(self, node: fx.Node, groups: IntArray) -> IntArray | None:
        """New channels of zeros, which any factor leaves zeros."""
        _, around, *other = (*node.args, *node.kwargs.values())
        plain = set(other) <= {"constant", None}
        if not plain or not isinstance(around, tuple | list) or len(around) > 6:
            return None
        before, after = (int(str(n)) for n in (*around, 0, 0, 0, 0, 0, 0)[4:6])
        return np.concatenate([self._fresh(before), groups, self._fresh(after)])

    def _joined(self, first: IntArray, second: IntArray) -> IntArray | None:
        if len(first) != len(second):
            return None
        for one, other in zip(self._roots(first), self._roots(second), strict=True):
            a, b = self._root(int(one)), self._root(int(other))
            self.parents[max(a, b)] = min(a, b)
        return first

    def _fix(self, node: fx.Node) -> None:
        for group in self.held.get(node, ()):
            self.parents[self._root(int(group))] = FIXED

    def _fresh(self, count: int) -> IntArray:
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def _root(self, group: int) -> int:
        while self.parents[group] != group:
            group = self.parents[group] = self.parents[self.parents[group]]
        return group

    def _roots(self, groups: IntArray) -> IntArray:
        return np.array([self._root(int(group)) for group in groups], dtype=np.int64)


def _inputs(module: Any) -> int:
    return int(module.in_channels if isinstance(module, nn.Conv2d) else module.in_features)


def _keeps_channels(node: fx.Node, module: nn.Module | None) -> bool:
    """Say whether a step works on each channel alone, and doubles what it gives with it."""
    if isinstance(module, nn.Flatten):
        return module.start_dim == 1 and module.end_dim == -1
    rest = node.args[1:]
    if node.target in ("flatten", torch.flatten):
        return rest == (1,) and not node.kwargs
    if node.target in ("mean", torch.mean):  # over both sides of the image
        return {str(rest[0])} <= {"(2, 3)", "[2, 3]", "(-2, -1)", "[-2, -1]"} if rest else False
    if node.target is operator.getitem:
        return isinstance(rest[0], tuple) and rest[0][:2] == (slice(None), slice(None))
    return node.target in _PASSED or (node.op == "call_method" and node.target in ("relu", "relu_"))
