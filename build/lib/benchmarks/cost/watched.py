"""One `lethe` command, watched from inside: when its flow, steps and computing began and ended.

    python -m benchmarks.cost.watched REPORT.json --workspace FOLDER forget REFERENCE

The command does what it always does; the functions behind Prefect's tasks, and those that compute,
are timed on the way. Times are `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import atexit
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

COMPUTING = (
    ("systems.compute.producing", "train_network"),
    ("systems.compute.producing", "test_accuracy"),
    ("tasks.running.parts", "build_bank"),
    ("tasks.unlearn", "unlearn"),
    ("tasks.judge", "judge_candidate"),
)
"""What counts as computing: training, unlearning, the bank, measuring and judging."""

STORING = (("systems.data.importing", "import_dataset"),)
"""What a command does before its flow and is work all the same."""

FLOWS = (("flows.train", "train"), ("flows.forget", "forget"))


@dataclass(frozen=True)
class Span:
    """Something that took a while. kind: computing, storing, step, body (of a flow) or flow."""

    kind: str
    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@dataclass
class Watch:
    """What was seen so far. ready: when everything was imported."""

    spans: list[Span] = field(default_factory=list)
    ready: float = 0.0

    def timed(self, kind: str, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Give `work`, timed whenever it is called; its signature stays."""

        @wraps(work)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return work(*args, **kwargs)
            finally:
                self.spans.append(Span(kind, name, began, time.monotonic()))

        return call

    def replace(self, kind: str, module: str, name: str) -> None:
        """Time a function of a module; one that is not there any more is an error."""
        owner = importlib.import_module(module)
        setattr(owner, name, self.timed(kind, name, getattr(owner, name)))


def watch_everything(watch: Watch) -> None:
    """Time the flows, their steps, and what counts as computing."""
    from prefect import Task

    for module, name in COMPUTING:
        watch.replace("computing", module, name)
    for module, name in STORING:
        watch.replace("storing", module, name)
    for module, name in FLOWS:
        owner = importlib.import_module(module)
        for found in vars(owner).values():
            if isinstance(found, Task):
                found.fn = watch.timed("step", found.name, found.fn)
        flow = getattr(owner, name)
        flow.fn = watch.timed("body", name, flow.fn)
        watch.replace("flow", module, name)


def peaks() -> dict[str, int]:
    """Give the largest resident sizes in MiB: of this process, and of the largest child.

    Linux lets a child begin with the size of the process that started it, so the child's number is
    an upper bound.
    """
    who = {"main": resource.RUSAGE_SELF, "largest_child_at_most": resource.RUSAGE_CHILDREN}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {name: round(resource.getrusage(code).ru_maxrss / unit) for name, code in who.items()}


def main(arguments: list[str]) -> None:
    """Run the command and leave what was watched, also if the command ends with an exit code."""
    target, watch = Path(arguments[0]), Watch()

    def leave() -> None:
        spans = [asdict(span) for span in watch.spans]
        target.write_text(json.dumps({"ready": watch.ready, "spans": spans, "peak_mib": peaks()}))

    atexit.register(leave)  # before Prefect registers the end of its server, so it comes after
    from systems.settings.quiet import quiet_environment

    quiet_environment()  # as the commands do, and before the packages read it
    watch_everything(watch)
    from flows import cli

    watch.ready = time.monotonic()
    cli.main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
