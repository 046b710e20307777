"""What Lethe itself has, whatever the workspace: its methods, attacks, audits, gates, networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def _methods() -> list[dict[str, Any]]:
    from tasks.planning.plan import as_listed, generator_method
    from unlearning.generation import FORGETTERS
    from unlearning.methods import METHODS

    return [*map(as_listed, METHODS), *map(generator_method, FORGETTERS)]


def _attacks() -> list[dict[str, Any]]:
    from unlearning.attacks import ATTACKS

    return [_from(ATTACKS[name]) for name in ATTACKS]


def _audits() -> list[dict[str, Any]]:
    from unlearning.audits import AUDITS
    from unlearning.audits.running import RUNS

    asked = [
        {"name": name, "paper": run.paper, "runs": run.runs, "what": _first_line(run.measure)}
        for name, run in RUNS.items()
    ]
    there = {run.by for run in RUNS.values()}
    others = [_from(AUDITS[name]) for name in AUDITS if AUDITS[name] not in there]
    return [*asked, *others]


def _gates() -> list[dict[str, Any]]:
    from unlearning.gates import GATES

    return [
        {"name": name, "measurements": sorted(GATES[name].needs), "what": _first_line(GATES[name])}
        for name in GATES
    ]


def _clippers() -> list[dict[str, Any]]:
    from unlearning.lipschitz import CLIPPERS

    return [_from(CLIPPERS[name]) for name in CLIPPERS]


def _ensembles() -> list[dict[str, Any]]:
    from unlearning.ensembles.lotos import Lotos

    return [_from(Lotos)]


def _coresets() -> list[dict[str, Any]]:
    from unlearning.coresets.choosing import CoreSet

    return [_from(CoreSet)]


def _generation() -> list[dict[str, Any]]:
    from unlearning.generation import FORGETTERS

    found = ((name, FORGETTERS[name]) for name in FORGETTERS)
    return [{"name": name, "paper": cls.paper, "what": _first_line(cls)} for name, cls in found]


def _from(cls: Any) -> dict[str, Any]:
    """Say of a class what it is, where it comes from and who asks for it."""
    return {"name": cls.name, "paper": cls.paper, "runs": cls.runs, "what": _first_line(cls)}


def _first_line(thing: object) -> str:
    return str(thing.__doc__).splitlines()[0]


def _networks() -> list[dict[str, Any]]:
    from systems.settings.generators import NETWORKS as GENERATORS
    from unlearning.generation.generators import BODIES
    from unlearning.networks import NETWORKS

    own = [{"name": name, "from": "lethe"} for name in sorted(NETWORKS)]
    drawn = [
        {"name": name, "from": f"lethe, with --task generate: {BODIES[name].paper}"}
        for name in GENERATORS
    ]
    return [*own, {"name": "any model name of timm", "from": "timm"}, *drawn]


REGISTERED: Mapping[str, Callable[[], list[dict[str, Any]]]] = MappingProxyType(
    {
        "methods": _methods,
        "attacks": _attacks,
        "audits": _audits,
        "gates": _gates,
        "networks": _networks,
        "clippers": _clippers,
        "ensembles": _ensembles,
        "coresets": _coresets,
        "generation": _generation,
    }
)
"""By what `lethe list` calls them; each is imported when it is asked for."""
