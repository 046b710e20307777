"""Bases: who is in which, what is clean, and that none survives the erasure of whom it saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import durable, keys
from ledger.requests import Ledger
from systems.compute.producing import recipe_for
from systems.data.sharding import load_dataset, shard_of
from systems.settings.params import change_params
from tasks.erasing.derived import remove_again
from tasks.running import bases
from tasks.running.opened import Opened, opened
from tasks.running.parts import parts_of
from tasks.running.run import Run
from tests.integration import small_runs
from unlearning.digests import sha256_file
from unlearning.errors import Hindered
from unlearning.networks import Recipe

COUNT = 4


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = small_runs.small(tmp_path_factory.mktemp("bases") / "workspace")
    change_params(root, {"bank.bases": COUNT, "training.epochs": 1})
    at = opened(str(root))
    assert bases.build(at, recipe(at)) == COUNT
    return root


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return small_runs.copied(original, tmp_path / "workspace")


def recipe(at: Opened) -> Recipe:
    parts = parts_of(at)
    return recipe_for(at.params.network, len(parts.classes), parts.train)


def base_of(at: Opened, who: str) -> int:
    key = keys.shard_key(at.ws.keys)
    return shard_of(who, key=key, shards=load_dataset(at.ws).shards) % COUNT


def begin(at: Opened, ref: str) -> Run:
    """Begin a run that notes its forget set as a run with bases does."""
    return small_runs.begun(at, ref, _noted)


def _noted(run: Run) -> dict[str, Any]:
    known = bases.lineage(run.at, recipe(run.at), run.requests, ())
    return {**small_runs.noted(run), "lineage": known}


def files(at: Opened) -> set[str]:
    return {path.name for path in at.ws.bases.iterdir()}


def test_every_person_is_in_one_base(at: Opened) -> None:
    logged = [e.body for e in at.ledger.log.entries() if e.event == "base_built"]
    train = parts_of(at).train

    held = [sum(base_of(at, who) == number for who in train.subjects) for number in range(COUNT)]

    assert [body["examples"] for body in logged] == held and sum(held) == len(train)
    assert files(at) == {f"{body['sha256']}.safetensors" for body in logged}
    assert bases.build(at, recipe(at)) == 0


def test_all_but_the_persons_base_are_clean(at: Opened) -> None:
    who = small_runs.person(at)
    ref = small_runs.asked(at, who)
    at = opened(at.root)

    found = bases.lineage(at, recipe(at), [ref], [])

    clean = {base.number for base in bases.standing(at) if base.sha256 in found["ancestors"]}
    assert clean == set(range(COUNT)) - {base_of(at, who)}
    assert found["skipped"] is None and who not in str(found)
    assert [sha256_file(path) for path in bases.files(at, found["ancestors"])] == found["ancestors"]


def test_where_too_few_are_clean_the_rung_is_skipped_with_a_reason(at: Opened) -> None:
    people = sorted(set(parts_of(at).train.subjects.tolist()))
    firsts = [next(w for w in people if base_of(at, w) == k) for k in range(COUNT - 1)]
    refs = [small_runs.asked(at, who) for who in firsts]
    at = opened(at.root)

    found = bases.lineage(at, recipe(at), refs[:1], refs[1:])

    assert found["ancestors"] == [] and "1 of 4 bases" in found["skipped"]


def test_a_base_that_saw_the_erased_goes_with_them_and_is_listed(at: Opened) -> None:
    who = small_runs.person(at)
    run, before = begin(at, small_runs.asked(at, who)), bases.standing(at)
    (saw,) = (base for base in before if base.number == base_of(at, who))

    small_runs.go_on(run)

    now, purged = opened(at.root), small_runs.again(run).done("purged") or {}
    assert files(now) == {f"{base.sha256}.safetensors" for base in before if base != saw}
    assert {"where": "bases", "what": saw.words, "status": "removed"} in purged["copies"]
    assert bases.build(now, recipe(now)) == 1
    (again,) = (base for base in bases.standing(now) if base.number == saw.number)
    assert again.sha256 != saw.sha256 and len(bases.usable(now, recipe(now))) == COUNT


def test_a_base_that_is_built_while_a_request_is_open_leaves_its_people_out(at: Opened) -> None:
    """It stays when they are erased: it learned nothing from them."""
    who = small_runs.person(at)
    ref, number = small_runs.asked(at, who), base_of(at, who)
    at = opened(at.root)
    (old,) = (base for base in bases.standing(at) if base.number == number)
    bases.remove(at, old, None)
    assert bases.build(at, recipe(at)) == 1
    (new,) = (base for base in bases.standing(at) if base.number == number)
    assert new.left_out == {ref} and new.sha256 != old.sha256

    run = begin(at, ref)
    assert len((run.done("extracted") or {})["lineage"]["ancestors"]) == COUNT
    small_runs.go_on(run)

    assert new in bases.standing(opened(at.root)) and len(files(at)) == COUNT


def test_where_nobody_said_who_was_in_which_all_go(at: Opened) -> None:
    """Those of others, which are built again with the same bytes, are not what is back."""
    network, before = recipe(at), files(at)
    run = small_runs.extracted(at, small_runs.person(at))

    small_runs.go_on(run)

    assert files(at) == set() and bases.standing(opened(at.root)) == ()
    bases.build(opened(at.root), network)
    built = files(at)
    assert built & before
    assert remove_again(small_runs.again(run)) == [] and files(at) == built


class Killed(Exception):
    """Stands for the process that is gone."""


def dies(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, before: bool, at: Callable[..., bool]
) -> None:
    """Let a function die, before or after its work, when its arguments are those meant."""
    work = getattr(where, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        meant = at(*args)
        if meant and before:
            raise Killed
        found = work(*args, **kwargs)
        if meant:
            raise Killed
        return found

    monkeypatch.setattr(where, name, dying)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("point", ["file", "log"])
def test_a_removal_that_was_killed_ends_as_one_that_was_not(
    at: Opened, monkeypatch: pytest.MonkeyPatch, point: str, before: bool
) -> None:
    who = small_runs.person(at)
    run = begin(at, small_runs.asked(at, who))
    (saw,) = (base for base in bases.standing(at) if base.number == base_of(at, who))
    with monkeypatch.context() as patch:
        if point == "file":
            dies(patch, durable, "remove_file", before=before, at=lambda p: p.stem == saw.sha256)
        else:
            dies(patch, Ledger, "record", before=before, at=lambda _, e, *rest: e == bases.REMOVED)
        with pytest.raises(Killed):
            small_runs.go_on(run)

    small_runs.go_on(run)

    purged = small_runs.again(run).done("purged") or {}
    rows = [row for row in purged["copies"] if row["where"] == bases.WHERE]
    assert rows == [{"where": "bases", "what": saw.words, "status": "removed"}]
    assert saw not in bases.standing(opened(at.root)) and f"{saw.sha256}.safetensors" not in files(
        at
    )


@pytest.mark.parametrize("before", [True, False], ids=["unlogged", "logged"])
def test_a_build_that_was_killed_leaves_nothing_that_counts(
    at: Opened, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    gone = bases.standing(at)[0]
    bases.remove(at, gone, None)
    with monkeypatch.context() as patch:
        dies(patch, Ledger, "record", before=before, at=lambda _, e, *rest: e == bases.BUILT)
        with pytest.raises(Killed):
            bases.build(at, recipe(at))
    at = opened(at.root)
    assert len(bases.usable(at, recipe(at))) == COUNT - 1

    assert bases.build(at, recipe(at)) == 1

    assert len(bases.usable(at, recipe(at))) == COUNT and bases.UNFINISHED not in files(at)


def test_altered_bytes_are_no_ancestor(at: Opened) -> None:
    base = bases.standing(at)[0]
    bases.path_of(at, base).write_bytes(b"other")
    with pytest.raises(Hindered, match="not the bytes"):
        bases.files(at, [base.sha256])


def test_other_numbers_of_bases_are_built_anew(at: Opened) -> None:
    change_params(at.ws.root, {"bank.bases": 2})
    at = opened(at.root)
    assert bases.build(at, recipe(at)) == 2
    assert {base.of for base in bases.standing(at)} == {2} and len(files(at)) == 2
    change_params(at.ws.root, {"bank.bases": 0})
    at = opened(at.root)
    assert bases.build(at, recipe(at)) == 0 and files(at) == set()
