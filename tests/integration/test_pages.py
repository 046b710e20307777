"""`lethe pages` on a small workspace: what each page says, and that words stay words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from posixpath import dirname, join, normpath

import pytest

from flows.cli.work import answering, paging
from ledger.backups.stream import new_reference
from ledger.errors import LogAltered
from systems.archive.packing import Description, pack
from systems.archive.unpacking import unpack
from systems.data import loading
from systems.intake.viewing.fitting import fitted
from systems.intake.viewing.roles import FIRST, Role, seen_by
from systems.intake.viewing.signing_in import Signed
from systems.settings.workspace import Workspace
from tasks.pages.known import known_of
from tasks.pages.requests import board
from tests import browser
from tests.integration import small_runs
from unlearning import counting
from unlearning.errors import UsageError

HOSTILE = "no <script>document.title = 'owned'</script> & such"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people asked: one was erased without unlearning, one denied, one waits."""
    root = small_runs.small(tmp_path_factory.mktemp("pages") / "workspace")
    at = small_runs.opened(str(root))
    run = small_runs.extracted(at, small_runs.person(at))
    run.once("decided", lambda: {"decision": "purge", "assurance": "A0"})
    small_runs.go_on(run)
    at = small_runs.opened(str(root))
    denied = small_runs.asked(at, small_runs.person(at, 1))
    small_runs.asked(at, small_runs.person(at, 2))
    answering.say(root, "deny", denied, HOSTILE)
    return root


@pytest.fixture(scope="module")
def made(workspace: Path) -> dict[str, str]:
    found = paging.made(Workspace.at(workspace), datetime.now(UTC))
    return {page: content.decode() for page, content in found.items()}


def test_every_request_has_a_page_that_the_board_leads_to(made: dict[str, str]) -> None:
    refs = re.findall(r'href="requests/(req-[0-9a-f]+)\.html"', made["index.html"])
    assert len(refs) == 3 and "2 open" in made["index.html"] and "1 ended" in made["index.html"]
    for ref in refs:
        assert f"Request {ref}" in made[f"requests/{ref}.html"]


def test_every_link_leads_somewhere(made: dict[str, str]) -> None:
    for page, content in made.items():
        for target in re.findall(r'href="([^"#]+)', content):
            assert target_of(page, target) in made, (page, target)


@pytest.mark.parametrize("role", Role)
def test_each_role_finds_links_only_to_what_it_may_see(made: dict[str, str], role: Role) -> None:
    seen = {page for page in made if page.endswith(".html") and role in seen_by(page)}
    signed, reached = Signed("somebody", role, session=True), {FIRST[role]}
    for page in sorted(seen):
        shown = fitted(made[page].encode(), page, signed).decode()
        leads = {target_of(page, one) for one in re.findall(r'href="([^"#]+)', shown)}
        assert all(role in seen_by(one) for one in leads), page
        assert ("Signed in as somebody" in shown) is (not page.startswith(("runs/", "certif")))
        reached |= leads
    assert seen <= reached, "each page that a role may see can be reached"
    if role is Role.ADMINISTRATOR:
        assert fitted(made["index.html"].encode(), "index.html", signed).count(b"<a ") == (
            made["index.html"].count("<a ")
        )


def target_of(page: str, link: str) -> str:
    return normpath(join(dirname(page), link))


def test_nobody_is_named(workspace: Path, made: dict[str, str]) -> None:
    at = small_runs.opened(str(workspace))
    people = {small_runs.person(at, number) for number in range(2)}
    assert not [page for page, text in made.items() if any(f">{one}<" in text for one in people)]


def test_the_log_is_shown_with_its_proofs(workspace: Path, made: dict[str, str]) -> None:
    entries = small_runs.opened(str(workspace)).ledger.log.entries()
    for entry in entries:
        assert f'id="e{entry.seq}"' in made["log/1.html"]
        assert {*re.findall(r"<code>([0-9a-f]{64,128})<", made["log/1.html"])} >= {entry.hash}
    assert "every entry is signed and follows the one before it" in made["log/1.html"]


def test_copies_that_went_are_counted_by_place(made: dict[str, str]) -> None:
    pages = [text for page, text in made.items() if page.startswith("requests/")]
    (served,) = [text for text in pages if "run started" in text]
    assert re.search(r"removed</th><td>dvc cache: \d+", served)


def test_a_deadline_that_is_over_is_a_word_and_no_colour() -> None:
    row = {
        **dict.fromkeys(("reason", "run")),
        **{"request": "req-1", "state": "held", "received_at": "", "jurisdiction": "gdpr"},
        **{"due_at": "2026-01-01T00:00:00+00:00", "examples": 3},
    }
    found = board([{**row, "days_left": -1}, {**row, "days_left": 3}, {**row, "days_left": None}])
    assert (found["counts"]["late"], found["counts"]["soon"], found["counts"]["ended"]) == (1, 1, 1)
    assert "overdue" in found["open"][0]


def test_letters_say_what_the_log_knows_in_three_languages(made: dict[str, str]) -> None:
    letters = {page: text for page, text in made.items() if page.startswith("letters/")}
    (refusal,) = [text for page, text in letters.items() if page.endswith("refusal-en.txt")]
    assert f"The ground: {HOSTILE}" in refusal and "Article 77 GDPR" in refusal
    assert "Nothing was erased" in refusal
    (done,) = [text for page, text in letters.items() if page.endswith("acknowledgement-de.txt")][
        :1
    ]
    assert "Artikel 12 Absatz 3 DSGVO" in done
    count = len([page for page in letters if "acknowledgement" in page])
    assert count == 9
    for page in letters:
        ref = re.findall(r"req-[0-9a-f]+", page)[0]
        assert f'href="../{page}"' in made[f"requests/{ref}.html"]
        assert {*re.findall(r"req-[0-9a-f]+", letters[page])} == {ref}
    assert "Requests so far: 3" in made["record-en.txt"] and "denied: 1" in made["record-en.txt"]
    assert "Denied by ground: other (1)" in made["record-en.txt"]


def test_a_lawyers_own_template_is_used_and_a_broken_one_is_named(
    workspace: Path, tmp_path: Path
) -> None:
    at = small_runs.copied(workspace, tmp_path / "copy")
    own = at.ws.root / "letters" / "fr" / "refusal.txt"
    own.parent.mkdir(parents=True)
    own.write_text("Non : {{ reason }} ({{ request }})")
    found = paging.made(at.ws, datetime.now(UTC))
    (letter,) = [text for page, text in found.items() if page.endswith("refusal-fr.txt")]
    assert letter.decode().startswith(f"Non : {HOSTILE} (req-")
    own.write_text("{{ reason }}\n{% if %}")
    with pytest.raises(UsageError, match=r"letters/fr/refusal\.txt: line 2"):
        paging.made(at.ws, datetime.now(UTC))


@browser.needed
def test_a_browser_runs_nothing_of_what_somebody_wrote(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paging.write(workspace, out)
    shown = browser.opened((out / "index.html").as_uri(), tmp_path / "profile", virtual_seconds=2)
    assert "<title>Requests - Lethe</title>" in shown
    assert "no &lt;script&gt;" in shown and "<script" not in shown


def test_pages_are_written_again_over_earlier_ones_and_over_nothing_else(
    workspace: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = paging.write(workspace, out)
    assert paging.write(workspace, out) == first
    assert (out / "index.html").stat().st_mode & 0o077 == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    for folder in (tmp_path / "mine", workspace / "data", workspace):
        with pytest.raises(UsageError, match="--out"):
            paging.write(workspace, folder)


def test_of_a_log_that_was_altered_no_pages_are_made(workspace: Path, tmp_path: Path) -> None:
    at = small_runs.copied(workspace, tmp_path / "copy")
    log = at.ws.records / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"accepted", b"Accepted", 1))
    with pytest.raises(LogAltered):
        paging.write(at.ws.root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_may_take_long_tells_how_far_it_is(workspace: Path, tmp_path: Path) -> None:
    told: dict[str, list[tuple[float, float]]] = {}

    def show(words: str, unit: str, done: float, total: float) -> None:
        told.setdefault(f"{words} {unit}", []).append((done, total))

    with counting.shown_by(show):
        paging.made(Workspace.at(workspace), datetime.now(UTC))
        loading.verify(Workspace.at(workspace))
        to, key, ref = tmp_path / "bk.sealed", bytes(32), new_reference()
        sealed = pack(Workspace.at(workspace), to, key, ref, {})
        unpack(Description(ref, "", "", 0, "", **sealed), to, key, tmp_path / "tree")
    expected = {"log entries", "pages requests", "data shards", "backup MB", "restore MB"}
    assert set(told) >= expected
    for words in expected:
        done = [one for one, _ in told[words]]
        assert done[-1] == told[words][-1][1] and len(done) > 2, words
    assert told["pages requests"] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_log_is_read_once_for_all_pages(workspace: Path) -> None:
    known = known_of(small_runs.opened(str(workspace), reading=True), datetime.now(UTC))
    assert len(known.of_request) == 3 and sum(map(len, known.runs.values())) == 1
