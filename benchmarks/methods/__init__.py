"""Unlearning methods beside retraining."""
