"""What options share: words of their help, and that one of one value is given once.

If it is given twice, which is meant is not for us to guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unlearning.errors import UsageError

AS_WRITTEN = "Ids and labels that look alike, or like a missing value, are meant as they are."
"""Help of --as-written."""

AcceptAlike = Annotated[
    bool, typer.Option("--accept-alike", help="What looks like erased ones are others'.")
]
LeaveOutAlike = Annotated[
    bool, typer.Option("--leave-out-alike", help="What looks like erased ones stays out.")
]
AlikeReason = Annotated[
    str | None, typer.Option("--reason", help="How it is known; logged, so no name.")
]


def alike_options(accept: bool, leave_out: bool, reason: str | None) -> tuple[str | None, bool]:
    """Read what is said of rows that look like erased ones: why they are others', or out."""
    if accept != (reason is not None):
        raise typer.BadParameter("--accept-alike: expected with --reason TEXT, or neither")
    if accept and leave_out:
        raise typer.BadParameter("--accept-alike: got it with --leave-out-alike, expected one")
    return reason, leave_out


class Deed(StrEnum):
    """What is done with those who are known by name: sources, readers."""

    ADD = "add"
    LIST = "list"
    REMOVE = "remove"


PANELS: dict[str, tuple[str, ...]] = {
    "Operator: sets it up and keeps it running": (
        *("init", "import", "doctor", "source", "reader", "serve"),
        *("backup", "restore", "restore-drill"),
    ),
    "Privacy officer: requests and their deadlines": (
        *(
            "submit",
            "list",
            "show",
            "hold",
            "resume",
            "extend",
            "confirm",
            "deny",
            "approve",
            "purge",
        ),
        *("pages", "certificate"),
    ),
    "Data scientist: unlearning and judging": (
        "plan",
        "forget",
        "abort",
        "judge",
        "train",
        "tune",
        "audit",
        "bench",
    ),
    "Model owner: rules and versions": ("policy", "params", "rotate-key", "taint", "rollback"),
    "Auditor: whether it is true": ("verify", "replay", "log"),
}
"""The commands by who uses them."""


class OnceEach(TyperGroup):
    """Commands by who uses them, whose options of one value are refused where repeated."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands by who uses them."""
        widest = formatter.width - 6 - max(map(len, self.commands))
        placed = {name for names in PANELS.values() for name in names}
        others = {"Others": tuple(name for name in self.commands if name not in placed)}
        for title, names in (PANELS | others).items():
            known = [name for name in names if name in self.commands]
            rows = [(name, self.commands[name].get_short_help_str(widest)) for name in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raise UsageError for a repeated option; else the last would silently win."""
        command = next((self.commands[word] for word in args if word in self.commands), None)
        known = {
            name: param
            for param in [*self.params, *(command.params if command else ())]
            for name in param.opts
        }
        if not ctx.resilient_parsing:  # where a shell asks for what may come next
            _refuse_repeated(args, known)
        return super().parse_args(ctx, args)


def _refuse_repeated(words: Sequence[str], known: dict[str, Any]) -> None:
    counts: Counter[str] = Counter()
    waiting = False
    for word in words:
        name, equals, _ = word.partition("=")
        option = None if waiting else known.get(name)
        waiting = False
        if option is not None and name.startswith("--"):
            counts[name] += not getattr(option, "multiple", False)
            waiting = not equals and not getattr(option, "is_flag", False)
    for name, count in counts.items():
        if count > 1:
            raise UsageError(f"{name}: got {count} values, expected one: give it once")
