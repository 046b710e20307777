"""The command line as somebody has it who installed Lethe without any extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

BARE = """
import importlib.metadata as metadata, re, sys
from packaging.requirements import Requirement

def needed(name, seen):
    key = re.sub("[-_.]+", "-", name).lower()
    if key not in seen:
        seen.add(key)
        for line in metadata.requires(name) or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                needed(wanted.name, seen)
    return seen

kept = needed("lethe", set())
owners = metadata.packages_distributions()
absent = {
    top for top, names in owners.items()
    if not any(re.sub("[-_.]+", "-", name).lower() in kept for name in names)
}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent - {"lethe"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
for name in [n for n in sys.modules if n.split(".")[0] in absent]:
    del sys.modules[name]
sys.meta_path.insert(0, Absent())
from flows.cli import main
main(sys.argv[1:])
"""
"""The command line where no extra is installed: what does not come with Lethe itself is absent."""


def bare(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", BARE, *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, **more)
