"""Unlearning methods, one file each; importing this package registers them all."""

from unlearning.contracts import Method
from unlearning.registry import Registry

METHODS: Registry[Method] = Registry("method")

from unlearning.methods import (  # noqa: E402, F401
    amun,
    bad_teacher,
    boundary_shrink,
    conv_transpose,
    famr,
    finetune,
    gradient_ascent,
    head_downdate,
    l1_sparse,
    masked_small_gradients,
    neg_grad_plus,
    random_label,
    retrain,
    salun,
    scrub,
    sfr_on,
    shrink_distil,
    ssd,
    trw,
    warm_retrain,
)
