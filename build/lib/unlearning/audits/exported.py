"""A network's export to ONNX, answered from by onnxruntime: the only module that knows of either.

They are an extra and imported where they are used. The export stays in memory.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from unlearning.errors import UsageError
from unlearning.gates.deployed import EXPORTED, check_exporters
from unlearning.networks import Classifier


class Exported(nn.Module):
    """An ONNX model on the CPU that answers as a network does; it has no weights to train."""

    def __init__(self, model: bytes) -> None:
        """Start a session on a serialised model whose one input is `pixels`, in 0..1."""
        from onnxruntime import InferenceSession, SessionOptions

        super().__init__()
        options = SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # Empty: inference asks a network's first parameter where it is, and moves it from there.
        self.home = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits (n, classes) for pixels (n, channels, size, size), uint8 or 0..1."""
        values = pixels / 255 if pixels.dtype == torch.uint8 else pixels
        (logits,) = self._session.run(None, {"pixels": values.cpu().contiguous().numpy()})
        return torch.from_numpy(logits).to(pixels.device)


def exported(network: nn.Module) -> Exported:
    """Export a network in evaluation mode, normalisation inside, for any number of pictures.

    Raises PolicyError where the packages are not installed, UsageError for what is no Classifier.
    """
    check_exporters(EXPORTED)
    if not isinstance(network, Classifier):
        raise UsageError(f"onnx: got a {type(network).__name__}, expected a Classifier to export")
    return Exported(_as_onnx(network))


def _as_onnx(network: Classifier) -> bytes:
    recipe, copy = network.recipe, deepcopy(network).cpu().eval()
    # Two pictures: the exporter would take a batch of one for a constant.
    pixels = torch.zeros(2, recipe.channels, recipe.size, recipe.size)
    program = torch.onnx.export(
        copy,
        (pixels,),
        input_names=["pixels"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("pictures")},),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise UsageError(f"onnx: {recipe.network} could not be exported")
    model: bytes = program.model_proto.SerializeToString()
    return model
