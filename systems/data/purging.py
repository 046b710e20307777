"""Where copies of examples lie, and how the older ones go: by key, checked by listing afterwards.

Never DVC's `gc`, which would take every other version along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from ledger import durable
from systems.copies import Copy, Status
from systems.data import index, versions
from systems.data.columns import EXAMPLE
from systems.data.listings import History, history, in_places, keys_of_files, listing_of, md5
from systems.data.owing import settle
from systems.data.reading import parse
from systems.data.remote.owner import require_own
from systems.data.stores import ObjectStore, from_outside
from systems.settings.workspace import Workspace
from unlearning.errors import UsageError

_PARQUET = b"PAR1"
_PUT_BACK = "it was put back: put the file aside, and the one of the data version is fetched again"
Wanted = Callable[[Sequence[str]], bool]
"""Asked with the example ids of a shard: whether one of them is wanted."""


def purge(ws: Workspace, keys: Iterable[str]) -> list[Copy]:
    """Remove objects by key from DVC's cache and remote, and list each place again afterwards.

    Other versions keep what they have. A copy that could not be removed is returned as `remains`,
    one of a place that cannot be asked for older versions as `unverified`, with the reason; call
    again. UsageError if the data version needs one of the keys.
    """
    wanted = frozenset(keys)
    if needed := wanted & current_keys(ws):
        raise UsageError(
            f"purge: data version {versions.data_version(ws)} needs {len(needed)} of the keys, "
            "expected only replaced ones: erase first"
        )
    copies = remove_objects(ws, wanted)
    if all(copy.status is not Status.REMAINS for copy in copies):
        settle(ws, wanted)
    return copies


def remove_objects(ws: Workspace, keys: frozenset[str]) -> list[Copy]:
    """Remove objects by key, whatever needs them; purge is the guarded door.

    OutsideWorkspace if the remote is another workspace's.
    """
    require_own(ws)
    return in_places(ws, lambda places: [c for place in places for c in _remove(place, keys)])


def remove_cached(ws: Workspace, keys: frozenset[str]) -> list[Copy]:
    """Remove objects by key from the cache alone."""
    return in_places(ws, lambda places: _remove(places[0], keys))


def holds(ws: Workspace, ids: Collection[str], shards: Collection[str] | None = None) -> list[Copy]:
    """List the copies of these examples in workspace, cache and remote.

    shards: names of those that held them, where that is known; without it the index is asked. What
    was another shard in every version that lists it is not read; what no version lists is, and so
    is all but the present version where nothing is known. A file that looks like a shard and cannot
    be read counts as holding them.
    """
    among = _held_by(ws, frozenset(ids)) if shards is None else frozenset(shards)
    return copies_with(ws, _any_of(ids), among)


def copies_with(ws: Workspace, wanted: Wanted, among: Collection[str] | None) -> list[Copy]:
    """List the copies that hold what is wanted, as `holds` does, by a question about their ids.

    among: names of the shards that held it; None where that is not known.
    """
    copies, verdicts = _in_workspace(ws, wanted, among)
    elsewhere = in_places(
        ws, lambda places: _holders(places, history(places), wanted, verdicts, among)
    )
    return copies + [Copy(where, f"object {key}", Status.PRESENT) for where, key in elsewhere]


def _in_workspace(
    ws: Workspace, wanted: Wanted, among: Collection[str] | None
) -> tuple[list[Copy], dict[str, bool]]:
    """List the shards of data/ that hold what is wanted; of each key that was read, whether."""
    present = current_files(ws)
    copies, verdicts = [], dict.fromkeys(present.values(), False)
    for path in sorted(p for p in ws.data.rglob("*") if p.is_file()):
        listed = present.get(path.relative_to(ws.data).as_posix())
        if listed and among is not None and path.stem not in among:
            continue
        content = durable.read(path)
        verdicts[md5(content)] = held = _contains(content, wanted)
        if held:
            copies.append(Copy("workspace", f"shard {path.stem}", Status.PRESENT))
    return copies, verdicts


def look_again(
    ws: Workspace, keys: frozenset[str], wanted: Wanted, among: Collection[str] | None
) -> list[Copy]:
    """Look for what was purged in workspace, cache and remote, and remove what is back there.

    keys: those that were removed. wanted, among: as for `copies_with`. Gives a copy for each that
    was back, none where nothing is; what cannot be removed is among them as `remains`, as is a file
    of data/, which is only ever rewritten by an erasure. OutsideWorkspace as `purge`.
    """
    require_own(ws)
    current = current_keys(ws)
    copies, verdicts = _in_workspace(ws, wanted, among)

    def look(places: Sequence[ObjectStore]) -> list[Copy]:
        known = history(places)
        held = frozenset(key for _, key in _holders(places, known, wanted, verdicts, among))
        back = keys | held | known.listing_any(held)
        rows = [row for place in places for row in _remove(place, place.keys() & back - current)]
        kept = [(place, key) for place in places for key in place.keys() & held & current]
        return rows + [_after(place, key, "the data version needs it") for place, key in kept]

    found = [replace(copy, status=Status.REMAINS, why=_PUT_BACK) for copy in copies]
    return found + in_places(ws, look)


def older_copies(
    ws: Workspace, ids: Collection[str], shards: Collection[str] | None = None
) -> frozenset[str]:
    """Keys of objects, in any version but the present one, that hold these examples.

    With them the keys of the versions that list such an object: without it they are not whole.
    shards: as for `holds`.
    """
    current = current_keys(ws)

    def find(places: Sequence[ObjectStore]) -> frozenset[str]:
        known, verdicts = history(places), dict.fromkeys(current, False)
        holding = _holders(places, known, _any_of(ids), verdicts, shards)
        found = frozenset(key for _, key in holding)
        return (found | known.listing_any(found)) - current

    return in_places(ws, find)


def current_files(ws: Workspace) -> Mapping[str, str]:
    """DVC's keys of everything in data/, by path there: as the data version lists it.

    Where no place has its listing, the files are read.
    """
    listed = listing_of(ws, versions.data_version(ws))
    return listed or keys_of_files(ws)


def current_keys(ws: Workspace) -> frozenset[str]:
    """DVC's keys of everything in data/, and of the data version itself."""
    version = versions.data_version(ws) + versions.DIRECTORY
    return frozenset({*current_files(ws).values(), version})


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
    remains = {key: why.get(key, "still listed") for key in left | why.keys()}
    return [_after(place, key, remains.get(key)) for key in sorted(wanted)]


def _after(place: ObjectStore, key: str, why: str | None) -> Copy:
    what = f"object {key}"
    if why is not None:
        return Copy(place.where, what, Status.REMAINS, why)
    unsure = place.unverified
    return Copy(place.where, what, Status.UNVERIFIED if unsure else Status.REMOVED, unsure)


def _failure(place: ObjectStore, key: str) -> dict[str, str]:
    try:
        place.remove(key)
    except Exception as error:
        if not from_outside(error):
            raise
        return {key: " ".join(str(error).split())}
    return {}


def _held_by(ws: Workspace, wanted: frozenset[str]) -> frozenset[str] | None:
    """Name the shards that hold all of these now; None where the index does not know one."""
    return index.load(ws).all_shards(EXAMPLE, wanted) if wanted else None


def _holders(
    places: Sequence[ObjectStore],
    known: History,
    wanted: Wanted,
    verdicts: dict[str, bool],
    among: Collection[str] | None,
) -> list[tuple[str, str]]:
    """Give (place, key) of objects with the examples; each key's content is read once."""
    found = []
    for place in places:
        for key in sorted(place.keys()):
            if key.endswith(versions.DIRECTORY):
                continue
            if key not in verdicts:
                verdicts[key] = _may_hold(known, key, among) and _suspect(place, key, wanted)
            if verdicts[key]:
                found.append((place.where, key))
    return found


def _may_hold(known: History, key: str, among: Collection[str] | None) -> bool:
    """Whether an object has to be looked into: it was one of these shards, or nobody knows."""
    names = known.shards.get(key, frozenset())
    return among is None or not names or not names.isdisjoint(among)


def _suspect(place: ObjectStore, key: str, wanted: Wanted) -> bool:
    """Whether an object has the examples; one that is listed and has no bytes yet may have them."""
    try:
        content = place.read(key)
    except FileNotFoundError:  # an upload that was never finished
        return True
    return _contains(content, wanted)


def _contains(content: bytes, wanted: Wanted) -> bool:
    if not content.startswith(_PARQUET):
        return False
    try:
        examples = parse(content, [EXAMPLE])[EXAMPLE]
    except (pa.ArrowException, OSError):
        return True
    except KeyError:  # somebody else's table, without our columns
        return False
    return wanted(examples.to_pylist())


def _any_of(ids: Collection[str]) -> Wanted:
    """Ask whether any of these is among a shard's ids."""
    wanted = frozenset(ids)
    return lambda examples: not wanted.isdisjoint(examples)
