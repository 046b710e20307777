"""The steps of a run as in-toto statements in signed envelopes, which public tools can read."""
