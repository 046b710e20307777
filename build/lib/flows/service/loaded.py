"""Importing this loads everything that a run needs; the warm process does it as its first act."""

from flows.service import warm

warm.load()
