"""`make demo`: the story of a few deletion requests, told in order with the real commands.

It works in demo/ below the current directory, and what it prints is what the commands answered.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from flows import cli
from flows.cli.output import CODES, attempt_lines
from ledger import durable
from systems.registry import views

FOLDER = Path("demo")
PEOPLE = 10
DECIDED, ALARM = frozenset(CODES.values()), 30
"""Exit codes: of a decision, whichever it is, and of what was altered."""


def lethe(*arguments: str, codes: Collection[int] = (0,)) -> tuple[int, dict[str, Any]]:
    """Run a command as a user would; give its exit code, one of `codes`, and its JSON.

    Raises SystemExit, with the command's own words, for any other: the story cannot go on.
    """
    print(f"\n  $ lethe {_shortened(arguments)}", flush=True)
    written, code = io.StringIO(), 0
    with contextlib.redirect_stdout(written):
        try:
            cli.main(["--workspace", str(FOLDER), "--json", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    if code not in codes:
        sys.exit(f"The demo ends here: `lethe {arguments[0]}` ended with exit code {code}.")
    return code, json.loads(written.getvalue())


def _shortened(arguments: Sequence[str]) -> str:
    line = " ".join(arguments)
    return line if len(line) <= 90 else f"{line[:64]} ... ({len(arguments)} words)"


def tell(*lines: str) -> None:
    """Print a paragraph of the story."""
    print()
    for line in lines:
        print(line, flush=True)


def attempts(found: Mapping[str, Any]) -> None:
    """Print what each method was told, with the reasons of the gates that did not pass it."""
    for line in attempt_lines(found["attempts"]):
        print(f"    {line}")
    for rung in found["not_tried"]:
        print(f"    {rung['method']} was not tried: {rung['why']}")
    print(f"    => {found['decision']}, assurance {found['assurance']}", flush=True)


def people(split: str) -> list[str]:
    """Give the synthetic people of a split."""
    from systems.data import reading
    from systems.settings.workspace import Workspace

    table = reading.read_table(Workspace.at(FOLDER), ["subject_id", "split"])
    rows = zip(table["subject_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    return sorted({subject for subject, part in rows if part == split})


def begin(options: Sequence[str]) -> None:
    """Make the workspace; options: of `init`, besides the data."""
    tell(
        "1. A company trains an image classifier on people's pictures.",
        "   The pictures are scikit-learn's digits; the people are made up, about a dozen pictures",
        "   each, and 10 % of the labels are wrong, as annotation is. Lethe trains the first model",
        "   and a bank of shadow models, which will tell forgetting from pretending.",
    )
    _, found = lethe("init", "--data", "digits", *options)
    print(f"    {found['examples']} examples of {found['subjects']} people")
    print(f"    champion: version {found['champion']['version']}, ", end="")
    print(f"test accuracy {found['test_accuracy']:.1%}; {found['shadows']} shadow models")


def ten_people() -> dict[str, Any]:
    """Serve a request of ten people."""
    chosen = people("train")[:PEOPLE]
    tell(f"2. {PEOPLE} people ask to be forgotten.")
    _, request = lethe("submit", *(word for person in chosen for word in ("--subject", person)))
    print(f"    {request['request']}: {request['examples']} pictures, due {request['due_at'][:10]}")
    _, planned = lethe("plan", request["request"])
    print(f"    {len(planned['copies'])} copies; about {planned['estimated_seconds']} s of work")
    print(f"    can it be decided? {planned['decidable']}: {planned['why']}")
    tell(
        "   Now the ladder, cheapest method first. A candidate is released only if every gate",
        "   passes it; whatever the gates say stands here.",
    )
    _, found = lethe("forget", request["request"], codes=DECIDED)
    attempts(found)
    removed = sum(copy["status"] == "removed" for copy in found["copies"])
    now = found["champion"]["version"]
    print(f"    champion is now version {now}; {removed} copies removed; remaining:")
    for copy in found["copies"]:
        if copy["status"] != "removed":
            until = f" until {copy['until']}" if "until" in copy else ""
            print(f"      {copy['where']}: {copy['what']}, {copy['status']}{until}")
    return found


def untouched_champion() -> None:
    """Show that a model that forgot nothing is caught."""
    chosen = people("train")[:PEOPLE]
    tell(
        "3. Would a model that forgot nothing be caught? Ten more people ask, and somebody offers",
        "   the champion itself, untouched, as the model that forgot them.",
    )
    _, request = lethe("submit", *(word for person in chosen for word in ("--subject", person)))
    _, versions = lethe("list", "versions")
    serving = next(v["version"] for v in versions["versions"] if "champion" in v["aliases"])
    words = ("--request", request["request"], "--version", str(serving))
    code, found = lethe("judge", *words, codes=DECIDED)
    for verdict in found["verdicts"]:
        print(f"    {verdict['gate']}: {verdict['outcome']}: {verdict['reason']}")
    print(f"    => {found['decision']} (exit code {code})")


def one_person() -> None:
    """Serve a request of one person."""
    tell(
        "4. One person alone asks. A dozen pictures show little of a model, so that hardly any",
        "   approximate method is released; exact retraining is, since lineage proves it.",
    )
    _, request = lethe("submit", "--subject", people("train")[-1])
    _, planned = lethe("plan", request["request"])
    print(f"    can it be decided? {planned['decidable']}: {planned['why']}")
    _, found = lethe("forget", request["request"], codes=DECIDED)
    attempts(found)


def tampering(bundle: Path) -> None:
    """Change a byte of the log and let `verify` find it; then put it back."""
    tell("5. Somebody else checks, offline: first the evidence and the log as they are.")
    code, found = lethe("verify", str(bundle))
    print(f"    evidence: ok {found['ok']}, {len(found['checked'])} checks (exit code {code})")
    log = FOLDER / "records" / "log.jsonl"
    genuine = log.read_bytes()
    middle = genuine.index(b"accepted")
    tell("   Then somebody changes one byte of the log.")
    log.write_bytes(genuine[:middle] + b"A" + genuine[middle + 1 :])
    code, found = lethe("verify", "--log", codes=(ALARM,))
    print(f"    {found['problems'][0]} (exit code {code})")
    log.write_bytes(genuine)
    code, found = lethe("verify", "--log")
    print(f"    put back: ok {found['ok']} (exit code {code})")


def main(options: Sequence[str] = ()) -> int:
    """Tell the whole story; options: of `lethe init`, for whoever has less time."""
    started = time.monotonic()
    durable.remove_folder(FOLDER, within=Path())
    home = (FOLDER / ".prefect").resolve()
    home.mkdir(parents=True)  # in none of the places that `init` wants empty
    os.environ["PREFECT_HOME"] = str(home)
    os.environ.pop("LETHE_DATABASE_URL", None)  # it alters its own log, which is a file
    begin(options)
    ten = ten_people()
    untouched_champion()
    one_person()
    tampering(Path(ten["evidence"]))
    tell(
        f"That took {time.monotonic() - started:.0f} s. To look around:",
        f"  report    open {FOLDER}/evidence/{ten['run']}/report.html in a browser",
        f"  MLflow    .venv/bin/mlflow ui --backend-store-uri sqlite:///{FOLDER}/mlruns/mlflow.db",
        f"            and there http://127.0.0.1:5000{views.page_of_runs(FOLDER / 'mlruns')}",
        f"  requests  .venv/bin/lethe --workspace {FOLDER} list requests",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
