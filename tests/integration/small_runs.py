"""A small workspace with data in DVC and no model, and runs in it that need no unlearning."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.cli.work import requesting
from ledger import durable, keys
from ledger.domain import Selector, State
from systems.data import importing, loading, versions
from systems.data.sources import Columns, Source
from systems.settings.ownership import MARK
from systems.settings.params import load_params
from systems.settings.workspace import Workspace, write_templates
from tasks import adopt
from tasks.attest import attest_erasure
from tasks.erase import erase_examples
from tasks.expect import expect_erased
from tasks.extract import find
from tasks.purge import finish_purging, purge_copies
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run, close
from tasks.suppress import suppress_examples
from unlearning.digests import sha256_hex
from unlearning.domain import SPLITS

COLUMNS = Columns(image="image", label="label", subject=None, example=None)


DIGITS = Source(data="digits", columns=COLUMNS, test=None, holdout=None, limit=60)


def made(root: Path, source: Source = DIGITS) -> Path:
    """Make a workspace of these data, 60 digits, of which the log tells as `init` does."""
    ws = Workspace.at(root)
    write_templates(ws)
    ws.records.mkdir(parents=True)
    keys.create_keys(ws.keys, ws.records)
    key = keys.shard_key(ws.keys)
    importing.import_dataset(ws, source, load_params(ws.root), key=key)
    body = {"version": 1, "sha256": "0" * 64, "data_version": versions.data_version(ws)}
    opened(str(ws.root)).ledger.record("initialised", body, key="initialised", now=utc_now())
    return ws.root


def small(root: Path) -> Path:
    """Make a workspace of 60 digits whose policy was adopted."""
    at = opened(str(made(root)))
    adopt.adopt(at.ws, at.ledger, at.ws.policy, "the first")
    return at.ws.root


def copied(original: Path, root: Path) -> Opened:
    shutil.copytree(original, root, symlinks=True)
    return opened(str(root))


def another(original: Path, root: Path) -> Opened:
    """A workspace of its own, not the copy of one."""
    copied(original, root)
    (root / "records" / MARK).unlink(missing_ok=True)
    return opened(str(root))


def person(at: Opened, number: int = 0) -> str:
    return sorted(set(loading.load_examples(at.ws)["train"].subjects.tolist()))[number]


def extracted(at: Opened, who: str) -> Run:
    """Begin a run over somebody's request; its ids are found and sealed."""
    return begun(at, asked(at, who), noted)


def asked(at: Opened, who: str) -> str:
    """Record somebody's request; give its reference."""
    selector = Selector("subject", (who,))
    return str(requesting.submit(at.ws.root, selector, None, "gdpr", None)["request"])


def begun(at: Opened, ref: str, note: Callable[[Run], dict[str, Any]]) -> Run:
    """Begin a run over a request as far as what it notes of its forget set, or go on with it."""
    at = opened(at.root)
    held = at.ledger.unfinished_run([ref])
    run = Run(at, held or at.ledger.start_run([ref], now=utc_now()))
    policy = adopt.content_in_force(at.ledger, at.ws.policy)
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", policy)
    run.once("begun", lambda: {"policy": sha256_hex(policy)})
    run.move(State.EXTRACTING)
    run.once("extracted", lambda: note(run))
    return run


def noted(run: Run) -> dict[str, Any]:
    """What a run notes of its forget set, as far as an erasure needs it: there is no model."""
    ids = find(run.at.ws, [run.at.ledger.selector(ref) for ref in run.requests])
    commitment = run.seal_forget_ids({part: ids[part] for part in SPLITS})
    return {"data_version": versions.data_version(run.at.ws), "commitment": commitment}


STEPS: dict[str, Callable[[Run], Any]] = {
    "suppressed": suppress_examples,
    "erased": erase_examples,
    "expected-erased": expect_erased,
    "purged": purge_copies,
}


def again(run: Run) -> Run:
    """The run as the next command finds it."""
    return Run(opened(run.at.root), run.ref)


def go_on(run: Run) -> None:
    run = again(run)
    for step in STEPS.values():
        step(run)


def closed(run: Run) -> Run:
    """Take a run to its end from where it was decided."""
    go_on(run)
    run = again(run)
    attest_erasure(run)
    finish_purging(run.at, run.requests)
    close(run)
    return again(run)
