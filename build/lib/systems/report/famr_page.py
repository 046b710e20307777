"""FAMR's page: how forgetting went on, epoch by epoch, and what of the paper's theory applies.

Like the report it is one file that loads nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from math import log
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import stats

from systems.report.page import _list, _page, _table
from systems.report.plots import BLUE, GREY, ORANGE, _legend, _png
from systems.settings.quiet import quiet_environment
from unlearning.domain import FloatArray
from unlearning.famr.bounds import Evidence
from unlearning.famr.hessian import NEAR_ZERO, Curvature
from unlearning.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER)
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))

PANELS = (
    ("divergence", "KL(before || now), nats", 1),
    ("entropy", "entropy, nats", 1),
    ("forget_accuracy", "accuracy, to be forgotten, %", 100),
    ("retain_accuracy", "accuracy, the rest, %", 100),
)

NOT_PROVED = (
    "None of these numbers says that the network is close to one retrained without the data. The "
    "paper's argument for that needs conditions; above is what was measured of each.",
    "A uniform answer is not what a retrained network gives: it is sure of most examples that it "
    "never saw. The retrained rows and lines show what it does give.",
    "Curvature is seen through a few Lanczos steps at one point. A negative eigenvalue is proof, a "
    "positive smallest one is not.",
)


@dataclass(frozen=True, eq=False)
class Curves:
    """What changes while FAMR runs, each (seeds, epochs + 1); the first column is the original.

    divergence: KL(p_theta0 || p_theta) and entropy of p_theta, means over the forget set in nats.
    forget_accuracy: on the forget set; retain_accuracy: on test examples of the classes that stay.
    """

    name: str
    divergence: FloatArray
    entropy: FloatArray
    forget_accuracy: FloatArray
    retain_accuracy: FloatArray


def over_seeds(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean of (seeds, ...) values over seeds, and its 95 % interval (Student's t): mean, low, high.

    One seed alone says nothing of others: its interval is infinite.
    """
    n, mean = len(values), values.mean(0)
    if n < 2:
        return mean, np.full_like(mean, -np.inf), np.full_like(mean, np.inf)
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


def plot_curves(curves: Sequence[Curves], retrained: Curves, classes: int) -> bytes:
    """Draw the four curves over epochs (the paper's Figures 1-3) with intervals over seeds.

    retrained: the retrained networks' values, (seeds, 1), drawn as level lines.
    """
    quiet_environment()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 6.2), dpi=110, layout="constrained")
    grid = figure.subplots(2, 2, sharex=True).flatten()
    for axes, (field, label, unit) in zip(grid, PANELS, strict=True):
        for number, one in enumerate(curves):
            _curve(
                axes,
                unit * getattr(one, field),
                one.name,
                number,
                top=100.0 if unit > 1 else np.inf,
            )
        level = unit * float(getattr(retrained, field).mean())
        axes.axhline(level, color="black", lw=1.2, ls=(0, (1, 2)))
        axes.set_ylabel(label)
        _tidy(axes)
    grid[1].axhline(log(classes), color=GREY, lw=0.8)
    grid[1].set_title(f"grey line: ln {classes}, a uniform answer", fontsize=8.5, loc="right")
    for axes in grid[2:]:
        axes.set_xlabel("epochs")
    grid[0].plot([], [], color="black", lw=1.2, ls=(0, (1, 2)), label="retrained (mean)")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", frameon=False, fontsize=8.5, ncols=3)
    return _png(figure)


def plot_exchange(curves: Sequence[Curves], retrained: Curves) -> bytes:
    """Draw accuracy on the forget set against the rest, along the epochs (Figure 4)."""
    quiet_environment()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.9), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, one in enumerate(curves):
        across, up = (100 * a.mean(0) for a in (one.forget_accuracy, one.retain_accuracy))
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(across, up, color=colour, ls=STYLES[number % len(STYLES)], lw=1.5, label=one.name)
        axes.plot(across[-1:], up[-1:], "o", color=colour)
    across, up = (100 * a.mean() for a in (retrained.forget_accuracy, retrained.retain_accuracy))
    axes.plot([across], [up], "*", color="black", ms=12, label="retrained (mean)")
    axes.set_xlabel("accuracy on what is to be forgotten, %; the dot is the last epoch")
    axes.set_ylabel("accuracy on the rest, %")
    _tidy(axes)
    _legend(figure)
    return _png(figure)


def _curve(axes: Axes, values: FloatArray, name: str, number: int, *, top: float) -> None:
    mean, low, high = over_seeds(values)
    low, high = np.maximum(low, 0), np.minimum(high, top)
    colour, epochs = COLOURS[number % len(COLOURS)], np.arange(len(mean))
    style = STYLES[number % len(STYLES)]
    if len(values) > 1:
        axes.fill_between(epochs, low, high, color=colour, alpha=0.18, lw=0)
    axes.plot(epochs, mean, color=colour, ls=style, lw=1.8, label=f"{name} (n={len(values)})")


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E6E6E6")
    axes.set_axisbelow(True)


@dataclass(frozen=True, eq=False)
class Section:
    """One task of the page: table (cells in plain text), curves, evidence by setting."""

    title: str
    words: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    curves: Sequence[Curves]
    retrained: Curves
    classes: int
    evidence: Mapping[str, Evidence]


def famr_page(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Give the whole page."""
    known = [(escape(key), escape(value)) for key, value in facts.items()]
    body = [
        f"<h1>{escape(title)}</h1>",
        _table(("", ""), known),
        *(section_html(section) for section in sections),
        _list("What this does not prove", NOT_PROVED),
    ]
    return _page(title, "\n".join(body))


def section_html(section: Section) -> str:
    """Give the part of the page about one task."""
    rows = [[escape(cell) for cell in row] for row in section.rows]
    over = (
        "Lines are means over seeds, bands their 95 % intervals (Student's t). The dotted line is "
        "what networks retrained without the data give."
    )
    parts = [
        f"<section><h2>{escape(section.title)}</h2>",
        f"<p>{escape(section.words)}</p>",
        _table(section.header, rows),
        _picture(plot_curves(section.curves, section.retrained, section.classes), over),
        _picture(plot_exchange(section.curves, section.retrained), "Forgetting against keeping."),
        *(evidence_html(name, found) for name, found in section.evidence.items()),
        "</section>",
    ]
    return "\n".join(parts)


def evidence_html(name: str, found: Evidence) -> str:
    """Give the theory's numbers for one candidate, each assumption with its measured state."""
    numbers = _table(("Measured", "Value"), [(escape(k), v) for k, v in numbers_of(found).items()])
    bounds = _table(
        ("Bound", "on the", "Value", ""),
        [(b.equation, escape(b.says), _value(b.value), escape(b.words)) for b in found.bounds],
    )
    return f"<h3>The paper's theory, measured: {escape(name)}</h3>\n{numbers}{bounds}"


def numbers_of(found: Evidence) -> dict[str, str]:
    """Put the measured numbers into words."""
    return {
        "stationarity residual, share of the gradient (Eq. 6; 0 at a minimum)": _value(
            found.stationarity_residual
        ),
        "distance of the weights from the original": _value(found.distance),
        "largest ||p - u||_1 on the forget set (Eq. 15; 0 if uniform, at most 2)": _value(
            found.uniform_gap_max
        ),
        "mean ||p - u||_1 on the forget set": _value(found.uniform_gap_mean),
        "Hessian of FAMR's objective at the candidate": _spectrum(found.objective),
        "Hessian of the training loss at the original": _spectrum(found.training),
        "FAMR's gradient against the training loss's, difference": f"{found.mismatch:.0%}",
        "largest Jacobian of the logits met at the candidate": _value(found.lipschitz),
    }


def _spectrum(seen: Curvature) -> str:
    return (
        f"{_value(seen.low)} to {_value(seen.high)} (to within {_value(seen.error)}); "
        f"{seen.near_zero:.0%} below {NEAR_ZERO:g} of the largest; {seen.steps} Lanczos steps, "
        f"{seen.probes} starts"
    )


def _value(number: float | None) -> str:
    return "none" if number is None else f"{number:.4g}"


def fewer_colours(png: bytes) -> bytes:
    """Give the picture with a palette, a third of the bytes."""
    file = BytesIO()
    picture = Image.open(BytesIO(png)).convert("RGB")
    plain = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    plain.save(file, "PNG", optimize=True)
    return file.getvalue()


def _picture(png: bytes, caption: str) -> str:
    data = b64encode(fewer_colours(png)).decode()
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
