"""A deployed flow suspends for a person, and goes on by Prefect's form or by `lethe approve`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from flows.cli.work import approving
from ledger.requests import Ledger
from systems.settings.workspace import Workspace
from tasks.approval.answering import Word
from tasks.running.opened import Opened
from tests import browser
from tests.end_to_end import waiting as deployed
from tests.looking import looking
from tests.unit.submitted import workspace
from tests.unit.tasks.test_approving import waiting as asked

ROOT = Path(__file__).parents[2]
FORM = {"approve": True, "reviewer": "dpo", "reason": "the class is to go"}


@pytest.fixture(scope="module")
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_api}), get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("LETHE_OPERATOR", "ops-7")
    return workspace(tmp_path)


def begin(client: SyncPrefectClient, ws: Workspace, *, override: bool) -> FlowRun:
    """Deploy the flow, and have a run of it scheduled."""
    run = asked(Opened(str(ws.root)), override=override)
    deployment = client.create_deployment(
        client.create_flow_from_name(deployed.waiting.name),
        name=run.ref,
        path=str(ROOT),
        entrypoint=f"{Path(deployed.__file__).relative_to(ROOT)}:waiting",
    )
    parameters = {"workspace": str(ws.root), "run": run.ref}
    return client.create_flow_run_from_deployment(deployment, parameters=parameters)


def executed(client: SyncPrefectClient, flow_run: UUID, environment: dict[str, str]) -> FlowRun:
    """Run a flow run as a runner does, in a process of its own; give what became of it."""
    client.set_flow_run_state(flow_run, Pending(), force=True)
    command = [sys.executable, "-m", "prefect.engine", str(flow_run)]
    own = {**environment, "LETHE_OPERATOR": "ops-7"}
    ran = subprocess.run(
        command, cwd=ROOT, env=own, capture_output=True, text=True, check=False, timeout=200
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return client.read_flow_run(flow_run)


def said(ws: Workspace) -> list[dict[str, Any]]:
    entries = Ledger.open(ws.records, ws.keys, read_only=True).log.entries()
    return [dict(entry.body) for entry in entries if entry.event == "approval"]


def fill_in(client: SyncPrefectClient, flow_run: UUID, form: Mapping[str, Any]) -> None:
    """Answer on Prefect's page of the run, as docs/requests.md says where to click."""
    pages = str(client.api_url).rstrip("/").removesuffix("/api")
    with looking() as look, look.at(f"{pages}/v2/runs/flow-run/{flow_run}") as page:
        page.get_by_role("button", name="Open menu").click()
        page.get_by_role("menuitem", name="Resume").click()
        dialog = page.get_by_role("dialog", name="Resume Flow Run")
        dialog.get_by_text("May the candidate of").wait_for()
        for name, value in form.items():
            field = dialog.get_by_label(name.capitalize())
            field.click() if value is True else field.fill(value)
        dialog.get_by_role("button", name="Resume", exact=True).click()
        dialog.wait_for(state="hidden")


def test_a_suspended_flow_goes_on_by_the_form_and_by_the_command(
    client: SyncPrefectClient, ws: Workspace, environment: dict[str, str]
) -> None:
    """It takes two. The operator's word is turned down and asked for again; nobody is a default."""
    flow_run = begin(client, ws, override=True).id
    first = executed(client, flow_run, environment)
    assert first.state is not None and first.state.name == "Suspended"

    for wrong in ({}, {"approve": True}, {**FORM, "reviewer": "a@b.org"}, {**FORM, "approve": "?"}):
        answer = client.resume_flow_run(flow_run, run_input=wrong)
        assert answer.status.value == "REJECT", wrong
        assert answer.details.reason  # says what is wrong
    mine = {**FORM, "override": True, "reviewer": "ops-7"}
    assert client.resume_flow_run(flow_run, run_input=mine).status.value == "ACCEPT"
    again = executed(client, flow_run, environment)
    assert again.state is not None and again.state.name == "Suspended"
    assert said(ws) == []

    other = {**FORM, "override": True}
    if browser.CHROMIUM:
        fill_in(client, flow_run, other)
    else:
        assert client.resume_flow_run(flow_run, run_input=other).status.value == "ACCEPT"
    half = executed(client, flow_run, environment)
    assert half.state is not None and half.state.name == "Suspended"
    assert [(one["reviewer"], one["through"]) for one in said(ws)] == [("dpo", "prefect")]

    word = Word("legal", "read it", approve=True, override=True, through="lethe approve")
    found = approving.approve(ws.root, said(ws)[0]["request"], word)
    assert (found["flow_run"], found["resumed"]) == (str(flow_run), True)
    done = executed(client, flow_run, environment)
    assert done.state is not None and done.state.name == "Completed"
    told = [(one["reviewer"], one["through"]) for one in said(ws)]
    assert told == [("dpo", "prefect"), ("legal", "lethe approve")]
    assert {frozenset(one) for one in said(ws)} == {frozenset(said(ws)[0])}
