"""What speaks against a candidate without any range from shadows: it can only refuse, or doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unlearning.gates.asking import usable
from unlearning.terms import Measurement, Outcome

MOVED, LEARNED = "moved", "holdout_learned"
"""The door that asks what the moment of training changed; whether the strangers were learned."""

Said = tuple[Outcome, str]


def learned(measured: Mapping[str, Measurement], allowed: float) -> Iterator[Said]:
    """Say whether strangers look like members, by more than the forget set may: `allowed`."""
    m = measured[LEARNED]
    if m.high > allowed:
        surely = m.low > allowed
        outcome = Outcome.FAILED if surely else Outcome.INCONCLUSIVE
        yield outcome, f"it {'' if surely else 'may have '}learned the strangers: {words(m)}"


def lifted(measured: Mapping[str, Measurement], loosest: float) -> Iterator[Said]:
    """Say whether the moment of training lifts the forget set above strangers.

    Of a few, whom no limit on an AUC is for. To who never saw them they are strangers like others,
    so that what training changes has an AUC of one half; whoever is above it with the whole
    interval, once in forty by chance, is not let pass, and beyond the loosest limit is refused.
    """
    m = measured.get(f"door/{MOVED}")
    if m is None or not usable(m):
        yield Outcome.INCONCLUSIVE, f"door/{MOVED} was not measured, or is no number"
    elif m.low > 0.5:
        outcome = Outcome.FAILED if m.low > loosest else Outcome.INCONCLUSIVE
        yield outcome, f"the moment of training lifts them: {words(m)}"


def words(m: Measurement) -> str:
    """Write a measurement with its interval."""
    names = {
        "forget_auc": "attack AUC",
        "champion_auc": "champion's attack AUC",
        "null_auc": "null band of the attack AUC",
    }
    name = names.get(m.name, m.name.replace("_", " "))
    return f"{name} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n})"
