"""Versions of the model, from the data that each was made on to what taints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.replay.lineage import Release, marked, marks, taints
from tasks.pages.known import Known

LEFT, RIGHT, WIDTH, STEP = 10, 330, 250, 56
"""Where the graph's two columns begin, how wide a box is, and how far rows are apart."""


def lineage(known: Known) -> dict[str, Any]:
    """Lay out what served, as a graph and as a table that says the same."""
    own = {release.version: release for release in reversed(known.made)}
    found = [_version(known, own[number]) for number in sorted(own)]
    return {"graph": _graph(found), "rows": [one["row"] for one in found]}


def _version(known: Known, own: Release) -> dict[str, Any]:
    data = known.step(own.run, "extracted") if own.run else _first(known)
    by = [str(release.run) for release in taints(own.version, known.made)]
    if marked(own.version, known.made, marks(known.entries)) is not None:
        by.append("a person's word")
    serves = own.version == known.made[-1].version
    parent = None if own.parent is None else f"version {own.parent}"
    run = None if own.run is None else own.run
    row = [
        f"version {own.version}",
        data.get("data_version"),
        parent,
        run or "lethe init",
        known.step(own.run, "decided").get("assurance"),
        "yes" if serves else "no",
        ", ".join(by) or None,
    ]
    kind = "serves" if serves else "tainted" if by else "clean"
    return {"own": own, "data": str(data.get("data_version")), "kind": kind, "row": row}


def _first(known: Known) -> dict[str, Any]:
    entry = known.at.ledger.log.find("initialised")
    return {} if entry is None else dict(entry.body)


def _graph(found: list[dict[str, Any]]) -> dict[str, Any]:
    rows = {one["own"].version: place for place, one in enumerate(found)}
    data = {one["data"]: place for place, one in reversed(list(enumerate(found)))}
    nodes = [_node(LEFT, place, f"data {name[:16]}", "data") for name, place in data.items()]
    nodes += [
        _node(RIGHT, rows[one["own"].version], f"{one['row'][0]}, {one['kind']}", one["kind"])
        for one in found
    ]
    height = STEP * max(1, len(found)) + 10
    lines = [line for one in found for line in _lines(one, rows, data)]
    return {"width": RIGHT + WIDTH + 90, "height": height, "nodes": nodes, "lines": lines}


def _node(x: int, place: int, words: str, kind: str) -> dict[str, Any]:
    return {"x": x, "y": 10 + place * STEP, "width": WIDTH, "words": words, "kind": kind}


def _lines(
    one: dict[str, Any], rows: dict[int, int], data: dict[str, int]
) -> Iterator[dict[str, str]]:
    own = one["own"]
    to = 27 + rows[own.version] * STEP
    yield {"kind": "read", "path": f"M{LEFT + WIDTH} {27 + data[one['data']] * STEP}L{RIGHT} {to}"}
    if own.parent in rows and not own.exact:  # what was trained afresh began from nothing
        start, edge = 27 + rows[own.parent] * STEP, RIGHT + WIDTH
        path = f"M{edge} {start}C{edge + 60} {start} {edge + 60} {to} {edge} {to}"
        yield {"kind": "began", "path": path}
