"""Training that gives the same bits again, and the kind of machine on which it does.

What a network's bits follow from beside its data, settings and seed is its profile. On an equal one
the same training ends in the same bits; on another it ends nearby, and how near has to be measured.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearning.digests import digest_of, sha256_hex
from unlearning.domain import Examples
from unlearning.stored import BLOCK
from unlearning.training.loop import pick_device, uses_bf16

PACKAGES = ("torch", "numpy", "timm", "safetensors", "pillow")
KERNELS = {
    "cpu": (
        *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"),
        *("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
    ),
    "cuda": ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"),
}
"""What the environment may say that makes libraries choose other kernels, by device."""

TRAINS = ("training", "lipschitz", "heads", "methods")
"""Packages of ours whose code a training goes through, beside the modules at the top."""


@dataclass(frozen=True)
class Profile:
    """What the bits of a training depend on beside data, settings and seed.

    device, processor: their kinds, of no single machine. parts: that batches were cut into.
    precision: `fp32` or `bf16`. deterministic: whether every kernel gives the same bits again.
    build: digest of how torch was built. code: digest of our own. told: of `KERNELS`, those set.
    """

    device: str
    processor: str
    threads: int
    processes: int
    parts: int
    precision: str
    deterministic: bool
    packages: Mapping[str, str]
    build: str
    code: str
    told: Mapping[str, str]

    def as_record(self) -> dict[str, Any]:
        """Give it as evidence states it."""
        return asdict(self)


@dataclass
class Kernels:
    """What is known of the kernels that were used: whether one of them may give other bits."""

    deterministic: bool = True


def profile_of(kernels: Kernels, precision: str, *, processes: int = 1, parts: int = 1) -> Profile:
    """Describe this machine as a training in these kernels found it.

    precision: of the settings, `auto` too. processes: that trained together, all cores shared out.
    """
    device = pick_device()
    shared = max(1, (os.cpu_count() or 1) // processes)
    return Profile(
        device=_gpu() if device.type == "cuda" else "cpu",
        processor=f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {_processor()}",
        threads=torch.get_num_threads() if processes == 1 else shared,
        processes=processes,
        parts=parts,
        precision="bf16" if uses_bf16(precision, device) else "fp32",
        deterministic=kernels.deterministic,
        packages=packages(),
        build=sha256_hex(torch.__config__.show().encode())[:16],
        code=_code(),
        told={k: os.environ[k] for k in KERNELS.get(device.type, ()) if k in os.environ},
    )


def packages() -> dict[str, str]:
    """Give the versions of the libraries that decode pictures and train."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@contextmanager
def pinned() -> Iterator[Kernels]:
    """Let torch take the kernels that give the same bits again, and say whether it had them all."""
    memory: Any = torch.utils.deterministic  # a module that is a class, which no type tells
    cudnn, found = torch.backends.cudnn, Kernels()
    before = cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory
    strict = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    memory.fill_uninitialized_memory = False  # nothing here reads such memory
    try:
        with _noting(found):
            yield found
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warned)
        cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = before


@contextmanager
def _noting(found: Kernels) -> Iterator[None]:
    """Take torch's warning of a kernel that has no deterministic form for what it says."""
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("once", message=".*deterministic", category=UserWarning)
        yield
    for one in told:
        if "deterministic" in str(one.message):
            found.deterministic = False
        else:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def digest_of_examples(examples: Examples) -> str:
    """Digest pixels and labels in their order, wherever the pictures lie; no id is in it."""
    digest = hashlib.sha256(str(tuple(examples.images.shape)).encode())
    for start in range(0, len(examples), BLOCK):
        digest.update(np.ascontiguousarray(examples.images[start : start + BLOCK]).data)
    digest.update(examples.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _gpu() -> str:
    major, minor = torch.cuda.get_device_capability()
    cudnn: Any = torch.backends.cudnn
    versions = f"cuda {torch.version.cuda}, cudnn {cudnn.version()}"
    return f"{torch.cuda.get_device_name()} ({major}.{minor}), {versions}"


_KIND = (
    *("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
)
"""What Linux tells of a processor that is the same for all of its kind."""


def _processor() -> str:
    """Name a processor's kind, with a digest of all that makes it: kernels are chosen by it."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return platform.processor()
    pairs = (line.partition(":") for line in first.splitlines())
    kind = {key.strip(): value.strip() for key, _, value in pairs if key.strip() in _KIND}
    return f"{kind.get('model name', 'processor')} {digest_of(kind)[:12]}"


def _code() -> str:
    """Digest our own code that a training goes through."""
    root = Path(__file__).parents[1]
    folders = (root, *(root / name for name in TRAINS))
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return digest_of([sha256_hex(path.read_bytes()) for path in files])[:16]
