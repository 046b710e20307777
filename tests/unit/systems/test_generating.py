"""A generator's settings: what is refused, what it is built of, and what a sheet looks like."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from systems.compute import generating
from systems.report.sheets import GREY, sheet_png
from systems.settings import generators
from systems.settings.generators import GeneratorParams
from systems.settings.params import parse_params
from systems.settings.policy import load_policy
from systems.settings.workspace import TEMPLATES
from tasks.adopt import check_policy, check_task
from unlearning.errors import PolicyError, UsageError
from unlearning.gates.generated import Recovered
from unlearning.generation import FORGETTERS
from unlearning.generation.recipe import NETWORKS
from unlearning.judging.drawing import recovery_of
from unlearning.judging.verdicts import gates_of

CLASSIFIERS, GENERATORS = TEMPLATES / "policy.yaml", TEMPLATES / "generate" / "policy.yaml"


def params(**changes: object) -> bytes:
    tree = yaml.safe_load((TEMPLATES / "params.yaml").read_text())
    return yaml.safe_dump(tree | {"generator": {"network": "dit"}} | changes).encode()


def with_method(policy: Path, method: str, folder: Path) -> Path:
    tree = yaml.safe_load(policy.read_text())
    tree["ladder"] = [{"method": method}, {"method": "retrain"}]
    made = folder / "policy.yaml"
    made.write_text(yaml.safe_dump(tree))
    return made


def test_a_section_makes_the_task() -> None:
    assert parse_params(params()).task == "generate"
    assert parse_params((TEMPLATES / "params.yaml").read_bytes()).task == "classify"
    assert generators.NETWORKS == NETWORKS


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": {"network": "gan"}},
        {"generator": {"steps": 0}},
        {"compute": {"processes": 2}},
        {"compute": {"cluster": "tcp://somewhere:8786"}},
        {"head": {"backbone": "0" * 64}},
        {"bank": {"shadows": 8, "workers": 1, "bases": 2}},
    ],
)
def test_what_no_generator_has_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="generator"):
        parse_params(params(**changes))


def test_conditions_of_classifiers_are_as_before_and_a_generators_are_its_own() -> None:
    plain = parse_params((TEMPLATES / "params.yaml").read_bytes())
    drawn, slower = parse_params(params()), parse_params(params(generator={"steps": 9}))
    digests = {one.conditions["training"] for one in (plain, drawn, slower)}
    assert len(digests) == 3


def test_a_ladder_has_methods_of_its_own_task(tmp_path: Path) -> None:
    check_policy(CLASSIFIERS)
    check_policy(GENERATORS)
    for name in FORGETTERS:
        check_policy(with_method(GENERATORS, name, tmp_path))
    with pytest.raises(PolicyError, match=r"ladder\[0\]: method 'finetune': is of classifiers"):
        check_policy(with_method(GENERATORS, "finetune", tmp_path))
    with pytest.raises(PolicyError, match=r"ladder\[0\]: method 'latent': is of generators"):
        check_policy(with_method(CLASSIFIERS, "latent", tmp_path))


def test_a_policy_is_for_one_task() -> None:
    classify = parse_params((TEMPLATES / "params.yaml").read_bytes())
    check_task(load_policy(GENERATORS), parse_params(params()))
    with pytest.raises(PolicyError, match="concept"):
        check_task(load_policy(CLASSIFIERS), parse_params(params()))
    with pytest.raises(PolicyError, match="`generate`"):
        check_task(load_policy(GENERATORS), classify)
    both = load_policy(CLASSIFIERS).gates | load_policy(GENERATORS).gates
    with pytest.raises(PolicyError, match="one policy is for one task"):
        gates_of(both)
    few = {"integrity": {}, "concept": {}}
    with pytest.raises(PolicyError, match="has no generated_utility"):
        gates_of(few)


def test_attacks_are_those_that_the_policy_names() -> None:
    gates = gates_of({**load_policy(GENERATORS).gates, "recovery": {"shot_steps": [7], "shots": 3}})
    found = recovery_of(gates)
    assert found is not None and found.names == gates[-1].attacks  # type: ignore[attr-defined]
    assert "3 pictures, 7 steps" in found.names
    for wrong in ({"shot_steps": []}, {"guidances": ["two"]}, {"models": 2}, {"shot_steps": 5}):
        with pytest.raises(UsageError):
            Recovered(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "levels"), [(8, (1, 2)), (16, (1, 2, 2)), (32, (1, 2, 2, 2))])
def test_a_unet_halves_pictures_down_to_four_pixels(size: int, levels: tuple[int, ...]) -> None:
    made = generating.recipe_of_generator(GeneratorParams(), 10, 1, size)
    assert made.levels == levels and made.attention == size // 2


def test_pictures_that_no_network_draws_are_refused_before_anything_is_written() -> None:
    odd = generating.recipe_of_generator(GeneratorParams(network="dit"), 10, 1, 9)
    with pytest.raises(UsageError, match="9 pixels"):
        generating.require_fit(odd)
    generating.require_fit(generating.recipe_of_generator(GeneratorParams(network="dit"), 3, 1, 8))


def test_a_sheet_has_a_line_for_each_generator() -> None:
    png = sheet_png(np.full((2, 5, 1, 8, 8), 255, np.uint8))
    assert png is not None
    page = np.asarray(Image.open(BytesIO(png)))
    assert page.shape == (2 * 34, 5 * 34) and page[0, 0] == GREY and page[1, 1] == 255
    assert sheet_png(np.zeros(0, np.uint8)) is None
    colour = sheet_png(np.zeros((1, 2, 3, 32, 32), np.uint8))
    assert colour is not None and Image.open(BytesIO(colour)).mode == "RGB"
