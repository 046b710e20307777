"""How costs grow with the requests, the entries of the log and the rows of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

ASKED = {"submit": 100_000, "verify": 1_000_000, "find": 10_000_000}
THINGS = {"submit": "requests", "verify": "entries", "find": "rows"}


def scale(name: str) -> str:
    """Write one table for each of the three, and how far each was taken."""
    result = load(name)
    rows, most = result["rows"], result["settings"]["largest"]
    short = [
        f"{most[what]:,} {THINGS[what]} of {asked:,}"
        for what, asked in ASKED.items()
        if most[what] < asked
    ]
    words = f"Not taken to the full length: {', '.join(short)}.\n\n" if short else ""
    load_before = result["settings"]["load_before"]
    words += f"Load of the machine before: {load_before}. Seconds are the processor's.\n\n"
    return words + "\n".join(
        (_submit(_of(rows, "submit")), _verify(_of(rows, "verify")), _find(_of(rows, "find")))
    )


def _of(rows: list[Mapping[str, Any]], what: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["what"] == what]


def _submit(rows: list[Mapping[str, Any]]) -> str:
    header = (
        "requests waiting",
        "ms for one more",
        "before",
        "open the ledger, s",
        "MiB",
        "log, MiB",
    )
    return table(header, [_submitted(row["n"], row["now"], row.get("before")) for row in rows])


def _submitted(n: int, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    ratio = before["processor_ms_each"] / now["processor_ms_each"] if before else None
    return [
        f"{n:,}",
        f"{now['processor_ms_each']:.1f}",
        f"{before['processor_ms_each']:.1f} ({ratio:.1f} times)" if before else "-",
        f"{now['open_processor_seconds']:.2f}",
        f"{now['peak_mib']:,.0f}",
        f"{now['log_mib']:.1f}",
    ]


def _verify(rows: list[Mapping[str, Any]]) -> str:
    header = (
        "entries",
        "signed a second",
        "verified a second",
        "verified in, s",
        "opened again in, s",
        "read in, s",
        "one entry proved in, s",
        "that verified in, ms",
        "proof, KiB",
        "MiB",
        "log, MiB",
    )
    return table(
        header,
        [
            [
                f"{row['n']:,}",
                f"{row['now']['sign_per_second']:,.0f}",
                f"{row['now']['verify_per_second']:,.0f}",
                f"{row['now']['verify_processor_seconds']:.1f}",
                *_opened(row["now"]),
                *_proof(row["now"]),
                f"{row['now']['peak_mib']:,.0f}",
                f"{row['now']['log_mib']:.0f}",
            ]
            for row in rows
        ],
    )


def _find(rows: list[Mapping[str, Any]]) -> str:
    header = ("rows", "one person's shards, s", "wall, s", "index, MiB")
    return table(
        header,
        [
            [
                f"{row['n']:,}",
                f"{row['now']['processor_seconds']:.3f}",
                f"{row['now']['seconds']:.3f}",
                f"{row['now']['index_mib']:.1f}",
            ]
            for row in rows
        ],
    )


def _opened(now: Mapping[str, Any]) -> list[str]:
    if "read_processor_seconds" not in now:
        return ["-", "-"]
    ratio = now["verify_processor_seconds"] / now["open_processor_seconds"]
    return [
        f"{now['open_processor_seconds']:.2f} ({ratio:.0f} times less)",
        f"{now['read_processor_seconds']:.2f}",
    ]


def _proof(now: Mapping[str, Any]) -> list[str]:
    if "proof_kib" not in now:
        return ["-", "-", "-"]
    return [
        f"{now['prove_processor_seconds']:.2f}",
        f"{now['verify_proof_processor_ms']:.1f}",
        f"{now['proof_kib']:.1f}",
    ]
