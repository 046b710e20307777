"""What the service says as JSON: one line a record, and no traceback that might name a person."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from flows.service import logs
from systems.settings.service import JSON


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_each_record_is_one_line_with_its_part(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin(JSON)

    def door() -> None:
        try:
            raise ValueError("jane@example.com\nwrote this")
        except ValueError:
            logging.getLogger("elsewhere").exception("a call\nfailed")

    logs.say("runner: works")
    thread = threading.Thread(target=door, name="door-0")
    thread.start()
    thread.join()
    logging.getLogger("elsewhere").info("nobody wants to know")
    one, other = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (one["level"], one["part"], one["message"]) == ("info", "service", "runner: works")
    assert (other["level"], other["part"]) == ("error", "door-0")
    assert other["message"] == "a call\nfailed (ValueError)" and "jane" not in str(other)
    assert datetime.fromisoformat(one["time"]).tzinfo is not None


def test_for_a_person_it_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin("text")
    logs.say("runner: works")
    assert capsys.readouterr().err == "lethe: runner: works\n"
