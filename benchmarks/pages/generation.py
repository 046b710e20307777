"""Image generators that are to forget a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.generation.legibility import LEGIBLE, NEAREST, SURE
from benchmarks.generation.makers import RADII, RANDOM, at_radius
from benchmarks.markdown import table
from benchmarks.means import mean_of
from benchmarks.pages.results import FROM_DOCS, load

Rows = Sequence[Mapping[str, Any]]

MEASURES = {"FA": 2, "p": 2, "entropy": 2, "TV": 2, "RA": 3, "FD": 2}
LEGIBILITY = {NEAREST: 2, LEGIBLE: 2, SURE: 2}
"""Measured where a class is no digit."""
BY_RADIUS = {"FA": 2, "p": 2, "RA": 3, "FD": 2}
SHIFTED = ("latent", RANDOM)
GATES = ("concept", "utility", "recovery")
NETWORKS = {"unet": "U-Net", "dit": "DiT"}


def generation(name: str) -> str:
    """Write what each generator draws, what comes back, and the verdicts, by network."""
    result = load(name)
    return _words(result["settings"]) + "\n".join(
        _network(name, network, rows) for network, rows in _by(result["rows"], "network")
    )


def radii(name: str) -> str:
    """Write what the latent method does by the length of its shift, by network."""
    result = load(name)
    return (
        _beginning(result["settings"])
        + _FOR_RADII
        + "\n".join(_by_radius(network, rows) for network, rows in _by(result["rows"], "network"))
    )


_FOR_RADII = (
    "The radius is a share of the length of the label's row. Means over the seeds, with the lowest "
    "and the highest.\n\n"
)


def _by_radius(network: str, rows: Rows) -> str:
    measured = [
        [
            row,
            len(of),
            _length(of),
            *(_spread(of, key, digits) for key, digits in BY_RADIUS.items()),
            _cost(of),
        ]
        for row, of in _by(rows, "row")
    ]
    header = ("", "seeds", "length of d", *BY_RADIUS, "seconds of processor")
    return (
        f"### {NETWORKS[network]}\n\n{table(header, measured)}\n"
        f"FA after an attack:\n\n{_attacks(rows)}\n"
        f"FD at a radius less FD at the largest, of the same seed:\n\n{_smaller(rows)}\n"
    )


def _length(rows: Rows) -> str:
    return _range([row["notes"]["shift"] for row in rows if "shift" in row["notes"]], 1)


def _smaller(rows: Rows) -> str:
    """Say by how much less FD a smaller radius has, seed by seed, with Student's interval."""
    lines = []
    for kind in SHIFTED:
        fd = {radius: _fd_by_seed(rows, at_radius(kind, radius)) for radius in RADII}
        largest = fd[RADII[-1]]
        for radius in RADII[:-1]:
            apart = [
                fd[radius][seed] - largest[seed] for seed in largest.keys() & fd[radius].keys()
            ]
            if not apart:
                continue
            found = mean_of(apart)
            ends = f"{found.low:.2f} to {found.high:.2f}" if len(apart) > 1 else ""
            lines.append([at_radius(kind, radius), len(apart), f"{found.value:.2f}", ends])
    return table(("", "seeds", "mean", "95 %"), lines)


def _fd_by_seed(rows: Rows, name: str) -> dict[int, float]:
    return {row["seed"]: row["measured"]["FD"]["value"] for row in rows if row["row"] == name}


def _words(settings: Mapping[str, Any]) -> str:
    return (
        f"{_beginning(settings)}{_reader(settings)}"
        "Means over the seeds, with the lowest and the highest.\n\n"
    )


def _reader(settings: Mapping[str, Any]) -> str:
    """Say how good the judge of digits is, where there is one."""
    if "reader_accuracy" not in settings:
        return ""
    return (
        f"A judge of digits is right about {100 * settings['reader_accuracy']:.1f} % of test "
        f"pictures, takes {settings['real_legible']:.2f} of them for a digit and is "
        f"{settings['real_sure']:.2f} sure. "
    )


def _beginning(settings: Mapping[str, Any]) -> str:
    sampler = settings["sampler"]
    models = f"{settings['models']} models without the class, " if settings["models"] else ""
    return (
        f"**{settings['data']}**, class {settings['label']} forgotten: {settings['train']:,} "
        f"training pictures, {models}{settings['seeds']} "
        f"seeds of the others; {settings['pictures']} pictures of the class and "
        f"{settings['each']} of every other, {sampler['scheduler'].upper()} in {sampler['steps']} "
        f"steps, guidance {sampler['guidance']:g}. The classifier is right about "
        f"{100 * settings['judge_accuracy']:.1f} % of test pictures; real pictures that it was not "
        f"trained on have an FD of {settings['distance_floor']:.2f}. "
    )


def _network(name: str, network: str, rows: Rows) -> str:
    legible = any(LEGIBLE in row.get("measured", {}) for row in rows)
    columns = MEASURES | (LEGIBILITY if legible else {})
    measured = [
        [row, len(of), *(_spread(of, key, digits) for key, digits in columns.items()), _cost(of)]
        for row, of in _by(rows, "row")
    ]
    header = ("", "seeds", *columns, "seconds of processor")
    return (
        f"### {NETWORKS[network]}\n\n{table(header, measured)}\n"
        f"FA after an attack:\n\n{_attacks(rows)}\n"
        f"Verdicts, of so many seeds:\n\n{_verdicts(rows)}\n"
        f"{_picture(name, network)}"
    )


def _attacks(rows: Rows) -> str:
    names = list(next(row["recovered"] for row in rows if row.get("recovered")))
    lines = [
        [row, *(_recovered(of, attack) for attack in names)]
        for row, of in _by(rows, "row")
        if any(one.get("recovered") for one in of)
    ]
    return table(("", *names), lines)


def _recovered(rows: Rows, attack: str) -> str:
    known = (row["recovered"][attack] for row in rows if attack in row.get("recovered", {}))
    return _range([m["value"] for m in known], 2)


def _verdicts(rows: Rows) -> str:
    lines = [
        [row, *(_outcomes(of, gate) for gate in GATES), _why(of)] for row, of in _by(rows, "row")
    ]
    return table(("", *GATES, "the first that failed"), lines)


def _outcomes(rows: Rows, gate: str) -> str:
    """Count each outcome that there is."""
    found = [row["verdicts"][gate]["outcome"] for row in rows]
    return ", ".join(f"{found.count(kind)} {kind.lower()}" for kind in sorted(set(found)))


def _why(rows: Rows) -> str:
    reasons = (
        f"{gate}: {row['verdicts'][gate]['reason']}"
        for gate in GATES
        for row in rows
        if row["verdicts"][gate]["outcome"] == "FAILED"
    )
    return next(reasons, "")


def _spread(rows: Rows, key: str, digits: int) -> str:
    return _range([row["measured"][key]["value"] for row in rows if row.get("measured")], digits)


def _range(values: Sequence[float], digits: int) -> str:
    """Write a mean, and the ends where there are several; nothing of nothing."""
    if not values:
        return ""
    text = f"{mean_of(values).value:.{digits}f}"
    ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    return text + (ends if len(values) > 1 else "")


def _cost(rows: Rows) -> str:
    return f"{sum(row['seconds'] for row in rows) / len(rows):.0f}"


def _by(rows: Rows, key: str) -> Iterable[tuple[str, Rows]]:
    """Give rows that agree in a key, in the order in which they come."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found.items()


def _picture(name: str, network: str) -> str:
    return f"![what each draws]({FROM_DOCS}/{name}-{network}.png)\n"
