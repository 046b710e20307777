"""How near each way of telling a layer's largest singular value comes to the layer written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.operators import Operator
from unlearning.lipschitz.spectrum import (
    dense,
    followed,
    power_qr,
    published_power_qr,
    random_start,
)

KERNELS: dict[str, dict[str, Any]] = {
    "stride 1": {"padding": 1},
    "stride 2": {"padding": 1, "stride": 2},
    "no padding": {},
    "circular": {"padding": 1, "padding_mode": "circular"},
    "reflected": {"padding": 1, "padding_mode": "reflect"},
    "dilated": {"padding": 2, "dilation": 2},
    "groups of 4": {"padding": 1, "groups": 4},
}
CHANNELS, SIDE, DRAWS = 16, 8, 3
ITERATIONS = (10, 20, 50)
WAYS = {"PowerQR": power_qr, "as published": published_power_qr}


def operators(seed: int) -> Iterator[tuple[str, Operator]]:
    """Give each kind with kernels drawn from a seed."""
    shape = (CHANNELS, SIDE, SIDE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for kind, options in KERNELS.items():
            yield kind, Operator(kind, (nn.Conv2d(CHANNELS, CHANNELS, 3, **options),), shape)
        norm = nn.BatchNorm2d(CHANNELS)
        nn.init.uniform_(norm.weight, 0.2, 2.0)
        assert norm.running_var is not None
        nn.init.uniform_(norm.running_var, 0.2, 2.0)
        both = (nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), norm)
        yield "with batch norm", Operator("both", both, shape)


def measured() -> Iterator[dict[str, Any]]:
    """Give each kind and draw with the relative error of each way, and milliseconds."""
    for seed in range(DRAWS):
        for kind, operator in operators(seed):
            true, took = _timed(partial(_written_down, operator))
            yield {
                "kind": kind,
                "seed": seed,
                "true": true,
                "errors": dict(_errors(operator, true, seed)),
                "milliseconds": {"written down": took, **_costs(operator, seed)},
            }


def _written_down(operator: Operator) -> float:
    return float(dense(operator)[0])


def _errors(operator: Operator, true: float, seed: int) -> Iterator[tuple[str, float]]:
    start = random_start(operator, 1, torch.Generator().manual_seed(seed))
    for way, of in WAYS.items():
        for iterations in ITERATIONS:
            found = float(of(operator, start, iterations).values[0])
            yield f"{way}, {iterations}", found / true - 1
    yield "gouk, 50", _by_gouk(operator, start) / true - 1
    for name in ("senderovich", "miyato"):
        yield name, CLIPPERS.create(name).norm(operator, start) / true - 1
    four = random_start(operator, 4, torch.Generator().manual_seed(seed))
    yield "PowerQR of 4, 50", float(power_qr(operator, four, 50).values[0]) / true - 1


def _by_gouk(operator: Operator, start: Tensor) -> float:
    """Give Gouk's norm: of the kernel by power iteration, times that of what normalises it."""
    kernel = Operator(operator.name, operator.layers[:1], operator.shape)
    return CLIPPERS.create("gouk").norm(operator, followed(kernel, start, ITERATIONS[-1]))


def _costs(operator: Operator, seed: int) -> dict[str, float]:
    start = random_start(operator, 1, torch.Generator().manual_seed(seed))
    found = {"PowerQR, 50": _timed(lambda: float(power_qr(operator, start, 50).values[0]))[1]}
    found["gouk, 50"] = _timed(partial(_by_gouk, operator, start))[1]
    for name in ("senderovich", "miyato"):
        found[name] = _timed(partial(CLIPPERS.create(name).norm, operator, start))[1]
    return found


def _timed(work: Callable[[], float]) -> tuple[float, float]:
    """Give what some work gives, and its processor milliseconds."""
    began = time.process_time()
    found = work()
    return found, 1000 * (time.process_time() - began)
