"""Commands over a small workspace, from what is there before to what has to be there after.

Nothing is trained: a candidate lies there that was decided on. Everything after it is the
product's: the release, the erasure in data, cache and remote, the evidence, the completion.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import flows.train
from flows.cli.work import backing_up, serving
from ledger import durable, evidence, keys
from ledger.domain import State
from ledger.keys import load_signing_key
from ledger.replay.statements import ATTESTED, COMPLETED
from systems.data import growing, importing, loading, versions
from systems.data.listings import md5
from systems.registry import models, tracking
from systems.settings.params import load_params
from systems.settings.recording import alone
from systems.settings.workspace import Workspace, write_templates
from tasks import adopt, promote
from tasks.attest import attest_erasure
from tasks.data.importing import take_in
from tasks.erase import erase_examples
from tasks.expect import expect_erased
from tasks.extract import find
from tasks.keeping.verified import verify_records
from tasks.purge import finish_purging, purge_copies
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run, close
from tasks.suppress import suppress_examples
from tests.disturbing import Command
from tests.integration import test_backups as backups
from tests.integration import test_initialising as initialising
from tests.integration import test_initialising_killed as killed
from tests.integration.small_runs import DIGITS, asked, noted, person
from tests.integration.test_importing_more import NAMES, offer
from unlearning.digests import sha256_file, sha256_hex

RECIPE = {"channels": 1, "size": 8, "classes": 10}
NAME = "lethe"


def stub(number: int, path: Path) -> None:
    """Write what stands for the weights of the first version, 0, or of the candidate, 1."""
    save_file({"x": np.full(4, number, np.float32)}, path)


def workspace(root: Path, write: Callable[[int, Path], object] = stub) -> Workspace:
    """Sixty digits, a first version that serves, a candidate, and no days of grace."""
    ws = Workspace.at(root)
    write_templates(ws)
    _grace(ws, 30, 0)
    ws.records.mkdir(parents=True)
    keys.create_keys(ws.keys, ws.records)
    importing.import_dataset(ws, DIGITS, load_params(ws.root), key=keys.shard_key(ws.keys))
    for number, file in enumerate(("first", "candidate")):
        write(number, root / f"{file}.safetensors")
    first = models.register(ws.mlruns, NAME, root / "first.safetensors", RECIPE, {})
    models.promote(ws.mlruns, NAME, first.version, expected_parent=None)
    body = {"version": 1, "sha256": first.sha256, "data_version": versions.data_version(ws)}
    at = opened(str(ws.root))
    at.ledger.record("initialised", body, key="initialised", now=utc_now())
    adopt.adopt(at.ws, at.ledger, at.ws.policy, "the first")
    return ws


def _grace(ws: Workspace, before: int, days: int) -> None:
    text = ws.params.read_text().replace(f"grace_days: {before}", f"grace_days: {days}")
    ws.params.write_text(text)
    assert load_params(ws.root).model.grace_days == days


def with_request(root: Path) -> None:
    """A workspace in which somebody asks to be forgotten."""
    at = opened(str(workspace(root).root))
    (root / "who").write_text(person(at))
    asked(at, person(at))


def forget(root: Path) -> None:
    """Go on with the run over the request, or begin it; nothing if all is done."""
    _unserved()
    ws = Workspace.at(root)
    with alone(ws):
        at = opened(str(root))
        if run := _run(at):
            _forgotten(run)


def _run(at: Opened) -> Run | None:
    for ref in at.ledger.unfinished_runs():
        return Run(at, ref)
    waiting = [r.ref for r in at.ledger.requests(None, utc_now()) if r.state is State.ACCEPTED]
    return Run(at, at.ledger.start_run(waiting, now=utc_now())) if waiting else None


def _forgotten(run: Run) -> None:
    policy = adopt.content_in_force(run.at.ledger, run.at.ws.policy)
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", policy)
    run.once("begun", lambda: {"policy": sha256_hex(policy), "parent": 1})
    if run.done("extracted") is None:
        run.move(State.EXTRACTING)
    run.once("extracted", lambda: _noted(run))
    sha256 = sha256_file(run.at.ws.root / "candidate.safetensors")
    decided = {"decision": "released", "assurance": "A2", "candidate": sha256, "records": []}
    run.once("decided", lambda: decided)
    run.once("sealed", lambda: {"statement": _sealed(run)})
    if run.done("promoted") is None:
        for state in (State.UNLEARNING, State.JUDGING):
            run.move(state)
    promote.promote_candidate(run)
    suppress_examples(run)
    erase_examples(run)
    expect_erased(run)
    purge_copies(run)
    attest_erasure(run)
    finish_purging(run.at, run.requests)
    close(run)


def _noted(run: Run) -> dict[str, Any]:
    """What is to be forgotten, and how much of the data that is: too little to ask a person."""
    ids = find(run.at.ws, [run.at.ledger.selector(ref) for ref in run.requests])
    whole = loading.counts(run.at.ws)
    counts = {"whole_classes": 0, "train": len(ids["train"]), "training_set": whole["train"]}
    return {**noted(run), **counts}


def _sealed(run: Run) -> str:
    if (run.bundle / evidence.SIGNATURE).exists():
        return sha256_file(run.bundle / evidence.STATEMENT)
    durable.remove_folder(run.bundle, within=run.at.ws.evidence)
    durable.make_folder(run.bundle)
    entries = run.at.ledger.log.entries()
    durable.write(run.bundle / evidence.EXCERPT, b"".join(entry.line() for entry in entries))
    said = {"run": run.ref, "log_head": run.at.ledger.log.head}
    return evidence.seal(run.bundle, said, load_signing_key(run.at.ws.keys))


def _unserved() -> None:
    """Let the candidate be the file that lies there, stored without what would serve it."""
    from systems.registry import store

    def saved(folder: Path, artifacts: dict[str, str], recipe: Any) -> None:
        (folder / "artifacts").mkdir(parents=True)
        shutil.copyfile(artifacts["weights"], folder / "artifacts" / store.WEIGHTS)

    store._save = saved
    promote.candidate_of = lambda run: (run.at.ws.root / "candidate.safetensors", RECIPE)


def forgotten(root: Path) -> None:
    """Say that there was one release and one log, and that nothing of the person is left."""
    at = opened(str(root))
    (version,) = models.versions(at.ws.mlruns, NAME)
    assert version.sha256 == sha256_file(root / "candidate.safetensors")
    assert version.aliases == ("champion",)
    assert list((root / "mlruns").rglob("*.safetensors")) == [models.verified(version)]
    events = [entry.key.rpartition("/")[2] for entry in at.ledger.log.entries()]
    steps = ("decided", "sealed", "promoted", "erased", "purged", ATTESTED, "complete", COMPLETED)
    for step in steps:
        assert events.count(step) == 1, (step, events)
    (request,) = at.ledger.requests(None, utc_now())
    assert request.state is State.COMPLETE and at.ledger.unfinished_runs() == {}
    assert list((root / "keys" / "requests").iterdir()) == []
    nothing_half(at)
    gone((root / "who").read_text(), at)


def gone(who: str, at: Opened) -> None:
    """Nobody's examples are in the data, in cache or remote."""
    subjects = loading.load_examples(at.ws)["train"].subjects.tolist()
    assert who not in subjects
    places = ("data", "remote", ".dvc/cache", "artifacts", "mlruns", "evidence")
    held = [p for place in places for p in (at.ws.root / place).rglob("*") if p.is_file()]
    assert [p for p in held if who.encode() in p.read_bytes()] == []


def nothing_half(at: Opened) -> None:
    """The log, the tables and the data verify, and no file is half written."""
    found = verify_records(at.ws, None)
    assert found.ok, found.problems
    loading.verify(at.ws)
    # What begins with a dot is a push's that was killed; an erasure looks into it too.
    objects = [p for p in (at.ws.root / "remote/files/md5").rglob("[!.]*") if p.is_file()]
    assert [p for p in objects if md5(p.read_bytes()) != p.parent.name + p.stem] == []
    left = [p.relative_to(at.ws.root).as_posix() for p in at.ws.root.rglob("*.part")]
    assert left == [], left


FORGET = Command(with_request, forget, forgotten)


def kept_for_a_time(root: Path) -> None:
    """Somebody was forgotten; the version that learned from him is due."""
    with_request(root)
    ws = Workspace.at(root)
    _grace(ws, 0, 30)
    forget(root)
    _grace(ws, 30, 0)


def purge(root: Path) -> None:
    """Erase what is due."""
    (request,) = Opened(str(root), reading=True).ledger.requests(None, utc_now())
    serving.purge(root, request.ref)


PURGE = Command(kept_for_a_time, purge, forgotten)


def with_file(root: Path) -> None:
    """A workspace, and pictures of three new people beside it."""
    ws = workspace(root)
    (root / "count").write_text(str(sum(loading.counts(ws).values())))
    offer(root)


def take(root: Path) -> None:
    """Take the pictures in; nothing if they are in."""
    with alone(Workspace.at(root)):
        at = opened(str(root))
        if all(entry.event != "imported" for entry in at.ledger.log.entries()):
            take_in(at, root / "more.parquet", NAMES, as_written=False)


def taken(root: Path) -> None:
    """Say that all of them are in, once."""
    at = opened(str(root))
    assert [entry.event for entry in at.ledger.log.entries()].count("imported") == 1
    assert sum(loading.counts(at.ws).values()) == int((root / "count").read_text()) + 12
    assert growing.under_way(at.ws) is None
    nothing_half(at)


IMPORT = Command(with_file, take, taken)


def backed_up(root: Path) -> None:
    """A backup, a workspace in which somebody was erased since, and an empty registry."""
    tracking.client(root / "registry")
    at = opened(str(backups.small(root / "from")))
    backups.take(at, root / "backups", None)
    backups.erased(opened(at.root), asked(opened(at.root), person(at)))


def restore(root: Path) -> None:
    """Make a workspace of it; nothing if there is one."""
    backing_up._erased = _served
    _migrated(root / "registry")
    new = Workspace.at(root / "new")
    whole = new.has_log and not (new.root / ".restoring").exists()
    if not whole or "restored" not in backups.events(new.root):
        asking = backing_up.Asked(root / "backups", newest=(root / "from",))
        backing_up.restore(new.root, asking)


def _migrated(mlruns: Path) -> None:
    """Let MLflow begin with tables as they are there: its 70 migrations are `init`'s to try."""
    import mlflow.store.db.utils as tables

    def copied(engine: Any) -> None:
        new = str(engine.url.database)
        with sqlite3.connect(mlruns / "mlflow.db") as made, sqlite3.connect(new) as begun:
            made.backup(begun)

    tables._initialize_tables = copied


def _served(root: str, ref: str) -> dict[str, Any]:
    at = opened(root)
    if at.ledger.request(ref).run is None or at.ledger.unfinished_run([ref]):
        backups.erased(at, ref)
    return {"decision": "purge"}


def restored(root: Path) -> None:
    """Say that it is there, whole, once, without who was erased."""
    assert backups.subjects(root / "new") == backups.subjects(root / "from")
    told = backups.events(root / "new")
    for event in ("restored", "suppression_brought", "run_started"):
        assert told.count(event) == 1, (event, told)
    assert not (root / "new/.restoring").exists()
    nothing_half(opened(str(root / "new")))


RESTORE = Command(backed_up, restore, restored)


def offered(root: Path) -> None:
    """A project of the user's, and data beside it."""
    killed.prepared(root / "project")
    initialising.offer(root / "people.parquet")


def init(root: Path) -> None:
    """Make a workspace of it; nothing if it is one."""
    flows.train.train = initialising.trained
    ws = Workspace.at(root / "project")
    if not ws.has_log or ws.beginning.exists():
        initialising.init(ws.root, str(root / "people.parquet"), seed=3)


def made(root: Path) -> None:
    """Say that it is one, that its log begins once, and that the user's files are as they were."""
    ws = Workspace.at(root / "project")
    assert (ws.root / "README.md").read_text() == "mine" and not ws.beginning.exists()
    assert (ws.root / ".dvc/config").read_text().startswith("# ours")
    at = opened(str(ws.root))
    assert [entry.event for entry in at.ledger.log.entries()].count("initialised") == 1
    nothing_half(at)


INIT = Command(offered, init, made)
