"""Whose requests can be served, and what the open ones mean for everybody else."""
