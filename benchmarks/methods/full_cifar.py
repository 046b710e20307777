"""All of CIFAR-10, as the unlearning papers have it: 50,000 training and 10,000 test images.

    python -m benchmarks.methods.full_cifar --mib 30

writes the shared Parquet files once more, as parts of at most so many MiB, under
artifacts/benchmarks/cifar10-parts: for a machine that the data reaches in pieces. They are read
from there where ../shared/data is not.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import samples
from benchmarks.methods.trials import TrialName
from benchmarks.samples import Setting
from unlearning.domain import BoolArray, Examples, joined
from unlearning.errors import UsageError
from unlearning.networks import Recipe
from unlearning.training.loop import Training

PARTS = samples.ROOT / "artifacts" / "benchmarks" / "cifar10-parts"
COUNTS = {"train": 50_000, "test": 10_000}
COLUMNS = ["image", "label", "sample_id"]

RECIPE = samples.recipe_on_cifar10("resnet18-cifar")


def files(part: str) -> list[Path]:
    """Give the Parquet files of `train` or `test`: the shared one, or its parts."""
    for folder in (samples.SHARED / "cifar10", PARTS):
        if found := whole(folder, part):
            return found
    raise UsageError(
        f"cifar10 {part}: {COUNTS[part]:,} images are neither in ../shared/data nor, all parts "
        f"together, in {PARTS.relative_to(samples.ROOT)}; "
        "make them with benchmarks.methods.full_cifar"
    )


def whole(folder: Path, part: str) -> list[Path]:
    """Give a part's Parquet files in a folder if all its pictures are there, else none."""
    found = sorted(folder.glob(f"{part}*.parquet"))
    return found if sum(map(_rows, found)) == COUNTS[part] else []


def examples(part: str) -> Examples:
    """Decode all images of a part, in a random order that is always the same."""
    parts = [samples.decoded(path, np.arange(_rows(path))) for path in files(part)]
    return joined(*parts).take(np.random.default_rng(0).permutation(COUNTS[part]))


def _rows(path: Path) -> int:
    return int(pq.ParquetFile(path).metadata.num_rows)


def setting(name: str, recipe: Recipe) -> Setting:
    """Give the whole set; none is held out, so that no shadow bank and no holdout set is there."""
    train, test = examples("train"), examples("test")
    return Setting(
        name,
        train,
        test.take(np.arange(0)),
        test,
        recipe,
        Training(epochs=200, schedule="cosine", augmentation="crop_flip"),
        shadows=0,
        forgotten=5_000,
    )


def forgets(trial: TrialName) -> BoolArray:
    """Give the mask of a seed's random tenth of the training examples, (50000,)."""
    mask = np.zeros(COUNTS["train"], dtype=bool)
    mask[np.random.default_rng(5_000 + trial.seed).permutation(len(mask))[:5_000]] = True
    return mask


def write_parts(path: Path, folder: Path, mib: float) -> list[Path]:
    """Cut a Parquet file's rows into files of at most so many MiB; rows are of nearly one size."""
    table = pq.read_table(path, columns=COLUMNS)
    count = math.ceil(1.02 * path.stat().st_size / (mib * 2**20))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, rows in enumerate(np.array_split(np.arange(len(table)), count)):
        written.append(folder / f"{path.stem}-{number:02d}.parquet")
        piece = table.slice(rows[0], len(rows))
        plain = {"use_dictionary": False, "write_statistics": False}
        pq.write_table(piece, written[-1], compression="zstd", **plain)
    return written


def main() -> None:
    """Write the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=float, default=30.0, help="largest part")
    args = parser.parse_args()
    for part in COUNTS:
        for path in write_parts(samples.SHARED / f"cifar10/{part}.parquet", PARTS, args.mib):
            print(f"{path.relative_to(samples.ROOT)} {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
