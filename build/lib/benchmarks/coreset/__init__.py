"""Whether unlearning a tenth of a forget set does what unlearning all of it does."""
