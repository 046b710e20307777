"""Somebody who follows a page word for word: its commands, in order, in a folder of his own.

Run are the blocks marked `sh`, and of those marked `console` the lines after `$`. Above a block
`<!-- ends with 10 or 11 -->` says how its last line ends, if not with 0. REQUEST, RUN and every
reference on the page are what was named last. LEFT has the lines that are not run, and why.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.end_to_end import driver
from tests.end_to_end.commandline import SECONDS, Answer, Running

BLOCK = re.compile(r"(?:<!-- ([^>]*) -->\n)?^```(sh|console)\n(.*?)^```$", re.M | re.S)
FOR_A_SHELL = re.compile(r"[|><;&(]|\$\{?\w")
REFERENCE = r"-(?:[0-9a-f]{12}|\.\.\.)"
SEEN = re.compile(r"\b(req|run|bk)-([0-9a-f]{12})\b")
NAMED = {
    "req": re.compile(rf"\bREQUEST\b|\breq{REFERENCE}"),
    "run": re.compile(rf"\bRUN\b|\brun{REFERENCE}"),
    "bk": re.compile(rf"\bbk{REFERENCE}"),
}

UNTIL_STOPPED = "it runs until it is stopped; tests/end_to_end/test_served.py does so"
A_CLUSTER = "it runs until it is stopped; tests/integration/test_cluster.py has both"
A_POOL = "a worker of a pool imports all anew, and runs until it is stopped"
READ_ELSEWHERE = "tests/unit/input/test_docs_commands.py runs it until the pictures are read"
LEFT = {
    "docker ": "needs an engine that builds and runs images",
    "kubectl ": "needs a cluster",
    "infra/secrets.sh": "writes into the checkout; tests/unit/project has what it draws",
    "aws ": "the AWS command line is no part of Lethe",
    "make demo": "tests/end_to_end/test_demo.py tells it",
    "make test": "is what runs this",
    ".venv/bin/python -m pytest ": "is what runs this, over a file that a reader has added",
    "lethe serve": UNTIL_STOPPED,
    "lethe --workspace WORKSPACE serve": UNTIL_STOPPED,
    "prefect server start ": UNTIL_STOPPED,
    "dask ": A_CLUSTER,
    "export PREFECT_API_URL=http://HOST": "these tests have a server of their own",
    "prefect work-pool ": A_POOL,
    "prefect gcl ": A_POOL,
    "prefect --no-prompt deploy ": A_POOL,
    "prefect worker ": A_POOL,
    "export LETHE_WORK_POOL=": A_POOL,
    "export LETHE_RESOURCE=": A_POOL,
    "lethe log --move": "tests/integration/on_postgresql moves a log, and kills that everywhere",
    "lethe init --data digits": "the workspace of these tests is made by it, in conftest.py",
    "lethe init --task generate": "takes minutes; test_generate.py makes one that draws less",
    "lethe init  ": "with a cluster; tests/integration/test_cluster.py computes on one",
    "lethe backup FOLDER ": "docs/backup.md has the same, and is followed",
    "lethe restore FOLDER ": "docs/backup.md has the same, and is followed",
    "lethe init --data train.parquet": READ_ELSEWHERE,
    "lethe init --data photos/": READ_ELSEWHERE,
    "lethe init --data classes/": READ_ELSEWHERE,
    "lethe init --data parts/": READ_ELSEWHERE,
}
"""What no page's reader runs, by the beginning of the line, and why."""


@dataclass(frozen=True)
class Block:
    """Some lines of a page. codes: how the last of them may end."""

    lines: tuple[str, ...]
    codes: frozenset[int] = frozenset({0})


def blocks(page: str) -> Iterator[Block]:
    """Give a page's blocks of commands, without the lines that are left."""
    for mark, kind, text in BLOCK.findall(page):
        whole = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        said = [line.removeprefix("$ ") for line in whole if kind == "sh" or line[:2] == "$ "]
        ends = re.findall(r"\d+", mark) if mark.startswith("ends with ") else ["0"]
        lines = tuple(line for line in said if not line.startswith(tuple(LEFT)))
        yield Block(lines, frozenset(map(int, ends)))


@dataclass
class Reader:
    """Who follows a page. environment: what his shell has; exports are added.

    templates: of settings, for `init`. meant: what stands for a word of the page here. before: what
    has to be done before a line, by its beginning, which gives the folder to run it in, if another.
    """

    folder: Path
    templates: Path
    context: ForkServerContext
    environment: dict[str, str]
    meant: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Callable[[], Path | None]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def follow(self, page: str) -> list[Answer]:
        """Run every block; a line that ends otherwise than the page says fails, with its words."""
        found = []
        for block in blocks(page):
            for number, line in enumerate(block.lines, start=1):
                last = number == len(block.lines)
                found.append(self.run(line, block.codes if last else frozenset({0})))
        return found

    def run(self, line: str, codes: frozenset[int] = frozenset({0})) -> Answer:
        """Run a line, which must end with one of these codes."""
        prepare = next((do for said, do in self.before.items() if line.startswith(said)), None)
        folder = (prepare() if prepare else None) or self.folder
        line = self._as_meant(line)
        answer = self._run(line, folder)
        assert answer.code in codes, f"{line}\n{answer.out[-2000:]}\n{answer.err[-2000:]}"
        for kind, name in SEEN.findall(answer.out)[::-1]:
            self.named[kind] = f"{kind}-{name}"
        return answer

    def _as_meant(self, line: str) -> str:
        for word, meant in self.meant.items():
            line = re.sub(rf"(?<![\w/]){re.escape(word)}(?!\w)", meant, line)
        for kind, name in self.named.items():
            line = NAMED[kind].sub(name, line)
        return line

    def _run(self, line: str, folder: Path) -> Answer:
        if line.startswith("export "):
            words = shlex.split(line, comments=True)[1:]
            self.environment |= dict(word.split("=", 1) for word in words)
            return Answer(0, "", "")
        words = shlex.split(line, comments=True)
        if words[0] == "lethe" and not FOR_A_SHELL.search(line):
            return self._lethe(words[1:], folder)
        return self._shell(line, folder)

    def _lethe(self, words: list[str], folder: Path) -> Answer:
        """Run it by a process that has the heavy packages loaded."""
        output = Path(tempfile.mkdtemp(prefix="said-", dir=self.folder.parent))
        arguments = (words, folder, output, self.environment, self.templates)
        process = self.context.Process(target=driver.follow, args=arguments)
        process.start()
        return Running(process, output).end()

    def _shell(self, line: str, folder: Path) -> Answer:
        ran = subprocess.run(
            ["bash", "-e", "-c", line],
            cwd=folder,
            env=with_lethe(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        return Answer(ran.returncode, ran.stdout, ran.stderr)


def with_lethe(environment: Mapping[str, str]) -> dict[str, str]:
    """Let a shell find the command of this environment."""
    own = str(Path(sys.executable).parent)
    return {**environment, "PATH": f"{own}:{environment.get('PATH', '')}"}
