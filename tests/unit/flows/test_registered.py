"""`lethe list` shows what Lethe has, whatever the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks
from flows.cli.work.benching import names
from flows.cli.work.registered import REGISTERED
from unlearning.gates import GATES
from unlearning.judging.measuring import ATTACK

SYSTEMS = {
    **dict.fromkeys(("famr", "sfr_on", "amun", "amun_forget_only", "trw"), "methods"),
    **dict.fromkeys(("retrain", "finetune", "gradient_ascent", "random_label"), "methods"),
    **dict.fromkeys(("salun", "bad_teacher", "scrub", "boundary_shrink"), "methods"),
    "l1_sparse": "methods",
    **dict.fromkeys(("sa", "salun", "sfr_on", "latent"), "generation"),
    **dict.fromkeys(("unet", "dit"), "networks"),
    **dict.fromkeys(("fastclip", "gouk", "miyato", "senderovich"), "clippers"),
    "lotos": "ensembles",
    "core_set": "coresets",
    **dict.fromkeys(("lira_offline", "lira_online", "rmia_offline", "rmia_online"), "attacks"),
    **dict.fromkeys(("mia_entropy_lr", "mia_conf_svc"), "attacks"),
    "class_geometry": "audits",
    "ulira": "audits",
}
"""Every system of the papers, by the word that `lethe list` has it under."""

ASKING = ("attacks", "audits", "clippers", "ensembles", "coresets")
"""Lists whose entries not everybody asks for: each says who does."""


@pytest.mark.parametrize("what", REGISTERED)
def test_every_kind_has_entries_with_a_name(what: str) -> None:
    found = REGISTERED[what]()
    assert found and all(entry["name"] for entry in found)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_of_the_papers_is_listed(system: str) -> None:
    assert system in {entry["name"] for entry in REGISTERED[SYSTEMS[system]]()}


def test_what_papers_call_by_another_name_is_found_by_it() -> None:
    audits = {entry["name"]: entry for entry in REGISTERED["audits"]()}
    for name, called, paper in (("class_geometry", "MIA-NN", "TRW"), ("ulira", "U-LiRA", "Hayes")):
        assert called in audits[name]["what"] and paper in audits[name]["paper"]
    networks = {entry["name"]: entry["from"] for entry in REGISTERED["networks"]()}
    assert "DDPM" in networks["unet"] and "DiT" in networks["dit"]


@pytest.mark.parametrize("what", ASKING)
def test_each_says_what_it_is_where_it_is_from_and_who_asks_for_it(what: str) -> None:
    """A gate or benchmark that is named is one, and a benchmark that is named asks for it."""
    for entry in REGISTERED[what]():
        assert entry["paper"] and entry["what"] and entry["runs"]
        for one in entry["runs"].split("; "):
            kind, _, name = one.partition(" ")
            assert one in ("library", "lethe audit", "training.lipschitz") or (
                name in {"gate": GATES, "benchmark": names()}[kind]
            )


def test_only_the_gates_own_attack_says_that_a_gate_runs_it() -> None:
    asked = {entry["name"] for entry in REGISTERED["attacks"]() if "gate" in entry["runs"]}
    assert asked == {ATTACK.name}


def test_u_lira_is_no_audit_of_the_product() -> None:
    """Nobody trains models on people who asked to be forgotten."""
    audits = {entry["name"]: entry["runs"] for entry in REGISTERED["audits"]()}
    assert "lethe audit" not in audits["ulira"] and "lethe audit" in audits["class_geometry"]
    folder = Path(benchmarks.__path__[0])
    for name in audits["ulira"].split("; "):
        sources = (folder / name.removeprefix("benchmark ")).glob("*.py")
        assert any("ulira" in source.read_text() for source in sources)


def test_generator_methods_are_listed_without_the_extra_that_draws() -> None:
    names = {entry["name"] for entry in REGISTERED["generation"]()}
    assert names == {"latent", "retrain", "sa", "salun", "sfr_on"}
