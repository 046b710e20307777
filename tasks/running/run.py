"""One run over some deletion requests: its journal, its folder and what it works on.

Prefect executes, it does not remember: every step goes through `Run.once`, whose results are
entries of our own log. A run that was killed goes on when the same requests are asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger import adoptions, durable, sealed, suppression
from ledger.domain import State
from ledger.replay.ancestry import BY_ANCESTORS
from ledger.replay.attempts import Earlier
from systems.data import resolving
from systems.settings.chances import not_tried
from systems.settings.policy import Policy, Rung
from tasks import adopt
from tasks.running import progress
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.digests import canonical_json, digest_of, sha256_hex
from unlearning.errors import InfrastructureError, IntegrityError

if TYPE_CHECKING:
    from systems.registry.models import ModelVersion

FORGET_SET = "forget.sealed"


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
    def served(self) -> tuple[str, ...]:
        """Its requests, and those that go with it because it erased what they ask for."""
        known = self.at.ledger.requests(None, utc_now())
        linked = (r.ref for r in known if r.run == self.ref and r.state is State.PURGING)
        return tuple(sorted({*self.requests, *linked}))

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
        progress.step(step)
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
        return adopt.own_copy(self.policy_file(), (self.done("begun") or {})["policy"])

    def policy_file(self) -> Path:
        """Give the run's copy of its policy; one that is lost is taken from records/ again."""
        path, begun = self.folder / "policy.yaml", self.done("begun") or {}
        if not path.is_file():
            kept = adoptions.kept(self.at.ws.policies, begun["policy"])
            durable.make_folder(self.folder)
            durable.write(path, durable.read(kept))
        return path

    def forget_ids(self) -> dict[str, list[str]]:
        """Give the ids to forget, by split, out of the sealed file: personal data.

        Where that file is lost, they are found in the data again. InfrastructureError if those
        that the log committed to are nowhere any more.
        """
        path = self.folder / FORGET_SET
        if path.is_file():
            return dict(sealed.unseal(path, self.at.ws.keys, self.requests[0]))
        return self._found_again()

    def _found_again(self) -> dict[str, list[str]]:
        extracted = self.done("extracted") or {}
        version = str(extracted.get("data_version"))
        for ids in _selections(self.at, self.requests, version):
            if self._commitment(ids) == extracted.get("commitment"):
                self.seal_forget_ids(ids)
                return ids
        raise InfrastructureError(
            f"{self.ref}/{FORGET_SET}: is not there, and neither data/ nor DVC's cache and remote "
            f"hold data version {version[:12]}, where its examples could be found again: put "
            f"artifacts/candidates/{self.ref}/{FORGET_SET}, or the remote, back from your backup"
        )

    def all_ids(self) -> list[str]:
        """Give every id to erase, of all splits."""
        return sorted(found for part in self.forget_ids().values() for found in part)

    def seal_forget_ids(self, ids: Mapping[str, Sequence[str]]) -> str:
        """Seal the ids under the first request's key and give a keyed commitment to them."""
        value = {part: sorted(found) for part, found in ids.items()}
        durable.make_folder(self.folder)
        sealed.seal(self.folder / FORGET_SET, self.at.ws.keys, self.requests[0], value)
        return self._commitment(value)

    def _commitment(self, ids: Mapping[str, Sequence[str]]) -> str:
        secret = sealed.request_key(self.at.ws.keys, self.requests[0])
        return sha256_hex(secret + canonical_json(ids))

    def erases(self) -> Callable[[str], bool]:
        """Give the question whether the run has put an example id on the suppression list.

        The list alone tells: neither a request's key nor the sealed ids are needed. IntegrityError
        unless it is the one that the run wrote, since an emptied one would miss everybody.
        """
        records, told = self.at.ws.records, (self.done("suppressed") or {}).get("sha256")
        if (got := suppression.digest(records)) != told:
            raise IntegrityError(
                f"records/{suppression.FILE}: SHA-256 got {got[:16]}, expected {str(told)[:16]}, "
                f"which {self.ref} wrote: restore it from your backup"
            )
        return self.has_erased()

    def has_erased(self) -> Callable[[str], bool]:
        """Give the same question once later runs have listed more: opening saw that list whole."""
        listed = suppression.load(self.at.ws.records, self.at.ws.keys)
        return lambda example: listed.example_erased_by(example, self.ref)

    def parent(self) -> ModelVersion:
        """Give the champion that the run began with, and unlearns from."""
        from systems.registry import models  # whoever only records a request asks for none

        begun = self.done("begun") or {}
        found = models.version(self.at.ws.mlruns, self.at.params.model.name, begun["parent"])
        if found.sha256 != begun["parent_sha256"]:
            raise IntegrityError(
                f"version {found.version}: is registered as {found.sha256[:16]}, expected "
                f"{begun['parent_sha256'][:16]}, with which {self.ref} began: restore mlruns/ "
                "from your backup"
            )
        return found


def _selections(at: Opened, refs: Sequence[str], version: str) -> Iterator[dict[str, list[str]]]:
    """Give what requests select now, and what in a data version as cache or remote hold it."""
    selectors = [at.ledger.selector(ref) for ref in refs]
    yield resolving.by_split(resolving.resolve_all(at.ws, selectors))
    earlier = resolving.resolve_earlier(at.ws, version, selectors)
    if earlier is not None:
        yield resolving.by_split(earlier)


def ladder(run: Run) -> tuple[Rung, ...]:
    """Give what this run may try: the policy's rungs, less what earlier runs used up.

    Exact ones only where the forget set found exceeds the drift budget; none that is hopeless, and
    none that begins from bases where too few were clean: these are no attempts and cost no error.
    """
    extracted = run.done("extracted") or {}
    drift, found = extracted.get("drift", {}), extracted.get("lineage") or {}
    exact_only = drift.get("exact_only", False) or "only_exact" in extracted
    known = rungs(run, exact_only=exact_only, without=not_tried(extracted.get("chances", ())))
    return tuple(r for r in known if r.method not in BY_ANCESTORS or found.get("ancestors"))


def rungs(run: Run, *, exact_only: bool, without: Collection[str] = ()) -> tuple[Rung, ...]:
    """Give what this run may try, the drift budget being exceeded or not, without some rungs."""
    method = (run.done("begun") or {}).get("method")
    return run.policy().rungs(earlier(run), method, exact_only=exact_only, without=without)


def level(run: Run) -> float:
    """Give the level of the intervals that decide on forgetting in this run."""
    return level_without(run, not_tried((run.done("extracted") or {}).get("chances", ())))


def level_without(run: Run, without: Collection[str]) -> float:
    """Give that level where some rungs are not tried."""
    method = (run.done("begun") or {}).get("method")
    return run.policy().level_after(earlier(run), method, without=without)


def left_out(extracted: Mapping[str, Any]) -> list[dict[str, str]]:
    """Name the methods that a run left out, and why, by its step `extracted`.

    Runs of before noted what was hopeless alone.
    """
    if "not_tried" in extracted:
        return list(extracted["not_tried"])
    chances = (one for one in extracted.get("chances", ()) if "skipped" in one)
    return [{"method": one["method"], "why": one["skipped"]} for one in chances]


def earlier(run: Run) -> Earlier:
    """Give the attempts of earlier runs over its requests, as counted when it began."""
    return Earlier(**(run.done("begun") or {}).get("earlier", {}))


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
            durable.remove_folder(folder, within=at.ws.candidates)
