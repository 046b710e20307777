"""Shrinking, perturbing and distilling beside labels alone at the same cost."""
