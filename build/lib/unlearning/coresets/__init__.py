"""Whether a small part of a forget set would do: the causal core-set, how to look for it, when to
believe it. It shrinks what is unlearned, never what is erased."""
