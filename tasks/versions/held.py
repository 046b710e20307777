"""Every version under the model's name by whose weights it has, whoever registered it.

A copy of weights has learned what they have. So what taints a version taints each copy of it, also
one that somebody registered after the release, under a higher number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.replay.lineage import Release, releases, taints, weighs_as
from systems.registry import models
from systems.registry.erasure import weights_of
from systems.registry.foreign import Foreign, foreign
from systems.registry.models import ModelVersion
from tasks.running.opened import Opened


@dataclass(frozen=True)
class Held:
    """A version of the model, and the version whose weights it has.

    of: that version, itself where it was let serve; None where nobody can tell. files: where they
    lie. model_id: MLflow's name of what is stored. stays: why Lethe cannot erase it, if so.
    """

    version: int
    of: int | None
    files: tuple[Path, ...]
    model_id: str
    aliases: tuple[str, ...]
    stays: str | None = None

    @property
    def words(self) -> str:
        """Name it in lists of copies."""
        copied = "" if self.of in (None, self.version) else f", a copy of version {self.of}"
        return f"{weights_of(self.version)}{copied}"

    def tainted_by(self, made: Sequence[Release]) -> tuple[Release, ...]:
        """Give the releases that taint it, oldest first."""
        return () if self.of is None else taints(self.of, made)


def held(at: Opened, made: Sequence[Release]) -> tuple[Held, ...]:
    """Give all versions under the model's name, those that Lethe registered first."""
    mlruns, name = at.ws.mlruns, at.params.model.name
    own = [_own(one, made) for one in models.versions(mlruns, name)]
    return (*own, *(_foreign(one, made) for one in foreign(mlruns, name)))


def _own(found: ModelVersion, made: Sequence[Release]) -> Held:
    """One that Lethe registered and never let serve learned what its number says."""
    of = weighs_as(found.version, {found.sha256}, made) or found.version
    return Held(found.version, of, (found.weights,), found.model_id, found.aliases)


def _foreign(found: Foreign, made: Sequence[Release]) -> Held:
    of = weighs_as(found.version, found.digests, made)
    stays = None if found.own_store else f"not Lethe's to remove from {found.source}: retire it"
    source = found.source.removeprefix("models:/")
    return Held(found.version, of, found.files, source, found.aliases, stays)


def unregistered(at: Opened) -> list[str]:
    """Say of each version that Lethe did not register what it is and what to do, in a line."""
    mlruns, name = at.ws.mlruns, at.params.model.name
    made = releases(at.ledger.log.entries())
    copied = (one for one in models.versions(mlruns, name) if _own(one, made).of != one.version)
    return [
        *(_line(one.version, name, _copy(_own(one, made).of, True, made), one) for one in copied),
        *(_line(one.version, name, _told(one, made), one) for one in foreign(mlruns, name)),
    ]


def _line(number: int, name: str, told: str, one: ModelVersion | Foreign) -> str:
    served = " Put the alias champion back." if models.CHAMPION in one.aliases else ""
    return f"version {number} of {name} {told}.{served}"


def _told(one: Foreign, made: Sequence[Release]) -> str:
    of = weighs_as(one.version, one.digests, made)
    if of == one.version:
        return (
            "lost its tag lethe.sha256, which somebody removed: it counts as the log says, and is "
            "erased when due; put the tag back, or restore mlruns/ from your backup"
        )
    if of is None:
        return (
            "was not registered by Lethe, and nobody can tell what it learned from; it never "
            "serves: register it under a name of its own, and delete it under this one"
        )
    return _copy(of, one.own_store, made)


def _copy(of: int | None, erasable: bool, made: Sequence[Release]) -> str:
    tainted = ""
    if of is not None and taints(of, made):
        fate = "goes when that is due" if erasable else "lies where Lethe removes nothing"
        tainted = f", so it is tainted too and {fate}"
    return (
        f"was not registered by Lethe and has the weights of version {of}{tainted}; it never "
        "serves: delete it in MLflow"
    )
