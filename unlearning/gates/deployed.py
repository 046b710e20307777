"""What is shipped is held to the same limits: the candidate in the form in which it is exported.

A candidate is measured once more in each form that a policy asks for; those measurements carry the
form's name, as in int8/forget_auc. What does not depend on the candidate is measured once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import ClassVar

from unlearning.contracts import Gate
from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import SEVERITY, ask
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.geometry import Geometry
from unlearning.terms import Measurement, Outcome, Verdict

FORMS = ("bf16", "int8")
"""Forms with rounded weights, which every machine can make."""

EXPORTED = ("onnx",)
"""Forms that another runtime answers from. They are an extra: a policy has to name them."""

EXPORTERS = ("onnx", "onnxruntime", "onnxscript")
"""Packages that the exported forms need and nothing else does."""

SHARED = frozenset(
    {"champion_auc", "champion_loss_auc", "champion_accuracy", "null_auc", "bank_shadows"}
    | {"holdout_examples", "forget_subjects", "predicted_drop", "seed_spread", "test_classes"}
    | {f"mean_score_{of}" for of in ("champion", "unseen", "half", "seen", "spread_unseen")}
    | {"by_lineage", "erased_mates", "forgotten_classes", "class_out_models"}
)
"""Measurements that are no candidate's, so that each form is judged by those of the whole trial."""

APART = ("forgetting", "bank", "geometry")
"""Gates that `deployed` does not ask: its other half does, or it is the same in every form."""


@dataclass(frozen=True, kw_only=True)
class _InForms:
    """Ask gates of each form.

    forms: of bf16, int8, onnx. gates: whose limits hold for them; `gates_of` gives those of the
    policy. What was measured elsewhere is judged without the packages that measuring it needs.
    """

    forms: Sequence[str] = FORMS
    gates: Sequence[Gate] = ()

    def __post_init__(self) -> None:
        known = FORMS + EXPORTED
        named = isinstance(self.forms, list | tuple) and all(form in known for form in self.forms)
        if not named or not self.forms:
            raise PolicyError(f"gates.deployed.forms: got {self.forms!r}, expected some of {known}")

    def worst(self, name: str, measured: Mapping[str, Measurement]) -> Verdict:
        """Give the first failure, or else the first doubt, of any form by any gate."""
        verdicts = [
            replace(verdict, gate=name, reason=f"{form}, {verdict.gate}: {verdict.reason}")
            for form in self.forms
            for verdict in (ask(gate, of_form(measured, form)) for gate in self.gates)
        ]
        if not verdicts:
            return Verdict(name, Outcome.INCONCLUSIVE, "there was no gate to ask")
        return max(verdicts, key=lambda verdict: SEVERITY.index(verdict.outcome))

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound each form's measurements as the candidate's own."""
        return {
            f"{form}/{name}": limit
            for form in self.forms
            for gate in self.gates
            for name, limit in gate.limits(of_form(measured, form)).items()
        }


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Deployed(_InForms):
    """The exported forms work: they meet the limits of integrity and utility too."""

    name: ClassVar[str] = "deployed"
    needs: ClassVar[frozenset[str]] = frozenset()

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Give the worst verdict of any form."""
        return self.worst(self.name, measured)


@GATES.register
@dataclass(frozen=True, kw_only=True)
class DeployedForgetting(_InForms):
    """The exported forms have forgotten: rounding the weights brings nothing back.

    A class that goes goes in them too where models send it that were trained without it, which
    utility does not ask about.

    It comes with `deployed`, and stands apart because lineage excuses an exact method from it where
    it cannot decide, as from forgetting itself.
    """

    name: ClassVar[str] = "deployed_forgetting"
    needs: ClassVar[frozenset[str]] = frozenset()

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Give the worst verdict of any form."""
        return self.worst(self.name, measured)


def with_forms(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Bind a policy's `deployed`, if it has one, to the limits of its other gates.

    The bank is the same in every form. Raises PolicyError for `deployed_forgetting` by itself.
    """
    if any(isinstance(gate, DeployedForgetting) for gate in gates):
        raise PolicyError(
            "gates.deployed_forgetting: got it by itself, expected gates.deployed, which brings it"
        )
    plain = tuple(gate for gate in gates if not isinstance(gate, Deployed))
    forms = forms_of(gates)
    if not forms:
        return plain
    works = tuple(gate for gate in plain if gate.name not in APART)
    by_answers = [gate.by_answers() for gate in plain if isinstance(gate, Forgetting)]
    forgets: tuple[Gate, ...] = (*by_answers, *(g for g in plain if isinstance(g, Geometry)))
    halves = Deployed(forms=forms, gates=works), DeployedForgetting(forms=forms, gates=forgets)
    return (*plain, *halves)


def forms_of(gates: Sequence[Gate]) -> tuple[str, ...]:
    """Give the forms that gates ask for."""
    asked = (gate.forms for gate in gates if isinstance(gate, Deployed))
    return tuple(form for forms in asked for form in forms)


def check_exporters(forms: Sequence[str]) -> None:
    """Raise PolicyError if a form needs packages that are not here, before anything is trained."""
    missing = [package for package in EXPORTERS if find_spec(package) is None]
    if missing and set(forms) & set(EXPORTED):
        raise PolicyError(
            f"gates.deployed.forms: got onnx, but {' and '.join(missing)} cannot be imported; "
            f"install with `pip install {' '.join(missing)}`, or take onnx out of the policy"
        )


def marked(measured: Mapping[str, Measurement], form: str) -> dict[str, Measurement]:
    """Rename what was measured of a form, without what belongs to the whole trial."""
    own = (m for name, m in measured.items() if name not in SHARED)
    return {m.name: m for m in (replace(m, name=f"{form}/{m.name}") for m in own)}


def of_form(measured: Mapping[str, Measurement], form: str) -> dict[str, Measurement]:
    """Give a form's measurements by their plain names, with what belongs to the whole trial.

    Nothing of the candidate at full precision stands in for what was not measured.
    """
    start = f"{form}/"
    own = {n.removeprefix(start): m for n, m in measured.items() if n.startswith(start)}
    trial = {name: m for name, m in measured.items() if name in SHARED}
    return trial | {name: replace(m, name=name) for name, m in own.items()}
