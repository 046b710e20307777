"""Whether an answer, or its time, tells a person whom the data know from one whom they do not.

Receiving never looks at the data, so there is nothing to find; this looks for it all the same.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ks_2samp, mannwhitneyu

from benchmarks import record
from benchmarks.intake.http import POST, Caller
from benchmarks.intake.places import SOURCE, Place, free_port, load, served
from benchmarks.intake.timing import WARM
from ledger import keys
from ledger.sources import signing
from systems.data import importing, loading
from systems.data.sources import Columns, Source
from systems.settings.params import load_params
from systems.settings.workspace import write_templates

CALLS, SEED = 2_000, 20_261
LEVEL = 0.01
"""P-value below which a difference counts as found."""
COLUMNS = Columns(image="image", label="label", subject=None, example=None)
DIGITS = Source(data="digits", columns=COLUMNS, test=None, holdout=None, limit=None)


def people(place: Place) -> tuple[list[str], list[str]]:
    """Import digits; ids of persons whom the data know, and as many alike whom they do not."""
    write_templates(place.ws)
    key = keys.shard_key(place.ws.keys)
    importing.import_dataset(place.ws, DIGITS, load_params(place.ws.root), key=key)
    splits = loading.load_examples(place.ws).values()
    known = sorted({str(subject) for split in splits for subject in split.subjects})
    unknown = [f"person/{9999 - n:04d}" for n in range(len(known))]
    if set(known) & set(unknown):
        raise RuntimeError("a person who should be unknown is known")
    return known, unknown


def shape(place: Place, port: int, subject: str) -> tuple[Any, ...]:
    """All of an answer that could tell something: its status, names and lengths."""
    body = json.dumps({"subjects": [subject]}).encode()
    signed = signing.headers_for(SOURCE, place.secret, body, now=datetime.now(UTC))
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", POST, body, signed)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    headers = sorted((name.lower(), len(value)) for name, value in answer.getheaders())
    return answer.status, sorted((k, len(v)) for k, v in said.items()), headers


def row(calls: int = CALLS) -> dict[str, Any]:
    """Call in random order, half of the calls for each kind, and test the times by rank."""
    with tempfile.TemporaryDirectory() as folder:
        place, port = Place.made(Path(folder)), free_port()
        known, unknown = people(place)
        process = served(place, port)
        try:
            seconds = timed(Caller(place, port), known, unknown, calls)
            alike = shape(place, port, known[0]) == shape(place, port, unknown[0])
        finally:
            process.kill()
            process.wait()
    return compared(*seconds) | {"answers_alike": alike, "load": load()}


def timed(
    caller: Caller, known: list[str], unknown: list[str], calls: int
) -> tuple[list[float], list[float]]:
    """Seconds of the calls for known and for unknown persons, which come in random order."""
    for number in range(min(WARM, calls)):
        caller.call(unknown[number % len(unknown)])
    order = np.random.default_rng(SEED).permutation(np.arange(calls) % 2)
    seconds: tuple[list[float], list[float]] = ([], [])
    for number, kind in enumerate(order):
        seconds[kind].append(caller.call((known, unknown)[kind][number % len(known)]))
    caller.close()
    return seconds


def compared(known: list[float], unknown: list[float]) -> dict[str, Any]:
    """Test two samples of times for a difference, in place and in form."""
    ranks, forms = mannwhitneyu(known, unknown).pvalue, ks_2samp(known, unknown).pvalue
    return {
        "calls": len(known) + len(unknown),
        "median_ms_known": float(np.median(known) * 1000),
        "median_ms_unknown": float(np.median(unknown) * 1000),
        "p_ranks": float(ranks),
        "p_forms": float(forms),
        "difference_found": bool(min(ranks, forms) < LEVEL / 2),
    }


def measure() -> Path:
    """Write benchmarks/results/intake-likeness.json."""
    settings = {"calls": CALLS, "seed": SEED, "level": LEVEL, "data": "digits"}
    return record.write("intake-likeness", settings, [row()])
