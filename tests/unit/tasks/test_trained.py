"""What was trained once is kept, until somebody alters or removes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.running.trained import note_trained, noted_of
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError


def test_what_was_altered_is_an_alarm_and_what_was_removed_is_made_anew(tmp_path: Path) -> None:
    """The alarm says to remove the file: whoever did so is not asked for it again."""
    target = tmp_path / "judge-0.safetensors"
    assert noted_of(target, "judge", "run it again") is None
    target.write_bytes(b"weights")
    note_trained(target, {"sha256": sha256_file(target)})
    assert noted_of(target, "judge", "run it again") == {"sha256": sha256_file(target)}
    target.write_bytes(b"others")
    with pytest.raises(IntegrityError, match="remove it and run it again"):
        noted_of(target, "judge", "run it again")
    target.unlink()
    assert noted_of(target, "judge", "run it again") is None
