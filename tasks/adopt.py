"""Putting a policy or params into force, and holding a run to those that are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger import adoptions, durable
from ledger.adoptions import Adoption
from ledger.domain import require_reason
from ledger.errors import SealAltered
from ledger.requests import Ledger
from systems.settings.checking import read_yaml
from systems.settings.params import Params, check_params, read_params
from systems.settings.policy import Policy, Rung, load_policy
from systems.settings.policy_changes import changes, compared
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now
from unlearning.digests import sha256_hex
from unlearning.errors import IntegrityError, PolicyError, UsageError
from unlearning.settings import CLASSIFY, GENERATE, REQUIRED_GATES

HEADS_ONLY = "head_downdate"
"""The method that a network with a frozen backbone alone can be tried by."""


@dataclass(frozen=True)
class Kind:
    """A file that rules runs: its place, where adopted ones are kept, what checks and compares."""

    name: str
    file: Callable[[Workspace], Path]
    kept: Callable[[Workspace], Path]
    check: Callable[[Path], None]
    differences: Callable[[Path, Path], list[str]]

    @property
    def how(self) -> str:
        """The command that adopts one."""
        return f"`lethe {self.name} --adopt FILE --reason TEXT`"


def check_policy(policy: Path, method: str | None = None) -> None:
    """Build every gate and method of a policy, so that a mistake is found before the run.

    method: the only one to be tried, which must be on the ladder: no run goes beyond its policy.
    """
    rules = load_policy(policy)
    check_rules(rules, policy.name)
    if method is not None and method not in {rung.method for rung in rules.ladder}:
        known = ", ".join(dict.fromkeys(rung.method for rung in rules.ladder))
        raise PolicyError(
            f"--method: got {method!r}, expected a method of the policy in force ({known}): "
            f"adopt a policy that has it with {POLICY.how}"
        )


def check_rules(rules: Policy, name: str) -> None:
    """Build every gate and method of a policy that is read; name: of its file."""
    from unlearning.gates.deployed import check_exporters, forms_of
    from unlearning.judging.verdicts import gates_of

    check_exporters(forms_of(gates_of(rules.gates)))
    for number, rung in enumerate(rules.ladder):
        with _naming(f"{name}: ladder[{number}]"):
            _check_rung(rules.task, rung)


def _check_rung(task: str, rung: Rung) -> None:
    """Build a rung's method; UsageError for one of another task, or settings that it has not."""
    from unlearning.generation import FORGETTERS
    from unlearning.methods import METHODS

    if task == CLASSIFY:
        if rung.method in set(FORGETTERS) - set(METHODS):
            raise UsageError(_other(rung.method, "generators", task))
        METHODS.create(rung.method, rung.settings)
    else:
        if rung.method in set(METHODS) - set(FORGETTERS):
            raise UsageError(_other(rung.method, "classifiers", task))
        FORGETTERS.create(rung.method, rung.settings)


def _other(method: str, whose: str, task: str) -> str:
    return (
        f"method {method!r}: is of {whose}, expected one of the task `{task}`, whose gates this "
        "policy has; see `lethe list methods`"
    )


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the place in a file before what is wrong there."""
    try:
        yield
    except UsageError as problem:
        raise PolicyError(f"{where}: {problem}") from problem


def _params_differences(old: Path, new: Path) -> list[str]:
    if old.read_bytes() == new.read_bytes():
        return []
    before, after = asdict(read_params(old)), asdict(read_params(new))
    return list(compared("", before, after)) or ["comments or layout only"]


POLICY = Kind(
    adoptions.POLICY,
    lambda ws: ws.policy,
    lambda ws: ws.policies,
    check_policy,
    lambda old, new: changes(load_policy(old), load_policy(new)),
)
PARAMS = Kind(
    adoptions.PARAMS,
    lambda ws: ws.params,
    lambda ws: ws.adopted_params,
    lambda path: check_params(read_params(path)),
    _params_differences,
)


def adopt(ws: Workspace, ledger: Ledger, file: Path, reason: str, kind: Kind = POLICY) -> bool:
    """Put a file into force and make it the workspace's own; say if that was a change.

    Raises PolicyError for a file that no run could use. reason: for the log, so it names nobody.
    """
    require_reason(reason, f"why the {kind.name} changes")
    kind.check(file)
    _check_together(ws, ledger, file, kind)
    content, _ = read_yaml(file)
    folder = kind.kept(ws)
    made = adoptions.adopt(ledger, folder, content, kind.name, reason=reason, now=utc_now())
    # Last: a file that a crash left behind is refused, and adopted by the same command.
    own = kind.file(ws)
    if not own.is_file() or own.read_bytes() != content:
        durable.write(own, content, mode=durable.OPEN)
    return made is not None


def _check_together(ws: Workspace, ledger: Ledger, file: Path, kind: Kind) -> None:
    """Refuse a file by which, with the other one in force, no run could ever be decided."""
    policy, params = (file if one is kind else _kept(ws, ledger, one) for one in (POLICY, PARAMS))
    if policy and params:
        check_task(load_policy(policy), read_params(params))
    if policy and params and read_params(params).head is None:
        _refuse_heads(load_policy(policy))
    if policy and params:
        _refuse_layers(load_policy(policy), read_params(params).network)
    if policy and params:  # the first two are checked by `init`, before it writes anything
        check_bank(load_policy(policy), read_params(params).bank.shadows)
    if kind is POLICY and ws.manifest.exists():
        from systems.data import loading

        classes, tests = loading.classes(ws), loading.counts(ws)["test"]
        check_answers(load_policy(file), classes=len(classes), tests=tests)


def check_task(policy: Policy, params: Params) -> None:
    """PolicyError for a policy of another task than the workspace's model."""
    if policy.task != params.task:
        raise PolicyError(
            f"gates: got those of the task `{policy.task}`, expected those of `{params.task}`, as "
            f"params.yaml has it: {', '.join(REQUIRED_GATES[params.task])}"
        )


def _refuse_heads(policy: Policy) -> None:
    """PolicyError for a rung that nothing here could be tried by."""
    if any(rung.method == HEADS_ONLY for rung in policy.ladder):
        raise PolicyError(
            f"ladder: got {HEADS_ONLY}, expected it only where a backbone is frozen (`lethe init "
            "--backbone FILE`): the network here is trained as a whole, use retrain"
        )


def _refuse_layers(policy: Policy, network: str) -> None:
    """PolicyError for a rung whose layers' rates would follow an order that there is none of."""
    from unlearning.networks import check_ordered

    for number, rung in enumerate(policy.ladder):
        if rung.settings.get("layer_decay", 1.0) != 1.0:
            with _naming(f"ladder[{number}]"):
                check_ordered(network)


def check_bank(policy: Policy, shadows: int) -> None:
    """PolicyError for a shadow bank by which the policy's gates could never decide."""
    from unlearning.judging.needs import require_shadows
    from unlearning.judging.verdicts import gates_of

    if policy.task == GENERATE:  # whose models to compare with are trained for each request
        return
    require_shadows(gates_of(policy.gates), shadows)


def check_answers(policy: Policy, *, classes: int, tests: int) -> None:
    """PolicyError where the data have not as many classes or test examples as the gates ask for."""
    from unlearning.judging.needs import require_answers
    from unlearning.judging.verdicts import gates_of

    require_answers(gates_of(policy.gates), classes=classes, tests=tests)


def _kept(ws: Workspace, ledger: Ledger, kind: Kind) -> Path | None:
    """The file in force; None before the first."""
    held = adoptions.in_force(ledger.log.entries(), kind.name)
    return adoptions.kept(kind.kept(ws), held.sha256) if held else None


def content_in_force(ledger: Ledger, file: Path, kind: Kind = POLICY) -> bytes:
    """Give a file's bytes; PolicyError unless they are the ones in force."""
    content, _ = read_yaml(file)
    held, got = adoptions.in_force(ledger.log.entries(), kind.name), sha256_hex(content)
    if held is None:
        raise PolicyError(
            f"{file.name}: SHA-256 got {got[:16]}, expected a {kind.name} in force, but none was "
            f"ever adopted here: adopt it with {kind.how}"
        )
    if got != held.sha256:
        raise PolicyError(
            f"{file.name}: SHA-256 got {got[:16]}, expected {held.sha256[:16]}, the {kind.name} in "
            f"force: adopt it with {kind.how}, or see `lethe {kind.name}`"
        )
    return content


def standing(ledger: Ledger, file: Path, kind: Kind = POLICY) -> dict[str, Any]:
    """Say which bytes a file holds, and whether they are the ones in force."""
    digest = sha256_hex(read_yaml(file)[0])
    held = adoptions.in_force(ledger.log.entries(), kind.name)
    return {"sha256": digest, "in_force": held is not None and held.sha256 == digest}


def described(ws: Workspace, ledger: Ledger, kind: Kind = POLICY) -> dict[str, Any]:
    """Show what is in force, since when and why, how the file differs, and the history."""
    made = adoptions.adoptions(ledger.log.entries(), kind.name)
    held, own = made[-1] if made else None, kind.file(ws)
    on_disk = sha256_hex(own.read_bytes()) if own.is_file() else None
    return {
        "sha256": held and held.sha256,
        "adopted_at": held and held.at,
        "reason": held and held.reason,
        "on_disk": on_disk,
        "on_disk_in_force": held is not None and held.sha256 == on_disk,
        "differs": _differs(ws, held, own, kind),
        "history": [_told(ws, *pair, kind) for pair in zip([None, *made], made, strict=False)],
    }


def _told(ws: Workspace, before: Adoption | None, after: Adoption, kind: Kind) -> dict[str, Any]:
    return {
        "adopted_at": after.at,
        "sha256": after.sha256,
        "reason": after.reason,
        "entry": after.seq,
        "changes": _differs(ws, before, adoptions.kept_at(kind.kept(ws), after.sha256), kind),
    }


def _differs(ws: Workspace, before: Adoption | None, after: Path, kind: Kind) -> list[str]:
    """Give the differences in words, or why they cannot be told."""
    if before is None:
        return []
    try:
        return kind.differences(adoptions.kept(kind.kept(ws), before.sha256), after)
    except (SealAltered, PolicyError) as problem:
        return [str(problem)]


def problem(ws: Workspace, ledger: Ledger, kind: Kind = POLICY) -> str:
    """Say what is wrong with the file or with those that are kept; "" if nothing is."""
    content_in_force(ledger, kind.file(ws), kind)
    for made in adoptions.adoptions(ledger.log.entries(), kind.name):
        adoptions.kept(kind.kept(ws), made.sha256)
    return ""


def own_copy(policy: Path, digest: str) -> Policy:
    """Read a run's copy of its policy; IntegrityError unless the run began with these bytes."""
    found = load_policy(policy)
    if found.digest != digest:
        raise IntegrityError(
            f"{policy.name} of {policy.parent.name}: SHA-256 got {found.digest[:16]}, expected "
            f"{digest[:16]}, with which the run began: restore it from records/policies"
        )
    return found
