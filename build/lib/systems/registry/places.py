"""The places that MLflow's database names: they follow the folder, wherever it was moved or copied.

MLflow writes absolute addresses and would go on reading, writing and deleting there. Here they
follow from the folder and the ids alone, and are put right whenever the database is opened.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

EXPERIMENT = "lethe"

_SETTLE = (
    "UPDATE experiments SET artifact_location = :home || '/0' "
    "WHERE experiment_id = 0 AND artifact_location != :home || '/0'",
    "UPDATE experiments SET artifact_location = :root "
    "WHERE name = :name AND artifact_location != :root",
    "UPDATE runs SET artifact_uri = :root || '/' || run_uuid || '/artifacts' "
    "WHERE experiment_id IN (SELECT experiment_id FROM experiments WHERE name = :name) "
    "AND artifact_uri != :root || '/' || run_uuid || '/artifacts'",
    "UPDATE logged_models SET artifact_location = :root || '/models/' || model_id || '/artifacts' "
    "WHERE experiment_id IN (SELECT experiment_id FROM experiments WHERE name = :name) "
    "AND artifact_location != :root || '/models/' || model_id || '/artifacts'",
    "UPDATE model_versions SET storage_location = :root || '/models/' || substr(source, 9) "
    "|| '/artifacts' WHERE source LIKE 'models:/m-%' AND storage_location != :root || '/models/' "
    "|| substr(source, 9) || '/artifacts'",
)
"""Only what differs is written, so that opening a settled database writes nothing."""


def artifacts(mlruns: Path) -> Path:
    """Give the folder below which all files of runs and versions lie."""
    return mlruns / "artifacts"


def settle(mlruns: Path) -> None:
    """Let every address in the database name its place below `mlruns`; sqlite3.Error if not."""
    database = mlruns / "mlflow.db"
    if not database.is_file():
        return
    home = mlruns.resolve().as_uri()
    known = "SELECT 1 FROM sqlite_master WHERE name = 'logged_models'"
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        if connection.execute(known).fetchone():
            places = {"home": home, "root": f"{home}/artifacts", "name": EXPERIMENT}
            for statement in _SETTLE:
                connection.execute(statement, places)
