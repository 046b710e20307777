"""Batches of people who go together: are they told from a random draw, and who is refused."""
