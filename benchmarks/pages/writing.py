"""Putting the tables where the pages ask for them.

A page asks by the lines `<!-- table NAME -->` and `<!-- /table -->`; what stands between them is
written from the results, everything else by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.asked import tables as asked
from benchmarks.pages import (
    coresets,
    cost,
    famr,
    gates,
    generation,
    heads,
    lineage,
    lipschitz,
    methods,
    public_code,
    recipe,
    rungs,
    studies,
    style,
    whole_runs,
    year,
)
from benchmarks.pages.machinery import alike, intake, proof, scale
from benchmarks.pages.results import machine, there
from benchmarks.pages.summary import summary
from unlearning.errors import UnknownName

ROOT = Path(__file__).parents[2]
ASKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- /table -->\n)", re.DOTALL)

RESULTS: dict[str, Callable[[str], str]] = {
    "gates-digits": gates.operating,
    "gates-cifar10": gates.operating,
    "gates-cifar10-from-1": gates.operating,
    **dict.fromkeys(whole_runs.NAMES, whole_runs.whole),
    "methods-cifar10-conv-medium-random": methods.compared,
    "methods-cifar10-conv-medium-class": methods.compared,
    "methods-cifar10-fitted-random": methods.compared,
    "methods-cifar10-random": methods.compared,
    "methods-cifar10-class": methods.compared,
    "methods-cifar10-subclass": methods.compared,
    "methods-digits": methods.compared,
    "methods-digits-vgg": methods.compared,
    "methods-digits-densenet": methods.compared,
    "mended": methods.mended,
    "famr-digits": famr.transformer,
    "famr-anchors": famr.anchors,
    "famr-sweep": famr.sweep,
    "famr-widths": famr.widths,
    "famr-clusters": famr.clusters,
    "style": style.style,
    "head": heads.head,
    "coreset": coresets.coreset,
    "coreset-causes": coresets.causes,
    "rungs-digits-fitted": rungs.rungs,
    "rungs-digits": rungs.rungs,
    "rungs-cifar10-fitted": rungs.rungs,
    "rungs-cifar10": rungs.rungs,
    "rungs-cifar10-all": rungs.rungs,
    "lineage-year": lineage.year,
    "lineage-digits": lineage.measured,
    "lineage-cifar10": lineage.measured,
    "year": year.year,
    "year-accuracy": year.accuracy,
    "intake-inbox": intake.speed,
    "intake-http": intake.speed,
    "intake-storm": intake.storm,
    "bank-study-digits": studies.bank,
    "bank-study-cifar10": studies.bank,
    "ulira-digits": studies.ulira,
    "groups": studies.groups,
    "coverage": studies.coverage,
    "judging-cost": cost.judging,
    "cost": cost.commands,
    "proof": proof.proof,
    "scale": scale.scale,
    "alike": alike.alike,
    "bank-building": cost.building,
    "kept-memory": cost.memory,
    "recipe-digits": recipe.recipes,
    "recipe-omniglot": recipe.recipes,
    "recipe-cifar10": recipe.recipes,
    "recipe-layers": recipe.layers,
    "amun-digits": methods.amun,
    "asked-sfr-on": asked.compared,
    "asked-trw": asked.tilted,
    "asked-amun": asked.compared,
    "lipschitz-spectra": lipschitz.spectra,
    "lipschitz-tracking": lipschitz.tracking,
    "lipschitz-digits": lipschitz.trained,
    "lipschitz-cifar10": lipschitz.trained,
    "lipschitz-amun-free": methods.compared,
    "lipschitz-amun-held": methods.compared,
    "lipschitz-theorem": lipschitz.theorem,
    "ensembles-digits": lipschitz.ensembles,
    "ensembles-digits-apgd": lipschitz.ensembles,
    "ensembles-cifar10": lipschitz.ensembles,
    "generation-digits": generation.generation,
    "generation-digits-radii": generation.radii,
    "generation-styles": generation.generation,
    "beside-sfr-on": public_code.sfr_on,
    "beside-amun": public_code.amun,
    "beside-privacy-meter": public_code.privacy_meter,
}
"""Tables of one result each, by the result's name."""

OTHERS: dict[str, Callable[[], str]] = {
    "summary": summary,
    "gates-cifar10-together": partial(gates.together, "gates-cifar10"),
    "methods": methods.registered,
    "methods-cifar10-full": methods.full,
}


def block(name: str) -> str:
    """Write one table, with the machine that it was measured on; or say that it is absent."""
    if name in OTHERS:
        return OTHERS[name]()
    if name not in RESULTS:
        known = ", ".join(sorted({*RESULTS, *OTHERS}))
        raise UnknownName(f"table {name!r} is unknown; known are {known}")
    if not there(name):
        return f"Not measured yet: there is no `benchmarks/results/{name}.json`.\n"
    return f"{RESULTS[name](name)}\n{machine(name)}"


def written(text: str) -> str:
    """Give a page's text with its tables as the results have them now."""
    return ASKED.sub(lambda asked: asked[1] + block(asked[2]) + asked[3], text)


def asked_for(text: str) -> list[str]:
    """Give the names of the tables that a page asks for."""
    return [asked[2] for asked in ASKED.finditer(text)]


def pages() -> Iterator[Path]:
    """Give the pages that may ask for tables."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def main() -> None:
    """Write all pages again."""
    for page in pages():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
