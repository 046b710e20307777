"""What is shipped: rounding by hand, and gates that hold each form to the candidate's limits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from tasks.adopt import check_policy
from tests.unit import toys
from unlearning import networks
from unlearning.audits.deployed import as_bf16, as_deployed, as_int8
from unlearning.bank.shadows import Bank, draw_halves
from unlearning.domain import Decision, Measurement, Outcome, Split
from unlearning.errors import PolicyError, UsageError
from unlearning.gates.deployed import EXPORTERS, FORMS, SHARED, marked, of_form
from unlearning.gates.forgetting import DOORS
from unlearning.judging.candidates import basis_of, judge_candidate
from unlearning.judging.verdicts import decide, gates_of, judge
from unlearning.networks import Recipe
from unlearning.outputs import logits_of
from unlearning.statistics.intervals import FPRS, LEVEL

POLICY: dict[str, Any] = {
    "integrity": {},
    "utility": {"margin": 0.02},
    "forgetting": {
        "limits_by_size": [{"examples": 100, "holdout": 250, "auc": 0.6, "tail": 0.15, "fpr": 0.05}]
    },
}
LADDER = [{"method": "retrain"}]
ROOT = Path(__file__).parents[4]
IN_FORM = {**POLICY, "deployed": {"forms": ["int8"]}}
IN_ONNX = {**POLICY, "deployed": {"forms": ["onnx"]}}

CLOSE = 1e-4
"""Of the largest logit. A sum of k products in another order is off by about sqrt(k) * 2^-24 of its
size, and these networks have at most 50 layers of k <= 768: 50 * 28 * 6e-8 = 8e-5. Rounding the
weights to bf16 is off by 2^-9 = 2e-3 in each."""


def test_int8_by_hand() -> None:
    """Largest 2.54, so the step is .02: .013 becomes .02, -.031 becomes -.04, .009 becomes 0."""
    weights = torch.tensor([[2.54, 0.013], [-0.031, 0.009]])
    torch.testing.assert_close(as_int8(weights), torch.tensor([[2.54, 0.02], [-0.04, 0.0]]))
    assert as_int8(torch.zeros(2, 2)).tolist() == [[0, 0], [0, 0]]
    vector = torch.tensor([2.54, 0.013])
    assert as_int8(vector) is vector


def test_bf16_by_hand() -> None:
    """Eight significant bits: between 1 and 2 the step is 1/128."""
    assert as_bf16(torch.tensor([1 + 1 / 300, 1 + 1 / 128])).tolist() == [1.0, 1 + 1 / 128]


def test_a_network_is_copied_and_every_layer_rounded() -> None:
    network = toys.trained()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rounded = as_deployed(network, "int8").state_dict()
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    for key, value in before.items():
        if value.ndim < 2:
            assert torch.equal(rounded[key], value)
        else:
            assert 3 < len(rounded[key].unique()) <= 255
            half = float(value.abs().max()) / 127 / 2
            assert float((rounded[key] - value).abs().max()) <= half * 1.001
    with pytest.raises(UsageError, match="got 'int4'"):
        as_deployed(network, "int4")


@pytest.mark.parametrize("form", FORMS)
def test_a_rounded_network_stays_as_it_is(form: str) -> None:
    once = as_deployed(toys.trained(), form)
    twice = as_deployed(once, form)
    for first, second in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("network", "channels", "size"),
    [("conv-small", 1, 8), ("resnet20", 3, 16), ("vit-digits", 1, 8), ("test_vit", 3, 160)],
)
def test_the_onnx_form_answers_like_the_network(network: str, channels: int, size: int) -> None:
    """On batches of 3 and 1, of bytes and of their fractions; the network's own mode is training,
    in which it would normalise by the batch."""
    shape = {
        "channels": channels,
        "size": size,
        "mean": (0.4,) * channels,
        "std": (0.2,) * channels,
    }
    recipe = Recipe(network=network, classes=5, **shape)  # type: ignore[arg-type]
    original = networks.build(recipe, toys.generator()).train()
    shipped = as_deployed(original, "onnx")
    assert original.training
    images = np.random.default_rng(0).integers(0, 256, (4, channels, size, size), dtype=np.uint8)
    parts = replace(toys.examples(4), images=images)
    wanted = logits_of(original, parts)
    near = {"rtol": 0, "atol": CLOSE * float(np.abs(wanted).max())}
    np.testing.assert_allclose(logits_of(shipped, parts, batch_size=3), wanted, **near)
    fractions = shipped(torch.from_numpy(images) / 255).numpy()
    np.testing.assert_allclose(fractions, wanted, **near)
    assert float(np.abs(wanted - wanted.mean(0)).max()) > 100 * near["atol"]


def test_the_onnx_form_is_frozen_and_of_a_classifier() -> None:
    shipped = as_deployed(toys.trained(), "onnx")
    assert sum(p.numel() for p in shipped.parameters()) == 0
    pixels = torch.zeros(2, 1, 8, 8, requires_grad=True)
    with torch.no_grad():
        assert not shipped(pixels).requires_grad
    with pytest.raises(UsageError, match="got a Linear, expected a Classifier"):
        as_deployed(nn.Linear(2, 2), "onnx")


@pytest.mark.parametrize("package", EXPORTERS)
def test_without_a_package_of_the_extra_onnx_is_refused_in_one_line(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What needs no export goes on without: other forms, and judging sealed measurements again."""
    monkeypatch.setitem(sys.modules, package, None)
    policy = tmp_path / "policy.yaml"
    for rules in (IN_FORM, IN_ONNX):
        policy.write_text(yaml.safe_dump({"attempts": 1, "ladder": LADDER, "gates": rules}))
        if rules is IN_FORM:
            check_policy(policy, None)
    with pytest.raises(
        PolicyError, match=rf"got onnx, but {package} .* `pip install {package}`"
    ) as e:
        check_policy(policy, None)
    assert e.value.exit_code == 2 and "\n" not in str(e.value)
    with pytest.raises(PolicyError, match=package):
        as_deployed(toys.trained(), "onnx")
    measured = good() | marked(good(), "onnx")
    assert {v.outcome for v in judge(measured, gates_of(IN_ONNX))} == {Outcome.PASSED}


def test_the_science_is_imported_without_the_extra() -> None:
    hidden = f"import sys; sys.modules.update(dict.fromkeys({EXPORTERS}))"
    script = f"{hidden}; import unlearning.audits.deployed, unlearning.judging"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_judging_measures_the_onnx_form_like_the_candidate(tmp_path: Path) -> None:
    parts, path = toys.split(), tmp_path / "network.safetensors"
    networks.save(toys.trained(), path)
    bank = random_bank(parts, np.random.default_rng(0))
    basis = basis_of(path, parts, bank)
    judged, _ = judge_candidate(path, basis, gates_of(IN_ONNX), level=LEVEL, exact=False)
    marks = {name for name in judged.measured if name.startswith("onnx/")}
    network = DOORS
    of_the_network = {f"{asked}/{door}" for door in network for asked in ("door", "mean_score")}
    plain = judged.measured.keys() - marks - SHARED - of_the_network
    assert marks == {f"onnx/{name}" for name in plain}
    for name in marks:
        of_candidate = judged.measured[name.removeprefix("onnx/")]
        assert judged.measured[name].value == pytest.approx(of_candidate.value, abs=1e-6)
    assert {"deployed", "deployed_forgetting"} <= {v.gate for v in judged.verdicts}


def good() -> dict[str, Measurement]:
    """What an honest retrain measures."""
    tails = [
        toys.measurement(f"forget_tail_{side}@{fpr}", fpr, 0.01)
        for side in ("high", "low")
        for fpr in FPRS
    ]
    found = [
        toys.measurement("finite_outputs", 1.0),
        toys.measurement("answered_classes", 10),
        toys.measurement("forget_auc", 0.505, 0.026),
        *tails,
        *(toys.measurement(f"door/{name}", 0.505, 0.026) for name in DOORS),
        toys.measurement("memorised_auc", 0.51, 0.06, 50),
        toys.measurement("champion_auc", 0.67, 0.026),
        toys.measurement("null_auc", 0.50, 0.03, 16),
        toys.measurement("bank_shadows", 16),
        toys.measurement("holdout_examples", 5000),
        toys.measurement("forget_subjects", 500),
        toys.measurement("holdout_learned", 0.0, 0.01, 5000),
        toys.measurement("accuracy_drop", 0.01, 0.01, 5000),
        toys.measurement("predicted_drop", 0.008, 0.001, 16),
        toys.measurement("seed_spread", 0.004, 0, 16),
        toys.measurement("test_classes", 1),
        toys.measurement("class_drop/0", 0.01, 0.03, 500),
    ]
    return {m.name: m for m in found}


def both(**of_int8: Measurement) -> dict[str, Measurement]:
    """The candidate as it is and in int8, where some measurements differ."""
    return good() | marked({**good(), **of_int8}, "int8")


def outcomes(measured: dict[str, Measurement]) -> dict[str, Outcome]:
    return {verdict.gate: verdict.outcome for verdict in judge(measured, gates_of(IN_FORM))}


def test_only_a_policy_that_asks_judges_a_form() -> None:
    assert [gate.name for gate in gates_of(POLICY)] == [*POLICY, "bank"]
    names = [gate.name for gate in gates_of(IN_FORM)]
    assert names == [*POLICY, "bank", "deployed", "deployed_forgetting"]
    assert set(outcomes(both()).values()) == {Outcome.PASSED}


def test_a_form_that_remembers_fails_though_the_candidate_forgot() -> None:
    found = outcomes(both(forget_auc=toys.measurement("forget_auc", 0.67, 0.026)))
    assert found.pop("deployed_forgetting") is Outcome.FAILED
    assert set(found.values()) == {Outcome.PASSED}


def test_a_form_that_lost_its_accuracy_fails() -> None:
    found = outcomes(both(accuracy_drop=toys.measurement("accuracy_drop", 0.2, 0.01)))
    assert found.pop("deployed") is Outcome.FAILED
    assert set(found.values()) == {Outcome.PASSED}


def test_the_candidates_own_numbers_never_stand_in_for_a_form_that_was_not_measured() -> None:
    found = outcomes(good())
    assert found["deployed"] is found["deployed_forgetting"] is Outcome.INCONCLUSIVE
    network = DOORS
    of_the_network = {f"{asked}/{door}" for door in network for asked in ("door", "mean_score")}
    for name in set(good()) - SHARED - of_the_network - {"class_drop/0"}:
        measured = both()
        del measured[f"int8/{name}"]
        assert Outcome.INCONCLUSIVE in outcomes(measured).values()
    broken = both(forget_auc=replace(good()["forget_auc"], value=float("nan")))
    assert outcomes(broken)["deployed_forgetting"] is Outcome.INCONCLUSIVE


def test_lineage_excuses_what_forgetting_cannot_decide_in_a_form_too() -> None:
    doubt = both(forget_auc=toys.measurement("forget_auc", 0.58, 0.05))
    verdicts = judge(doubt, gates_of(IN_FORM))
    assert decide(verdicts, exact=False) is Decision.INCONCLUSIVE
    assert decide(verdicts, exact=True) is Decision.RELEASED
    drop = judge(
        both(accuracy_drop=toys.measurement("accuracy_drop", 0.04, 0.02)), gates_of(IN_FORM)
    )
    assert decide(drop, exact=True) is Decision.INCONCLUSIVE


def test_the_limits_are_the_candidates() -> None:
    limits = {k: v for gate in gates_of(IN_FORM) for k, v in gate.limits(both()).items()}
    assert limits["int8/forget_auc"] == limits["forget_auc"] == (1 - 0.6, 0.6)
    assert limits["int8/class_drop/0"] == limits["class_drop/0"]
    assert "int8/bank_shadows" not in limits


def test_names_go_to_a_form_and_back() -> None:
    there = marked(good(), "int8")
    assert not SHARED & {name.removeprefix("int8/") for name in there}
    assert of_form(good() | there, "int8") == good()
    assert set(of_form(good() | there, "bf16")) == SHARED & set(good())


def test_a_policy_with_a_form_that_nobody_knows_is_refused() -> None:
    for forms in (["int4"], [], "int8"):
        with pytest.raises(PolicyError, match=r"gates\.deployed\.forms"):
            gates_of({**POLICY, "deployed": {"forms": forms}})
    with pytest.raises(PolicyError, match="which brings it"):
        gates_of({**POLICY, "deployed_forgetting": {}})


def test_judging_measures_the_forms_that_are_asked_for(tmp_path: Path) -> None:
    """The last layer has one huge weight, for a pixel pattern that no image has: in int8 all others
    become 0, so that every answer is the same, which integrity refuses in that form alone.
    """
    parts, network = toys.split(), toys.trained()
    champion, candidate = tmp_path / "champion.safetensors", tmp_path / "candidate.safetensors"
    networks.save(network, champion)
    spoil(network)
    networks.save(network, candidate)
    bank = random_bank(parts, np.random.default_rng(0))
    basis = basis_of(champion, parts, bank)
    judged, _ = judge_candidate(candidate, basis, gates_of(IN_FORM), level=LEVEL, exact=False)
    measured = judged.measured
    assert measured["answered_classes"].value == 3
    assert measured["int8/answered_classes"].value == 1
    assert {v.gate: v.outcome for v in judged.verdicts}["deployed"] is Outcome.FAILED
    plain, _ = judge_candidate(candidate, basis, gates_of(POLICY), level=LEVEL, exact=False)
    assert not any(name.startswith("int8/") for name in plain.measured)
    assert plain.measured == {k: m for k, m in measured.items() if not k.startswith("int8/")}


def spoil(network: networks.Classifier) -> None:
    """Let a dead feature of the last layer have a weight that dwarfs all others."""
    before, last = network.body[-3], network.body[-1]  # type: ignore[index]
    assert isinstance(before, nn.Linear) and isinstance(last, nn.Linear)
    with torch.no_grad():
        before.weight[0], before.bias[0] = 0.0, -1.0
        last.weight[0, 0] = 1e6


def random_bank(parts: Split, rng: np.random.Generator) -> Bank:
    held = [parts.forget, parts.retain, parts.holdout]
    ids = np.concatenate([part.ids for part in held])
    seen = draw_halves(np.concatenate([part.subjects for part in held]), 8, rng)
    logits = rng.normal(size=(8, len(ids), 3)).astype(np.float32)
    return Bank(ids, seen, logits, rng.uniform(0.8, 0.9, 8), np.full(8, 30.0))


def test_a_form_that_ruins_what_stays_of_a_class_that_goes_is_refused() -> None:
    """Utility leaves such a class to `geometry`, which asked the full weights alone."""
    goes = {"forgotten_classes": (1, 0), "class_out_models": (3, 0), "mia_nn": (0.02, 0.01)}
    tv = {"class_tv": (0.1, 0.01), "class_tv_null": (0.1, 0.01)}
    near = {name: toys.measurement(name, *of) for name, of in (goes | tv).items()}
    far = near | {"class_tv": toys.measurement("class_tv", 0.9, 0.01)}
    policy = gates_of(IN_FORM | {"geometry": {}})
    for form, wanted in ((near, Outcome.PASSED), (far, Outcome.FAILED), ({}, Outcome.INCONCLUSIVE)):
        measured = good() | near | marked(good() | form, "int8")
        said = {verdict.gate: verdict for verdict in judge(measured, policy)}
        assert said["deployed_forgetting"].outcome is wanted
        assert said["geometry"].outcome is Outcome.PASSED


def test_judging_asks_a_form_where_a_class_that_goes_is_sent(tmp_path: Path) -> None:
    parts, path = toys.split(), tmp_path / "network.safetensors"
    labels = parts.retain.labels
    parts = replace(
        parts, forget=parts.retain.take(labels == 0), retain=parts.retain.take(labels > 0)
    )
    networks.save(toys.trained(), path)
    basis = basis_of(path, parts, random_bank(parts, np.random.default_rng(0)), [path] * 3)
    gates = gates_of(IN_FORM | {"geometry": {}})
    judged, _ = judge_candidate(path, basis, gates, level=LEVEL, exact=False)
    assert {"int8/mia_nn", "int8/class_tv", "int8/class_tv_null"} <= judged.measured.keys()
    assert "int8/class_out_models" not in judged.measured
