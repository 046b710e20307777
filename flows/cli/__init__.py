"""The command line: thin commands over flows and ledger; `lethe --help` imports no torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from flows import problems
from flows.cli.calling import Call, complain
from flows.cli.commands import (
    approving,
    backups,
    comparing,
    looking,
    making,
    reading,
    requests,
    sending,
    service,
    settings,
    versions,
)
from flows.cli.options import OnceEach
from flows.cli.stopping import stoppable
from systems.settings.quiet import quiet_environment
from unlearning.errors import UsageError

app = typer.Typer(
    name="lethe",
    cls=OnceEach,
    help="Turn each deletion request into an unlearning run whose evidence anybody can verify.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
"""What Typer makes of KeyboardInterrupt, without a word."""

GLOBAL = {"--json": 0, "--debug": 0, "--workspace": 1}
"""Options that may stand anywhere on the line, and how many values each takes."""

ENVIRONMENT = {
    # On a busy machine threads that spin while they wait made training three times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    # For the bank's workers: glibc gives freed tensors back to the system and gets them again page
    # by page, 8 % of training a ResNet-20 (benchmarks/kept_memory). Read as a process starts.
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    # Without it cuBLAS may sum in another order each time, and no training could be done again.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    # Its own 20 seconds are not enough on a busy machine: the first start makes a database.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # It would print the traceback of every failure that `complain` puts in a line.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}
"""What torch and Prefect are told unless the environment says otherwise."""


@app.callback()
def options(
    ctx: typer.Context,
    workspace: Annotated[
        Path, typer.Option(envvar="LETHE_WORKSPACE", help="Folder of the workspace.")
    ] = Path(),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Turn each deletion request into an unlearning run whose evidence anybody can verify."""
    ctx.obj = Call(workspace, as_json, debug)


COMMANDS: tuple[Callable[..., None], ...] = (
    making.init,
    making.import_,
    *(requests.submit, requests.plan, requests.forget, approving.approve, requests.abort),
    *(requests.extend, requests.deny, requests.hold, requests.resume, requests.confirm),
    *(settings.policy, settings.params, settings.rotate_key, comparing.judge),
    *(sending.source, reading.reader),
    *(versions.taint, versions.rollback),
    *(looking.show, looking.list_, looking.verify, looking.replay, looking.log, looking.pages),
    *(looking.certificate, requests.purge),
    *(making.train, comparing.bench, comparing.tune, comparing.audit, looking.doctor),
    *(backups.backup, backups.restore, backups.restore_drill, service.serve),
)
"""In the order of `lethe --help`."""

NAMES = {
    looking.list_: "list",
    settings.rotate_key: "rotate-key",
    making.import_: "import",
    backups.restore_drill: "restore-drill",
}
"""Commands that cannot be called in Python what they are called on the line."""

TAKE_OPTIONS_OF_OTHERS = {"ignore_unknown_options": True, "allow_extra_args": True}

for command in COMMANDS:
    taken = TAKE_OPTIONS_OF_OTHERS if command is comparing.bench else None
    app.command(NAMES.get(command), context_settings=taken)(command)


def reordered(arguments: list[str]) -> list[str]:
    """Put the global options first: they may be written after the command too."""
    first, rest, waiting = [], [], 0
    for argument in arguments:
        name = argument.split("=")[0]
        if waiting or name in GLOBAL:
            first.append(argument)
            waiting = GLOBAL[name] * ("=" not in argument) if not waiting else waiting - 1
        else:
            rest.append(argument)
    return first + rest


SEVERAL = frozenset({"--subject", "--example", "--class"})
"""Options of `submit` that may have several values one after the other."""


def spread(words: list[str]) -> list[str]:
    """Repeat an option of several values before each of them; `submit` has no other words."""
    if "submit" not in words:
        return words
    begins = words.index("submit") + 1
    found, option, given = words[:begins], "", False
    for word in words[begins:]:
        if word.startswith("--"):
            option, given = (word if word in SEVERAL else ""), False
        elif option and given:
            found.append(option)
        given = given or not word.startswith("--")
        found.append(word)
    return found


def _refuse_no_text(words: list[str]) -> None:
    """UsageError for bytes that are no text: neither the log nor any file of ours can hold them."""
    for place, word in enumerate(words, start=1):
        try:
            word.encode()
        except UnicodeEncodeError as problem:
            raise UsageError(
                f"word {place} of the line: holds bytes that are no UTF-8 text, expected text; "
                "write it in UTF-8, or call a file or folder by another name"
            ) from problem


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    quiet_environment()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    words = spread(reordered(sys.argv[1:] if arguments is None else arguments))
    try:
        _refuse_no_text(words)
        with stoppable():
            code = app(words or ["--help"], prog_name="lethe", standalone_mode=False)
        if code == INTERRUPTED:
            raise typer.Abort
    except (typer.Abort, KeyboardInterrupt):
        code = 20
        complain("interrupted; the same command goes on with it", code, as_json="--json" in words)
    except Exception as problem:  # words that are no command of ours, or imports that fail
        if "--debug" in words and not isinstance(problem, TyperException):
            raise
        code, line = problems.explain(problem)
        complain(line, code, as_json="--json" in words)
    sys.exit(code)
