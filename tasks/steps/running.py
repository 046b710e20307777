"""One run over some deletion requests: its journal, its folder and what it works on.

Prefect executes, it does not remember: every step goes through `Run.once`, whose results are
entries of our own log. A run that was killed goes on when the same requests are asked for again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ledger import durable, sealed
from ledger.canonical import canonical_json, sha256_hex
from ledger.requests import Ledger, State
from tasks import models
from tasks.models import ModelVersion
from tasks.params import Params, load_params
from tasks.policy import Policy, Rung
from tasks.settings import Workspace
from tasks.steps import adopting
from tasks.steps.records import utc_now
from unlearning.digests import digest_of
from unlearning.errors import IntegrityError, UsageError

FORGET_SET = "forget.sealed"
FIRST = "initialised"
"""Key and event of the log's entry on the first champion."""


@dataclass(frozen=True)
class Opened:
    """A workspace that is open, by its path alone: a small value to pass between tasks."""

    root: str

    @property
    def ws(self) -> Workspace:
        """Its places."""
        return Workspace(Path(self.root))

    @property
    def ledger(self) -> Ledger:
        """Its ledger, opened once per command."""
        return _ledger(self.root)

    @property
    def params(self) -> Params:
        """Its settings, read once per command."""
        return _params(self.root)


@lru_cache(maxsize=1)
def _ledger(root: str) -> Ledger:
    ws = Workspace(Path(root))
    return Ledger.open(ws.records, ws.keys)


@lru_cache(maxsize=1)
def _params(root: str) -> Params:
    return load_params(Path(root))


def opened(root: str) -> Opened:
    """Open a workspace; the caller holds its lock, and ends with `closed`."""
    ws = Workspace.at(root)
    if not ws.records.is_dir():
        raise UsageError(f"{ws.root.name}: is no workspace, expected one made by `lethe init`")
    return Opened(str(ws.root))


def closed() -> None:
    """Forget what was opened: the next command reads it again."""
    _ledger.cache_clear()
    _params.cache_clear()


@dataclass(frozen=True)
class Run:
    """A run that has begun."""

    at: Opened
    ref: str

    @property
    def requests(self) -> tuple[str, ...]:
        """The references of its requests."""
        return self.at.ledger.run_requests(self.ref)

    @property
    def folder(self) -> Path:
        """Where the run keeps what is not released; removed when the run is closed."""
        return self.at.ws.candidates / self.ref

    @property
    def bundle(self) -> Path:
        """Where its evidence is sealed."""
        return self.at.ws.evidence / self.ref

    def once(self, step: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, or give its result if the journal has it; `work` must bear repetition."""
        return self.at.ledger.once(self.ref, step, work, clock=utc_now)

    def done(self, step: str) -> dict[str, Any] | None:
        """Give the result of a step, None before it is done."""
        entry = self.at.ledger.log.find(f"{self.ref}/{step}")
        return None if entry is None else dict(entry.body)

    def move(self, state: State, mark: str = "", reason: str | None = None) -> None:
        """Take every request of the run to a state; repeated after a crash it changes nothing."""
        for ref in self.requests:
            key = f"{self.ref}/{ref}/{state}{mark}"
            self.at.ledger.move(ref, state, now=utc_now(), reason=reason, key=key)

    def policy(self) -> Policy:
        """The policy that the run began with."""
        begun = self.done("begun") or {}
        return adopting.own_copy(self.folder / "policy.yaml", begun["policy"])

    def forget_ids(self) -> dict[str, list[str]]:
        """Give the ids to forget, by split, out of the sealed file: personal data."""
        key = self.requests[0]
        return dict(sealed.unseal(self.folder / FORGET_SET, self.at.ws.keys, key))

    def seal_forget_ids(self, ids: Mapping[str, Sequence[str]]) -> str:
        """Seal the ids under the first request's key and give a keyed commitment to them."""
        value = {part: sorted(found) for part, found in ids.items()}
        sealed.seal(self.folder / FORGET_SET, self.at.ws.keys, self.requests[0], value)
        secret = sealed.request_key(self.at.ws.keys, self.requests[0])
        return sha256_hex(secret + canonical_json(value))

    def parent(self) -> ModelVersion:
        """Give the champion that the run began with, and unlearns from."""
        begun = self.done("begun") or {}
        return models.version(self.at.ws.mlruns, self.at.params.model.name, begun["parent"])


def begin(root: str, refs: Sequence[str], policy: Path, method: str | None) -> Run:
    """Claim requests for a run, or find the run that a crash left over them.

    The policy is the one in force, and is copied before anything is tried: what it says during the
    run is what it said at the start. `method` replaces the ladder by that one method.
    """
    at = opened(root)
    sweep(at)
    ref = at.ledger.unfinished_run(refs)
    if ref is None:
        adopting.check_policy(policy, method)
        adopting.content_in_force(at.ledger, policy)
        sealed_champion(at)
        ref = at.ledger.start_run(refs, now=utc_now())
    run = Run(at, ref)
    run.once("begun", lambda: _begin(run, policy, method))
    run.move(State.EXTRACTING)
    return run


def sealed_champion(at: Opened) -> ModelVersion:
    """Give the champion; IntegrityError unless the signed log vouches for its bytes (I1)."""
    champion = models.champion(at.ws.mlruns, at.params.model.name)
    if champion is None:
        raise UsageError("no champion: expected one from `lethe init`; run it first")
    entries = at.ledger.log.entries()
    vouched = {e.body.get("sha256") for e in entries if e.key.endswith(("/promoted", FIRST))}
    if champion.sha256 not in vouched:
        raise IntegrityError(
            f"champion, version {champion.version}: the log knows no release of its bytes; "
            "expected a version that Lethe promoted; see `lethe list versions`"
        )
    models.verified(champion)
    return champion


def _begin(run: Run, policy: Path, method: str | None) -> dict[str, Any]:
    content = adopting.content_in_force(run.at.ledger, policy)
    durable.make_folder(run.folder)
    durable.write(run.folder / "policy.yaml", content)
    champion = sealed_champion(run.at)
    return {
        "policy": sha256_hex(content),
        "params": sha256_hex((run.at.ws.root / "params.yaml").read_bytes()),
        "method": method,
        "parent": champion.version,
        "parent_sha256": champion.sha256,
    }


def resumed(root: str, ref: str) -> Run:
    """Give a run that has begun."""
    return Run(opened(root), ref)


def ladder(run: Run) -> tuple[Rung, ...]:
    """Give the rungs of this run: the policy's, or the one method that was asked for."""
    only = (run.done("begun") or {}).get("method")
    rungs = run.policy().ladder
    if only is None:
        return rungs
    named = tuple(rung for rung in rungs if rung.method == only)
    return named or (Rung(only, {}),)


def seed_of(run: Run, attempt: int) -> int:
    """Draw an attempt's seed from the workspace's seed, the parent and the attempt's number."""
    begun = run.done("begun") or {}
    source = [run.at.params.seed, begun["parent_sha256"], attempt]
    return int(digest_of(source)[:12], 16)


def read_json(path: Path) -> Any:
    """Read a JSON file of the run."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    durable.write(path, canonical_json(value))


def as_champion(at: Opened) -> dict[str, Any]:
    """Show the version that is served, as the command line prints it."""
    found = sealed_champion(at)
    return {
        "name": found.name,
        "version": found.version,
        "sha256": found.sha256,
        "weights": str(found.weights),
    }


def give_back(run: Run, decision: str) -> None:
    """Let the requests of a run that released nothing wait again; their deadlines run on."""
    run.move(State.ACCEPTED, "-again", reason=f"{run.ref} released nothing: {decision}")


def close(run: Run) -> None:
    """End the run and remove its folder: refused candidates are traces of the forgotten."""
    run.at.ledger.finish_run(run.ref, now=utc_now())
    sweep(run.at)


def sweep(at: Opened) -> None:
    """Remove the folders of finished runs; a crash may have left the last one's."""
    for folder in at.ws.candidates.glob("run-*"):
        if at.ledger.log.find(f"{folder.name}/finished"):
            shutil.rmtree(folder)
