"""A backup holds all who were in the workspace; a restore lets nobody back who was erased since."""

from __future__ import annotations

import io
import json
import mailbox
import shutil
from contextlib import closing
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.cli import main
from flows.cli.work import answering, backing_up, requesting, serving
from flows.cli.work.backing_up import Asked
from ledger import durable, evidence, suppression
from ledger.backups import BACKUP, standing
from ledger.checkpoint import name_of
from ledger.domain import Selector, State
from ledger.errors import KeyMissing, SealAltered
from ledger.keys import load_signing_key
from ledger.replay.lineage import TAINTED
from ledger.replay.statements import COMPLETED
from systems.data import loading, reading, versions
from systems.settings.restoring import restoring
from systems.settings.workspace import Workspace
from tasks.backups import restoring as restoring_steps
from tasks.backups.newest import backup_of, marks_since
from tasks.backups.taking import take
from tasks.data.alike import Decided
from tasks.data.importing import take_in
from tasks.extract import find
from tasks.keeping.drill import drill
from tasks.keeping.verified import verify_records
from tasks.running.growth import IMPORTED
from tasks.running.holding import readable
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.witness import bring_up_to_date
from tests.integration.mail_server import MailServer, mail_on_loopback
from tests.integration.small_runs import (
    another,
    asked,
    begun,
    closed,
    noted,
    person,
    small,
)
from tests.integration.test_importing_more import NAMES
from unlearning.errors import InfrastructureError, IntegrityError, RequestDenied, UsageError


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return another(original, tmp_path / "workspace")


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request be served by the steps that need no model."""

    def served(root: str, ref: str) -> dict[str, Any]:
        at = opened(root)
        if at.ledger.request(ref).run is None or at.ledger.unfinished_run([ref]):
            erased(at, ref)
        return {"decision": "purge"}

    monkeypatch.setattr(backing_up, "_erased", served)


def erased(at: Opened, ref: str) -> Run:
    """Take a request through a run that only purges, to its end."""
    run = begun(at, ref, noted)
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0", "records": []})
    seal(run)
    return closed(run)


def seal(run: Run) -> None:
    """Seal a bundle as far as a log and those who restore ask for it."""
    if run.done("sealed") is not None:
        return
    durable.make_folder(run.bundle)
    lines = b"".join(entry.line() for entry in run.at.ledger.log.entries())
    durable.write(run.bundle / evidence.EXCERPT, lines)
    said = {"run": run.ref, "log_head": run.at.ledger.log.head}
    digest = evidence.seal(run.bundle, said, load_signing_key(run.at.ws.keys))
    run.once("sealed", lambda: {"statement": digest})


def subjects(root: Path) -> set[str]:
    return set(reading.read_table(Workspace(root), ["subject_id"])["subject_id"].to_pylist())


def encoded_anew(image: bytes) -> bytes:
    """The same picture in other bytes."""
    file = io.BytesIO()
    Image.open(io.BytesIO(image)).save(file, "BMP")
    return file.getvalue()


def events(root: Path) -> list[str]:
    return [entry.event for entry in opened(str(root)).ledger.log.entries()]


class TestTaking:
    def test_nothing_of_it_lies_open(self, at: Opened, tmp_path: Path) -> None:
        who, images = person(at), loading.load_examples(at.ws)["train"].images
        found = take(at, tmp_path / "backups", tmp_path / "apart")
        content = Path(found["file"]).read_bytes()
        assert who.encode() not in content and images[0].tobytes() not in content
        assert b"PAR1" not in content and b"PRIVATE KEY" not in content
        assert Path(found["key"]).parent == tmp_path / "apart"
        assert [path.name for path in (tmp_path / "backups").iterdir() if path.is_dir()] == []

    def test_the_log_tells_of_it_and_it_has_that_entry(self, at: Opened, tmp_path: Path) -> None:
        found = take(at, tmp_path / "backups", None)
        (one,) = standing(at.ledger.log.entries())
        assert (one.ref, one.sha256) == (found["backup"], found["sha256"])
        assert found["head"] == at.ledger.log.entries()[-2].hash

    @pytest.mark.parametrize("place", [".", "records", "new/folder"])
    def test_a_folder_in_the_workspace_is_refused(self, at: Opened, place: str) -> None:
        before = at.ledger.log.head
        with pytest.raises(UsageError, match="lies in the workspace"):
            take(at, at.ws.root / place, None)
        assert at.ledger.log.head == before

    def test_one_that_failed_leaves_nothing(
        self, at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.backups.taking.pack", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take(at, tmp_path / "backups", None)
        assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []
        assert list((at.ws.keys / "backups").iterdir()) == []
        assert standing(at.ledger.log.entries()) == ()

    def test_one_that_was_killed_is_taken_back_by_the_next(
        self, at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed as the file is being named: nobody undoes anything."""
        monkeypatch.setattr("tasks.backups.taking._take_back", lambda *_: None)
        monkeypatch.setattr("tasks.backups.taking.describe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take(at, tmp_path / "backups", None)
        monkeypatch.undo()
        assert len(list((tmp_path / "backups").glob("bk-*.sealed"))) == 1
        assert [one.sha256 for one in standing(at.ledger.log.entries())] == [None]
        taken = take(opened(at.root), tmp_path / "elsewhere", None)
        assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []
        assert [one.ref for one in standing(opened(at.root).ledger.log.entries())] == [
            taken["backup"]
        ]


class TestRestoring:
    def test_what_is_restored_is_the_workspace(self, at: Opened, tmp_path: Path) -> None:
        take(at, tmp_path / "backups", None)
        version, there = versions.data_version(at.ws), subjects(at.ws.root)
        found = backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
        assert found["restored"] and found["data_version"] == version
        assert subjects(tmp_path / "new") == there
        assert verify_records(Workspace(tmp_path / "new"), at.ledger.log.entries()[-2].hash).ok
        assert restoring(readable(tmp_path / "new")) is None
        assert events(tmp_path / "new")[-1] == "restored"

    def test_without_a_newer_list_one_line_says_so(self, at: Opened, tmp_path: Path) -> None:
        taken = take(at, tmp_path / "backups", None)
        (note,) = backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))["notes"]
        assert taken["taken_at"] in note and "--newest" in note

    def test_what_is_written_beside_it_in_clear_is_held_against_it(
        self, at: Opened, tmp_path: Path
    ) -> None:
        """A later day would be logged, and tell whoever reads that nobody was erased since."""
        taken = take(at, tmp_path / "backups", None)
        beside = Path(taken["file"]).with_suffix(".json")
        said = json.loads(beside.read_text())
        for other in ({"taken_at": "2099-01-01"}, {"entries": 9999}, {"data_version": "0" * 32}):
            beside.write_text(json.dumps({**said, **other}))
            with pytest.raises(IntegrityError, match="as is written beside it"):
                backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
            assert list((tmp_path / "new").iterdir()) == []
        for odd in ({"taken_at": None}, {"entries": "9"}, {"backup": 1}, {"sha256": 0}):
            beside.write_text(json.dumps({**said, **odd}))
            with pytest.raises(UsageError, match="holds no backup that is whole"):
                backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))

    @pytest.mark.parametrize("newest", ["workspace", "workspace/records", "list"])
    def test_who_was_erased_since_does_not_come_back(
        self, at: Opened, tmp_path: Path, newest: str
    ) -> None:
        take(at, tmp_path / "backups", None)
        who = person(at)
        erased(at, asked(at, who))
        shutil.copy(at.ws.records / suppression.FILE, tmp_path / "list")
        given = (tmp_path / newest,)
        found = backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups", newest=given))
        assert found["replayed"] > 0 and found["notes"] == []
        assert who not in subjects(tmp_path / "new")
        assert subjects(tmp_path / "new") == subjects(at.ws.root)
        new = opened(str(tmp_path / "new"))
        assert verify_records(new.ws, None).ok
        listed = suppression.load(new.ws.records, new.ws.keys)
        assert suppression.load(at.ws.records, at.ws.keys).tokens.keys() <= listed.tokens.keys()
        # The backup that it came from holds the person still: nothing is complete.
        request = new.ledger.request(found["request"])
        assert request.state is State.PURGING

    def test_what_looks_like_who_was_erased_since_is_asked_about(
        self, at: Opened, tmp_path: Path
    ) -> None:
        """A copy of the picture, encoded anew, lay under somebody else's name in the backup."""
        who = person(at)
        table = reading.read_table(at.ws, ["image", "subject_id", "label"])
        image = next(r["image"] for r in table.to_pylist() if r["subject_id"] == who)
        rows = {"image": [encoded_anew(image)], "label": [3], "subject_id": ["other"]}
        pq.write_table(pa.table({**rows, "example_id": ["other/1"]}), tmp_path / "more.parquet")
        take_in(at, tmp_path / "more.parquet", NAMES, as_written=False)
        at = opened(at.root)
        take(at, tmp_path / "backups", None)
        erased(at, asked(at, who))
        asking = Asked(tmp_path / "backups", newest=(at.ws.root,))
        with pytest.raises(UsageError, match=r"restore: 1 of \d+ rows \(rows \d+ of data/") as told:
            backing_up.restore(tmp_path / "new", asking)
        assert "--accept-alike" in str(told.value) and "other/" not in str(told.value)
        shutil.copytree(tmp_path / "new", tmp_path / "again")
        backing_up.restore(tmp_path / "new", asking, Decided("the archive's own, it says"))
        assert {"other", who} & subjects(tmp_path / "new") == {"other"}
        log = opened(str(tmp_path / "new")).ledger.log.entries()
        (said,) = (entry.body["decided"] for entry in log if entry.event == "alike_decided")
        assert said["accepted"] == "the archive's own, it says"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backing_up, "_erased", lambda *_: {"run": "run", "decision": "refused"})
            left = backing_up.restore(tmp_path / "again", asking, Decided(leave_out=True))
        assert left["restored"] is False
        with pytest.raises(UsageError, match="decided before and logged: left out"):
            backing_up.restore(tmp_path / "again", asking, Decided("others after all"))
        backing_up.restore(tmp_path / "again", asking)
        assert not {"other", who} & subjects(tmp_path / "again")

    def test_after_a_change_of_keys_the_newest_log_is_still_followed(
        self, at: Opened, tmp_path: Path
    ) -> None:
        take(at, tmp_path / "backups", None)
        at.ledger.rotate_key(reason="a laptop was lost", now=utc_now())
        who = person(at)
        erased(opened(at.root), asked(at, who))
        asking = Asked(tmp_path / "backups", newest=(at.ws.root,))
        assert backing_up.restore(tmp_path / "new", asking)["replayed"] > 0
        assert who not in subjects(tmp_path / "new")

    def test_what_was_asked_or_marked_since_is_told(self, at: Opened, tmp_path: Path) -> None:
        take(at, tmp_path / "backups", None)
        before = at.ledger.log.entries()
        asked(at, person(at))
        at = opened(at.root)
        mark = {"version": 1, "sha256": "0" * 64, "reason": "a bad batch"}
        at.ledger.record(TAINTED, mark, key="version/1/tainted", now=utc_now())
        other = {"version": 7, "sha256": "7" * 64, "reason": "made since"}
        at.ledger.record(TAINTED, other, key="version/7/tainted", now=utc_now())
        came = {"before": "0", "data_version": "1"}
        at.ledger.record(IMPORTED, came, key=f"import-1/{IMPORTED}", now=utc_now())
        asking = Asked(tmp_path / "backups", newest=(at.ws.log,))
        notes = backing_up.restore(tmp_path / "new", asking)["notes"]
        assert [note for note in notes if "1 open request " in note]
        assert [note for note in notes if "data came in 1 time since" in note]
        backup = backup_of(at.ws)
        older = replace(backup, chain=replace(backup.chain, entries=before))
        assert marks_since(older, at.ledger.log.entries()) == (mark,)

    def test_what_was_held_or_denied_since_is_so_again(self, at: Opened, tmp_path: Path) -> None:
        refs = [asked(at, person(at, number)) for number in range(4)]
        threes = requesting.submit(at.ws.root, Selector("class", ("3",)), None, "gdpr", None)
        take(opened(at.root), tmp_path / "backups", None)
        held, denied, resumed, left, cut = *refs, str(threes["request"])
        for verb, ref in (("hold", held), ("hold", resumed), ("resume", resumed)):
            answering.say(at.ws.root, verb, ref, "a lawsuit")
        answering.say(at.ws.root, "deny", denied, "a lawsuit", "legal_claims")
        one = find(at.ws, [Selector("class", ("3",))])["train"][0]
        answering.hold_part(at.ws.root, cut, [one], "a lawsuit")
        asking = Asked(tmp_path / "backups", newest=(at.ws.log,))
        notes = backing_up.restore(tmp_path / "new", asking)["notes"]
        assert [note for note in notes if "3 requests were held or denied since" in note]
        assert not [note for note in notes if "open request" in note]
        there = opened(str(tmp_path / "new")).ledger
        states = {ref: str(there.request(ref).state) for ref in (held, denied, resumed, left, cut)}
        assert states == {
            held: "held",
            denied: "denied",
            resumed: "accepted",
            left: "accepted",
            cut: "held",
        }
        assert f"{cut}-1" in str(there.request(cut).reason)
        assert verify_records(Workspace(tmp_path / "new"), None).ok

    def test_an_older_list_than_the_log_beside_it_is_an_alarm(
        self, at: Opened, tmp_path: Path
    ) -> None:
        erased(at, asked(at, person(at)))
        older = (at.ws.records / suppression.FILE).read_bytes()
        take(opened(at.root), tmp_path / "backups", None)
        erased(opened(at.root), asked(at, person(opened(at.root))))
        (at.ws.records / suppression.FILE).write_bytes(older)
        with pytest.raises(IntegrityError, match="older than the log beside it"):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups", newest=(at.ws.root,)))
        assert list((tmp_path / "new").iterdir()) == []

    def test_a_log_that_tells_of_an_erasure_is_not_enough(self, at: Opened, tmp_path: Path) -> None:
        take(at, tmp_path / "backups", None)
        erased(at, asked(at, person(at)))
        log = shutil.copy(at.ws.log, tmp_path / "exported")
        with pytest.raises(IntegrityError, match="give the newest one"):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups", newest=(Path(log),)))

    def test_another_workspace_s_list_is_none(
        self, original: Path, at: Opened, tmp_path: Path
    ) -> None:
        take(at, tmp_path / "backups", None)
        other = opened(str(small(tmp_path / "other")))
        erased(other, asked(other, person(other)))
        for given in (other.ws.root, other.ws.records / suppression.FILE):
            with pytest.raises(IntegrityError):
                backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups", newest=(given,)))

    def test_a_witness_brings_the_newest_list(self, at: Opened, tmp_path: Path) -> None:
        (tmp_path / "share").mkdir()
        (at.ws.root / "service.yaml").write_text(f"witness:\n  at: [{tmp_path / 'share'}]\n")
        bring_up_to_date(at)
        take(at, tmp_path / "backups", None)
        who = person(at)
        run = erased(at, asked(at, who))
        bring_up_to_date(run.at)
        found = backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
        assert found["replayed"] > 0 and who not in subjects(tmp_path / "new")
        assert not (tmp_path / "new/service.yaml").exists()
        assert [note.split()[0] for note in found["notes"]] == ["service.yaml"]

    def test_mail_brings_the_newest_list(
        self, at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The mailbox is not asked, and said so by its server; a key that came between is known."""
        with mail_on_loopback(MailServer(tmp_path / "inbox")) as server:
            url = f"smtp://127.0.0.1:{server.port}/auditor@example.org"
            mail = "{sender: a@example.com, encrypt: none, seconds: 5}"
            named = f"witness:\n  at: ['{url}']\n  mail: {mail}\n"
            (at.ws.root / "service.yaml").write_text(named)
            bring_up_to_date(at)
            take(at, tmp_path / "backups", None)
            who = person(at)
            run = erased(at, asked(at, who))
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr("tasks.witness._record", Mock(side_effect=KeyboardInterrupt))
                bring_up_to_date(run.at)
            run.at.ledger.rotate_key(reason="may have been seen", now=utc_now())
            bring_up_to_date(opened(run.at.root))
        shown, log = f"smtp://127.0.0.1:{server.port}", shutil.copy(at.ws.log, tmp_path / "log")
        word = Asked(tmp_path / "backups", newest=(Path(log),), witnesses=(str(server.path),))
        with pytest.raises(InfrastructureError, match=f"--witness-gone {shown} --rea") as problem:
            backing_up.restore(tmp_path / "new", word)
        assert "auditor" not in str(problem.value)
        word = replace(word, gone=(shown,), reason="it is read as a file")
        forged = EmailMessage()
        name = "evidence__run-0123456789ab__erasure__statement.sig"
        forged.add_attachment(b"{}", "application", "octet-stream", filename=name)
        whole = server.path.read_bytes()
        with closing(mailbox.mbox(server.path)) as box:
            box.add(forged)
        with pytest.raises(IntegrityError, match="run-0123456789ab/erasure/statement"):
            backing_up.restore(tmp_path / "new", word)
        server.path.write_bytes(whole)
        found = backing_up.restore(tmp_path / "new", word)
        assert found["not_asked"] == [name_of(url)]
        assert found["replayed"] > 0 and who not in subjects(tmp_path / "new")

    def test_a_witness_that_is_gone_is_left_out_on_a_logged_word(
        self, at: Opened, tmp_path: Path
    ) -> None:
        """One that answers is asked, whatever is said of it."""
        share, new = tmp_path / "share", tmp_path / "new"
        share.mkdir()
        (at.ws.root / "service.yaml").write_text(f"witness:\n  at: [{share}]\n")
        bring_up_to_date(at)
        take(at, tmp_path / "backups", None)
        erased(at, asked(at, person(at)))
        word = Asked(tmp_path / "backups", gone=(str(share),), reason="the share is dead")
        with pytest.raises(RequestDenied, match="answers, and has 1 checkpoints"):
            backing_up.restore(new, word)
        shutil.rmtree(share)
        with pytest.raises(InfrastructureError, match="--witness-gone"):
            backing_up.restore(new, Asked(tmp_path / "backups"))
        with pytest.raises(UsageError, match="none of the backup's witnesses"):
            backing_up.restore(new, replace(word, gone=("/elsewhere",)))
        newest = (at.ws.records / suppression.FILE,)
        found = backing_up.restore(new, replace(word, newest=newest))
        assert found["replayed"] > 0 and found["not_asked"] == [name_of(str(share))]
        (told,) = [e.body for e in opened(str(new)).ledger.log.entries() if e.event == "restored"]
        assert told["reason"] == "the share is dead"
        (tmp_path / "other").mkdir()
        (new / "service.yaml").write_text(f"witness:\n  at: [{tmp_path / 'other'}]\n")
        given = [bring_up_to_date(opened(str(new)))[0]["given"] for _ in range(2)]
        assert given[0] > 0 and given[1] == 0, "a restored workspace may have a witness of its own"

    @pytest.mark.parametrize(
        "reason", [None, " ", "as ops@example.org says", "two\nlines", "long " * 201]
    )
    def test_a_word_that_the_log_will_not_hold_is_refused_before_anything(
        self, reason: str | None
    ) -> None:
        """It is logged last: refused there, the workspace would stay closed for good."""
        with pytest.raises(UsageError):
            Asked(Path("backups"), gone=("s3://kept",), reason=reason)

    def test_nobody_says_that_a_witness_is_gone_without_a_reason(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit, match="2"):
            main(["restore", "backups", "--witness-gone", "s3://kept"])
        assert "expected with --reason TEXT" in capsys.readouterr().err

    def test_a_witness_that_saw_another_log_is_an_alarm(self, at: Opened, tmp_path: Path) -> None:
        (tmp_path / "share").mkdir()
        (at.ws.root / "service.yaml").write_text(f"witness:\n  at: [{tmp_path / 'share'}]\n")
        bring_up_to_date(at)
        seen = at.ledger.log.entries()[-1]
        take(at, tmp_path / "backups", None)
        named = tmp_path / f"share/checkpoints/{seen.seq:012d}.json"
        tree = json.loads(named.read_text())
        named.write_text(json.dumps(tree | {"head": "0" * 64}))
        with pytest.raises(IntegrityError):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))

    def test_a_folder_that_holds_anything_is_left_as_it_is(
        self, at: Opened, tmp_path: Path
    ) -> None:
        take(at, tmp_path / "backups", None)
        (tmp_path / "new").mkdir()
        (tmp_path / "new/mine").write_text("mine")
        with pytest.raises(UsageError, match="expected an empty folder"):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]

    @pytest.mark.parametrize("where", [20, -20, 3_000])
    def test_an_altered_backup_leaves_nothing(self, at: Opened, tmp_path: Path, where: int) -> None:
        file = Path(take(at, tmp_path / "backups", None)["file"])
        content = bytearray(file.read_bytes())
        content[where] ^= 1
        file.write_bytes(content)
        with pytest.raises(SealAltered):
            backing_up.restore(tmp_path / "new", Asked(file))
        assert list((tmp_path / "new").iterdir()) == []

    def test_without_its_key_it_stays_shut(self, at: Opened, tmp_path: Path) -> None:
        take(at, tmp_path / "backups", tmp_path / "apart")
        with pytest.raises(KeyMissing, match="--key"):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
        found = backing_up.restore(
            tmp_path / "new", Asked(tmp_path / "backups", tmp_path / "apart")
        )
        assert found["restored"]


class Killed(BaseException):
    """The process ends here."""


class TestKilled:
    POINTS = (
        "tasks.backups.unsealing._put_in_place",
        "tasks.backups.unsealing.durable.remove_folder",
        "tasks.backups.restoring.versions.add",
        "tasks.backups.restoring.versions.push",
        "flows.cli.work.backing_up._erased",
        "systems.data.erasing._record",  # data/ is another one, and data.dvc is not
        "systems.data.erasing.index.follow",
        "tasks.purge.finish_purging",
        "tasks.backups.restoring.suppression.replace",
        "tasks.backups.restoring.purge_due",
        "tasks.backups.restoring.verify_records",
        "tasks.backups.restoring.closed.finish",
    )

    def test_the_same_command_goes_on_wherever_it_ended(
        self, at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: None
    ) -> None:
        """Each kill meets the state that all the kills before it have left."""
        take(at, tmp_path / "backups", None)
        who = person(at)
        erased(at, asked(at, who))
        asking = Asked(tmp_path / "backups", newest=(at.ws.root,))

        def ended(*_: Any, **__: Any) -> None:
            raise Killed

        for point in self.POINTS:
            with monkeypatch.context() as patch:
                patch.setattr(point, ended)
                with pytest.raises(Killed):
                    backing_up.restore(tmp_path / "new", asking)
            with pytest.raises(UsageError):  # nobody works in it before
                readable(tmp_path / "new")
        found = backing_up.restore(tmp_path / "new", asking)
        assert found["restored"] and found["replayed"] > 0
        assert subjects(tmp_path / "new") == subjects(at.ws.root)
        told = events(tmp_path / "new")
        assert [told.count(e) for e in ("restored", "suppression_brought", "run_started")] == [
            1
        ] * 3
        assert verify_records(Workspace(tmp_path / "new"), None).ok
        assert not (tmp_path / "new/.restoring").exists()


class TestResidualCopies:
    def test_a_request_waits_until_the_backup_is_declared_destroyed(
        self, at: Opened, tmp_path: Path
    ) -> None:
        taken = take(at, tmp_path / "backups", None)
        run = erased(at, asked(at, person(at)))
        ref = run.requests[0]
        assert run.at.ledger.request(ref).state is State.PURGING
        (row,) = [c for c in serving.purge(at.ws.root, ref)["copies"] if c["where"] == BACKUP]
        assert row["status"] == "unverified" and taken["taken_at"][:10] in row["what"]
        word = serving.Word(taken["backup"], "shredded by the provider")
        with pytest.raises(RequestDenied, match="still lies"):
            serving.purge(at.ws.root, ref, word)
        shutil.rmtree(tmp_path / "backups")
        assert serving.purge(at.ws.root, ref, word)["state"] == "complete"
        assert standing(opened(at.root).ledger.log.entries()) == ()
        assert not list((at.ws.keys / "backups").iterdir())
        assert verify_records(at.ws, None).ok

    def test_killed_before_its_end_is_attested_the_same_command_attests_it(
        self, at: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = take(at, tmp_path / "backups", None)
        run = erased(at, asked(at, person(at)))
        (ref,) = run.requests
        shutil.rmtree(tmp_path / "backups")
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr("tasks.purge._shred_complete", lambda *_: 1 / 0)
            serving.purge(at.ws.root, ref, serving.Word(taken["backup"], "its key was shredded"))
        assert opened(at.root).ledger.request(ref).state is State.COMPLETE
        serving.purge(at.ws.root, ref)
        assert list((at.ws.keys / "requests").iterdir()) == []
        assert opened(at.root).ledger.log.find(f"{run.ref}/{COMPLETED}") is not None

    def test_one_word_counts_for_every_request(self, at: Opened, tmp_path: Path) -> None:
        taken = take(at, tmp_path / "backups", None)
        runs = [erased(at, asked(at, person(at)))]
        at = opened(at.root)
        runs.append(erased(at, asked(at, person(at))))
        shutil.rmtree(tmp_path / "backups")
        found = backing_up.destroyed(at.ws.root, taken["backup"], "its key was shredded")
        assert found["runs"] == [run.ref for run in runs]
        assert {r["state"] for r in found["requests"]} == {"complete"}

    def test_a_backup_taken_after_the_erasure_holds_nobody(
        self, at: Opened, tmp_path: Path
    ) -> None:
        run = erased(at, asked(at, person(at)))
        take(run.at, tmp_path / "backups", None)
        assert run.at.ledger.request(run.requests[0]).state is State.COMPLETE

    def test_an_unknown_one_is_one_line(self, at: Opened) -> None:
        with pytest.raises(UsageError, match="the log tells of none such"):
            backing_up.destroyed(at.ws.root, "bk-0123456789ab", "gone")


class TestDrill:
    def told(self, at: Opened) -> dict[str, Any]:
        found = drill(opened(at.root))
        assert not list(at.ws.service.iterdir())
        return found

    def test_without_a_backup_one_is_made_for_it(self, at: Opened) -> None:
        found = self.told(at)
        assert found["ok"] and found["backup"] is None and found["replayed"] == 0
        assert standing(opened(at.root).ledger.log.entries()) == ()

    def test_the_newest_is_restored_and_who_was_erased_since_goes(
        self, at: Opened, tmp_path: Path
    ) -> None:
        take(at, tmp_path / "older", None)
        taken = take(at, tmp_path / "backups", None)
        erased(at, asked(at, person(at)))
        found = self.told(at)
        assert found["backup"] == taken["backup"]
        assert found["replayed"] > 0 and found["retrain"] is True

    def test_a_damaged_backup_is_an_alarm_and_nothing_is_logged(
        self, at: Opened, tmp_path: Path
    ) -> None:
        file = Path(take(at, tmp_path / "backups", None)["file"])
        file.write_bytes(file.read_bytes()[:-1])
        before = at.ledger.log.head
        with pytest.raises(SealAltered):
            self.told(at)
        assert opened(at.root).ledger.log.head == before


class TestCommandLine:
    def said(
        self, capsys: pytest.CaptureFixture[str], root: Path, *words: str
    ) -> tuple[int, dict[str, Any]]:
        with pytest.raises(SystemExit) as left:
            main(["--json", "--workspace", str(root), *words])
        return int(str(left.value.code or 0)), json.loads(capsys.readouterr().out)

    def test_what_is_answered_is_one_object_and_a_code(
        self, at: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root, backups, new = at.ws.root, str(tmp_path / "backups"), tmp_path / "new"
        code, taken = self.said(capsys, root, "backup", backups, "--key", str(tmp_path / "apart"))
        assert code == 0 and taken["files"] > 10 and taken["notes"] == []
        assert self.said(capsys, root, "list", "backups")[1]["backups"][0]["at_its_place"]
        for words, wrong in (
            (["backup"], 2),
            (["backup", str(root / "inside")], 2),
            (["backup", "--destroyed", taken["backup"]], 2),
            (["backup", "--destroyed", taken["backup"], "--reason", "gone"], 12),
            (["restore", backups], 2),  # the workspace itself is no empty folder
        ):
            assert self.said(capsys, root, *words)[0] == wrong, words
        assert self.said(capsys, new, "restore", str(tmp_path))[0] == 2
        assert self.said(capsys, new, "restore", backups)[0] == 20  # its key is elsewhere
        key = ["--key", str(tmp_path / "apart")]
        assert self.said(capsys, new, "restore", backups, *key, "--newest", backups)[0] == 2
        code, found = self.said(capsys, new, "restore", backups, *key)
        assert (code, found["restored"], found["backup"]) == (0, True, taken["backup"])
        assert self.said(capsys, new, "verify", "--log")[1]["ok"]
        file = Path(taken["file"])
        file.write_bytes(file.read_bytes()[:-1])
        assert self.said(capsys, tmp_path / "other", "restore", backups, *key)[0] == 30
        assert self.said(capsys, root, "restore-drill")[0] == 30

    def test_while_it_is_closed_the_doctor_says_what_to_do(
        self, at: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        take(at, tmp_path / "backups", None)
        monkeypatch.setattr(restoring_steps, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backing_up.restore(tmp_path / "new", Asked(tmp_path / "backups"))
        assert self.said(capsys, tmp_path / "new", "submit", "--subject", "x")[0] == 2
        checks = self.said(capsys, tmp_path / "new", "doctor")[1]["checks"]
        hints = {check["name"]: check["hint"] for check in checks}
        assert "`lethe restore`" in hints["workspace"]
