"""Certificates: what each says, that the paper says what the page says, and what none may say."""

from __future__ import annotations

import html
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from pypdf import PdfReader

from flows.cli.work import answering, paging
from flows.cli.work.standing import all_requests
from ledger import durable
from systems.report import assured
from systems.report.certificates import Part, Sheet, as_page
from systems.report.letters import LANGUAGES
from systems.report.pdf import as_pdf
from systems.settings.workspace import Workspace
from tasks.attest import attest_erasure
from tasks.pages.certificates import certificates
from tasks.pages.known import known_of
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tests.integration import small_runs
from unlearning.errors import IntegrityError, RequestDenied, UsageError

HOSTILE = "because <script>document.title = 'owned'</script> asked & insisted"
RELEASED = {"decision": "released", "assurance": "A3", "candidate": "cd" * 32, "records": []}
RETRAIN = {"method": "retrain", "exact": True, "seed": 7, "sha256": "cd" * 32, "report": {}}
RETRAIN["replay"] = {"profile": {}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that forgot one person, as far as the log and its bundle tell; another person waits."""
    root = small_runs.small(tmp_path_factory.mktemp("certificates") / "workspace")
    at = small_runs.opened(str(root))
    first = small_runs.asked(at, small_runs.person(at))
    answering.say(root, "extend", first, HOSTILE)
    run = small_runs.begun(small_runs.opened(str(root)), first, small_runs.noted)
    run.once("decided", lambda: dict(RELEASED))
    run.once("sealed", lambda: {"statement": "ef" * 32})
    durable.make_folder(run.bundle)
    durable.write(run.bundle / "attempts.json", json.dumps([RETRAIN]).encode())
    small_runs.go_on(run)
    attest_erasure(small_runs.again(run))
    at = small_runs.opened(str(root))
    small_runs.asked(at, small_runs.person(at))
    return small_runs.again(run)


def sheets_of(at: Opened, ref: str) -> dict[str, Sheet]:
    now = utc_now()
    (row,) = [row for row in all_requests(at.ws, None, now) if row["request"] == ref]
    return dict(certificates(known_of(at, now), row))


@pytest.fixture(scope="module")
def sheets(served: Run) -> dict[str, Sheet]:
    return sheets_of(served.at, served.requests[0])


def bare(text: str) -> str:
    """Leave out what the two differ by: spaces, line ends, and the marks of lists and facts."""
    return re.sub(r"[\s\N{BULLET}:]", "", text)


def of_page(sheet: Sheet) -> str:
    page = as_page(sheet).decode()
    body = page[page.index("<main") : page.index("</body>")]
    return bare(html.unescape(re.sub(r"<[^>]+>", "", body)))


def of_paper(sheet: Sheet) -> str:
    return bare("".join(page.extract_text() for page in paper(sheet).pages))


def paper(sheet: Sheet) -> PdfReader:
    return PdfReader(BytesIO(as_pdf(sheet, utc_now())))


def words(sheet: Sheet) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", as_page(sheet).decode()))


def test_there_are_one_for_the_person_in_each_language_and_one_for_an_auditor(
    sheets: dict[str, Sheet],
) -> None:
    assert list(sheets) == [*(f"subject-{language}" for language in LANGUAGES), "auditor"]


@pytest.mark.parametrize("name", ["subject-en", "subject-de", "subject-fr", "auditor"])
def test_the_paper_says_what_the_page_says(sheets: dict[str, Sheet], name: str) -> None:
    assert of_paper(sheets[name]) == of_page(sheets[name])
    assert len(of_page(sheets[name])) > 400


def test_the_persons_is_one_plain_page(served: Run, sheets: dict[str, Sheet]) -> None:
    sheet = sheets["subject-en"]
    assert len(paper(sheet).pages) == 1
    text = words(sheet)
    assert "trained again, and nothing on its way saw the data" in text
    assert "It began from new weights" in text and "Not covered is what was chosen" in text
    assert "We keep a record" in text and "keyed digests" in text
    assert not re.search(r"[0-9a-f]{32}", text), "digests are for an auditor"
    assert paper(sheet).metadata is not None and served.requests[0] in sheet.title


def test_an_auditor_finds_digests_policy_attestations_and_where_they_stand_in_the_log(
    served: Run, sheets: dict[str, Sheet]
) -> None:
    text, log = words(sheets["auditor"]), served.at.ledger.log
    for step in ("decided", "purged", "sealed", "attested"):
        entry = log.find(f"{served.ref}/{step}")
        assert entry is not None and entry.hash in text and f"entry {entry.seq} " in text
    policy = served.at.ledger.log.entries()
    (adopted,) = [e.body["sha256"] for e in policy if e.event == "policy_adopted"]
    attested = served.done("attested") or {}
    for digest in (adopted, "cd" * 32, "ef" * 32, attested["statement"], log.head):
        assert digest in text
    assert assured.HOW["retrain"] in text and all(one in text for one in assured.OF_LINEAGE)
    assert f"lethe verify {served.ref} --key public.pem" in text and "--replay" in text
    assert "Merkle inclusion proof" in text and "lethe verify proof.json --key public.pem" in text
    assert f"lethe log --prove {served.ref}/attested --out proof.json" in text


def test_what_cannot_be_trained_again_is_not_offered(served: Run) -> None:
    """As of a generator, whose retraining says nothing that a replay could follow."""
    path = served.bundle / "attempts.json"
    before = path.read_bytes()
    path.write_text(json.dumps([{k: v for k, v in RETRAIN.items() if k != "replay"}]))
    try:
        text = words(sheets_of(served.at, served.requests[0])["auditor"])
    finally:
        path.write_bytes(before)
    assert assured.HOW["retrain"] in text and "--replay" not in text


def test_what_was_measured_of_pictures_has_limits_of_its_own() -> None:
    assert "what one judge sees in drawn pictures" in " ".join(assured.limits("A2", draws=True))
    assert assured.limits("A2")[0].startswith("It does not prove that the data are gone")


def test_none_says_more_than_is_so_or_anything_of_anybody(
    served: Run, sheets: dict[str, Sheet]
) -> None:
    """Neither the words of a request or of who handled it, nor ids, nor other requests."""
    at = small_runs.opened(served.at.root)
    people = {small_runs.person(at, number) for number in range(20)}
    for sheet in sheets.values():
        text = words(sheet)
        assert HOSTILE not in text and "insisted" not in text
        assert {*re.findall(r"req-[0-9a-f]+", text)} == {served.requests[0]}
        assert not [one for one in people if re.search(rf"\b{re.escape(one)}\b", text)]
        assert not re.search(r"gone from the model|no longer in the model|certif(y|ies) that", text)
    assert "does not prove" not in words(sheets["subject-en"]), "that is for approximate methods"


def test_before_the_purge_there_is_none(served: Run, tmp_path: Path) -> None:
    root, out = small_runs.small(tmp_path / "workspace"), tmp_path / "out"
    at = small_runs.opened(str(root))
    waiting = small_runs.asked(at, small_runs.person(at))
    assert sheets_of(small_runs.opened(str(root)), waiting) == {}
    with pytest.raises(RequestDenied, match="is accepted and has no certificate"):
        paging.certify(root, waiting, out)
    with pytest.raises(UsageError, match="is not known"):
        paging.certify(root, served.requests[0], out)
    with pytest.raises(UsageError, match="lies in the workspace"):
        paging.certify(root, waiting, root / "out")
    assert not out.exists()


def test_nothing_is_certified_from_records_that_do_not_hold_together(
    served: Run, tmp_path: Path
) -> None:
    """The bundle of this run was never sealed."""
    with pytest.raises(IntegrityError, match="nothing is certified"):
        paging.certify(served.at.ws.root, served.requests[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_words_stay_words(served: Run, tmp_path: Path) -> None:
    """Also those of a template of one's own, on the page and on paper."""
    at = small_runs.copied(served.at.ws.root, tmp_path / "copy")
    own = at.ws.root / "letters" / "en" / "completion.txt"
    own.parent.mkdir(parents=True)
    own.write_text(f"Done {{{{ request }}}}\n\n{HOSTILE}: Łódź, Ελλάδα, Київ\n\n- one\n- two\n")
    sheet = sheets_of(at, served.requests[0])["subject-en"]
    assert "<script>" not in as_page(sheet).decode()
    assert of_paper(sheet) == of_page(sheet) and "Łódź" in of_paper(sheet)
    assert sheet.parts[-1].lines == ("one", "two")


def test_pages_have_them_and_lead_to_them(served: Run) -> None:
    made = paging.made(Workspace.at(served.at.ws.root), utc_now())
    ref = served.requests[0]
    page = made[f"requests/{ref}.html"].decode()
    for name in ("subject-de", "auditor"):
        assert f'href="../certificates/{ref}-{name}.html"' in page
        assert f"certificates/{ref}-{name}.html" in made
    assert b"@media print" in made[f"certificates/{ref}-auditor.html"]
    assert b"http" not in made[f"certificates/{ref}-auditor.html"].replace(b"http-equiv", b"")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({}, "the Hessian was not measured"),
        ({"hessian_low": -2.5}, assured.NOT_CONVEX),
        ({"hessian_low": 0.5}, "at this point alone"),
    ],
)
def test_famrs_bounds_come_with_the_state_of_what_they_assume(
    report: dict[str, float], said: str
) -> None:
    told = list(assured.how("A2", "famr", {"stationarity_residual": 0.25, **report}))
    assert any("0.25" in line for line in told) and any(said in line for line in told)


def test_levels_have_their_limits(served: Run) -> None:
    rows: list[dict[str, Any]] = [{"name": "forget_auc", "value": 0.5, "low": 0.4, "high": 0.6}]
    assert list(assured.measured(rows)) == ["measured forget auc: 0.500 (0.400 to 0.600), n = None"]
    assert "does not prove" in " ".join(assured.limits("A2"))
    assert assured.level("A0") == "A0: nothing is assured."
    assert list(assured.how("A1", None, {})) == list(assured.OF_PURGE)


def written_in(words: str) -> Sheet:
    return Sheet(words, "en", (Part(words, (words,), ((words, words),), (words,)),), "foot")


@pytest.mark.parametrize("words", ["Общество", "Ελληνική εταιρεία", "Łódź, İzmir"])
def test_the_paper_has_the_letters_of_many_languages(words: str) -> None:
    assert of_paper(written_in(words)).count(bare(words)) == 6


@pytest.mark.parametrize("words", ["株式会社", "שלום", "شركة", "บริษัท", "कंपनी"])
def test_what_would_come_out_wrong_is_no_paper(words: str) -> None:
    assert as_pdf(written_in(words), utc_now()) is None


def test_a_font_of_ones_own_has_the_letters_that_ours_lacks(tmp_path: Path) -> None:
    """A font that comes with matplotlib and has a letter of mathematics that DejaVu lacks."""
    ours = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    sheet = written_in("\N{MATHEMATICAL SCRIPT CAPITAL A}")
    assert as_pdf(sheet, utc_now()) is None
    assert as_pdf(sheet, utc_now(), [ours / "STIXGeneral.ttf"]) is not None
    (tmp_path / "none.ttf").write_bytes(b"no font")
    with pytest.raises(UsageError, match=r"letters/fonts/none\.ttf: cannot be read"):
        as_pdf(sheet, utc_now(), [tmp_path / "none.ttf"])


def test_without_a_paper_there_is_the_page_and_a_line_says_so(
    served: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dict(sheets_of(served.at, served.requests[0]))
    own["auditor"] = written_in("株式会社")
    monkeypatch.setattr(paging, "certificates", lambda known, row: own.items())
    monkeypatch.setattr(paging, "require_whole_log", lambda ws: None)  # its bundle is made up
    found = paging.certify(served.at.ws.root, served.requests[0], tmp_path)
    names = {Path(one).name.removeprefix(f"{served.requests[0]}-") for one in found["certificates"]}
    assert {"auditor.html", "subject-en.pdf"} <= names and "auditor.pdf" not in names
    (note,) = found["notes"]
    assert note.startswith("no PDF of auditor") and "letters/fonts/" in note
