"""Copies outside, which Lethe did not make: a folder, a bucket's prefix, a system that is asked."""
