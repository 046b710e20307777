"""How networks change: the loop, optimisers, descent, distillation, adversarial search."""
