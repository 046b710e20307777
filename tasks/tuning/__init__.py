"""Tuning in a workspace: a method's settings, and the training that retraining repeats."""
