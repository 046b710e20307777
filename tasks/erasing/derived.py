"""What was made of the data: banks of their answers, bases, decoded pictures, trained networks.

It is noted before anything is erased, so that a run which was killed tells of all that went, and a
line says `removed` only after a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ledger import durable
from ledger.replay.ancestry import REMOVED
from ledger.replay.lineage import releases, weights_to_go
from ledger.replay.purged import FORESEEN
from systems.copies import Copy, Status, as_records
from systems.data import decoded
from systems.data.linked import WHY, has_other_names
from tasks.running import bases
from tasks.running.champion import sealed_champion
from tasks.running.growth import since_import
from tasks.running.parts import bank_plan
from tasks.running.run import Run
from tasks.running.trained import FOLDER, copy_of, files
from tasks.running.vouching import named, vouch
from tasks.train import forget_trained
from unlearning import networks
from unlearning.bank.files import bank_complete, read_index
from unlearning.bank.shadows import carries_over, without_examples
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError

BANK = "shadow bank"


def foresee(run: Run) -> None:
    """Note what lies there of the old data version, before anything of it goes."""
    if run.done("erased") is None:
        run.once(FORESEEN, lambda: {"copies": as_records(_present(run))})


def other_names(run: Run) -> list[Copy]:
    """List those of which a file has another name on the disk, under which its bytes will stay."""
    at = run.at
    banks = (path for path in _banks(run) if any(map(has_other_names, path.rglob("*"))))
    pictures = {copy.what for copy in decoded.other_names(at.ws)}
    return [
        *(Copy(BANK, columns_of(path.name), Status.UNVERIFIED, WHY) for path in banks),
        *(Copy("workspace", what, Status.UNVERIFIED, WHY) for what in sorted(pictures)),
        *(copy_of(path, Status.UNVERIFIED, WHY) for path in files(at) if has_other_names(path)),
        *bases.other_names(at),
    ]


def columns_of(bank: str) -> str:
    """What goes of a bank."""
    return f"the erased people's columns of {bank}"


def purge_derived(run: Run) -> list[Copy]:
    """Remove what was made of the old data version, look again, and tell of all that was noted."""
    noted = (run.done(FORESEEN) or {"copies": as_records(_present(run))})["copies"]
    kept = _purge_banks(run)
    decoded.purge(run.at.ws)
    forget_trained(run.at)
    learned = _purge_bases(run)
    left = {(copy.where, copy.what) for copy in _present(run)}
    stays = {(BANK, columns_of(kept)), *((c.where, c.what) for c in decoded.present(run.at.ws))}
    told = [(row["where"], row["what"]) for row in noted]
    gone = [Copy(*name, _status(name in left)) for name in told if name not in left & stays]
    return [*gone, *learned]


def _status(there: bool) -> Status:
    return Status.REMAINS if there else Status.REMOVED


def _present(run: Run) -> list[Copy]:
    banks = (Copy(BANK, columns_of(path.name), Status.PRESENT) for path in _banks(run))
    return [*banks, *decoded.copies(run.at.ws), *map(copy_of, files(run.at))]


def _banks(run: Run) -> list[Path]:
    return sorted(path for path in run.at.ws.bank.glob("*") if path.is_dir())


def _purge_banks(run: Run) -> str:
    """Carry every bank over to the new data version without the erased columns, then remove it.

    Gives the name of the bank that stays, or would.
    """
    ws, ours = run.at.ws, run.erases()
    if not _banks(run):
        return ""
    plan = bank_plan(run.at, networks.load(sealed_champion(run.at).weights).recipe)
    whole = since_import(run.at.ledger.log.entries())
    for folder in _banks(run):
        if folder.name == plan.key:
            continue
        if carries_over(folder, plan, whole):
            named(run.at, folder)
            erased = np.array([*filter(ours, read_index(folder)["ids"])], dtype=np.str_)
            without_examples(folder, erased, plan, ws.bank, partial(vouch, run.at))
        durable.remove_folder(folder, within=ws.bank)
    return plan.key


def _purge_bases(run: Run) -> list[Copy]:
    """Remove the bases that may have learned from the erased; all, where nobody said who was in."""
    known = (run.done("extracted") or {}).get("lineage")
    for base in bases.standing(run.at):
        if known is None or base.saw({ref: known["shards"][ref] for ref in run.requests}):
            bases.remove(run.at, base, run.ref)
    bases.sweep(run.at)
    return bases.removed_by(run.at, run.ref)


def remove_again(run: Run) -> list[Copy]:
    """Remove what is back of all that went, and tell of it; nothing where none is."""
    went = _went(run, "workspace")
    pictures = (copy for copy in decoded.purge(run.at.ws) if copy.what in went)
    return [*_banks_back(run), *pictures, *_trained_back(run), *_bases_back(run)]


def _banks_back(run: Run) -> list[Copy]:
    """Banks that have a column of somebody erased, and those that went, by their name."""
    ours, went = run.has_erased(), _went(run, BANK)
    back = [
        path for path in _banks(run) if columns_of(path.name) in went or any(map(ours, _ids(path)))
    ]
    for path in back:
        durable.remove_folder(path, within=run.at.ws.bank)
    return [Copy(BANK, columns_of(path.name), _status(path.exists())) for path in back]


def _ids(bank: Path) -> Sequence[str]:
    """Whose columns a bank has; of one whose index cannot be read nothing can be used either."""
    try:
        return list(read_index(bank)["ids"]) if bank_complete(bank) else []
    except IntegrityError:
        return []


def _trained_back(run: Run) -> list[Copy]:
    """Networks that went, by their name, and the weights of versions that must go."""
    made, went = releases(run.at.ledger.log.entries()), _went(run, FOLDER)
    digests = weights_to_go(made, lambda by: by.run == run.ref)
    back = [
        path
        for path in files(run.at)
        if copy_of(path).what in went or (digests and sha256_file(path) in digests)
    ]
    for path in back:
        for part in (path, path.with_suffix(".json")):
            durable.remove_file(part, within=run.at.ws.artifacts)
    return [copy_of(path, _status(path.exists())) for path in back]


def _went(run: Run, where: str) -> set[str]:
    rows = (run.done("purged") or {}).get("copies", ())
    return {row["what"] for row in rows if row["where"] == where}


def _bases_back(run: Run) -> list[Copy]:
    """Bases that this run removed, by their name; nothing vouches for a file of another.

    Not one that was built again since: of people whom nobody erased it has the same bytes.
    """
    entries = run.at.ledger.log.entries()
    went = [e.body for e in entries if e.event == REMOVED and e.body["run"] == run.ref]
    paths = {run.at.ws.bases / f"{body['sha256']}.safetensors": body["what"] for body in went}
    stand = {bases.path_of(run.at, base) for base in bases.standing(run.at)}
    back = {path: what for path, what in paths.items() if path.exists() and path not in stand}
    bases.sweep(run.at)
    return [Copy(bases.WHERE, what, _status(path.exists())) for path, what in back.items()]
