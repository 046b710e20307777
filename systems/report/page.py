"""The page that a reviewer reads: what was tested, what came out, and what it does not prove.

One file that loads nothing, so that it reads the same in the registry, in an evidence bundle and
ten years on.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from systems.report.plots import AttemptPicture, plot_aucs, plot_classes, plot_scores
from systems.report.sheets import sheet_png
from systems.report.wording import (
    ANSWERS,
    CAPTIONS,
    DECISIONS,
    INTERVALS,
    OF_CLASSIFIERS,
    QUESTIONS,
    STYLE,
    Bounds,
    control_words,
    measurement_words,
)
from unlearning.domain import Control, Decision, Measurement, Verdict
from unlearning.judging.verdicts import excused

__all__ = ["AttemptPicture", "Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """The page, and its pictures as files of their own."""

    page: Path
    plots: tuple[Path, ...]


def write_report(
    folder: Path,
    *,
    reference: str,
    decision: Decision,
    attempts: Sequence[AttemptPicture],
    facts: Mapping[str, str],
    written_at: datetime,
    words: Bounds = OF_CLASSIFIERS,
) -> Report:
    """Write report.html and plots/*.png.

    reference: of the run and its requests, opaque. facts: what else a reviewer has to know, by
    name: data version, parent, digest of the policy. Nothing given here may name a person. words:
    on what no run of this kind measures and proves.
    """
    pictures = _draw(attempts)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    body = [
        _head(reference, decision, facts, written_at),
        _figure("aucs", pictures.get("aucs")),
        *(_attempt(number, attempt, pictures) for number, attempt in enumerate(attempts, 1)),
        _list("What was not measured", _unmeasured(attempts, words)),
        _list("What this does not prove", words.not_proved),
    ]
    page.write_text(_page(reference, "\n".join(body)), encoding="utf-8")
    return Report(page, _save(folder / "plots", pictures))


def _unmeasured(attempts: Sequence[AttemptPicture], known: Bounds) -> list[str]:
    """Say once what was not measured of some attempt, then what no run measures."""
    own = dict.fromkeys(words for attempt in attempts for words in attempt.not_measured)
    return [f"{words[0].upper()}{words[1:]}." for words in (*own, *known.not_measured)]


def _draw(attempts: Sequence[AttemptPicture]) -> dict[str, bytes]:
    drawn = {"aucs": plot_aucs(attempts)}
    for number, attempt in enumerate(attempts, 1):
        drawn[f"scores-{number}"] = plot_scores(attempt)
        drawn[f"classes-{number}"] = plot_classes(attempt)
        drawn[f"sheet-{number}"] = sheet_png(attempt.sheet)
    return {name: png for name, png in drawn.items() if png is not None}


def _save(folder: Path, pictures: Mapping[str, bytes]) -> tuple[Path, ...]:
    folder.mkdir(exist_ok=True)
    paths = {folder / f"{name}.png": png for name, png in pictures.items()}
    for path, png in paths.items():
        path.write_bytes(png)
    return tuple(paths)


def _page(reference: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Lethe, {escape(reference)}</title>\n{STYLE}</head><body>\n{body}\n</body></html>\n"
    )


def _head(
    reference: str, decision: Decision, facts: Mapping[str, str], written_at: datetime
) -> str:
    title, meaning = DECISIONS[decision]
    rows = {**facts, "Written": written_at.strftime("%Y-%m-%d %H:%M UTC")}
    return (
        f"<h1>Forgetting, run {escape(reference)}</h1>\n"
        f'<p class="banner {decision}"><strong>{escape(title)}</strong> {escape(meaning)}</p>\n'
        + _table(("", ""), [(escape(key), escape(value)) for key, value in rows.items()])
    )


ANEW = ", trained again from scratch without the examples"
EXACTLY = {"head_downdate": ", its last layer found anew without the examples"}
"""How exact methods forget, in a heading."""


def _attempt(number: int, attempt: AttemptPicture, pictures: Mapping[str, bytes]) -> str:
    exact = EXACTLY.get(attempt.name, ANEW) if attempt.exact else ""
    title = f"Attempt {number}: {attempt.name}{exact}: {attempt.decision}"
    return "\n".join(
        [
            f"<section><h2>{escape(title)}</h2>",
            _verdicts(attempt),
            f"<p>Beside the champion: {escape(attempt.effect)}.</p>" if attempt.effect else "",
            _figure("scores", pictures.get(f"scores-{number}")),
            _figure("classes", pictures.get(f"classes-{number}")),
            _figure("sheet", pictures.get(f"sheet-{number}")),
            _controls(attempt.controls),
            _measurements(attempt.measurements, attempt.limits),
            "</section>",
        ]
    )


def _verdicts(attempt: AttemptPicture) -> str:
    rows = [_verdict(verdict, exact=attempt.exact) for verdict in attempt.verdicts]
    return _table(("What was asked", "Answer", "Which means", "Measured"), rows)


def _verdict(verdict: Verdict, *, exact: bool) -> tuple[str, ...]:
    meaning = ANSWERS.get((verdict.gate, verdict.outcome), "")
    if excused(verdict.gate, verdict.outcome, exact=exact):
        meaning = ANSWERS["exact", verdict.outcome]
    question = QUESTIONS.get(verdict.gate, verdict.gate)
    answer = f'<strong class="{verdict.outcome}">{escape(verdict.outcome)}</strong>'
    return escape(question), answer, escape(meaning), escape(verdict.reason)


def _controls(controls: Sequence[Control]) -> str:
    if not controls:
        return "<p>No control could be run, so a pass would have proved nothing.</p>"
    rows = [tuple(escape(text) for text in control_words(control)) for control in controls]
    return "<h3>Was the test itself any good?</h3>\n" + _table(
        ("Known case", "Had to be", "Was", ""), rows
    )


def _measurements(
    measurements: Mapping[str, Measurement], limits: Mapping[str, tuple[float, float]]
) -> str:
    if not measurements:
        return "<p>Nothing was measured.</p>"
    rows = [
        tuple(escape(text) for text in measurement_words(m, limits.get(m.name)))
        for m in measurements.values()
    ]
    header = ("Measurement", "Value", "Interval*", "Allowed", "n")
    table = f"{_table(header, rows)}<p>{escape(INTERVALS)}</p>"
    return f"<details><summary>All measurements</summary>{table}</details>"


def _figure(kind: str, png: bytes | None) -> str:
    if png is None:
        return ""
    alt, caption = CAPTIONS[kind]
    data = b64encode(png).decode()
    image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells that are escaped already; a header of empty words is left out."""
    top = "".join(f"<th>{escape(word)}</th>" for word in header)
    head = f"<tr>{top}</tr>" if any(header) else ""
    lines = ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{head}{''.join(lines)}</table>"


def _list(title: str, items: Sequence[str]) -> str:
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<h2>{escape(title)}</h2><ul>{lines}</ul>"
