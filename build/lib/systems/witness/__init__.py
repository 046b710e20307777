"""Witnesses: where the workspace's owner cannot reach, evidence and checkpoints of the log."""
