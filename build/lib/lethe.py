"""The command `lethe`, which sees to it that our packages are ours, whatever lies beside them.

`flows`, `tasks`, `systems`, `ledger`, `unlearning` and `benchmarks` are words that modules of the
user's may have too, on PYTHONPATH or in the current folder. Importing this module puts a finder
before all others, which takes these from where this file lies: the checkout, or the folder that
Lethe was installed into. Worker processes import it first as well, with the main module.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

HOME = str(Path(__file__).resolve().parent)
OURS = frozenset({"benchmarks", "flows", "ledger", "systems", "tasks", "unlearning"})


class OursFirst:
    """Finds our packages beside this file, and nothing else."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give the package's place; None leaves a name to the other finders."""
        return PathFinder.find_spec(name, [HOME]) if name in OURS else None


sys.meta_path.insert(0, OursFirst)


def main() -> None:
    """Run the command line."""
    from flows.cli import main as command

    command()


if __name__ == "__main__":
    main()
