"""params.yaml: every tunable number, read in one place and passed on as plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ledger import durable
from systems.settings.checking import build, parse_yaml, read_yaml
from systems.settings.generators import GeneratorParams
from unlearning.digests import digest_of
from unlearning.errors import PolicyError
from unlearning.settings import BOUND, CLASSIFY, GENERATE, above, between, check_value

WORDS = {
    "schedule": ("cosine", "one_cycle", "constant"),
    "optimiser": ("sgd", "adamw"),
    "augmentation": ("none", "crop", "crop_flip"),
    "precision": ("auto", "fp32", "bf16"),
    "decays": ("all", "weights"),
}
"""What training knows; a test holds unlearning/training/loop.py against it, which imports torch."""


LARGEST_SHARE = 0.9
"""Of the rows, for holdout or test; somebody must be left to learn from."""


@dataclass(frozen=True)
class DataParams:
    """How data is taken in.

    size: pixels a side after decoding; null takes the images' own. shards: files that subjects are
    spread over. holdout_fraction, test_fraction: shares of the rows, drawn by subject (see
    systems/data/splitting.py). label_noise: share of wrong labels, digits only. people_images:
    images of one synthetic person on average, digits only. alike_bits: by how many bits of 128 the
    likenesses of two pictures may differ, at most, for a person to be asked (`systems.data.alike`).
    """

    size: int | None = field(metadata=between(4, 4096))
    shards: int = field(metadata=between(1, 256))
    holdout_fraction: float = field(metadata=between(0, LARGEST_SHARE))
    test_fraction: float = field(metadata=between(0, LARGEST_SHARE))
    label_noise: float = field(metadata=between(0, 0.9))
    people_images: int = field(metadata=between(1, 1000))
    alike_bits: int = field(default=18, metadata=between(0, 63))


@dataclass(frozen=True)
class TrainingParams:
    """How originals, retrained models and shadows are trained; the words are unlearning's."""

    epochs: int = field(metadata=between(1, 100_000))
    batch_size: int = field(metadata=between(2, 1_000_000))
    learning_rate: float = field(metadata=above(0))
    momentum: float = field(metadata=between(0, 1))
    weight_decay: float = field(metadata=between(0, 1))
    schedule: str
    optimiser: str
    augmentation: str
    precision: str
    label_smoothing: float = field(default=0.0, metadata=between(0, 0.9))
    decays: str = "all"
    layer_decay: float = field(default=1.0, metadata=between(0.01, 1))
    warmup: float | None = field(default=None, metadata=between(0, 0.9))
    lipschitz: float | None = field(default=None, metadata=BOUND)

    def __post_init__(self) -> None:
        """Refuse words that training does not know, before torch is imported to say so."""
        for name, known in WORDS.items():
            if (got := getattr(self, name)) not in known:
                raise PolicyError(
                    f"params.yaml: training.{name}: got {got!r}, expected one of {', '.join(known)}"
                )


@dataclass(frozen=True)
class BankParams:
    """The shadow bank: shadows, trained by how many processes of this machine, and bases.

    cluster: null, or not there; it was where a cluster for shadows alone was named.
    bases: models kept with their weights, each trained on its share of the people alone, from which
    `warm_retrain` begins; 0 for none.
    """

    shadows: int = field(metadata={**between(4, 10_000), "even": True})
    workers: int = field(metadata=between(1, 1_024))
    cluster: str | None = None
    bases: int = field(default=0, metadata=between(0, 64))


@dataclass(frozen=True)
class ComputeParams:
    """Who computes: so many processes of this machine at one network, or a Dask cluster's workers.

    cluster: tcp://HOST:PORT or tls://HOST:PORT of its scheduler; null computes on this machine.
    """

    processes: int = field(default=1, metadata=between(1, 64))
    cluster: str | None = None

    def __post_init__(self) -> None:
        """Refuse both: a network goes to one worker."""
        if self.cluster is not None and self.processes > 1:
            raise PolicyError(
                f"params.yaml: compute: got {self.processes} processes and a cluster, expected one "
                "of the two: set processes to 1, or cluster to null"
            )


@dataclass(frozen=True)
class ModelParams:
    """The registered model's name, and the days a replaced champion may still be gone back to."""

    name: str
    grace_days: int = field(metadata=between(0, 3_650))


@dataclass(frozen=True)
class RemoteParams:
    """Where DVC pushes data to; null is the workspace's own remote/."""

    url: str | None


IDENTITY, CLOCK = ("optional", "required"), ("runs", "pauses")


@dataclass(frozen=True)
class RequestsParams:
    """What a request has to come with.

    identity: required, where one waits until it is confirmed who asks. clock: pauses, where its
    deadline stands still until then if its law lets it.
    """

    identity: str = "optional"
    clock: str = "runs"

    def __post_init__(self) -> None:
        """Refuse other words."""
        for name, known in (("identity", IDENTITY), ("clock", CLOCK)):
            if (got := getattr(self, name)) not in known:
                raise PolicyError(
                    f"params.yaml: requests.{name}: got {got!r}, expected one of {', '.join(known)}"
                )

    @property
    def asks(self) -> str | None:
        """What the clock does while it is asked who asks; None where nobody is asked."""
        return self.clock if self.identity == "required" else None


HEADS = ("ridge", "logistic")
"""What `unlearning.recipe` knows, which a test holds this against."""


@dataclass(frozen=True)
class HeadParams:
    """The head of a network whose backbone is frozen; `unlearning.recipe.Head` says what it means.

    backbone: SHA-256 of artifacts/backbone.safetensors.
    """

    backbone: str
    loss: str = "ridge"
    penalty: float = field(default=0.001, metadata=above(0))

    def __post_init__(self) -> None:
        """Refuse a loss that nobody knows."""
        if self.loss not in HEADS:
            raise PolicyError(
                f"params.yaml: head.loss: got {self.loss!r}, expected one of {', '.join(HEADS)}"
            )


@dataclass(frozen=True)
class Params:
    """params.yaml: every tunable number, read in one place.

    head: where the last layer alone is fitted, on a frozen backbone; then `training` is not read.
    generator: where the model draws pictures; then `network` and `training` are its judge's.
    """

    data: DataParams
    network: str
    training: TrainingParams
    bank: BankParams
    model: ModelParams
    remote: RemoteParams
    seed: int = field(metadata=between(0, 2**32 - 1))
    compute: ComputeParams = field(default_factory=ComputeParams)
    head: HeadParams | None = None
    generator: GeneratorParams | None = None
    requests: RequestsParams = field(default_factory=RequestsParams)

    def __post_init__(self) -> None:
        """Refuse beside a generator what only classifiers have."""
        alone = self.compute.processes == 1 and self.compute.cluster is None
        if self.generator and not (alone and self.head is None and not self.bank.bases):
            raise PolicyError(
                "params.yaml: generator: got it with a head, bases, several processes or a "
                "cluster, expected none of these: a generator is trained as a whole, in one process"
            )

    @property
    def task(self) -> str:
        """Say what the workspace's model does: it says what pictures show, or draws them."""
        return GENERATE if self.generator else CLASSIFY

    @property
    def conditions(self) -> dict[str, str]:
        """Digests of what a rung's result depends on: how networks are trained, and the bank.

        A setting that came later is left out at its first value, so that older digests hold.
        """
        trained = self.head or self.generator or self.training
        bank = {"shadows": self.bank.shadows, "bases": self.bank.bases}
        return {
            "training": digest_of({"network": self.network, **_told(trained)}),
            "bank": digest_of(bank),
        }


def _told(settings: TrainingParams | HeadParams | GeneratorParams) -> dict[str, Any]:
    return {f.name: v for f in fields(settings) if (v := getattr(settings, f.name)) != f.default}


def load_params(root: Path) -> Params:
    """Read params.yaml of a workspace; PolicyError names the key, what was got and expected."""
    params = read_params(root / "params.yaml")
    _refuse_place_of_old(params)
    return params


def _refuse_place_of_old(params: Params) -> None:
    """What a cluster is sent now is more than it was named for under the bank."""
    if params.bank.cluster is not None:
        raise PolicyError(
            f"params.yaml: bank.cluster: got {params.bank.cluster!r}, expected it as "
            "compute.cluster, which takes unlearning, judging and tuning as well as shadows: move "
            "it there"
        )


def read_params(path: Path) -> Params:
    """Read a file of that kind, whatever its name."""
    return build(Params, read_yaml(path)[1], path.name, defaults=True)


def parse_params(content: bytes, name: str = "params.yaml") -> Params:
    """Read settings from a file's bytes; PolicyError as in `load_params`."""
    return build(Params, parse_yaml(content, name), name, defaults=True)


def check_params(params: Params) -> None:
    """Refuse words that training does not know."""
    from unlearning.networks import check_name, check_ordered
    from unlearning.training.loop import Training

    _refuse_place_of_old(params)
    check_name(params.network)
    if params.training.layer_decay != 1:
        check_ordered(params.network)
    Training(**asdict(params.training))


def check_seed(seed: int, option: str) -> None:
    """Hold the seed of a command to what params.yaml may have; PolicyError names the option."""
    (own,) = (one for one in fields(Params) if one.name == "seed")
    check_value(seed, int, own.metadata, option)


def changed(content: bytes, changes: Mapping[str, Any]) -> bytes:
    """Set values such as {"training.epochs": 5} in a params.yaml, keeping its comments.

    Bytes in which these values stand already come back as they are.
    """
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    tree = parse_yaml_for_update(content.decode(), "params.yaml")
    differs = False
    for name, value in changes.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            if node.get(parent) is None:
                node[parent] = {}
            node = node[parent]
        differs |= last not in node or node[last] != value
        node[last] = value
    return _as_yaml_1_1(str(dumps_yaml(tree))).encode() if differs else content


def _as_yaml_1_1(text: str) -> str:
    """Write 1e-05 as 1.0e-05: the older rules, by which it is read, take the former for text."""
    return re.sub(r"(?<=: )(-?\d+)(?=e[-+]?\d+\s*(#|$))", r"\1.0", text, flags=re.MULTILINE)


def change_params(root: Path, changes: Mapping[str, Any]) -> Params:
    """Set values in a workspace's params.yaml; nothing is written if the result cannot be used."""
    path = root / "params.yaml"
    content = changed(read_yaml(path)[0], changes)
    params = parse_params(content)
    durable.write(path, content, mode=durable.OPEN)
    return params
