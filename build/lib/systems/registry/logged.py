"""What a run of MLflow is given besides numbers: the data that it read, and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

LONGEST_DIGEST = 36  # mlflow.utils.validation; the whole digest stands in the profile


@dataclass(frozen=True)
class DatasetUse:
    """What a run read: a name, a digest and a count; never a row. context: training, forget."""

    name: str
    digest: str
    n: int
    context: str

    def as_input(self) -> DatasetInput:
        """Give it as MLflow takes it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps({"num_rows": self.n, "digest": self.digest})
        source = json.dumps({"digest": self.digest})
        dataset = Dataset(self.name, self.digest[:LONGEST_DIGEST], "dvc", source, profile=profile)
        return DatasetInput(dataset, [InputTag("mlflow.data.context", self.context)])


@dataclass(frozen=True)
class Table:
    """A table of a run, as MLflow's `log_table` writes it; logged again, it is the same file."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def file(self) -> str:
        """Its place among the run's files."""
        return f"{self.name}.json"

    def as_logged(self) -> dict[str, object]:
        """Its content; what is no number is null."""
        return {"columns": list(self.columns), "data": [list(row) for row in self.rows]}


def listed(tables: Sequence[Table]) -> dict[str, str]:
    """The tag by which MLflow knows which files are tables."""
    files = [{"path": table.file, "type": "table"} for table in tables]
    return {"mlflow.loggedArtifacts": json.dumps(files)} if files else {}
