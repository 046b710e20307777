"""New data come into a workspace that has some: all of them or none, and nobody who was erased."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from ledger import durable, suppression
from ledger.domain import Selector
from ledger.log import Log
from systems.data import growing, loading, purging, reading, resolving, versions
from systems.data.sources import Columns
from systems.settings.workspace import Workspace
from tasks.data.alike import NOBODY, Decided, Listed, notes
from tasks.data.importing import take_in
from tasks.keeping.verified import verify_records
from tasks.running.opened import Opened, opened
from tasks.running.standing import check_nobody_is_back
from tests.integration.small_runs import copied, extracted, go_on, person, small
from tests.tampering import LONG
from unlearning.errors import InfrastructureError, UsageError

NAMES = Columns(image="image", label="label", subject="subject_id", example="example_id")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path) -> Opened:
    return copied(original, tmp_path / "workspace")


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(8, 8), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photo(seed: int) -> bytes:
    """A picture with light and dark in it, of 64 x 48 pixels."""
    coarse = np.random.default_rng(seed).integers(256, size=(6, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).convert("L").save(
        file, "PNG"
    )
    return file.getvalue()


def encoded(image: bytes, form: str) -> bytes:
    """The same picture as somebody else may hold it: with losses, smaller, or mirrored."""
    kept = Image.open(io.BytesIO(image))
    seen = ImageOps.mirror(kept) if form == "mirrored" else kept.resize((52, 40))
    file = io.BytesIO()
    seen.save(file, "BMP" if form == "BMP" else "JPEG", quality=50)
    return file.getvalue()


def offer(folder: Path, n: int = 12, **changed: Any) -> Path:
    """Twelve pictures of three new people."""
    made = {
        "image": [png(1_000 + row) for row in range(n)],
        "label": [row % 10 for row in range(n)],
        "subject_id": [f"new/{row // 4}" for row in range(n)],
        "example_id": [f"new/{row:03d}" for row in range(n)],
    }
    whole = {name: column for name, column in (made | changed).items() if column is not None}
    pq.write_table(pa.table(whole), folder / "more.parquet")
    return folder / "more.parquet"


def added(at: Opened, file: Path, **said: Any) -> dict[str, Any]:
    return take_in(at, file, NAMES, **{"as_written": False, **said})


def ids(root: str) -> set[str]:
    return set(reading.read_table(Workspace(Path(root)), [])["example_id"].to_pylist())


def state(at: Opened) -> tuple[Any, ...]:
    files = {p.name: p.read_bytes() for p in at.ws.data.rglob("*") if p.is_file()}
    return versions.data_version(at.ws), files, at.ws.manifest.read_bytes(), at.ws.log.read_bytes()


class TestTakenIn:
    def test_all_of_it_is_in_the_data_version_and_in_the_log(
        self, at: Opened, tmp_path: Path
    ) -> None:
        before, old = loading.counts(at.ws), versions.data_version(at.ws)
        found = added(at, offer(tmp_path))
        after = loading.counts(at.ws)
        assert sum(after.values()) == sum(before.values()) + 12 == len(ids(at.root))
        assert after["test"] == before["test"]
        assert found["before"] == old and found["data_version"] == versions.data_version(at.ws)
        again = opened(at.root)
        assert again.ledger.log.entries()[-1].event == "imported"
        assert verify_records(at.ws, None).ok and growing.under_way(at.ws) is None
        loading.verify(at.ws)
        (one,) = resolving.resolve_all(at.ws, [Selector("subject", ("new/1",))])
        assert len(one.ids) == 4
        listed = purging.current_keys(at.ws)
        with versions.stores(at.ws) as places:
            assert all(listed <= place.keys() for place in places)

    def test_whoever_is_there_stays_on_his_side(self, at: Opened, tmp_path: Path) -> None:
        who = person(at)  # trained on
        file = offer(tmp_path, subject_id=[who] * 12)
        assert added(at, file)["added"] == {"train": 12}

    def test_a_new_person_is_on_one_side_whoever_comes_with_him(
        self, at: Opened, tmp_path: Path
    ) -> None:
        added(at, offer(tmp_path, 400, subject_id=[f"p/{row // 4}" for row in range(400)]))
        rows = reading.read_table(at.ws, ["subject_id", "split"]).to_pylist()
        sides = {(row["subject_id"], row["split"]) for row in rows}
        new = [split for subject, split in sides if subject.startswith("p/")]
        assert len(new) == 100  # each is on one side
        # Binomial, n = 100, p = 0.2: within four standard deviations of 20.
        assert 4 <= new.count("holdout") <= 36

    def test_the_same_file_again_is_refused(self, at: Opened, tmp_path: Path) -> None:
        file = offer(tmp_path, example_id=None)
        columns = replace(NAMES, example=None)
        take_in(at, file, columns, as_written=False)
        before = state(at)
        with pytest.raises(UsageError, match="example id is in the data already"):
            take_in(opened(at.root), file, columns, as_written=False)
        assert state(at) == before

    def test_somebody_who_came_in_can_be_erased(self, at: Opened, tmp_path: Path) -> None:
        added(at, offer(tmp_path))
        run = extracted(opened(at.root), "new/1")
        go_on(run)
        assert not any(name in ids(at.root) for name in ("new/004", "new/007"))
        assert purging.holds(at.ws, ["new/004"]) == []


class TestRefused:
    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"label": ["eleven"] * 12}, "its label is no class"),
            ({"label": [10] * 12}, "its label is no class"),
            ({"lens": ["wide"] * 12}, "has the columns lens"),
            ({"example_id": ["new/0"] * 12}, "expected every id once"),
            ({"subject_id": ["New/0", *["new/0"] * 11]}, "only by case"),
            ({"image": [b"no picture"] * 12}, "cannot be decoded"),
        ],
    )
    def test_what_does_not_fit_is_one_line_and_changes_nothing(
        self, at: Opened, tmp_path: Path, changed: dict[str, Any], why: str
    ) -> None:
        before = state(at)
        with pytest.raises(UsageError, match=why):
            added(at, offer(tmp_path, **changed))
        assert state(at) == before

    def test_an_id_that_is_there_is_not_shown(self, at: Opened, tmp_path: Path) -> None:
        known = sorted(ids(at.root))[0]
        with pytest.raises(UsageError, match=r"row 3: its example id is in the data") as told:
            added(at, offer(tmp_path, example_id=[f"n{i}" if i != 3 else known for i in range(12)]))
        assert known not in str(told.value)


class TestSuppressed:
    @pytest.fixture
    def gone(self, at: Opened, tmp_path: Path) -> Callable[..., Path]:
        """People came in and were erased again; the same file is offered."""
        added(at, offer(tmp_path))
        go_on(extracted(opened(at.root), "new/1"))
        return lambda **changed: offer(tmp_path, **changed)

    def new(self, **parts: Any) -> dict[str, Any]:
        """Other ids, people and pictures, but for what is given."""
        made: dict[str, Any] = {
            "example_id": [f"later/{row}" for row in range(12)],
            "subject_id": [f"later/{row // 4}" for row in range(12)],
            "image": [png(5_000 + row) for row in range(12)],
        }
        return {name: parts.get(name, value) for name, value in made.items()}

    @pytest.mark.parametrize("by", ["example_id", "subject_id", "image"])
    def test_whoever_was_erased_is_left_out_and_counted(
        self, at: Opened, gone: Callable[..., Path], by: str
    ) -> None:
        original = {
            "example_id": [f"new/{row:03d}" for row in range(12)],
            "subject_id": [f"new/{row // 4}" for row in range(12)],
            "image": [png(1_000 + row) for row in range(12)],
        }
        changed = self.new()
        changed[by] = [*changed[by][:4], *original[by][4:8], *changed[by][8:]]
        found = added(opened(at.root), gone(**changed))
        assert found["left_out"] == 4 and sum(found["added"].values()) == 8
        assert any("4 rows are on the suppression list" in note for note in found["notes"])
        check_nobody_is_back(at.ws)

    def test_whose_id_looks_erased_is_asked_about_by_row_and_run(
        self, at: Opened, gone: Callable[..., Path]
    ) -> None:
        people = ["later/0"] * 4 + ["NEW/1 "] * 4 + ["later/2"] * 4
        file, before = gone(**self.new(subject_id=people)), state(at)
        with pytest.raises(UsageError, match=r"4 of 12 rows \(rows 4, 5, 6, 7\).*run-") as told:
            added(opened(at.root), file)
        assert "NEW" not in str(told.value) and state(at) == before
        found = added(
            opened(at.root), file, decided=Decided("another person, by the clinic's list")
        )
        assert found["alike"] == 4 and sum(found["added"].values()) == 12
        body = opened(at.root).ledger.log.entries()[-1].body
        assert (body["alike"], body["reason"]) == (4, "another person, by the clinic's list")

    @pytest.mark.parametrize("form", ["JPEG", "BMP", "mirrored"])
    def test_what_looks_like_an_erased_picture_is_shown_and_a_person_decides(
        self, at: Opened, tmp_path: Path, form: str
    ) -> None:
        """Never silently dropped, never silently taken in."""
        added(at, offer(tmp_path, image=[photo(row) for row in range(12)]))
        go_on(extracted(opened(at.root), "new/1"))
        pictures = [photo(100 + row) for row in range(12)]
        pictures[7] = encoded(photo(5), form)
        file, before = offer(tmp_path, **self.new(image=pictures)), state(at)
        with pytest.raises(UsageError, match=r"1 of 12 rows \(rows 7\) show a picture.*run-"):
            added(opened(at.root), file)
        assert state(at) == before
        again = copied(Path(at.root), tmp_path / "again")
        found = added(again, file, decided=Decided(leave_out=True))
        assert (found["alike_left_out"], sum(found["added"].values())) == (1, 11)
        assert any(
            "1 row looks like an erased one and was left out" in note for note in found["notes"]
        )
        found = added(opened(at.root), file, decided=Decided("a twin, the clinic says"))
        assert sum(found["added"].values()) == 12
        body = opened(at.root).ledger.log.entries()[-1].body
        assert (body["pictures_alike"], body["reason"]) == (1, "a twin, the clinic says")

    def test_an_older_list_is_read_and_says_what_it_cannot(
        self, at: Opened, gone: Callable[..., Path]
    ) -> None:
        path = at.ws.records / suppression.FILE
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if b'"picture"' not in line))
        listed = suppression.load(at.ws.records, at.ws.keys)
        assert listed.likenesses() == {} and listed.pictures() == (4, 0)
        (note,) = notes(listed, Listed(frozenset(), (), (), ()), NOBODY)
        assert "a likeness of 0 of 4 erased" in note

    def test_if_all_are_listed_nothing_is_taken_in(
        self, at: Opened, gone: Callable[..., Path]
    ) -> None:
        before = state(at)
        with pytest.raises(UsageError, match="all 12 rows are on the suppression list"):
            added(opened(at.root), gone(**self.new(subject_id=["new/1"] * 12)))
        assert state(at) == before


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """Let the n-th effect on the disk be the last; give the effects that were seen."""
    seen: list[str] = []

    def effects_until(last: int) -> list[str]:
        seen.clear()
        for module, name in (
            *((durable, name) for name in ("write", "remove_file", "remove_folder")),
            *((growing, name) for name in ("swap", "save_manifest")),
            *((growing.versions, name) for name in ("add", "push")),
            (growing.index, "follow"),
            (Log, "append"),
        ):
            monkeypatch.setattr(module, name, counted(getattr(module, name), name, last))
        return seen

    def counted(real: Callable[..., Any], name: str, last: int) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if len(seen) >= last:
                raise Killed(name)
            seen.append(name)
            return real(*args, **named)

        return call

    yield effects_until
    monkeypatch.undo()


class TestKilled:
    def test_at_no_point_is_anything_half_done(
        self, original: Path, tmp_path: Path, killer: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every third effect, so that each kind is met; every one where `make proof` asks."""
        file, outcomes = offer(tmp_path), set()
        whole = len(ids(str(original)))
        for last in range(0, 200, 1 if LONG else 3):
            at = copied(original, tmp_path / f"at-{last}")
            seen = killer(last)
            try:
                added(at, file)
                ended = True
            except Killed:
                ended = False
            monkeypatch.undo()
            told = [e.event for e in opened(at.root).ledger.log.entries()].count("imported")
            outcomes.add(told)
            assert len(ids(at.root)) == whole + 12 * told, seen
            loading.verify(at.ws)
            assert growing.under_way(at.ws) is None
            assert verify_records(at.ws, None).ok
            if ended:
                break
        assert ended and outcomes == {0, 1}

    def test_a_half_index_is_gone_when_the_workspace_is_next_opened(self, at: Opened) -> None:
        half = at.ws.artifacts / ".x.part"
        half.write_bytes(b"keyed digests of people")
        opened(at.root, reading=True)
        assert half.exists()
        opened(at.root)
        assert not half.exists()

    def test_who_only_reads_is_told_to_let_it_finish(
        self, at: Opened, tmp_path: Path, killer: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(growing, "carry", lambda ws: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            added(at, offer(tmp_path))
        monkeypatch.undo()
        with pytest.raises(InfrastructureError, match="import was cut off"):
            opened(at.root, reading=True)
        assert len(ids(opened(at.root).root)) == len(ids(at.root))
        opened(at.root, reading=True)


def test_the_list_is_asked_in_the_words_that_it_has(at: Opened) -> None:
    """What an erasure lists of a class or an attribute is what an import asks for."""
    ws = at.ws
    for selector, row in (
        (Selector("class", ("7",)), {"class": "7"}),
        (Selector("where", ("wide",), "lens"), {"where\0lens": "wide"}),
        (Selector("subject", ("a",)), {"subject": "a"}),
        (Selector("example", ("a",)), {"example": "a"}),
    ):
        suppression.add(ws.records, ws.keys, suppression.selector_values(selector), run="run-1")
        listed = suppression.load(ws.records, ws.keys)
        assert all(listed.lists(value) for value in suppression.tokens_of(row))
