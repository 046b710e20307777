"""Who is drawn to be replayed follows from a key and a share; nobody at the machine chooses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ledger.chain import Entry
from ledger.checkpoint import name_of
from ledger.domain import State
from ledger.replay import draws
from ledger.replay.draws import DISTANCE, IMPOSSIBLE, MISMATCH, REPRODUCED
from tasks import adopt
from tasks.keeping.verified import verify_records
from tasks.replaying import drawing, shares
from tasks.replaying.again import Replay
from tasks.running.opened import Opened
from tests.unit.submitted import accepted, workspace
from unlearning.digests import sha256_hex
from unlearning.errors import InfrastructureError, IntegrityError

ORIGINAL: Any = drawing._replay
GENUINE = SimpleNamespace(
    verification=SimpleNamespace(ok=True), first=SimpleNamespace(statement={})
)
NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A workspace whose policy draws every run, and whose replays come out as the test says."""
    ws = workspace(tmp_path / "workspace")
    ws.evidence.mkdir()
    made = Opened(str(ws.root))
    under(made, 1)
    monkeypatch.setattr(drawing, "_replay", replaying(REPRODUCED))
    yield made


def under(at: Opened, share: float) -> None:
    tree = yaml.safe_load(at.ws.policy.read_text())
    at.ws.policy.write_text(yaml.safe_dump({**tree, "replay": {"share": share}}))
    adopt.adopt(at.ws, at.ledger, at.ws.policy, "a share")


def replaying(outcome: str) -> Any:
    def replay(at: Opened, run: str, draw: int | None) -> Replay:
        found = Replay(run, outcome, "said so" if outcome in (IMPOSSIBLE, DISTANCE) else None)
        key = at.ledger.log.next_key(f"{run}/replayed")
        at.ledger.record(draws.REPLAYED, {**found.as_record(), "draw": draw}, key=key, now=NOW)
        return found

    return replay


def released(at: Opened, assurance: str = "A3") -> str:
    request = accepted(at.ledger, NOW)
    run = at.ledger.start_run([request.ref], now=NOW)
    body = {"decision": "released", "assurance": assurance}
    at.ledger.once(run, "decided", lambda: body, clock=lambda: NOW)
    at.ledger.once(
        run, "sealed", lambda: {"statement": sha256_hex(run.encode())}, clock=lambda: NOW
    )
    at.ledger.move(request.ref, State.EXTRACTING, now=NOW)
    at.ledger.move(request.ref, State.ACCEPTED, now=NOW)
    at.ledger.finish_run(run, now=NOW)
    return run


def of(at: Opened, event: str) -> list[Entry]:
    return [e for e in at.ledger.log.entries() if e.event == event]


def test_exact_releases_are_drawn_and_each_once(at: Opened) -> None:
    run = released(at)
    released(at, "A2")
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]
    assert drawing.replay_drawn(at)["replayed"] == []
    assert len(of(at, draws.DRAWN)) == 1, "with nobody to draw, nothing is drawn"
    (draw,) = of(at, draws.DRAWN)
    assert (draw.body["key"], draw.body["from"]) == (draw.previous, draws.BY_LOG)
    assert list(draws.objections(at.ledger.log.entries())) == []


@pytest.mark.parametrize("outcome", [IMPOSSIBLE, DISTANCE])
def test_only_the_same_bits_end_a_runs_waiting(at: Opened, outcome: str) -> None:
    """Whoever works the machine can make a replay impossible, or its profile another."""
    run = released(at)
    replaying(outcome)(at, run, None)
    assert list(draws.waiting(at.ledger.log.entries(), "a witness")) == [run]
    replaying(REPRODUCED)(at, run, None)
    assert draws.waiting(at.ledger.log.entries(), "a witness") == {}


@pytest.mark.parametrize("outcome", [IMPOSSIBLE, DISTANCE])
def test_only_the_same_bits_clear_a_mismatch(at: Opened, outcome: str) -> None:
    run = released(at)
    replaying(MISMATCH)(at, run, None)
    replaying(outcome)(at, run, None)
    assert run in shares.problem(at.ledger.log.entries())
    replaying(REPRODUCED)(at, run, None)
    assert shares.problem(at.ledger.log.entries()) == ""


def test_what_cannot_be_replayed_is_tried_at_each_draw_and_said_once(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = released(at)
    why = "cannot be replayed: its data are gone"
    monkeypatch.setattr(drawing, "_replay", ORIGINAL)
    monkeypatch.setattr(drawing, "read_bundle", lambda *_: GENUINE)
    monkeypatch.setattr(drawing, "replayed", lambda *_: Replay(run, IMPOSSIBLE, why))
    for _ in range(3):
        assert [one["why"] for one in drawing.replay_drawn(at)["replayed"]] == [why]
    assert len(of(at, draws.REPLAYED)) == 1
    monkeypatch.setattr(drawing, "replayed", lambda *_: Replay(run, REPRODUCED))
    assert len(drawing.replay_drawn(at)["replayed"]) == 1
    assert drawing.replay_drawn(at)["replayed"] == []


def test_a_distance_is_measured_again_on_another_machine_alone(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = released(at)
    monkeypatch.setattr(drawing, "elsewhere", lambda _: True)
    monkeypatch.setattr(drawing, "_replay", replaying(DISTANCE))
    for count in (1, 2):
        assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]
        assert len(of(at, draws.REPLAYED)) == count
    monkeypatch.setattr(drawing, "elsewhere", lambda _: False)
    (found,) = drawing.replay_drawn(at)["replayed"]
    assert found["outcome"] == DISTANCE and len(of(at, draws.REPLAYED)) == 2


def test_the_log_draws_nobody_once_a_witness_has(at: Opened, tmp_path: Path) -> None:
    """A share that is not mounted looks as if nobody had ever put anything there."""
    keeper = tmp_path / "auditor"
    (keeper / "draws").mkdir(parents=True)
    (at.ws.root / "service.yaml").write_text(yaml.safe_dump({"witness": {"at": [str(keeper)]}}))
    (keeper / "draws" / "june.txt").write_text("4 dice: 3 1 6 6")
    released(at)
    drawing.replay_drawn(at)
    released(at)
    keeper.rename(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="is not there"):
        drawing.replay_drawn(at)
    keeper.mkdir()
    with pytest.raises(InfrastructureError, match="drew before"):
        drawing.replay_drawn(at)
    assert len(of(at, draws.DRAWN)) == 1
    log = at.ledger.log
    body: dict[str, Any] = {"key": log.head, "from": draws.BY_LOG, "name": None, "share": 1}
    runs = list(draws.waiting(log.entries(), draws.BY_LOG))
    body |= {"of": len(runs), "runs": runs}
    at.ledger.record(draws.DRAWN, body, key=log.next_key("replay-draw"), now=NOW)
    assert any("expected a witness's" in line for line in draws.objections(log.entries()))


def test_a_share_of_none_draws_nobody(at: Opened) -> None:
    under(at, 0)
    released(at)
    assert drawing.replay_drawn(at)["replayed"] == []


def test_about_the_share_is_drawn_and_the_same_by_everybody() -> None:
    runs = {f"run-{n}": sha256_hex(str(n).encode()) for n in range(2_000)}
    found = draws.drawn("ab" * 32, 0.1, runs)
    assert 150 < len(found) < 250
    assert found == draws.drawn("ab" * 32, 0.1, dict(reversed(runs.items())))
    assert found != draws.drawn("cd" * 32, 0.1, runs)


def test_what_a_witness_puts_down_draws_once(at: Opened, tmp_path: Path) -> None:
    keeper = tmp_path / "auditor"
    (keeper / "draws").mkdir(parents=True)
    (at.ws.root / "service.yaml").write_text(yaml.safe_dump({"witness": {"at": [str(keeper)]}}))
    (keeper / "draws" / "june.txt").write_text("4 dice: 3 1 6 6")
    run = released(at)
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]
    (draw,) = of(at, draws.DRAWN)
    told = (draw.body["from"], draw.body["name"], draw.body["key"])
    assert told == (name_of(str(keeper)), "draws/june.txt", sha256_hex(b"4 dice: 3 1 6 6"))
    later = released(at)
    assert drawing.replay_drawn(at)["replayed"] == [], "the log draws nobody where a witness does"
    (keeper / "draws" / "july.txt").write_text("4 dice: 2 2 5 1")
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [later]
    entries, witness = at.ledger.log.entries(), name_of(str(keeper))
    keys = {e.body["name"]: e.body["key"] for e in of(at, draws.DRAWN)}
    assert list(draws.unlike(entries, witness, keys)) == []
    assert len(list(draws.unlike(entries, witness, {}))) == 2
    asked = "2 draws asked for, 2 drawn, 0 runs of them not reproduced"
    assert draws.counted(entries, witness, keys, ()).startswith(f"{asked}, 2 of the draws without")


def watched(at: Opened, folder: Path) -> Path:
    """Let a keeper in a folder of his own see the workspace; give where he puts his draws."""
    (folder / "auditor" / "draws").mkdir(parents=True)
    settings = {"witness": {"at": [str(folder / "auditor")]}}
    (at.ws.root / "service.yaml").write_text(yaml.safe_dump(settings))
    return folder / "auditor" / "draws"


def named(at: Opened, what: str = "june.txt") -> str:
    return f"{len(at.ledger.log.entries()):012d}-{what}"


def test_a_key_draws_only_runs_that_were_logged_before_it(at: Opened, tmp_path: Path) -> None:
    """Whoever knows the key before he seals a run can seal one that it does not draw."""
    keeper = watched(at, tmp_path)
    before = released(at)
    (keeper / named(at)).write_text("20 dice")
    released(at)
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [before]
    (draw,) = of(at, draws.DRAWN)
    assert (draw.body["of"], draw.body["runs"]) == (1, [before])
    assert list(draws.objections(at.ledger.log.entries())) == []
    (keeper / named(at, "july.txt")).write_text("20 other dice")
    assert len(drawing.replay_drawn(at)["replayed"]) == 1, "the later one waits for the next key"


def test_a_key_draws_by_the_share_that_was_in_force_before_it(at: Opened, tmp_path: Path) -> None:
    """Nor can a policy be adopted, once the key is known, by which it draws nobody."""
    keeper = watched(at, tmp_path)
    run = released(at)
    (keeper / named(at)).write_text("20 dice")
    under(at, 0)
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]
    assert list(shares.objections(at.ws, at.ledger.log.entries())) == []
    (draw,) = of(at, draws.DRAWN)
    false = {**draw.body, "share": 0.0, "of": 1, "runs": []}
    at.ledger.record(draws.DRAWN, false, key="replay-draw/9", now=NOW)
    entries = at.ledger.log.entries()
    assert any("the policy has 1" in line for line in shares.objections(at.ws, entries))
    assert any("draw once" in line for line in draws.objections(entries))


def test_a_run_that_was_said_to_be_reproduced_once_the_key_was_known_is_drawn(
    at: Opened, tmp_path: Path
) -> None:
    keeper = watched(at, tmp_path)
    run = released(at)
    (keeper / named(at)).write_text("20 dice")
    replaying(REPRODUCED)(at, run, None)
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]


def test_only_a_checkpoints_own_form_names_one(at: Opened, tmp_path: Path) -> None:
    """A date draws as before; a checkpoint that nobody has yet draws what there is."""
    for name, number in (
        ("draws/000000000042.txt", 42),
        ("draws/000000000042-june.txt", 42),
        ("draws/2026-06.txt", None),
        ("draws/20260610120000.txt", None),
        ("draws/june-000000000042.txt", None),
        (None, None),
    ):
        assert draws.checkpoint_of(name) == number
    keeper = watched(at, tmp_path)
    run = released(at)
    (keeper / "000000009999.txt").write_text("20 dice")
    (keeper / "000000000000.txt").write_text("20 other dice")
    assert [one["run"] for one in drawing.replay_drawn(at)["replayed"]] == [run]
    entries = at.ledger.log.entries()
    found = {e.body["name"]: e.body["of"] for e in of(at, draws.DRAWN)}
    assert found == {"draws/000000009999.txt": 1, "draws/000000000000.txt": 0}
    keys = {e.body["name"]: e.body["key"] for e in of(at, draws.DRAWN)}
    witness = name_of(str(keeper.parent))
    assert "2 of the draws without" in draws.counted(entries, witness, keys, {42})
    assert "without" not in draws.counted(entries, witness, keys, {0, 9999})


def test_a_draw_that_its_key_does_not_give_is_found(at: Opened) -> None:
    released(at)
    log = at.ledger.log
    body: dict[str, Any] = {"key": log.head, "from": draws.BY_LOG, "name": None}
    body |= {"share": 1, "of": 1, "runs": []}
    at.ledger.record(draws.DRAWN, body, key=log.next_key("replay-draw"), now=NOW)
    assert any("its key draws 1" in line for line in draws.objections(log.entries()))
    key = {"key": "ab" * 32, "share": 0.5}
    at.ledger.record(draws.DRAWN, body | key, key=log.next_key("replay-draw"), now=NOW)
    assert any("a key of its own" in line for line in draws.objections(log.entries()))
    assert any("the policy has 1" in line for line in shares.objections(at.ws, log.entries()))
    assert not verify_records(at.ws, None).ok


@pytest.mark.parametrize(
    ("field", "value"),
    [("key", 7), ("share", "1"), ("runs", "run-1"), ("runs", None), ("name", 3), ("from", None)],
)
def test_a_signed_draw_of_odd_types_is_named_and_draws_nobody(
    at: Opened, field: str, value: Any
) -> None:
    run, log = released(at), at.ledger.log
    body = {"key": log.head, "from": draws.BY_LOG, "name": None, "share": 1, "of": 1}
    odd = {**body, "runs": [run], field: value}
    at.ledger.record(draws.DRAWN, odd, key="replay-draw-odd", now=NOW)
    entries = log.entries()
    last = entries[-1].seq
    assert [f"entry {last}, replay_drawn" in line for line in draws.objections(entries)] == [True]
    assert draws.owed(entries) == {} and not draws.witnessed(entries)
    assert list(shares.objections(at.ws, entries)) == []


def test_a_mismatch_is_an_alarm_once_all_were_replayed(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_replay", replaying(MISMATCH))
    runs = [released(at), released(at)]
    with pytest.raises(IntegrityError, match="not trained from these data"):
        drawing.replay_drawn(at)
    assert len(of(at, draws.REPLAYED)) == 2
    assert runs[0] in shares.problem(at.ledger.log.entries())


def test_what_is_impossible_is_no_alarm(at: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_replay", replaying(IMPOSSIBLE))
    released(at)
    (found,) = drawing.replay_drawn(at)["replayed"]
    assert found["why"] == "said so"
    assert shares.problem(at.ledger.log.entries()) == ""
