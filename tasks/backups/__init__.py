"""Copies of a whole workspace: taken, opened again without who was erased since, and destroyed."""
