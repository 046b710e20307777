"""Where copies of examples lie, and how the older ones go: by key, checked by listing afterwards.

Never DVC's `gc`, which would take every other version along.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ledger import durable
from systems.data import versions
from systems.data.columns import EXAMPLE
from systems.data.reading import parse
from systems.data.stores import ObjectStore, from_outside
from systems.settings.workspace import Workspace
from unlearning.errors import UsageError

OWED = "owed.json"
_PARQUET = b"PAR1"
T = TypeVar("T")


class Status(StrEnum):
    """What became of a copy."""

    PRESENT = "present"
    REMOVED = "removed"
    REMAINS = "remains"


@dataclass(frozen=True)
class Copy:
    """One place where bytes of examples lie or lay; shards and keys tell nothing of a person.

    where: workspace, dvc cache or dvc remote. why: the reason if it remains.
    """

    where: str
    what: str
    status: Status
    why: str = ""


def purge(ws: Workspace, keys: Iterable[str]) -> list[Copy]:
    """Remove objects by key from DVC's cache and remote, and list each place again afterwards.

    Other versions keep what they have. A copy that could not be removed is returned as `remains`
    with the reason; call again. UsageError if the data version needs one of the keys.
    """
    wanted = frozenset(keys)
    if needed := wanted & current_keys(ws):
        raise UsageError(
            f"purge: data version {versions.data_version(ws)} needs {len(needed)} of the keys, "
            "expected only replaced ones: erase first"
        )
    copies = remove_objects(ws, wanted)
    if all(copy.status is Status.REMOVED for copy in copies):
        _settle(ws, wanted)
    return copies


def remove_objects(ws: Workspace, keys: frozenset[str]) -> list[Copy]:
    """Remove objects by key, whatever needs them; purge is the guarded door."""
    return _in_places(ws, lambda places: [c for place in places for c in _remove(place, keys)])


def holds(ws: Workspace, ids: Collection[str]) -> list[Copy]:
    """Look into every shard in workspace, cache and remote, and list those with these examples.

    A file that looks like a shard and cannot be read counts as holding them.
    """
    wanted = frozenset(ids)
    verdicts: dict[str, bool] = {}
    copies = []
    for path in sorted(p for p in ws.data.rglob("*") if p.is_file()):
        content = durable.read(path)
        verdicts[md5(content)] = held = _contains(content, wanted)
        if held:
            copies.append(Copy("workspace", f"shard {path.stem}", Status.PRESENT))
    elsewhere = _in_places(ws, lambda places: list(_holders(places, wanted, verdicts)))
    return copies + [Copy(where, f"object {key}", Status.PRESENT) for where, key in elsewhere]


def older_copies(ws: Workspace, ids: Collection[str]) -> frozenset[str]:
    """Keys of objects, in any version but the present one, that hold these examples.

    With them the keys of the versions that list such an object: without it they are not whole.
    """
    current = current_keys(ws)

    def find(places: Sequence[ObjectStore]) -> frozenset[str]:
        verdicts = dict.fromkeys(current, False)
        found = {key for _, key in _holders(places, frozenset(ids), verdicts)}
        return frozenset(found | set(_listing(places, found) if found else ()) - current)

    return _in_places(ws, find)


def current_keys(ws: Workspace) -> frozenset[str]:
    """DVC's keys of everything in data/, and of the data version itself."""
    files = (path for path in ws.data.rglob("*") if path.is_file())
    version = versions.data_version(ws) + versions.DIRECTORY
    return frozenset({md5(durable.read(path)) for path in files} | {version})


def owed(ws: Workspace) -> tuple[str | None, frozenset[str]]:
    """The version before the first unpurged erasure, and the keys still to be purged."""
    path = ws.artifacts / OWED
    if not path.exists():
        return None, frozenset()
    tree = json.loads(durable.read(path))
    return tree["old_version"], frozenset(tree["keys"])


def owe(ws: Workspace, old_version: str | None, keys: Iterable[str]) -> None:
    """Note keys as owed until a purge has seen them gone."""
    before, known = owed(ws)
    _note(ws, before or old_version, known | frozenset(keys))


def md5(content: bytes) -> str:
    """DVC's key of a file; for addressing only, integrity is SHA-256's matter."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _settle(ws: Workspace, keys: frozenset[str]) -> None:
    before, known = owed(ws)
    _note(ws, before, known - keys)


def _note(ws: Workspace, old_version: str | None, keys: frozenset[str]) -> None:
    path = ws.artifacts / OWED
    if not keys:
        durable.remove(path)
        return
    durable.make_folder(ws.artifacts)
    content = json.dumps({"old_version": old_version, "keys": sorted(keys)})
    durable.write(path, content.encode())


def _in_places(ws: Workspace, work: Callable[[Sequence[ObjectStore]], T]) -> T:
    def once() -> T:
        with versions.stores(ws) as places:
            return work(places)

    return versions.patiently(once)


def _remove(place: ObjectStore, wanted: frozenset[str]) -> list[Copy]:
    """(1) Remove what is there, (2) list again: only what is not listed counts as removed."""
    why: dict[str, str] = {}
    try:
        for key in sorted(place.keys() & wanted):
            why |= _failure(place, key)
        left = place.keys() & wanted
    except Exception as error:
        if not from_outside(error):
            raise
        left, why = wanted, dict.fromkeys(wanted, f"{place.where} does not answer: {error}")
    return [
        Copy(place.where, f"object {key}", Status.REMAINS, why.get(key, "still listed"))
        if key in left or key in why
        else Copy(place.where, f"object {key}", Status.REMOVED)
        for key in sorted(wanted)
    ]


def _failure(place: ObjectStore, key: str) -> dict[str, str]:
    try:
        place.remove(key)
    except Exception as error:
        if not from_outside(error):
            raise
        return {key: " ".join(str(error).split())}
    return {}


def _holders(
    places: Sequence[ObjectStore], wanted: frozenset[str], verdicts: dict[str, bool]
) -> Iterator[tuple[str, str]]:
    """Give (place, key) of objects with the examples; each key's content is read once."""
    for place in places:
        for key in sorted(place.keys()):
            if key.endswith(versions.DIRECTORY):
                continue
            if key not in verdicts:
                verdicts[key] = _suspect(place, key, wanted)
            if verdicts[key]:
                yield place.where, key


def _suspect(place: ObjectStore, key: str, wanted: frozenset[str]) -> bool:
    """Whether an object has the examples; one that is listed and has no bytes yet may have them."""
    try:
        content = place.read(key)
    except FileNotFoundError:  # an upload that was never finished
        return True
    return _contains(content, wanted)


def _listing(places: Sequence[ObjectStore], wanted: Set[str]) -> Iterator[str]:
    """Give the keys of the versions in which one of the wanted objects is listed."""
    for place in places:
        listings = (key for key in sorted(place.keys()) if key.endswith(versions.DIRECTORY))
        for key in listings:
            if not wanted.isdisjoint(_listed(place.read(key))):
                yield key


def _listed(content: bytes) -> set[str]:
    """Keys that a version lists; none if it is not readable, and then it leads nowhere."""
    try:
        return {entry["md5"] for entry in json.loads(content)}
    except (ValueError, TypeError, KeyError):
        return set()


def _contains(content: bytes, wanted: frozenset[str]) -> bool:
    if not content.startswith(_PARQUET):
        return False
    try:
        examples = parse(content, [EXAMPLE])[EXAMPLE]
    except (pa.ArrowException, OSError):
        return True
    except KeyError:  # somebody else's table, without our columns
        return False
    return bool(pc.any(pc.is_in(examples, pa.array(sorted(wanted), pa.string()))).as_py())
