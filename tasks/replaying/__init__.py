"""Exact retraining is done again: from what data, what came of it, and whose turn it is."""
