"""`lethe` as processes of their own, over one workspace, and what they answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end import driver
from tests.end_to_end.policies import CHEAP

SECONDS = 240  # for one command; the longest takes ten on an idle machine
COMMAND = str(Path(sys.executable).with_name("lethe"))


@dataclass(frozen=True)
class Answer:
    """What a command ended with. code: negative for the signal that killed it."""

    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> dict[str, Any]:
        """Read the one JSON object on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Running:
    """A command under way."""

    process: ForkServerProcess
    output: Path

    def end(self, seconds: float = SECONDS) -> Answer:
        """Wait for it, end all that it started, and give its answer."""
        self.process.join(seconds)
        late = self.process.exitcode is None
        self.kill()
        self.process.join()
        assert not late, f"still running after {seconds} s"
        code = self.process.exitcode
        assert code is not None
        return Answer(code, *((self.output / name).read_text() for name in ("out", "err")))

    def kill(self) -> None:
        """Send SIGKILL to its whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)


@dataclass(frozen=True)
class Lethe:
    """A workspace, and the command line over it. temporary: where its processes put their own.

    environment: what they are told besides.
    """

    root: Path
    temporary: Path
    context: ForkServerContext
    started: list[Running] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, killer: driver.Killer | None = None) -> Running:
        """Begin a command; standard output and error go to files."""
        output = self.temporary / f"call-{len(self.started)}"
        output.mkdir(parents=True)
        words = ["--workspace", str(self.root), "--json", *arguments]
        process = self.context.Process(
            target=driver.run,
            args=(words, output, {**self.environment, "TMPDIR": str(self.temporary)}, killer),
        )
        process.start()
        self.started.append(Running(process, output))
        return self.started[-1]

    def __call__(
        self, *arguments: str, code: int | None = 0, killer: driver.Killer | None = None
    ) -> Answer:
        """Run a command to its end, which must be this exit code (None: any)."""
        answer = self.start(*arguments, killer=killer).end()
        assert code in (None, answer.code), answer.err[-3000:] or answer.out[-3000:]
        return answer

    def submit(self, *arguments: str) -> str:
        """Submit a request that is accepted; give its reference."""
        return str(self("submit", *arguments).json["request"])

    def forget(
        self, *arguments: str, policy: dict[str, Any] = CHEAP, code: int | None = 0, **rest: Any
    ) -> Answer:
        """Run `lethe forget` under a policy, which is adopted first."""
        path = self.write_policy(policy)
        self.adopt(path)
        return self("forget", *arguments, "--policy", path, code=code, **rest)

    def adopt(self, path: str) -> None:
        """Put a policy into force, unless it is; that takes a process of its own."""
        adopted = [e["body"]["sha256"] for e in self.entries() if e["event"] == "policy_adopted"]
        if adopted[-1] != hashlib.sha256(Path(path).read_bytes()).hexdigest():
            self("policy", "--adopt", path, "--reason", "what this test tries")

    def write_policy(self, policy: dict[str, Any]) -> str:
        """Write a policy to a file; give its path."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        path = self.temporary / "policy.yaml"
        path.write_text(yaml.safe_dump(policy))
        return str(path)

    def entries(self) -> list[dict[str, Any]]:
        """Read the log."""
        lines = (self.root / "records" / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def champion(self) -> dict[str, Any]:
        """Give the served version, as `lethe list versions` shows it."""
        versions = self("list", "versions").json["versions"]
        return next(v for v in versions if "champion" in v["aliases"])

    def change(self, section: str, key: str, value: Any) -> None:
        """Change one of the workspace's settings."""
        path = self.root / "params.yaml"
        tree = yaml.safe_load(path.read_text())
        tree[section][key] = value
        path.write_text(yaml.safe_dump(tree))
        if (self.root / "records" / "log.jsonl").exists():
            self("params", "--adopt", str(path), "--reason", "what this test tries")


def installed(environment: Mapping[str, str], *words: str, cwd: Path | None = None) -> Answer:
    """Run a command line that holds the installed command, and end all that it started."""
    running = subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = running.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return Answer(running.returncode, out, err)


def subjects(people: list[str]) -> list[str]:
    """Give the words that select people."""
    return [word for person in people for word in ("--subject", person)]
