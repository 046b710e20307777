"""What options share: words of their help, and that one of one value is given once.

If it is given twice, which is meant is not for us to guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from unlearning.errors import UsageError

AS_WRITTEN = "Ids and labels that look alike, or like a missing value, are meant as they are."
"""Help of --as-written."""


class OnceEach(TyperGroup):
    """Commands whose options of one value are refused where they are repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raise UsageError for a repeated option; else the last would silently win."""
        command = next((self.commands[word] for word in args if word in self.commands), None)
        known = {
            name: param
            for param in [*self.params, *(command.params if command else ())]
            for name in param.opts
        }
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
