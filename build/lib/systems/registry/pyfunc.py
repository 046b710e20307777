"""The code that MLflow runs to serve a registered version: models-from-code, no pickle.

MLflow copies this file, and the science package beside it, into every version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

BATCH = 1000


class ServedNetwork(PythonModel):
    """A network that answers uint8 images (n, channels, height, width) with logits."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from its recipe and weights."""
        from unlearning.networks import Recipe, load

        recipe = Recipe.from_dict(json.loads(Path(context.artifacts["recipe"]).read_text()))
        self.network = load(Path(context.artifacts["weights"]), recipe)

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Give logits (n, classes) float32."""
        import torch

        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(model_input), BATCH)
            answers: np.ndarray = torch.cat([self.network(part) for part in parts]).numpy()
        return answers


set_model(ServedNetwork())
