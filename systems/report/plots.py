"""The report's pictures: numbers in, PNG bytes out.

Colours are told apart by the colour-blind too (Okabe and Ito), and never carry a meaning alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from systems.settings.quiet import quiet_environment
from unlearning.domain import ByteArray, Control, Decision, FloatArray, Measurement, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, BAND = "#0072B2", "#D55E00", "#595959", "#C9C9C9"
MARKS = {
    Decision.RELEASED: (BLUE, "o"),
    Decision.REFUSED: (ORANGE, "X"),
    Decision.INCONCLUSIVE: (GREY, "s"),
}
MOST_CLASSES = 40
LONGEST_LABEL = 30
AUC = "forget_auc"


@dataclass(frozen=True, eq=False)
class AttemptPicture:
    """What the report shows of one attempt.

    Scores: higher = more likely a member; empty where the attempt came to no judgement.
    null_band: AUCs of models that never saw the forget set, (low, high). limits: allowed
    (low, high) by measurement. classes: names, in the order of class_accuracy_before (champion) and
    class_accuracy_after (candidate), which are fractions and NaN for a class without test examples.
    effect: what the method did to the network, in words. not_measured: what a gate could have asked
    of it and was not asked, in words. sheet: what a generator draws of the forgotten class, then
    models that never saw it, (generators, n, channels, size, size).
    """

    name: str
    exact: bool
    decision: Decision
    verdicts: Sequence[Verdict]
    measurements: Mapping[str, Measurement]
    controls: Sequence[Control]
    forget_scores: FloatArray
    holdout_scores: FloatArray
    champion_forget_scores: FloatArray
    null_band: tuple[float, float]
    limits: Mapping[str, tuple[float, float]]
    classes: Sequence[str]
    class_accuracy_before: FloatArray
    class_accuracy_after: FloatArray
    effect: str = ""
    not_measured: Sequence[str] = ()
    sheet: ByteArray = field(default_factory=lambda: np.zeros(0, np.uint8))


def plot_scores(picture: AttemptPicture) -> bytes | None:
    """Draw how the forget set scores against never-seen examples; None without scores."""
    forget, holdout, champion = (
        scores[np.isfinite(scores)]
        for scores in (
            picture.forget_scores,
            picture.holdout_scores,
            picture.champion_forget_scores,
        )
    )
    if not (len(forget) and len(holdout)):
        return None
    edges = _edges(np.concatenate([forget, holdout, champion]), len(forget))
    figure, axes = _canvas(height=3.9)
    expected = _shares(holdout, edges)
    low, high = _never_seen_range(expected, len(forget), len(holdout))
    label = f"never seen: where 95 % of such sets lie (from n={len(holdout)})"
    axes.fill_between(edges, _steps(low), _steps(high), step="post", color=BAND, label=label)
    _outline(axes, edges, forget, BLUE, "-", f"to be forgotten, candidate (n={len(forget)})")
    if len(champion):
        label = f"to be forgotten, champion before (n={len(champion)})"
        _outline(axes, edges, champion, ORANGE, "--", label)
    axes.set_xlabel("membership score (higher: more likely used in training)")
    axes.set_ylabel("share of examples")
    axes.set_title(_scores_title(picture), fontsize=10, loc="left")
    axes.set_ylim(bottom=0)
    _legend(figure)
    return _png(figure)


def _scores_title(picture: AttemptPicture) -> str:
    auc = picture.measurements.get(AUC)
    low, high = picture.null_band
    said = "" if auc is None else f": attack AUC {auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]"
    return f"{picture.name}{said}; null band [{low:.2f}, {high:.2f}]"


def _edges(scores: FloatArray, n: int) -> FloatArray:
    """Bins so wide that a small forget set fills them; far outliers share the outermost."""
    low, high = np.quantile(scores, (0.005, 0.995))
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, int(np.clip(np.sqrt(n) * 1.5, 6, 30)) + 1)


def _shares(scores: FloatArray, edges: FloatArray) -> FloatArray:
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    return np.asarray(counts / len(scores))


def _never_seen_range(p: FloatArray, n: int, m: int) -> tuple[FloatArray, FloatArray]:
    """Bound the share in each bin of n examples drawn like the m that estimated it (normal)."""
    reach = 1.96 * np.sqrt(np.maximum(p * (1 - p), 1 / m) * (1 / n + 1 / m))
    return np.clip(p - reach, 0, 1), np.clip(p + reach, 0, 1)


def _steps(values: FloatArray) -> FloatArray:
    return np.append(values, values[-1])


def _outline(
    axes: Axes, edges: FloatArray, scores: FloatArray, colour: str, style: str, label: str
) -> None:
    shares = _steps(_shares(scores, edges))
    axes.step(edges, shares, where="post", color=colour, linestyle=style, lw=2, label=label)


def plot_aucs(pictures: Sequence[AttemptPicture]) -> bytes | None:
    """Draw each attempt's AUC with its interval, between limits, null band and controls."""
    measured = [picture for picture in pictures if AUC in picture.measurements]
    if not measured:
        return None
    last = measured[-1]
    champion = last.measurements.get("champion_auc")
    rows = len(measured) + (champion is not None)
    figure, axes = _canvas(height=1.9 + 0.42 * rows)
    low, high = last.null_band
    axes.axvspan(low, high, color=BAND, label=f"null band: models that never saw them ({_n(last)})")
    for bound in last.limits.get(AUC, ()):
        axes.axvline(bound, color="black", linestyle="--", lw=1.2)
    axes.plot([], [], color="black", linestyle="--", lw=1.2, label="limits of the policy")
    for row, picture in enumerate(measured):
        colour, mark = MARKS[picture.decision]
        _interval(axes, row, picture.measurements[AUC], colour, mark, str(picture.decision))
    if champion is not None:
        _interval(axes, rows - 1, champion, "black", "D", "untouched champion (must be outside)")
    named = [(_name(p), p.measurements[AUC]) for p in measured]
    named += [] if champion is None else [("champion", champion)]
    axes.set_yticks(range(rows), [f"{name}\n(n={m.n})" for name, m in named])
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlabel("attack AUC, 95 % interval (0.5: cannot be told from never-seen examples)")
    _legend(figure)
    return _png(figure)


def _n(picture: AttemptPicture) -> str:
    null = picture.measurements.get("null_auc")
    return "n unknown" if null is None else f"n={null.n}"


def _name(picture: AttemptPicture) -> str:
    return f"{picture.name}, exact" if picture.exact else picture.name


def _interval(axes: Axes, row: int, m: Measurement, colour: str, mark: str, label: str) -> None:
    known = axes.get_legend_handles_labels()[1]
    axes.plot([m.low, m.high], [row, row], color=colour, lw=2.5, solid_capstyle="butt")
    shown = None if label in known else label
    axes.plot([m.value], [row], mark, color=colour, ms=8, label=shown)


def plot_classes(picture: AttemptPicture) -> bytes | None:
    """Draw the accuracy of each class before and after; of many classes those that lost most."""
    before, after = picture.class_accuracy_before, picture.class_accuracy_after
    known = np.flatnonzero(np.isfinite(before) & np.isfinite(after))
    if not len(known):
        return None
    worst = known[np.argsort((after - before)[known], kind="stable")][:MOST_CLASSES]
    shown = np.sort(worst)
    figure, axes = _canvas(height=1.9 + 0.27 * len(shown))
    rows = np.arange(len(shown))
    was, now = 100 * before[shown], 100 * after[shown]
    axes.hlines(rows, was, now, color=GREY, lw=1.5)
    axes.plot(was, rows, "D", color=ORANGE, mfc="white", mew=1.6, ms=7, label="champion, before")
    axes.plot(now, rows, "o", color=BLUE, ms=6, label=f"{picture.name}, after")
    axes.set_yticks(rows, [_class_label(picture, int(k)) for k in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(min(0.98 * was.min(), 0.98 * now.min()) - 2, 101.5)
    axes.set_xlabel("accuracy on test examples of the class, %")
    if len(shown) < len(known):
        title = f"the {len(shown)} of {len(known)} classes that lost most"
        axes.set_title(title, fontsize=10, loc="left")
    _legend(figure)
    return _png(figure)


def _class_label(picture: AttemptPicture, k: int) -> str:
    name = picture.classes[k].replace("$", r"\$")  # matplotlib would read a formula
    if len(name) > LONGEST_LABEL:
        name = name[: LONGEST_LABEL - 1] + "…"
    drop = picture.measurements.get(f"class_drop/{k}")
    return name if drop is None else f"{name} (n={drop.n})"


def rehearse() -> None:
    """Draw an empty picture, so that the next ones find fonts measured."""
    figure, axes = _canvas(height=1.0)
    axes.plot([0, 1], [0, 1], label="rehearsal")
    _legend(figure)
    _png(figure)


def _canvas(*, height: float) -> tuple[Figure, Axes]:
    quiet_environment()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#E6E6E6")
    axes.set_axisbelow(True)
    return figure, axes


def _legend(figure: Figure) -> None:
    """Put it below the picture, where it hides nothing."""
    figure.legend(loc="outside lower left", frameon=False, fontsize=8.5, ncols=2)


def _png(figure: Figure) -> bytes:
    """Without the date and version that matplotlib writes, equal numbers give equal bytes."""
    file = BytesIO()
    with warnings.catch_warnings():
        # A class may be named in a script that the font lacks; it is drawn as boxes then.
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font", category=UserWarning
        )
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
