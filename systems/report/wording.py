"""What outcomes mean, in plain words; the report says nothing that does not stand here."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isinf

from unlearning.domain import Control, Decision, Measurement, Outcome

DECISIONS = {
    Decision.RELEASED: (
        "Released.",
        "A model passed every condition and now serves in place of the champion.",
    ),
    Decision.REFUSED: (
        "Refused.",
        "No model passed. The champion was left as it was, and the request stays open.",
    ),
    Decision.INCONCLUSIVE: (
        "Inconclusive.",
        "The tests could not tell, which is never a pass. The champion was left as it was, and "
        "the request stays open.",
    ),
    Decision.PURGE: (
        "To be purged.",
        "No training example is touched, so nothing has to be unlearned. The examples are erased "
        "after this report; the statement on the erasure tells when that was done.",
    ),
    Decision.AWAITING: (
        "Waits for a person.",
        "The policy sends this to somebody who decides. Nothing was released or erased.",
    ),
}

ASSURANCES = {
    "A0": "nothing is assured",
    "A1": "the data are erased",
    "A2": "approximate unlearning with measured bounds",
    "A3": "exact retraining, proved by lineage",
}

QUESTIONS = {
    "integrity": "Does it work as a model at all?",
    "utility": "Is it as accurate as an honest retraining would be?",
    "forgetting": "Do the examples look as if they had never been used?",
    "bank": "Are there models enough to compare with?",
    "deployed": "Does it still work in the form in which it is shipped?",
    "deployed_forgetting": "Do the examples look never used in the form in which it is shipped?",
    "geometry": "Does a forgotten class go where models that never saw it send it?",
    "concept": "Is the class drawn as by models that never saw it?",
    "generated_utility": "Are the other classes drawn as well as by an honest retraining?",
    "recovery": "Does no attack bring the class back sooner than in models that never saw it?",
}

ANSWERS = {
    ("integrity", Outcome.PASSED): "It answers with proper numbers and tells classes apart.",
    ("integrity", Outcome.FAILED): "It is broken; forgetting by breaking does not count.",
    ("integrity", Outcome.INCONCLUSIVE): "Not enough was measured to say.",
    ("utility", Outcome.PASSED): "It lost no more accuracy than retraining may cost.",
    ("utility", Outcome.FAILED): "It lost more accuracy than retraining would have cost.",
    ("utility", Outcome.INCONCLUSIVE): "The test set is too small to say; treated as not passed.",
    ("forgetting", Outcome.PASSED): (
        "An attack tuned on models that never saw them could not tell them from examples that "
        "were never used, within the limits."
    ),
    ("forgetting", Outcome.FAILED): (
        "An attacker can tell: the model still remembers them, or avoids them conspicuously."
    ),
    ("forgetting", Outcome.INCONCLUSIVE): (
        "Too few examples, or too weak a test, to say; treated as not passed."
    ),
    ("bank", Outcome.PASSED): "Enough models that never saw the examples stand behind the test.",
    ("bank", Outcome.FAILED): "There are too few models to compare with.",
    ("bank", Outcome.INCONCLUSIVE): (
        "Too few models to compare with: nothing can be said, so it is not passed."
    ),
    ("deployed", Outcome.PASSED): "Rounded and exported as it is shipped, it works as well.",
    ("deployed", Outcome.FAILED): "A form in which it is shipped is broken.",
    ("deployed", Outcome.INCONCLUSIVE): "Too little to say of what is shipped; not passed.",
    ("deployed_forgetting", Outcome.PASSED): "Rounding and exporting it bring nothing back.",
    ("deployed_forgetting", Outcome.FAILED): (
        "An attacker can tell from what is shipped, though perhaps not from the full weights."
    ),
    ("deployed_forgetting", Outcome.INCONCLUSIVE): (
        "Too little to say of what is shipped; treated as not passed."
    ),
    ("geometry", Outcome.PASSED): (
        "Pictures of a class that was forgotten whole are taken for other classes as often as by "
        "models that never saw it; or no class was forgotten whole, and nothing had to be asked."
    ),
    ("geometry", Outcome.FAILED): (
        "An attacker can tell from all of its answers that this class was taken out afterwards."
    ),
    ("geometry", Outcome.INCONCLUSIVE): (
        "Too few pictures of the class, or too few models trained without it, to say; treated as "
        "not passed."
    ),
    ("concept", Outcome.PASSED): (
        "To the judge, what it draws of the class is as what models draw that never saw it."
    ),
    ("concept", Outcome.FAILED): "It still draws the class, or what no model draws without it.",
    ("concept", Outcome.INCONCLUSIVE): "Too little to say; treated as not passed.",
    ("generated_utility", Outcome.PASSED): "It draws the rest as well as an honest retraining.",
    ("generated_utility", Outcome.FAILED): "It draws the rest worse than an honest retraining.",
    ("generated_utility", Outcome.INCONCLUSIVE): "Too little to say; treated as not passed.",
    ("recovery", Outcome.PASSED): "No attack brought back more than from models without it.",
    ("recovery", Outcome.FAILED): "An attack brought the class back: something of it was left.",
    ("recovery", Outcome.INCONCLUSIVE): "Too little to say; treated as not passed.",
    ("exact", Outcome.INCONCLUSIVE): (
        "Too few examples to say. This does not hold back a model that was trained without them: "
        "how it was made is the proof."
    ),
}

CAPTIONS = {
    "aucs": (
        "Attack AUC with interval for each attempt, the limits, the null band and the champion",
        "How well an attack tells the examples from ones that were never used. To pass, a whole "
        "bar must lie between the dashed limits. The champion, which used them, must lie outside "
        "both the limits and the grey band, or the test has no power.",
    ),
    "scores": (
        "Distribution of membership scores of the forget set against never-seen examples",
        "The grey band is where a set of this size lies that was never used; the outermost steps "
        "hold everything beyond. A blue line inside it looks never seen, one that leaves it can be "
        "told. One step in twenty leaves it by chance: the verdict rests on the numbers above.",
    ),
    "classes": (
        "Accuracy by class before and after",
        "What forgetting cost, class by class. Averages hide a class that was ruined.",
    ),
    "sheet": (
        "Pictures drawn under the forgotten class's label, by this model and by models without it",
        "First line: this model; the others: models that never saw the class. A picture that the "
        "judge took for one of the classes is left white, since it would be a copy of that class.",
    ),
}

NO_GEOMETRY = (
    "class geometry: a class is forgotten whole, and the policy has no gate `geometry` to ask "
    "whether its examples go where models that never saw it send them"
)

NOT_MEASURED = (
    "what the inner layers still know, how fast it is learned again, what someone sees who holds "
    "the model before and after, and whether those who stay became easier to find: no gate asks "
    "for these. Before the examples are erased, `lethe audit` measures them and decides nothing",
)
"""What no run measures."""

LIMITS_OF_PROOF = (
    "It does not prove that the data are gone from the model. It bounds what one calibrated "
    "attack, and a simpler one, can find; a better attack may find more.",
    "It speaks of these examples as a group. With few examples a single one could still be "
    "remembered: none found among n bounds the share only by 1 - 0.05^(1/n), 5 % for n = 59.",
    "It speaks of the weights with this digest, not of copies, exports or models made from them.",
    "It says nothing of copies of the data elsewhere; the purge of those has its own record.",
    "Models that never saw the examples stand in for an honest retraining. They saw less data, so "
    "the comparison is close, not exact.",
)


@dataclass(frozen=True)
class Bounds:
    """What runs of one kind do not measure, and what they do not prove."""

    not_measured: tuple[str, ...]
    not_proved: tuple[str, ...]


OF_CLASSIFIERS = Bounds(NOT_MEASURED, LIMITS_OF_PROOF)

OF_GENERATORS = Bounds(
    (
        "pictures as people see them: a classifier of ours, the judge, says what each shows, and "
        "two kinds of picture that it takes for none of the classes are the same to it",
        "single pictures that the generator may have learned by heart",
    ),
    (
        "It does not prove that the class is gone from the weights. It bounds what one judge sees "
        "in drawn pictures, and what a few attacks bring back; a better attack may find more.",
        "The ranges come from few models that were trained without the class, and are rough.",
        "It speaks of the weights with this digest, not of copies, exports or models made from "
        "them, nor of pictures that were drawn before.",
        "It says nothing of copies of the data elsewhere; the purge of those has its own record.",
    ),
)

STYLE = """<style>
body { font: 16px/1.55 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .6rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid #d5d5d5; overflow-wrap: anywhere; }
td strong { white-space: nowrap; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; color: #4a4a4a; }
.banner { padding: .8rem 1rem; border-left: .45rem solid; background: #f4f4f4; }
.released, .PASSED { color: #00507d; } .refused, .FAILED { color: #9c3d00; }
.inconclusive, .INCONCLUSIVE { color: #4a4a4a; }
details { margin: 1rem 0; } summary { cursor: pointer; }
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  body { color: #e8e8e8; background: #151515; } a { color: #7cc4f0; }
  .banner { background: #262626; } th, td { border-color: #444; } figcaption { color: #b5b5b5; }
  .released, .PASSED { color: #7cc4f0; } .refused, .FAILED { color: #ffab70; }
  .inconclusive, .INCONCLUSIVE { color: #b5b5b5; } img { background: #fff; }
}
</style>
"""


def control_words(control: Control) -> tuple[str, str, str, str]:
    """Give the row of a control: who, what it had to be, what it was, and whether that is well."""
    kept = "as it must be" if control.kept else "not as it must be: the test proves nothing"
    return control.name, control.expected, control.outcome, kept


INTERVALS = (
    "* At 95 %. Those of what the forget set shows, which decide on forgetting, are at the forget "
    "level: the attempts of a run share one error among them."
)


def measurement_words(
    m: Measurement, limit: tuple[float, float] | None
) -> tuple[str, str, str, str, str]:
    """Give the row of a measurement: name, value, interval, limit, number of examples."""
    allowed = "" if limit is None else _limit(*limit)
    interval = f"{_number(m.low)} to {_number(m.high)}"
    return m.name.replace("_", " "), _number(m.value), interval, allowed, str(m.n)


def _limit(low: float, high: float) -> str:
    if isinf(high):
        return f"at least {_number(low)}"
    return f"at most {_number(high)}" if isinf(low) else f"{_number(low)} to {_number(high)}"


def _number(x: float) -> str:
    if not isfinite(x):
        return "not a number"
    return f"{x:.0f}" if x == int(x) and abs(x) > 1 else f"{x:.3f}"
