"""What was seen of the log, outside of it: a log that lacks some of it is an older one, put back.

keys/head.json says where the log ended. Each request has a key and a sealed selector, each sealed
bundle the name of its run. Nothing of these is ever removed because the log does not know it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger import durable
from ledger.errors import LogAltered, LogTruncated, SealAltered
from ledger.keys import REQUESTS
from ledger.log import Log
from unlearning.counting import numbered
from unlearning.digests import canonical_json

HEAD = "head.json"
SEALED_RUNS = "evidence/*/statement.sig"
"""What makes a run's bundle a sealed one, beside records/."""


@dataclass(frozen=True)
class Seen:
    """What lies beside a log. requests, runs: references. seq, head: where the log ended."""

    requests: Set[str]
    runs: Set[str]
    seq: int = 0
    head: str = ""


def look(records: Path, keys: Path, *, unrecorded: Callable[[], Set[str]]) -> Seen:
    """See what lies beside the log. To be called before the log is read.

    A writer at work meanwhile then only makes the log longer. unrecorded: gives what a crash, or a
    writer at work, has sealed and not yet recorded; asked last, since a writer names it first.
    What may not be read was not seen.
    """
    requests = _stems(records / "sealed", "*.bin") | _stems(keys / REQUESTS, "*.key")
    bundles = _stems(records.parent, SEALED_RUNS, parent=True)
    return Seen(requests - unrecorded(), bundles, *_head(keys / HEAD))


def check(seen: Seen, log: Log) -> None:
    """LogTruncated if the log lacks what was seen, LogAltered if it is another one."""
    missing = list(_missing(seen, log))
    if missing:
        entries = numbered(log.count, "entry", "entries")
        raise LogTruncated(
            f"{log.name}: has {entries} and lacks {', '.join(missing)}: it is an "
            "older one; nothing was removed; restore the newest copy of records/ (docs/requests.md)"
        )
    if seen.seq and (got := log.hash_at(seen.seq)) != seen.head:
        raise LogAltered(
            f"{log.name}: entry {seen.seq} has hash {got[:12]}, "
            f"{HEAD} has seen {seen.head[:12]}: the log was rewritten; restore it from a copy"
        )


def note(log: Log, keys: Path) -> None:
    """Keep where the log ends now."""
    content = canonical_json({"seq": log.count, "head": log.head})
    durable.write(keys / HEAD, content)


def _missing(seen: Seen, log: Log) -> Iterator[str]:
    count = log.count
    if seen.seq > count:
        yield f"{numbered(seen.seq - count, 'entry', 'entries')} that keys/{HEAD} has seen"
    requests = [ref for ref in seen.requests if log.find(f"{ref}/submitted") is None]
    if requests:
        words = numbered(len(requests), "request", "requests")
        yield f"{words} of which key or selector are there ({min(requests)})"
    runs = [run for run in seen.runs if log.find(f"{run}/started") is None]
    if runs:
        yield f"{numbered(len(runs), 'run', 'runs')} of which the evidence is there ({min(runs)})"


def _stems(folder: Path, pattern: str, *, parent: bool = False) -> Set[str]:
    with suppress(PermissionError):
        return {(path.parent if parent else path).stem for path in folder.glob(pattern)}
    return frozenset()


def _counted(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(value)
    return value


def _head(path: Path) -> tuple[int, str]:
    try:
        found = json.loads(path.read_bytes())
        return _counted(found["seq"]), str(found["head"])
    except (FileNotFoundError, PermissionError):
        return 0, ""
    except (ValueError, TypeError, KeyError) as error:
        raise SealAltered(
            f"{durable.short_name(path)}: does not say where the log ended: restore it from your "
            "backup, or check the log with `lethe verify --log` and remove the file"
        ) from error
