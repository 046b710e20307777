"""Imports go one way, and each layer stays away from what it must not know."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Who may import whom of ours. A module or package that is named has a wider door than its layer.
EVERYTHING_BUT_BENCHMARKS = {"unlearning", "ledger", "systems", "tasks", "flows"}
MAY_IMPORT = {
    "unlearning": {"unlearning"},
    "ledger": {"ledger"},
    "systems": {"unlearning", "ledger", "systems"},
    "tasks": {"unlearning", "ledger", "systems", "tasks"},
    "flows": {"tasks", "flows"},
    "flows.cli": EVERYTHING_BUT_BENCHMARKS,
    "flows.demo": EVERYTHING_BUT_BENCHMARKS,
    "flows.problems": {"unlearning", "flows"},
    "flows.stages": EVERYTHING_BUT_BENCHMARKS,
    "flows.service": EVERYTHING_BUT_BENCHMARKS,
    "benchmarks": EVERYTHING_BUT_BENCHMARKS | {"benchmarks"},
}
LIGHT = {"ledger": {"unlearning.errors", "unlearning.digests", "unlearning.counting"}}
"""Light modules that a layer may import beyond its door: there is one home for what they hold."""

OURS = {"unlearning", "ledger", "systems", "tasks", "flows", "benchmarks"}
SHARED_BY_SYSTEMS = {"settings", "copies", "posting"}
"""What the packages of systems may all know: the workspace, the form of a copy, how one posts."""

# What the two inner layers may have besides the standard library; nobody else is held to a list.
SCIENCE = {"torch", "timm", "numpy", "scipy", "sklearn", "safetensors", "PIL", "pyarrow"}
LAW = {"sqlalchemy", "alembic", "cryptography", "holidays"}
OUTSIDE = {"unlearning": SCIENCE, "ledger": LAW}
EXTRA = {
    "unlearning.audits.exported": {"onnxruntime"},
    "unlearning.generation.unet": {"diffusers"},
    "unlearning.generation.sampling": {"diffusers"},
}  # nobody else may know of it

NETWORK = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "socketserver", "xmlrpc"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNS_WHAT_IT_READS = {"torch.load", "torch.save", "torch.jit.load", "pandas.read_pickle"}
CLOCK = {
    *(
        f"time.{name}{unit}"
        for name in ("time", "monotonic", "perf_counter")
        for unit in ("", "_ns")
    ),
    *("time.process_time", "time.localtime", "time.gmtime", "time.ctime"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    "datetime.date.today",
}


def names_in(tree: ast.Module, module: str, *, is_package: bool) -> tuple[set[str], set[str]]:
    """All dotted names that a module imports, and all that it refers to, aliases resolved."""
    imported: set[str] = set()
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                imported.add(item.name)
                aliases[item.asname or item.name.split(".")[0]] = (
                    item.name if item.asname else item.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, module, is_package=is_package)
            for item in node.names:
                imported.add(f"{source}.{item.name}")
                aliases[item.asname or item.name] = f"{source}.{item.name}"
    dotted = (dotted_name(node) for node in ast.walk(tree))
    heads = (name.partition(".") for name in dotted if name)
    used = {aliases[head] + dot + rest for head, dot, rest in heads if head in aliases}
    return imported | named_in_calls(tree), used


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The full name of what an import statement takes from, dots resolved."""
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, node.module] if node.module else kept)


REMOVALS = {"rmtree", "unlink", "rmdir", "removedirs"}
"""Whatever removes files or folders; `os.remove` is named in full, lists have a remove too."""
THE_DOOR = "ledger.durable"


def removals(source: str) -> list[str]:
    """What a module's source calls to remove something from the disk."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    called = (call.func for call in calls)
    names = [f.attr if isinstance(f, ast.Attribute) else dotted_name(f) or "" for f in called]
    direct = [name for name in names if name in REMOVALS]
    return direct + ["os.remove" for _ in re.finditer(r"\bos\.remove\(", source)]


def test_nothing_is_removed_but_through_the_one_door() -> None:
    """It asks for the folder that may not be left; a benchmark's own folders are its own."""
    product = [(name, file) for name, file in modules() if not name.startswith("benchmarks")]
    found = {name: removals(file.read_text()) for name, file in product if name != THE_DOOR}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "source",
    ["path.unlink()", "shutil.rmtree(p)", "from os import rmdir\nrmdir(p)", "os.remove(p)"],
)
def test_a_planted_removal_is_found(source: str) -> None:
    assert removals(source)


def dotted_name(node: ast.AST) -> str | None:
    """`a.b.c` for the attribute of an attribute of a name, None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (front := dotted_name(node.value)):
        return f"{front}.{node.attr}"
    return None


def named_in_calls(tree: ast.Module) -> set[str]:
    """Modules imported by a string: import_module("x") and __import__("x")."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    return {
        call.args[0].value
        for call in calls
        if (dotted_name(call.func) or "").split(".")[-1] in {"import_module", "__import__"}
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Say what a module's source does that its layer may not."""
    layer = module.split(".")[0]
    imported, used = names_in(ast.parse(source), module, is_package=is_package)
    allowed = {name for name in imported if is_light(layer, name)}
    tops = {name.split(".")[0] for name in imported - allowed}
    foreign = tops - OURS - set(sys.stdlib_module_names)
    wrong = (tops & OURS) - MAY_IMPORT[door_of(module)]
    wrong |= {name for name in imported if other_system(module, name)}
    wrong |= tops & PICKLES | (imported | used) & RUNS_WHAT_IT_READS
    if layer in OUTSIDE:
        foreign -= OUTSIDE[layer] | EXTRA.get(module, set())
        wrong |= foreign | tops & NETWORK | (imported | used) & CLOCK
    return sorted(wrong)


def is_light(layer: str, name: str) -> bool:
    """Whether a name lies in one of the light modules that a layer may import."""
    return any(f"{name}.".startswith(f"{module}.") for module in LIGHT.get(layer, ()))


def door_of(module: str) -> str:
    """The longest name in MAY_IMPORT that a module lies under."""
    return max((d for d in MAY_IMPORT if f"{module}.".startswith(f"{d}.")), key=len)


def other_system(module: str, name: str) -> bool:
    """Whether a module of one outside system imports from another one's package."""
    own, other = module.split("."), name.split(".")
    both = own[0] == other[0] == "systems" and len(own) > 1 and len(other) > 1
    return both and other[1] not in {own[1], *SHARED_BY_SYSTEMS}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours with its dotted name."""
    for package in sorted(OURS):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), file


@pytest.mark.parametrize("package", sorted(OURS))
def test_a_layer_keeps_to_what_it_may_know(package: str) -> None:
    of_package = [(name, file) for name, file in modules() if name.split(".")[0] == package]
    found = {
        name: wrong
        for name, file in of_package
        if (wrong := violations(name, file.read_text(), is_package=file.name == "__init__.py"))
    }
    assert of_package, f"no module found in {package}: this test would pass on nothing"
    assert found == {}


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("unlearning.gates.utility", "import ledger.log", ["ledger"]),
        ("unlearning.gates.utility", "from ...tasks import models", ["tasks"]),
        ("unlearning.training.loop", "def f():\n    import mlflow.pytorch", ["mlflow"]),
        (
            "unlearning.training.loop",
            "import importlib\nimportlib.import_module('dvc.repo')",
            ["dvc"],
        ),
        ("unlearning.audits.deployed", "def f():\n    import onnxruntime", ["onnxruntime"]),
        ("unlearning.training.loop", "import urllib.request", ["urllib"]),
        ("unlearning.training.loop", "import time as t\nt.perf_counter()", ["time.perf_counter"]),
        ("unlearning.training.loop", "from time import time\nnow = time", ["time.time"]),
        (
            "ledger.log",
            "from datetime import datetime as d, UTC\nd.now(UTC)",
            ["datetime.datetime.now"],
        ),
        ("ledger.log", "import datetime\ndatetime.date.today()", ["datetime.date.today"]),
        ("ledger.log", "import torch", ["torch"]),
        ("ledger.log", "from unlearning.domain import Verdict", ["unlearning"]),
        ("ledger.log", "def f():\n    from unlearning import registry", ["unlearning"]),
        ("systems.registry.models", "from flows import forget", ["flows"]),
        ("systems.registry.models", "import pickle", ["pickle"]),
        ("systems.registry.models", "from tasks import judge", ["tasks"]),
        (
            "systems.data.reading",
            "from systems.registry import models",
            ["systems.registry.models"],
        ),
        ("flows.forget", "from ledger.log import Log", ["ledger"]),
        ("flows.forget", "from systems.data import reading", ["systems"]),
        ("flows.cli", "import benchmarks.cost", ["benchmarks"]),
        ("benchmarks.cost.study", "import torch as t\nt.load('x')", ["torch.load"]),
        ("benchmarks.cost.study", "from torch import load", ["torch.load"]),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str, wrong: list[str]) -> None:
    assert set(wrong) <= set(violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("unlearning.gates.utility", "import torch, numpy as np\nfrom ..domain import Split"),
        ("unlearning.audits.exported", "def f():\n    from onnxruntime import InferenceSession"),
        ("unlearning.gates", "from . import utility\nfrom .. import registry"),
        (
            "ledger.deadlines",
            "from datetime import datetime, UTC\ndatetime(2024, 2, 29, tzinfo=UTC)",
        ),
        ("ledger.log", "from unlearning.digests import sha256_hex\nimport sqlalchemy"),
        ("ledger.log", "from unlearning import errors\nfrom .chain import Entry"),
        ("systems.compute.producing", "import time, ledger.log, unlearning.training\ntime.time()"),
        ("systems.data.reading", "from systems.settings.workspace import Workspace"),
        ("flows.cli", "from ledger import evidence\nfrom unlearning import registry"),
        ("flows.cli.work.serving", "from ledger import evidence\nfrom systems.data import reading"),
        ("benchmarks.cost.study", "from flows import forget\nfrom benchmarks import setup"),
    ],
)
def test_what_is_allowed_is_not_flagged(module: str, source: str) -> None:
    package = module == "unlearning.gates"
    assert violations(module, source, is_package=package) == []


def test_no_flow_knows_the_command_line() -> None:
    """It is one caller of many; the service and Prefect's server run the same flows without it."""
    for module, file in modules():
        if module.startswith("flows.") and not module.startswith(("flows.cli", "flows.demo")):
            imported, _ = names_in(ast.parse(file.read_text()), module, is_package=False)
            assert not [name for name in imported if name.startswith("flows.cli")], module


def test_help_is_light() -> None:
    """`lethe --help` must answer at once, so nothing heavy may be imported on the way to it."""
    script = (
        "import sys\n"
        "sys.argv = ['lethe', '--help']\n"
        "from flows.cli import main\n"
        "try:\n    code = main()\nexcept SystemExit as left:\n    code = left.code\n"
        "heavy = {'torch', 'timm', 'mlflow', 'dvc', 'prefect', 'great_expectations', 'pandas'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), code or 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "HEAVY [] 0"


def test_what_the_ledger_may_import_of_the_science_is_light() -> None:
    """The machine of whoever verifies has no torch, and need not have numpy."""
    modules = sorted({module for light in LIGHT.values() for module in light})
    script = (
        f"import sys, {', '.join(modules)}\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'sqlalchemy'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["[]"], ran.stderr
