"""The checkout itself: what may lie in it, and what it says of what it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OURS = {"unlearning", "ledger", "systems", "tasks", "flows", "benchmarks", "tests"}
DISTRIBUTION = {
    "fontTools": "fonttools",
    "art": "adversarial-robustness-toolbox",
    "fpdf": "fpdf2",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
}

EXTRAS = ("attacks", "dask", "generation", "onnx", "run")
"""Of which our own code imports something, where it is asked for."""

REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs|debian)\.[a-z]", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root|home|Users)/")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git holds or would take with the next `git add`."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = (ROOT / name for name in listed.split("\0") if name)
    return tuple(file for file in files if file.is_file())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Name the tracked lines in which a pattern occurs."""
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in tracked()
        for number, line in enumerate(file.read_text(errors="ignore").splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_patterns_find_what_they_are_for() -> None:
    """The needles are put together here, so that this file does not hold them itself."""
    assert REGISTRY.search("pypi" + ".org") and REGISTRY.search("deb.debian" + ".org")
    assert not REGISTRY.search("from PyPI, or Debian")
    assert MACHINE_PATH.search("in " + "/home" + "/me") and not MACHINE_PATH.search("a/home/b")


def test_no_tracked_file_names_a_registry() -> None:
    assert lines_with(REGISTRY) == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_locks_that_record_registries_are_not_tracked() -> None:
    assert {file.name for file in tracked()} & {"uv.lock", "pylock.toml"} == set()


def test_the_lock_has_no_address_and_pins_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert "://" not in lock
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_lock_has_every_declared_package() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==", lock, re.MULTILINE))
    assert declared() | declared("dev") <= locked


@pytest.mark.parametrize("name", ["params.yaml", "policy.yaml", "dvc.yaml"])
def test_a_new_workspace_starts_from_what_the_checkout_has(name: str) -> None:
    assert (ROOT / "systems" / "settings" / "templates" / name).read_bytes() == (
        ROOT / name
    ).read_bytes()


def test_every_import_is_declared() -> None:
    assert undeclared(OURS - {"tests"}, declared().union(*map(declared, EXTRAS))) == set()


def test_every_import_of_the_tests_is_declared() -> None:
    assert undeclared({"tests"}, declared() | declared("dev")) == set()


def test_every_module_is_in_a_package_that_is_installed() -> None:
    """A migration that is left out of a wheel is missed by whoever has a database."""
    modules = [path for name in OURS - {"tests"} for path in (ROOT / name).rglob("*.py")]
    assert any("migrations" in path.parts for path in modules)
    assert [path for path in modules if not (path.parent / "__init__.py").exists()] == []


def test_no_test_hides_that_a_package_is_missing() -> None:
    """What pyproject.toml declares is there, or `make test` fails and says what is not."""
    word = "import" + "orskip"
    files = (ROOT / "tests").rglob("*.py")
    assert [file.name for file in files if word in file.read_text()] == []


def declared(extra: str | None = None) -> set[str]:
    """Names of the distributions that pyproject.toml asks for, of one extra if it is named.

    An extra that names the project itself has what those extras of it have.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    names = {re.match(r"[A-Za-z0-9_-]+", line).group().lower() for line in wanted}  # type: ignore[union-attr]
    inside = [re.findall(r"[a-z]+", line)[1:] for line in wanted if line.startswith("lethe[")]
    return (names - {"lethe"}).union(*(declared(other) for line in inside for other in line))


def undeclared(packages: set[str], known: set[str]) -> set[str]:
    """Imports, outside the standard library and our packages, of distributions not in `known`."""
    sources = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    names = {name for file in sources for name in top_level_imports(file.read_text())}
    foreign = names - OURS - sys.stdlib_module_names
    return {name for name in foreign if DISTRIBUTION.get(name, name.replace("_", "-")) not in known}


def top_level_imports(source: str) -> Iterator[str]:
    """First parts of all absolute imports, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
