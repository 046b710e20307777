"""`make demo` tells its story to the end, with a bank and epochs that cost little."""

from __future__ import annotations

import re
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.end_to_end import driver
from tests.end_to_end.commandline import SECONDS, Running

README = Path(__file__).parents[2] / "README.md"
CHEAPEST = ("--shadows", "8", "--epochs", "3")

COMMAND = re.compile(r"^ *\$ lethe (\w+(?: --\w+)?(?: digits)?)", re.MULTILINE)
"""What is run, up to the values that differ from one workspace to another."""


def test_the_story_is_told_to_its_end(context: ForkServerContext, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    environment = {"TMPDIR": str(tmp_path)}
    process = context.Process(target=driver.tell, args=(tmp_path, CHEAPEST, output, environment))
    process.start()
    told = Running(process, output).end(3 * SECONDS)  # a dozen commands
    assert told.code == 0, told.out[-3000:] + told.err[-3000:]
    ten, impostor, one, tampering = re.split(r"^[2-5]\. ", told.out, flags=re.MULTILINE)[1:]
    assert "champion is now version 2" in ten and re.search(r"=> released, assurance A[23]", ten)
    assert re.search(r"=> (refused|inconclusive) \(exit code 1[01]\)", impostor)
    assert "can it be decided? False" in one and "retrain" in one
    assert re.search(r"evidence: ok True, \d+ checks \(exit code 0\)", tampering)
    assert "(exit code 30)" in tampering and "put back: ok True (exit code 0)" in tampering
    assert (tmp_path / re.findall(r"demo/evidence/\S+html", told.out)[0]).is_file()
    ran = COMMAND.findall(told.out)
    shown = COMMAND.findall(README.read_text().split("```")[1])
    assert ran[:2] == shown[:2] == ["init --data digits", "submit --subject"]
    assert {line.split()[0] for line in shown} <= {line.split()[0] for line in ran}
