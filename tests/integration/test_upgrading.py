"""A person was forgotten approximately; the next run retrains: a second notice, and A3 since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.work import paging, queries
from flows.cli.work.standing import all_requests
from ledger import durable
from systems.settings.workspace import Workspace
from systems.webhooks.notices import Outbox
from tasks import attest, purge
from tasks.attest import tell_upgrades, upgraded
from tasks.keeping.verified import verify_records
from tasks.pages.certificates import certificates
from tasks.pages.known import known_of
from tasks.pages.letters import letters
from tasks.running.records import utc_now
from tasks.running.run import Run
from tests.integration import small_runs

LINE = {"finetune": ("A2", 1, 2), "retrain": ("A3", 2, 3)}
"""By method: what is assured, the parent, and the version that is released."""


def served(root: Path, method: str, number: int) -> Run:
    """Take a person's run to its end, as far as the log and its bundle tell: nothing is trained."""
    at = small_runs.opened(str(root))
    level, parent, version = LINE[method]
    ref = small_runs.asked(at, small_runs.person(at, number))
    run = small_runs.begun(small_runs.opened(str(root)), ref, small_runs.noted)
    sha256 = f"{version:064}"
    decided = {"decision": "released", "assurance": level, "method": method, "records": []}
    run.once("decided", lambda: {**decided, "candidate": sha256})
    run.once("sealed", lambda: {"statement": "ef" * 32})
    durable.make_folder(run.bundle)
    durable.write(run.bundle / "attempts.json", json.dumps([{"method": method}]).encode())
    released = {"version": version, "sha256": sha256, "parent": parent}
    run.once("promoted", lambda: released)
    return small_runs.closed(run)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two people, one after the other; killed once just before the upgrade is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(purge, "leave_outdated", lambda _: None)
        patch.setattr(purge, "_tag_tainted", lambda _: None)
        patch.setattr(purge, "purge_derived", lambda _: [])
        patch.setattr(purge, "remaining", lambda *_: [])
        patch.setattr(purge, "_erase_due", lambda *_: [])
        root = small_runs.small(tmp_path_factory.mktemp("upgrading") / "workspace")
        served(root, "finetune", 0)
        with patch.context() as killed, pytest.raises(KeyboardInterrupt):
            killed.setattr(purge, "tell_upgrades", _killed)
            served(root, "retrain", 0)
        at = small_runs.opened(str(root))
        assert [e for e in at.ledger.log.entries() if e.event == "upgraded"] == []
        for _ in range(2):
            purge.finish_purging(small_runs.opened(str(root)), [])
        yield root


def _killed(_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def at(root: Path) -> Any:
    return small_runs.opened(str(root))


def rows(at: Any) -> dict[str, Any]:
    """Requests by the run that served them."""
    found = all_requests(at.ws, None, utc_now())
    return {Run(at, row["run"]).done("decided")["method"]: row for row in found}


def test_it_is_told_once_and_the_log_bears_it_out(at: Any) -> None:
    told = [e for e in at.ledger.log.entries() if e.event == attest.UPGRADED]
    first, second = (rows(at)[method] for method in LINE)
    assert [(e.body["request"], e.body["by"], e.body["assurance"]) for e in told] == [
        (first["request"], second["run"], "A3")
    ]
    tell_upgrades(at)
    assert len([e for e in at.ledger.log.entries() if e.event == attest.UPGRADED]) == 1
    assert upgraded(Run(at, second["run"])) == [first["request"]]
    assert not [p for p in verify_records(at.ws, None).problems if "upgrades" in p]


def test_show_and_pages_name_the_run_by_which(at: Any) -> None:
    first, second = (rows(at)[method] for method in LINE)
    shown = queries.show(at.ws.root, first["request"])
    assert (shown["upgraded"]["assurance"], shown["upgraded"]["by"]) == ("A3", second["run"])
    assert shown["history"][-1]["event"] == "upgraded"
    assert "upgraded" not in queries.show(at.ws.root, second["request"])
    made = {page: content.decode() for page, content in paging.made(at.ws, utc_now()).items()}
    for page in ("index.html", f"requests/{first['request']}.html"):
        assert f"by {second['run']}, A2 before" in made[page], page
    assert f"letters/{first['request']}-upgrade-en.txt" in made


def test_there_is_a_second_letter_and_a_second_notice(at: Any) -> None:
    known = known_of(at, utc_now())
    first, second = (rows(at)[method] for method in LINE)
    kinds = [kind for kind, language, _ in letters(known, first) if language == "en"]
    assert kinds == ["acknowledgement", "completion", "upgrade"]
    assert "upgrade" not in [kind for kind, *_ in letters(known, second)]
    told = [n for n in Outbox(Workspace.at(at.ws.root)).after(0)[0] if n.assurance]
    body = json.loads(told[0].body())
    assert len(told) == 1
    assert (body["request"], body["state"], body["assurance"]) == (
        first["request"], "complete", "A3",
    )  # fmt: skip


def test_the_certificate_says_what_is_assured_since_and_what_was_before(at: Any) -> None:
    first, second = (rows(at)[method] for method in LINE)
    sheets = dict(certificates(known_of(at, utc_now()), first))
    (part,) = [p for p in sheets["auditor"].parts if p.heading.startswith("What is assured")]
    assert f"the release of {second['run']}" in part.paragraphs[0]
    assert part.paragraphs[1].startswith("A3: ") and any(
        words.startswith("A2: ") for words in part.paragraphs
    )
    facts = dict(part.facts)
    assert facts["Upgraded by run"] == second["run"]
    (check,) = [p for p in sheets["auditor"].parts if p.heading == "How to check it"]
    assert f"lethe verify {second['run']} --key public.pem" in check.code
    words = " ".join(p for part in sheets["subject-en"].parts for p in part.paragraphs)
    assert f"trained again (run {second['run']})" in words
    assert "changed by an approximate method" in words  # also once the run is complete
