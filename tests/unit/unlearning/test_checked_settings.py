"""A setting of a wrong type or out of its range is refused when it is read, not when used."""

from __future__ import annotations

import math

import pytest

from unlearning.attacks import ATTACKS
from unlearning.errors import PolicyError, UsageError
from unlearning.gates import GATES
from unlearning.methods import METHODS
from unlearning.training.loop import Training

NUMBERS = ("learning_rate", "epochs", "steps", "batch_size", "strength", "anchor", "beta")


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("value", ["high", True, math.nan, math.inf, -1, [0.1], {"a": 1}])
def test_no_method_takes_what_is_no_number_of_its_range(name: str, value: object) -> None:
    """-1 is below the range of every one of these, the rest is no number that can be used."""
    fields = METHODS[name].__dataclass_fields__  # type: ignore[attr-defined]
    for setting in (one for one in NUMBERS if one in fields):
        with pytest.raises(UsageError) as caught:
            METHODS.create(name, {setting: value})
        message = str(caught.value)
        assert message.startswith(f"method '{name}'.{setting}: got ") and "\n" not in message


@pytest.mark.parametrize(
    ("gate", "settings", "said"),
    [
        ("utility", {"margin": "small"}, "'utility'.margin: got 'small', expected a number"),
        ("utility", {"margin": 1.5}, "'utility'.margin: got 1.5, expected 0 to 1"),
        ("integrity", {"classes": 2.5}, "'integrity'.classes: got 2.5, expected a whole number"),
        ("integrity", {"classes": 0}, "'integrity'.classes: got 0, expected at least 1"),
        (
            "forgetting",
            {"limits_by_size": [{"examples": 1, "holdout": 1, "auc": "low", "tail": 1, "fpr": 1}]},
            "limits_by_size.auc: got 'low', expected a number",
        ),
        ("forgetting", {"limits_by_size": 3}, "gate 'forgetting': "),
        ("forgetting", {"limits_by_size": [3]}, "got 3, expected the keys examples, holdout"),
    ],
)
def test_nor_does_a_gate(gate: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        GATES.create(gate, settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_whole_number_is_a_number_and_nested_settings_are_built() -> None:
    assert METHODS.create("famr", {"learning_rate": 1}) == METHODS["famr"](learning_rate=1.0)  # type: ignore[call-arg]
    made = METHODS.create("retrain", {"training": {"epochs": 3}})
    assert made == METHODS["retrain"](training=Training(epochs=3))  # type: ignore[call-arg]
    with pytest.raises(PolicyError, match=r"training\.epochs: got 'many', expected a whole number"):
        METHODS.create("retrain", {"training": {"epochs": "many"}})
    with pytest.raises(PolicyError, match=r"training: got 3, expected the keys epochs"):
        METHODS.create("retrain", {"training": 3})


def test_a_prior_may_be_infinite() -> None:
    assert ATTACKS.create("lira_offline", {"prior": math.inf}).prior == math.inf  # type: ignore[attr-defined]


@pytest.mark.parametrize("registry", [METHODS, GATES], ids=["methods", "gates"])
def test_published_settings_are_in_their_ranges(registry: object) -> None:
    """What a method has unless told otherwise, said out loud, makes the same method."""
    for name in registry:  # type: ignore[attr-defined]
        if name == "forgetting":
            continue  # its limits have no default
        made = registry.create(name)  # type: ignore[attr-defined]
        assert registry.create(name, vars(made)) == made  # type: ignore[attr-defined]
