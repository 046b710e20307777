"""An option that takes one value and is given twice: which is meant is not for us to guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import typer

from unlearning.errors import UsageError


def refuse_repeated(app: typer.Typer, words: Sequence[str]) -> None:
    """Raise UsageError if an option of one value is repeated; the last would silently win.

    words: the command line, global options first.
    """
    group = typer.main.get_command(app)
    commands = getattr(group, "commands", {})
    command = next((commands[word] for word in words if word in commands), None)
    known = {
        name: param
        for param in [*group.params, *(command.params if command else ())]
        for name in param.opts
    }
    counts: Counter[str] = Counter()
    waiting = False
    for word in words:
        name, equals, _ = word.partition("=")
        if not waiting and name in known and name.startswith("--"):
            param = known[name]
            counts[name] += not getattr(param, "multiple", False)
            waiting = not equals and not getattr(param, "is_flag", False)
        else:
            waiting = False
    for name, count in counts.items():
        if count > 1:
            raise UsageError(f"{name}: got {count} values, expected one: give it once")
