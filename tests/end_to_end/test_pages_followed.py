"""What README and the pages of docs/ say is run, in one workspace; the how-tos have their own."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from systems.data import reading
from systems.settings.workspace import Workspace
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.followed import BLOCK, LEFT, Reader, blocks
from tests.end_to_end.policies import CHEAP

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STORY = (ROOT / "README.md", *(DOCS / f"{name}.md" for name in (
    "evidence", "requests", "service", "backup", "runbook", "input"
)))  # fmt: skip
"""In this order, since each goes on in the workspace that the one before has left. The last one
takes more data in, for which a bank would have to be built anew."""
FOLLOWED_ELSEWHERE = {
    "events": "tests/integration/intake/test_docs_events.py",
    "generators": "tests/end_to_end/test_generate.py",
    "tutorial": "tests/end_to_end/test_howto.py",
}
INLINE = re.compile(r"`(lethe\s[^`]+)`")
RULES: dict[str, Any] = {**CHEAP, "ladder": [{"method": "retrain"}], "approval": {"class": True}}
OTHER = "person/0021"
ABORT = "lethe --workspace COPY abort RUN --reason 'not now'"
WAITS, DENIED, NOTHING = 13, 12, 2

# What pages say in passing, and no block of theirs has. The codes are those that pages name.
IN_PASSING: tuple[tuple[str, int], ...] = (
    ("lethe log --prove 1 --out first.json --since CHECKPOINT.json", 0),
    ("lethe verify first.json --since CHECKPOINT.json --key records/public.pem", 0),
    ("lethe log --went-back 1 --reason 'the clock was ahead'", NOTHING),
    ("lethe replay RUN", 0),
    ("lethe forget --all", NOTHING),
    ("lethe --install-completion && true", 0),  # in a shell, which it looks for
    ("lethe list backups", 0),
    ("lethe list versions", 0),
    ("lethe list clippers", 0),
    ("lethe params --adopt params.yaml --reason 'the same again'", 0),
    ("lethe train --shadows 8", 0),
    ("lethe purge", 0),
    ("lethe doctor", 0),
    ("lethe rollback 1 --reason 'it learned from who was erased'", DENIED),
    ("lethe taint 1 --reason 'nobody is to use it'", 0),
    ("lethe hold REQUEST --example ID --reason 'a lawsuit'", 0),
)


@dataclass(frozen=True)
class Around:
    """What the pages have around the workspace, each in a folder of its own below one."""

    reader: Reader
    root: Path
    outside: Path
    meant: dict[str, str]

    def before(self) -> dict[str, Callable[[], Path | None]]:
        """Say what has to be so before a line of a page."""
        return {
            "jq -r .payload": self._hand_out,
            "lethe verify run-": self._carry_the_bundle_away,
            "lethe submit --subject-file": self._name_people,
            "lethe deny REQUEST --ground unfounded": self._ask_for_another,
            "lethe hold REQUEST --example": self._name_an_example,
            "lethe hold": self._ask_for_another,
            "lethe approve": self._let_a_class_wait,
            "lethe init --data people.parquet": self._have_others_data,
            "lethe --workspace new restore": self._stand_beside,
            "lethe backup --destroyed": self._destroy,
            "lethe import more.parquet": self._have_more,
            "lethe log --prove 1": self._have_a_checkpoint,
        }

    def _hand_out(self) -> None:
        shutil.copy(self.root / "records" / "public.pem", self.root)
        steps = self.root / "evidence" / self.reader.named["run"] / "steps"
        self.meant["FILE"] = str(sorted(steps.iterdir())[0])

    def _carry_the_bundle_away(self) -> None:
        run = self.reader.named["run"]
        shutil.copytree(self.root / "evidence" / run, self.root / run)

    def _name_people(self) -> None:
        (self.root / "people.txt").write_text("person/0020\n")

    def _ask_for_another(self) -> None:
        self.reader.run(f"lethe submit --subject {OTHER}")

    def _name_an_example(self) -> None:
        self._ask_for_another()
        table = reading.read_table(Workspace(self.root), ["subject_id"])
        known = zip(table["example_id"].to_pylist(), table["subject_id"].to_pylist(), strict=True)
        self.meant["ID"] = next(example for example, subject in known if subject == OTHER)

    def _let_a_class_wait(self) -> None:
        """Stop at the question, and leave the run in a copy."""
        self.reader.run("lethe deny REQUEST --reason 'art. 17(3)(e)'")
        self.reader.run("lethe submit --class 3")
        self.reader.run("lethe forget REQUEST", frozenset({WAITS}))
        shutil.copytree(self.root, self.outside / "copy")
        self.reader.run(ABORT.replace("COPY", str(self.outside / "copy")))

    def _have_others_data(self) -> Path:
        (folder := self.outside / "anew").mkdir()
        pq.write_table(pa.table(table(150, "neighbour")), folder / "people.parquet")
        return folder

    def _stand_beside(self) -> Path:
        (self.outside / "old").symlink_to(self.root)
        return self.outside

    def _destroy(self) -> None:
        for name in ("backups", "safe"):
            shutil.rmtree(self.outside / name)

    def _have_more(self) -> None:
        """Twelve rows like those that are there, of new people and with other pictures."""
        known = reading.read_table(Workspace(self.root)).slice(0, 12).drop_columns(["split"])
        for name, values in table(12, "newcomer").items():
            if name != "label":
                known = known.set_column(known.schema.get_field_index(name), name, values)
        pq.write_table(known, self.root / "more.parquet")

    def _have_a_checkpoint(self) -> None:
        first = sorted((self.outside / "auditor" / "checkpoints").iterdir())[0]
        shutil.copy(first, self.root / "CHECKPOINT.json")


def table(rows: int, who: str) -> dict[str, pa.Array]:
    """Give columns: noise, brighter in one of three bands by its class; each picture a person's."""
    rng, file = np.random.default_rng(rows), []
    for row in range(rows):
        pixels = rng.integers(0, 60, (8, 8), dtype=np.uint8)
        pixels[row % 3 * 3 : row % 3 * 3 + 2] += 150
        Image.fromarray(pixels).save(out := io.BytesIO(), "PNG")
        file.append(out.getvalue())
    return {
        "image": pa.array(file, pa.binary()),
        "label": pa.array([str(row % 3) for row in range(rows)]),
        "subject_id": pa.array([f"{who}/{row:03d}" for row in range(rows)]),
        "example_id": pa.array([f"{who}-picture/{row:03d}" for row in range(rows)]),
    }


@pytest.fixture
def around(
    make_lethe: MakeLethe,
    templates: Path,
    context: ForkServerContext,
    environment: dict[str, str],
    tmp_path: Path,
) -> Around:
    """A workspace with a witness; somebody holds hard links of what is in its remote."""
    lethe, outside = make_lethe("followed"), tmp_path / "outside"
    lethe.adopt(lethe.write_policy(RULES))
    for name in ("auditor", "links"):
        (outside / name).mkdir(parents=True)
    for number, path in enumerate(p for p in (lethe.root / "remote").rglob("*") if p.is_file()):
        (outside / "links" / str(number)).hardlink_to(path)
    meant = {
        "s3://BUCKET/PREFIX, /mnt/auditor": str(outside / "auditor"),
        "s3://BUCKET/PREFIX": str(outside / "auditor"),
        **{f"/mnt/{name}": str(outside / name) for name in ("backups", "safe")},
        "/old": str(lethe.root),
        "DIR": "data",
    }
    (witness,) = re.findall(
        r"^```yaml\n(witness:.*?)^```", (DOCS / "evidence.md").read_text(), re.M | re.S
    )
    for word, place in meant.items():
        witness = witness.replace(word, place)
    (lethe.root / "service.yaml").write_text(witness)
    own = {"TMPDIR": str(tmp_path), "HOME": str(outside)}
    reader = Reader(lethe.root, templates, context, {**environment, **own}, meant)
    made = Around(reader, lethe.root, outside, meant)
    reader.before = made.before()
    return made


def test_the_pages_are_followed_word_for_word_in_one_workspace(around: Around) -> None:
    *first, last = STORY
    for page in first:
        around.reader.follow(page.read_text("utf-8"))
    for line, code in IN_PASSING:
        around.reader.run(line, frozenset({code}))
    around.reader.follow(last.read_text("utf-8"))


def pages() -> dict[str, str]:
    """Give README and the pages of docs/ by name; those of results show no command."""
    found = [ROOT / "README.md", *DOCS.glob("*.md"), *(DOCS / "howto").glob("*.md")]
    return {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in found}


def test_every_page_with_commands_is_followed() -> None:
    with_commands = {name for name, text in pages().items() if any(b.lines for b in blocks(text))}
    followed = {page.relative_to(ROOT).as_posix() for page in STORY}
    beside = {f"docs/{name}.md" for name in FOLLOWED_ELSEWHERE}
    howto = {name for name in with_commands if name.startswith("docs/howto/")}
    assert with_commands - howto - beside == followed
    for name, test in FOLLOWED_ELSEWHERE.items():
        assert f"{name}.md" in (ROOT / test).read_text()


def test_no_command_stands_where_nobody_runs_it() -> None:
    """A block that is marked as nothing would be passed over unseen."""
    fenced = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    command = re.compile(
        r"^(\$ )?(lethe|prefect|docker|kubectl|make|export|jq|curl) ", re.MULTILINE
    )
    unmarked = {
        name
        for name, text in pages().items()
        for kind, block in fenced.findall(text)
        if not kind and command.search(block)
    }
    assert unmarked == set()


def test_what_is_not_run_is_still_on_a_page() -> None:
    text = "\n".join(pages().values())
    lines = [line for _, _, block in BLOCK.findall(text) for line in block.splitlines()]
    said = [line.removeprefix("$ ") for line in lines]
    assert {key for key in LEFT if not any(line.startswith(key) for line in said)} == set()
    assert all(LEFT.values())


def form(line: str) -> tuple[str, frozenset[str]]:
    """Give a command's name and its options, whatever their values are."""
    words = re.sub(r"--workspace[ =]\S+", "", line).split(" #")[0].split(" &&")[0].split()
    names = [word for word in words[1:] if not word.startswith("-")]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return (names or [""])[0], frozenset(options - {"--json"})


def test_what_a_page_says_in_passing_is_run_on_some_page() -> None:
    """A command with options: by a line with the same ones, and maybe more."""
    texts = pages().values()
    run = [form(line) for text in texts for block in blocks(text) for line in block.lines]
    run += [form(line) for line in (ABORT, *(line for line, _ in IN_PASSING))]
    left = [form(line) for line in LEFT]
    inline = {" ".join(line.split()) for text in texts for line in INLINE.findall(text)}
    missing = {
        line
        for line in inline
        if (said := form(line))[1]
        and not any(said[0] == name and said[1] <= options for name, options in run + left)
    }
    assert missing == set()
