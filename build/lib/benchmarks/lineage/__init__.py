"""Stored models that never saw the people of a request: what they cost and what they give."""
