"""Gates, one file each; importing this package registers them all."""

from unlearning.contracts import Gate
from unlearning.registry import Registry

GATES: Registry[Gate] = Registry("gate")

from unlearning.gates import (  # noqa: E402
    bank,  # noqa: F401
    deployed,  # noqa: F401
    forgetting,  # noqa: F401
    generated,  # noqa: F401
    geometry,  # noqa: F401
    integrity,  # noqa: F401
    utility,  # noqa: F401
)
