"""How often the intervals that gates read miss the truth."""
