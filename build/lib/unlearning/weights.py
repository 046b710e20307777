"""Files of weights: safetensors only, and what does not fit in them is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from unlearning.errors import IntegrityError, NotSafetensors, UsageError

_WRAPPERS = {
    "module.": "torch's DataParallel",
    "_orig_mod.": "torch.compile",
    "body.": "Lethe's Classifier",
}


def read(path: Path) -> tuple[str | None, dict[str, Tensor]]:
    """Read a safetensors file: the metadata `recipe`, whoever wrote it, and the tensors.

    Raises NotSafetensors for any other format, before a byte of it is interpreted, and
    IntegrityError for a file that begins as safetensors and is cut short.
    """
    _refuse_other_formats(there(path))
    try:
        with safe_open(path, framework="pt") as file:
            described = (file.metadata() or {}).get("recipe")
            return described, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, RuntimeError, ValueError) as problem:
        raise IntegrityError(
            f"weights {path.name}: damaged safetensors file ({problem}); "
            "expected a complete one; fetch it again"
        ) from problem


def there(path: Path) -> Path:
    """Give the path of a file that is there; UsageError otherwise."""
    if not path.is_file():
        raise UsageError(f"weights {path.name}: no such file; expected a .safetensors file")
    return path


def misfit(expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> str | None:
    """Say why tensors are not those of a network, or None if they are."""
    missing = [f"tensor {key} is missing" for key in sorted(expected.keys() - got.keys())]
    extra = [f"tensor {key} is not expected" for key in sorted(got.keys() - expected.keys())]
    both = [key for key in expected if key in got]
    shapes = [
        f"tensor {key} has shape {tuple(got[key].shape)}, not {tuple(expected[key].shape)}"
        for key in both
        if got[key].shape != expected[key].shape
    ]
    kinds = [
        f"tensor {key} holds {str(got[key].dtype).removeprefix('torch.')}, not fractions"
        for key in both
        if expected[key].is_floating_point() and not got[key].is_floating_point()
    ]
    problems = missing + extra + shapes + kinds
    if not problems:
        return None
    return _wrapped(expected, got) or f"{problems[0]} ({len(problems)} such)"


def _wrapped(expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> str | None:
    """Name a prefix that all names have and should not."""
    for prefix, tool in _WRAPPERS.items():
        bare = {key.removeprefix(prefix) for key in got if key.startswith(prefix)}
        if bare and bare >= {key for key in expected if not key.endswith("num_batches_tracked")}:
            return (
                f"its tensors are named {prefix}NAME, as {tool} names them: write the file again "
                f"without {prefix!r}"
            )
    return None


def _refuse_other_formats(path: Path) -> None:
    """A safetensors file is eight bytes of header length, then JSON; nothing else passes."""
    with path.open("rb") as file:
        head = file.read(9)
    if len(head) < 9 or head[8:9] != b"{":
        pickled = head[:1] == b"\x80" or head[:2] == b"PK"
        kind = "a pickle or a PyTorch archive" if pickled else "a file of another format"
        raise NotSafetensors(
            f"weights {path.name}: got {kind}, expected safetensors; "
            "it was not opened, since such files can run code; convert it first"
        )
