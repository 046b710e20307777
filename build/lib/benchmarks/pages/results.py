"""Results as they lie in benchmarks/results, and on what each was measured."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS

FROM_DOCS = "../../benchmarks/results"
"""The way from a page in docs/results to the results."""


def there(name: str) -> bool:
    """Say whether a result has been measured."""
    return (RESULTS / f"{name}.json").is_file()


def named(pattern: str) -> list[str]:
    """Give the results whose names match, in order."""
    return sorted(path.stem for path in RESULTS.glob(f"{pattern}.json"))


def load(name: str) -> dict[str, Any]:
    """Read one result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def machine(name: str) -> str:
    """Say on what a result was measured."""
    result = load(name)
    on, versions = result["hardware"], result["versions"]
    packages = ", ".join(f"{key} {value}" for key, value in versions.items())
    return f"Measured on {on['cores']} cores of {on['cpu']}, {on['gpu'] or 'no GPU'}; {packages}.\n"


def page_of(name: str, what: str) -> str:
    """Point to the page that a benchmark writes beside its result."""
    return f"{what}: [{name}.md]({FROM_DOCS}/{name}.md).\n"
