"""Gates, one file each; importing this package registers them all."""

from unlearning.contracts import Gate
from unlearning.registry import Registry

GATES: Registry[Gate] = Registry("gate")

from unlearning.gates import bank, deployed, forgetting, integrity, utility  # noqa: E402, F401
