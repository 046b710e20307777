"""What the service says: lines for a person, or one JSON object a record for what collects logs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from systems.settings.service import JSON

OURS = "lethe.service"


class AsJson(logging.Formatter):
    """Time, level, part, message. No traceback: what others put into one may name a person."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        error = record.exc_info[0] if record.exc_info else None
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "part": "service" if record.name == OURS else record.threadName,
            "message": record.getMessage() + (f" ({error.__name__})" if error else ""),
        }
        return json.dumps(told, ensure_ascii=False)


def begin(form: str) -> None:
    """Let all records of this process go to standard error in a form; ours from `info` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson() if form == JSON else logging.Formatter("lethe: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)


def say(line: str) -> None:
    """Say what has changed."""
    logging.getLogger(OURS).info(line)
