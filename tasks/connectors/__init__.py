"""Copies outside: what a run owes there, and asking until it is gone."""
