"""The forget set: found in the verified data version, checked, counted and sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ledger import suppression
from ledger.domain import Selector
from ledger.replay.ancestry import BY_ANCESTORS
from ledger.replay.judgements import ERROR
from systems.data import loading, resolving, versions
from systems.data.texts import look
from systems.settings.chances import not_tried
from systems.settings.policy import EXACT, Rung
from systems.settings.workspace import Workspace
from tasks.approval.skew import batch
from tasks.generated.whole import why_only_exact
from tasks.requests.asked import Restriction, classes_lost, restriction
from tasks.running.conditions import under
from tasks.running.drift import drift_told
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.rows import rows_of
from tasks.running.run import Run, close, earlier, give_back, level_without, rungs
from unlearning.digests import sha256_file
from unlearning.domain import SPLITS, TRAIN
from unlearning.errors import RequestDenied

ASKED = ("unknown", "alike")
"""Values of a selector that whoever made the request has to be asked about."""


def find(ws: Workspace, selectors: Sequence[Selector]) -> dict[str, list[str]]:
    """Give the ids that any of the selectors names, by split, and the values in question.

    unknown: values to which nothing belongs. alike: values that others of the data look like.
    """
    found = resolving.resolve_all(ws, selectors)
    asked = {name: sorted({v for one in found for v in getattr(one, name)}) for name in ASKED}
    return {**resolving.by_split(found), **asked}


def erasing_run(at: Opened, selector: Selector, ids: dict[str, list[str]]) -> str | None:
    """Name the run that erased all that a selector means; None if it still means something.

    Also None if nothing of it was ever here. Of several it is the last that has requests open, so
    that nobody is told of an end before it. ids: what `find` gives for the selector.
    """
    if any(ids[part] for part in SPLITS):
        return None
    runs = suppression.load(at.ws.records, at.ws.keys).erasers(selector)
    return max(_open_among(at, runs), default=(0, next(iter(runs), None)))[1]


def covering_run(at: Opened, ref: str, ids: Mapping[str, Sequence[str]]) -> str | None:
    """Name the run that saw that it erases all that an open request still named, as the log has it.

    The list does not tell of a request of which a part is kept, or by class of one that was served
    by its examples. ids: as of `erasing_run`.
    """
    if any(ids[part] for part in SPLITS):
        return None
    steps = (e for e in at.ledger.log.newest_first() if e.key.endswith("/suppressed"))
    return next((e.key.split("/")[0] for e in steps if ref in e.body.get("covers", ())), None)


def _open_among(at: Opened, runs: Sequence[str]) -> list[tuple[int, str | None]]:
    """Give those of several runs that have requests open, each after the number of its start."""
    if len(runs) < 2:
        return []
    known = (r for r in at.ledger.requests(None, utc_now()) if not r.state.terminal)
    at_work = {r.run for r in known} & {*runs}
    started = ((at.ledger.log.find(f"{run}/started"), run) for run in at_work)
    return [(entry.seq, run) for entry, run in started if entry is not None]


def erased_alike(ws: Workspace, selector: Selector, ids: dict[str, list[str]]) -> int:
    """Count the values to which nothing belongs, and which look like something that was erased."""
    unknown = set(ids["unknown"])
    if not unknown:
        return 0
    asked = replace(selector, values=tuple(v for v in selector.values if v in unknown))
    values = suppression.selector_values(asked)
    return len(suppression.load(ws.records, ws.keys).alike(values, look))


def likewise(selectors: Sequence[Selector]) -> bool:
    """Say whether the selected holdout examples are the ones to compare with.

    So it is for classes and attributes: other examples would measure the class or attribute, not
    the membership. A person's or a single example in the holdout set is no such comparison, nor are
    some examples of a class.
    """
    return all(one.kind in ("class", "where") and not one.only for one in selectors)


def refusal(at: Opened, ids: dict[str, list[str]]) -> str | None:
    """Say why no unlearning can serve a selection: nothing found, or nothing would be left."""
    if not any(ids[part] for part in SPLITS):
        return "the selection matches no example, expected at least one; nothing was changed"
    count = loading.counts(at.ws)[TRAIN]
    if len(ids[TRAIN]) >= count:
        return (
            f"the selection is all {count} training examples, expected some to be left; "
            "that is not unlearning: retire the model instead"
        )
    if ids[TRAIN] and (left := resolving.classes_left(at.ws, ids[TRAIN])) < 2:
        return (
            f"the selection leaves examples of {left} class to train on, expected at least 2: a "
            "network of one class answers nothing, and no gate could pass it: retire the model "
            "instead"
        )
    return None


def extract_forget_set(run: Run) -> dict[str, Any]:
    """Verify the data version, find the forget set in it and seal its ids.

    If nothing can serve the requests any more, as when another run has erased the examples since,
    the run ends and they wait again, so that they hold up nobody else.
    """
    try:
        return run.once("extracted", lambda: _extract(run))
    except RequestDenied as problem:
        give_back(run, str(problem))
        close(run)
        raise


def _refuse_lost_classes(ws: Workspace, forgotten: frozenset[str], out: Restriction) -> None:
    """Refuse a run whose candidates could learn nothing of a class that it does not forget."""
    lost = classes_lost(ws, forgotten, forgotten | out.ids)
    if lost:
        asking = [one.ref for one in out.out if not one.ids[TRAIN] <= forgotten]
        raise RequestDenied(
            f"request: all that would stay of {len(lost)} classes is asked for by other open "
            f"requests ({', '.join(asking)}), so that nothing may be trained on it; serve them "
            "together, or deny those"
        )


def _lineage(run: Run, known: Sequence[Rung], out: Restriction) -> dict[str, Any] | None:
    """Say which bases are clean, where bases stand or a rung begins from them; else None."""
    from tasks.running import bases  # torch: whoever records a request asks for none of this
    from tasks.train import recipe_of

    needed = [rung for rung in known if rung.method in BY_ANCESTORS]
    if not needed and not bases.standing(run.at):
        return None
    left_out = tuple(one.ref for one in out.out)
    found = bases.lineage(run.at, recipe_of(run.at), run.requests, left_out)
    if len(needed) == len(known) and found["skipped"]:
        raise RequestDenied(
            f"{needed[0].method}: {found['skipped']}, and --method names no other: run it without "
            "--method"
        )
    return found


def _chances(
    run: Run, ids: dict[str, list[str]], likewise: bool, drift: Mapping[str, Any]
) -> dict[str, Any]:
    """Say of each approximate rung what became of it before, and whether it is tried now.

    most: how often a perfect retrain would pass here, where the policy asks what is hopeless.
    """
    entries, most = run.at.ledger.log.entries(), None
    if not drift["exact_only"] and run.at.params.generator is None:
        most = _most(run, ids, likewise)
    asked = under(run.at, run.parent().version)
    chances = run.policy().chances(
        entries, len(ids[TRAIN]), likewise=likewise, most=most, under=asked
    )
    told = {"conditions": dict(asked.conditions), "chances": chances}
    return {**told, **({"most": most} if most else {})}


def _most(run: Run, ids: dict[str, list[str]], likewise: bool) -> dict[str, Any] | None:
    rules = run.policy()
    if not rules.hopeless or all(r.method in EXACT for r in rungs(run, exact_only=False)):
        return None
    from tasks.planning.foresee import most_of, power_of, training_rate  # torch

    rate, level = training_rate(run.at), level_without(run, ())
    return most_of(power_of(run.at, rules, ids, alike=likewise, rate=rate, level=level))


def _known(run: Run, only: str | None, chances: Sequence[Mapping[str, Any]]) -> tuple[Rung, ...]:
    """Give the rungs that may be tried; RequestDenied where --method leaves none.

    only: why only exact ones may, None if any may.
    """
    exact_only = only is not None
    known = rungs(run, exact_only=exact_only)
    if not known:
        raise RequestDenied(f"{only}, and --method names another: run it without --method")
    tried = rungs(run, exact_only=exact_only, without=not_tried(chances))
    if not tried:
        why = next(one["skipped"] for one in chances if one["method"] == known[0].method)
        raise RequestDenied(
            f"{known[0].method}: {why}, and --method names no other: run it without --method, or "
            "adopt a policy with a lower `hopeless`"
        )
    return tried


def _not_tried(
    run: Run,
    only: str | None,
    chances: Sequence[Mapping[str, Any]],
    tried: Sequence[Rung],
    lineage: Mapping[str, Any] | None,
) -> list[dict[str, str]]:
    """Name the rungs of what was asked for that the run leaves out, and why.

    only: why exact ones alone may be tried, if so. tried: those that are.
    """
    rules, method = run.policy(), (run.done("begun") or {}).get("method")
    hopeless = {one["rung"]: one["skipped"] for one in chances if "skipped" in one}
    clean = lineage is not None and lineage.get("ancestors")
    found = []
    for rung in rules.ladder:
        if method not in (None, rung.method):
            continue
        if rung not in tried:
            why = hopeless.get(rules.named(rung)) or only or _used_up(run)
            found.append({"method": rung.method, "why": why})
        elif rung.method in BY_ANCESTORS and lineage is not None and not clean:
            found.append({"method": rung.method, "why": str(lineage["skipped"])})
    return found


def _used_up(run: Run) -> str:
    """Say what approximate rungs may not be tried for: error or attempts are used up."""
    before = earlier(run)
    if not before.left:
        spent = (
            f"{before.spent or 0:.2%} of the {ERROR:.0%} that all candidates of these requests may"
        )
        return f"{spent} err in is spent by earlier runs and judgements"
    return f"{before.attempts} attempts were made before, of {run.policy().attempts} allowed"


def _level(run: Run, without: frozenset[str]) -> dict[str, float]:
    """Give the level of the run's intervals where rungs that are not tried make it another."""
    return {"level": level_without(run, without)} if without else {}


def _extract(run: Run) -> dict[str, Any]:
    ws = run.at.ws
    rows_of(run.at)  # every shard is read and checked, also those that hold nobody concerned
    selectors = [run.at.ledger.selector(ref) for ref in run.requests]
    ids = find(ws, selectors)
    reason = refusal(run.at, ids)
    if reason:
        raise RequestDenied(f"request: {reason}")
    forgotten = frozenset(ids[TRAIN])
    out = restriction(run.at, forgotten)
    if forgotten and not out.ids <= forgotten:
        _refuse_lost_classes(ws, forgotten, out)
    drift = drift_told(run.at, run.parent().version, run.policy(), len(ids[TRAIN]))
    told = _chances(run, ids, likewise(selectors), drift)
    why = why_only_exact(run.at, forgotten)
    only = f"drift budget: {drift['words']}" if drift["exact_only"] else why
    known = _known(run, only, told["chances"])
    found = _lineage(run, known, out)
    asked = batch(run.at, forgotten).noted(run.policy().approval)
    commitment = run.seal_forget_ids({part: ids[part] for part in SPLITS})
    return {
        "data_version": versions.data_version(ws),
        "manifest": sha256_file(ws.manifest),
        "commitment": commitment,
        "likewise": likewise(selectors),
        "restricted": len(out.ids - forgotten),
        "left_out": sorted({one.ref for one in out.out} - set(run.requests)),
        "yielding": sorted(out.yielding),
        "training_set": loading.counts(ws)[TRAIN],
        **asked,
        "drift": drift,
        **told,
        "not_tried": _not_tried(run, only, told["chances"], known, found),
        **_level(run, not_tried(told["chances"])),
        **({"lineage": found} if found else {}),
        **({"only_exact": why} if why else {}),
        **{part: len(ids[part]) for part in SPLITS},
    }
