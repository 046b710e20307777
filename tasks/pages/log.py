"""The log, entry by entry, each with what proves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ledger.chain import GENESIS, Entry
from tasks.pages.known import PART, Known, day


def parts(known: Known, verdict: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the pages of the log by their place; verdict: what checking it has found."""
    count = max(1, -(-len(known.entries) // PART))
    head = known.entries[-1].hash if known.entries else GENESIS
    links = [_link(number, known.entries) for number in range(1, count + 1)]
    for number in range(1, count + 1):
        shown = known.entries[(number - 1) * PART : number * PART]
        ends = {"first": shown[0].seq if shown else 0, "last": shown[-1].seq if shown else 0}
        told = {"number": number, "parts": links, "head": head, "verdict": verdict, **ends}
        yield f"log/{number}.html", {**told, "shown": [*map(_entry, shown)]}


def _link(number: int, entries: Sequence[Entry]) -> dict[str, Any]:
    last = min(number * PART, len(entries))
    words = f"{(number - 1) * PART + 1} to {last}"
    return {"number": number, "page": f"{number}.html", "words": words}


def _entry(entry: Entry) -> dict[str, Any]:
    body = json.dumps(dict(entry.body), indent=1, sort_keys=True, ensure_ascii=False)
    proofs = {"hash": entry.hash, "previous": entry.previous, "signature": entry.signature}
    told = {"seq": entry.seq, "at": entry.at, "when": day(entry.at), "event": entry.event}
    return {**told, "key": entry.key, "body": body, **proofs}
