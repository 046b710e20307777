"""Somebody who follows a page word for word: its commands, in order, in a folder of his own.

Run are the blocks marked `sh`. Above one, `<!-- not run: REASON -->` passes it over, and `<!-- ends
with 10 or 11 -->` says how it ends, if not with 0. REQUEST and RUN are what was named last.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.end_to_end import driver
from tests.end_to_end.commandline import SECONDS, Answer, Running

BLOCK = re.compile(r"(?:<!-- ([^>]*) -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = "not run: "
FOR_A_SHELL = re.compile(r"[|><;&(]|\$\{?\w")
NAMED = {"REQUEST": re.compile(r"req-[0-9a-f]{12}"), "RUN": re.compile(r"run-[0-9a-f]{12}")}


@dataclass(frozen=True)
class Block:
    """Some lines of a page. codes: how the last of them may end. reason: why nothing is run."""

    lines: tuple[str, ...]
    codes: frozenset[int] = frozenset({0})
    reason: str = ""


def blocks(page: str) -> Iterator[Block]:
    """Give a page's blocks of commands."""
    for mark, text in BLOCK.findall(page):
        lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        reason = mark.removeprefix(LEFT_OUT) if mark.startswith(LEFT_OUT) else ""
        ends = re.findall(r"\d+", mark) if mark.startswith("ends with ") else ["0"]
        yield Block(tuple(lines), frozenset(map(int, ends)), reason)


@dataclass
class Reader:
    """Who follows a page. environment: what his shell has; exports are added.

    templates: of settings, for `init`.
    """

    folder: Path
    templates: Path
    context: ForkServerContext
    environment: dict[str, str]
    named: dict[str, str] = field(default_factory=dict)

    def follow(self, page: str) -> list[Answer]:
        """Run every block; a line that ends otherwise than the page says fails, with its words."""
        found = []
        for block in blocks(page):
            for number, line in enumerate([] if block.reason else block.lines, start=1):
                answer = self._run(self._as_meant(line))
                may = block.codes if number == len(block.lines) else {0}
                assert answer.code in may, f"{line}\n{answer.out[-2000:]}\n{answer.err[-2000:]}"
                self._remember(answer)
                found.append(answer)
        return found

    def _as_meant(self, line: str) -> str:
        for word, meant in self.named.items():
            line = re.sub(rf"\b{word}\b", meant, line)
        return line

    def _remember(self, answer: Answer) -> None:
        for word, pattern in NAMED.items():
            if names := pattern.findall(answer.out):
                self.named[word] = names[0]

    def _run(self, line: str) -> Answer:
        if line.startswith("export "):
            words = shlex.split(line, comments=True)[1:]
            self.environment |= dict(word.split("=", 1) for word in words)
            return Answer(0, "", "")
        words = shlex.split(line, comments=True)
        if words[0] == "lethe" and not FOR_A_SHELL.search(line):
            return self._lethe(words[1:])
        return self._shell(line)

    def _lethe(self, words: list[str]) -> Answer:
        """Run it by a process that has the heavy packages loaded."""
        output = Path(tempfile.mkdtemp(prefix="said-", dir=self.folder.parent))
        arguments = (words, self.folder, output, self.environment, self.templates)
        process = self.context.Process(target=driver.follow, args=arguments)
        process.start()
        return Running(process, output).end()

    def _shell(self, line: str) -> Answer:
        ran = subprocess.run(
            ["bash", "-e", "-c", line],
            cwd=self.folder,
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
