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
    """A network that answers uint8 images (n, channels, height, width) with logits.

    A generator answers labels (n,) with pictures (n, channels, height, width) uint8.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from its recipe and weights."""
        from unlearning.networks import Recipe, load

        described = json.loads(Path(context.artifacts["recipe"]).read_text())
        weights = Path(context.artifacts["weights"])
        self.draws = "timesteps" in described
        if self.draws:
            from unlearning.generation import generators

            self.generator = generators.load(weights)
        else:
            self.network = load(weights, Recipe.from_dict(described))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Give logits (n, classes) float32, or a generator's pictures of labels.

        params: of drawing; guidance, steps and seed.
        """
        import torch

        if self.draws:
            return self._drawn(torch.from_numpy(model_input), params or {})
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(model_input), BATCH)
            answers: np.ndarray = torch.cat([self.network(part) for part in parts]).numpy()
        return answers

    def _drawn(self, labels: Any, params: dict[str, Any]) -> np.ndarray:
        import torch

        from unlearning.generation.sampling import Sampler, sampled

        chosen = {key: params[key] for key in ("guidance", "steps") if key in params}
        rng = torch.Generator().manual_seed(int(params.get("seed", 0)))
        return np.asarray(sampled(self.generator, labels, Sampler(**chosen), rng).images)


set_model(ServedNetwork())
