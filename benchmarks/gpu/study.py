"""All that waits for a GPU, one benchmark after another within a budget of minutes.

    make gpu                                    or: python -m benchmarks.gpu --minutes 9.5

All but the first, which takes minutes, go on where they were cut off: the same command is given
until it says that all is done; bring artifacts/benchmarks along to go on elsewhere. Of generators
each training has to fit into a call; without diffusers it is the DiT alone. Without a GPU it says
so and does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.methods.grounds import CACHE
from benchmarks.samples import ROOT
from unlearning.errors import InfrastructureError, LetheError

STEPS: Mapping[str, Sequence[str]] = {
    "recipe": ("recipe", "--data", "cifar10-all", "--seeds", "1"),
    "rungs": ("rungs", "--data", "cifar10-all", "--seeds", "3"),
    "sfr-on": ("methods", "--data", "cifar10-full", "--epochs", "60", "--seeds", "1"),
    "amun": ("methods", "--data", "cifar10-full-amun", "--epochs", "60", "--seeds", "1"),
    "generation": ("generation", "--data", "cifar10", "--seeds", "1", "--models", "3"),
    "famr": ("famr", "--full", "--seeds", "3"),
}
"""The fast network; all rungs with 64 shadows; the papers' tables on ResNet-18; generators, beside
as few models without the class as the gates take."""

ENDS = {0: "is done", None: "goes on with the next call"}
ENDING = 20.0
"""Seconds that a step has to end in once it is told to."""


def left(done: Path) -> list[str]:
    """Give the steps that are not done yet, in order."""
    return [name for name in STEPS if not (done / name).exists()]


def perform(names: Sequence[str], done: Path, seconds: float) -> list[str]:
    """Do these steps while there is time; give those that are left.

    A step that fails is told and passed over: the others do not follow from it.
    """
    until, remain = time.monotonic() + seconds, list(names)
    done.mkdir(parents=True, exist_ok=True)
    for name in names:
        rest = until - time.monotonic()
        if rest <= 0:
            break
        code = _run(STEPS[name], rest)
        print(f"{name}: {ENDS.get(code, f'ended with {code}')}", flush=True)
        if code == 0:
            (done / name).touch()
            remain.remove(name)
    return remain


def _run(words: Sequence[str], seconds: float) -> int | None:
    """Give a benchmark's exit code; None if its time was over first."""
    command = [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
    return None


def run(args: argparse.Namespace) -> str:
    """Do what is left and say what is left then; InfrastructureError without a GPU."""
    if not torch.cuda.is_available():
        raise InfrastructureError(
            "no GPU here, expected one: give the command on a machine that has"
        )
    remain = perform(left(args.done), args.done, 60 * args.minutes)
    return f"left: {', '.join(remain)}; give the same command again" if remain else "all is done"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--done", type=Path, default=CACHE / "gpu")
    args = parser.parse_args(arguments)
    try:
        print(run(args))
    except LetheError as problem:
        print(f"gpu: error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
