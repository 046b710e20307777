"""Which code a stored number follows from, as a digest that comments and layout do not change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from unlearning.digests import digest_of

ROOT = Path(__file__).parent.parent
PACKAGE = "unlearning"


@cache
def code_digest(*modules: str) -> str:
    """Digest these modules and all of `unlearning` that they import, directly or not.

    Packages are left out: importing one registers every method, and most do not matter.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            tree = ast.parse(_file(module).read_text())
            waiting += _imported(tree)
            found[module] = ast.dump(_bare(tree))
    return digest_of(found)


def _file(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            names = [node.module or "", *(f"{node.module}.{item.name}" for item in node.names)]
            yield from (name for name in names if _file(name).is_file())


def _bare(tree: ast.Module) -> ast.Module:
    """Take the docstrings out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return tree
