"""A workspace whose log lies in a database: made, used, exported, copied, and undone."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import flows.train
from flows.cli import main
from flows.cli.work import initialising, queries
from flows.cli.work.opening import holding
from ledger import lines
from ledger.databases.lines import InDatabase
from ledger.databases.postgresql import engine_at
from ledger.errors import OutsideWorkspace, WorkspaceBusy
from ledger.replay.lineage import FIRST, PROMOTED
from systems.data import importing
from systems.registry import models
from systems.settings.ownership import MARK
from systems.settings.recording import DATABASE_URL, ledger_at, lines_of, serving_alone
from systems.settings.workspace import Workspace, write_templates
from systems.webhooks.notices import Outbox
from tasks import promote
from tasks.keeping.drill import drill
from tasks.running.holding import holding as held
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.witness import bring_up_to_date
from tests.integration.on_postgresql.test_ledger import counts, cut
from tests.integration.test_initialising import contents, init, offer
from tests.unit.submitted import accepted
from unlearning.errors import InfrastructureError, UsageError

EMPTY = (0, 0, 0)


def trained(root: str, **_: Any) -> dict[str, Any]:
    """What the flow answers, and the entry by which its model is in the log."""
    ledger = ledger_at(Workspace.at(root), read_only=False)
    body = {"version": 1, "sha256": "0" * 64}
    ledger.record(FIRST, body, key=FIRST, now=utc_now())
    champion = {"name": "lethe", "version": 1, "sha256": "0" * 64, "weights": "none"}
    bank = {"bank": "0", "shadows": 4, "examples": 1, "test_accuracy": 0.5}
    return {"champion": champion, "test_accuracy": 0.5, "seconds": 1.0, "bank": bank}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return offer(tmp_path_factory.mktemp("offered") / "people.parquet")


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The database as the environment names it; no training."""
    monkeypatch.setattr(flows.train, "train", trained)
    monkeypatch.setenv(DATABASE_URL, url)


@pytest.fixture
def folder(tmp_path: Path) -> Workspace:
    ws = Workspace.at(tmp_path / "workspace")
    write_templates(ws)
    ws.params.write_text(ws.params.read_text().replace("shards: 64", "shards: 2 "))
    return ws


@pytest.fixture
def ws(folder: Workspace, data: str) -> Workspace:
    init(folder.root, data, seed=3)
    return folder


def said(
    capsys: pytest.CaptureFixture[str], ws: Workspace, *words: str
) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as left:
        main(["--json", "--workspace", str(ws.root), *words])
    return int(str(left.value.code or 0)), json.loads(capsys.readouterr().out)


def test_it_is_used_as_any_other(
    ws: Workspace, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (ws.log.exists() or ws.tables.exists())
    code, received = said(capsys, ws, "submit", "--subject", "person-0")
    assert (code, received["state"]) == (0, "accepted")
    ref = str(received["request"])
    assert said(capsys, ws, "hold", ref, "--reason", "a lawsuit")[1]["state"] == "held"
    assert [r["state"] for r in said(capsys, ws, "list", "requests")[1]["requests"]] == ["held"]
    events = [entry["event"] for entry in said(capsys, ws, "show", ref)[1]["history"]]
    assert events == ["submitted", "held"]
    assert [(n.request, n.state) for n in Outbox(ws).after(0)[0]] == [
        (ref, "accepted"),
        (ref, "held"),
    ]
    checked = said(capsys, ws, "verify", "--log")[1]
    assert checked["ok"] and any("row against the log" in line for line in checked["checked"])
    checks = {c["name"]: c["hint"] for c in queries.doctor(ws.root)["checks"]}
    assert (checks["workspace"], checks["log"], checks["policy"]) == ("", "", "")


def test_an_exported_log_is_verified_without_the_database(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """It grows with the next export; what is no earlier export of it stays as it is."""
    to, key = tmp_path / "exported.jsonl", tmp_path / "public.pem"
    shutil.copy(ws.public_key, key)
    code, first = said(capsys, ws, "log", "--export", str(to))
    assert code == 0 and to.read_bytes() == lines_of(ws).read()
    said(capsys, ws, "submit", "--subject", "person-0")
    code, second = said(capsys, ws, "log", "--export", str(to))
    assert (code, second["entries"]) == (0, first["entries"] + 1)
    monkeypatch.delenv(DATABASE_URL)
    nowhere = Workspace.at(tmp_path / "nowhere")
    words = ("verify", str(to), "--log", "--key", str(key))
    code, found = said(capsys, nowhere, *words, "--head", first["head"])
    assert code == 0 and found["ok"] and found["problems"] == []
    assert said(capsys, nowhere, *words, "--head", "0" * 64)[0] == 30
    to.write_bytes(to.read_bytes().replace(b"accepted", b"complete"))
    assert said(capsys, nowhere, *words)[0] == 30


def test_a_witness_finds_a_database_that_was_cut(
    ws: Workspace, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the database and all that lies beside the log can cut both, and no witness."""
    share, to = tmp_path / "share", tmp_path / "exported.jsonl"
    share.mkdir()
    (ws.root / "service.yaml").write_text(f"witness: {{at: [{share}]}}\n")
    at = Opened(str(ws.root))
    at.ledger.record("noted", {}, key="noted", now=utc_now())
    bring_up_to_date(at)
    said(capsys, ws, "log", "--export", str(to))
    key = ("--key", str(ws.public_key), "--witness", str(share))
    for words in (("verify", "--log"), ("verify", str(to), "--log")):
        assert said(capsys, ws, *words, *key)[1]["ok"]
    last = at.ledger.log.entries()[-2]
    with engine_at(url).begin() as connection:
        connection.execute(text(f"DELETE FROM lethe_ledger.log WHERE seq > {last.seq}"))
        connection.execute(
            text(f"UPDATE lethe_ledger.meta SET last_seq = {last.seq}, last_hash = '{last.hash}'")
        )
    (ws.keys / "head.json").unlink()
    code, found = said(capsys, ws, "verify", "--log", *key)
    assert code == 30 and "it was cut" in found["problems"][0]


@pytest.mark.parametrize("there", ["mine.txt", "workspace/records/log.jsonl", "no/folder", "."])
def test_an_export_overwrites_nothing(
    ws: Workspace, tmp_path: Path, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    before = contents(tmp_path)
    code, problem = said(capsys, ws, "log", "--export", str(tmp_path / there))
    assert code == 2 and "--export" in problem["error"]
    assert contents(tmp_path) == before


def test_a_drill_verifies_what_a_restore_would_put_back(ws: Workspace) -> None:
    with held(ws.root) as at:
        told = drill(at)
    assert told["ok"] and told["checked"][0].startswith("log.jsonl: ")
    assert not list(ws.service.glob("drill-*"))


def test_without_the_url_every_command_says_so_and_writes_nothing(
    ws: Workspace, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DATABASE_URL)
    before = contents(ws.records)
    for words in (
        ["submit", "--subject", "person-0"],
        ["list"],
        ["verify", "--log"],
        ["forget", "--all"],
        ["log", "--export", "x"],
    ):
        code, problem = said(capsys, ws, *words)
        assert code == 20 and DATABASE_URL in problem["error"], words
    assert contents(ws.records) == before
    hints = {c["name"]: c["hint"] for c in queries.doctor(ws.root)["checks"]}
    assert DATABASE_URL in hints["log"]


def test_service_yaml_may_name_the_database(ws: Workspace, url: str, monkeypatch) -> None:
    monkeypatch.delenv(DATABASE_URL)
    (ws.root / "service.yaml").write_text(f"database: {url}\n")
    assert ledger_at(ws, read_only=True).log.find(FIRST)


def test_who_lost_the_lock_promotes_nothing(
    ws: Workspace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is cut while the candidate is registered, when all steps' looks are past."""
    moved: list[int] = []

    class Registered:
        version, sha256 = 2, "0" * 64

    def registering(*_: Any) -> type[Registered]:
        cut(url)
        return Registered

    monkeypatch.setattr(promote, "candidate_of", lambda _: (Path("w"), {}))
    monkeypatch.setattr(models, "register", registering)
    monkeypatch.setattr(models, "nominate", lambda *_: None)
    monkeypatch.setattr(models, "promote", lambda *a, **_: moved.append(a[2]))
    with holding(ws.root) as at:
        run = Run(at, at.ledger.start_run([accepted(at.ledger, utc_now()).ref], now=utc_now()))
        for step, body in (
            ("begun", {"parent": 1, "policy": "p"}),
            ("extracted", {"data_version": "d"}),
            ("decided", {"assurance": "A2"}),
            ("sealed", {"statement": "s"}),
        ):
            run.once(step, partial(dict, body))
        with pytest.raises(WorkspaceBusy, match="was lost"):
            run.once(PROMOTED, partial(promote._promote, run))
    assert moved == [] and ledger_at(ws, read_only=True).log.find(f"{run.ref}/{PROMOTED}") is None


def test_two_machines_with_a_copy_do_not_both_work(ws: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ws.root, copy)
    (copy / "records" / MARK).unlink()
    with holding(ws.root), pytest.raises(WorkspaceBusy, match="another machine"), holding(copy):
        pass
    with holding(copy):
        pass
    other = Workspace.at(copy)
    for one in (ws, other):
        one.service.mkdir(exist_ok=True)
    with serving_alone(ws), holding(other.root):
        assert_served(other)


def test_a_copy_leaves_its_originals_ledger_alone(
    ws: Workspace, tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be looked at; until somebody says that it is the one, nothing is written from it."""
    copy, before = Workspace(tmp_path / "copy"), counts(url)
    shutil.copytree(ws.root, copy.root)
    code, problem = said(capsys, copy, "submit", "--subject", "person-0")
    assert code == 30 and "remove records/place" in str(problem)
    copy.service.mkdir(exist_ok=True)
    with pytest.raises(OutsideWorkspace), serving_alone(copy):
        pass
    assert counts(url) == before and said(capsys, copy, "verify", "--log")[0] == 0
    found = said(capsys, ws, "submit", "--subject", "person-0")
    assert found[0] == 0, found
    (copy.records / MARK).unlink()
    with holding(copy.root):
        assert (copy.records / MARK).is_file(), "the next copy would not be known as one"


def assert_served(ws: Workspace) -> None:
    with pytest.raises(WorkspaceBusy, match="another machine"), serving_alone(ws):
        pass


def test_a_database_that_holds_another_ledger_is_refused_before_anything_is_written(
    ws: Workspace, tmp_path: Path, data: str, url: str
) -> None:
    before, other = counts(url), tmp_path / "other"
    with pytest.raises(UsageError, match="a database of its own"):
        init(other, data, seed=3)
    assert not other.exists() and counts(url) == before
    with pytest.raises(UsageError, match="is a workspace already"):
        init(ws.root, data, seed=3)


class Killed(BaseException):
    """Stands for kill -9: nothing more is done, not even what undoes."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_init_that_was_killed_is_begun_again(
    folder: Workspace, data: str, url: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the database is to be this ledger's, and just after."""
    create = InDatabase.create

    def dying(where: str, ledger: str) -> None:
        if moment == "after":
            create(where, ledger)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(InDatabase, "create", dying)
        patch.setattr(initialising, "_undo", lambda *_: None)
        init(folder.root, data, seed=3)
    assert folder.elsewhere.exists() and counts(url) == EMPTY
    init(folder.root, data, seed=3)
    assert ledger_at(folder, read_only=True).log.find(FIRST)


def test_an_init_that_was_cut_off_keeps_to_its_database(
    folder: Workspace, data: str, url: str, other_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another one it would leave the first taken, by a ledger that nobody has."""

    def dying(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(importing, "take_in", dying)
        patch.setattr(initialising, "_undo", lambda *_: None)
        init(folder.root, data, seed=3)
    before = counts(url)
    with monkeypatch.context() as patch:
        patch.setenv(DATABASE_URL, other_url)
        with pytest.raises(InfrastructureError, match="holds no ledger, expected this workspace's"):
            init(folder.root, data, seed=3)
    assert counts(url) == before
    lines.require_free(other_url)
    init(folder.root, data, seed=3)
    assert ledger_at(folder, read_only=True).log.find(FIRST)


def test_an_init_that_fails_leaves_nothing_in_the_database(
    folder: Workspace, data: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder.root)

    def full(*_: Any, **__: Any) -> None:
        assert counts(url)[0] == 2  # both settings were adopted
        raise InfrastructureError("data/: the disk is full")

    with monkeypatch.context() as patch, pytest.raises(InfrastructureError, match="full"):
        patch.setattr(importing, "take_in", full)
        init(folder.root, data, seed=3)
    assert counts(url) == EMPTY
    lines.require_free(url)
    now = contents(folder.root)
    assert {name: now[name] for name in before} == before and not folder.records.exists()
