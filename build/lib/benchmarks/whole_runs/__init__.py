"""Whole deletions on real images, by the command line."""
