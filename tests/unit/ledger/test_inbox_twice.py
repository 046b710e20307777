"""An inbox that one process has open twice loses nothing when another process comes and goes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from ledger import keys
from ledger.domain import Selector
from ledger.inbox import Inbox, Incoming

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
VISIT = """
import sys
from pathlib import Path
from ledger.inbox import Inbox
inbox = Inbox.open(Path(sys.argv[1]), Path(sys.argv[2]))
print(len(inbox.waiting()))
inbox.close()
"""


def visitors_count(place: Path, folder: Path) -> int:
    command = [sys.executable, "-c", VISIT, str(place), str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_what_is_received_is_there_for_everybody(tmp_path: Path) -> None:
    place, folder = tmp_path / "inbox", tmp_path / "keys"
    keys.create_keys(folder, tmp_path)
    one, other = Inbox.open(place, folder), Inbox.open(place, folder)
    for number in range(1, 4):
        said = Incoming(Selector("subject", (f"{number}",)), NOW, "gdpr", "crm", f"{number}")
        one.receive(said, now=NOW)
        assert visitors_count(place, folder) == number
    assert len(other.waiting()) == 3
    one.close()
    other.close()
