"""A bundle and a log, altered in every way that is drawn: each time it is found and said."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.cli.work.verifying import Expected, verify_evidence
from ledger.keys import load_public_keys
from ledger.lines import LOG
from tasks.keeping.verified import verify_exported
from tests.end_to_end.conftest import Told
from tests.tampering import LONG, Report, altered_folders, changed

COUNT = LONG or 60


def test_every_change_to_a_bundle_is_found(
    told: Told, tmp_path: Path, record_property: Report
) -> None:
    record_property("n", COUNT)
    bundle = Path(shutil.copytree(told.bundle, tmp_path / "bundle"))
    key = load_public_keys(told.lethe.root / "records" / "public.pem")
    assert verify_evidence(bundle, key, Expected())["ok"]
    for change in altered_folders(bundle, COUNT, seed=11):
        found = verify_evidence(bundle, key, Expected())
        assert not found["ok"] and found["problems"], change
    assert verify_evidence(bundle, key, Expected())["ok"]


def test_every_change_to_an_exported_log_is_found(
    told: Told, tmp_path: Path, record_property: Report
) -> None:
    record_property("n", COUNT)
    key = load_public_keys(told.lethe.root / "records" / "public.pem")
    content = (told.lethe.root / "records" / LOG).read_bytes()
    head = told.lethe.entries()[-1]["hash"]
    for change, altered in changed(content, COUNT, seed=12):
        (tmp_path / LOG).write_bytes(altered)
        assert not verify_exported(tmp_path / LOG, key, head).ok, change
